//! `POST /register` (RFC 7591 §3, upstream contract §1.1): anybody gets a client, and it can do nothing.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::StoreError;
use credentials::audit::AuditAction;
use serde::Serialize;
use serde_json::{Map, Value};
use service_kit::access_log::annotate;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::{json_body, source};
use crate::Deps;
use crate::register_client::{self, RegisterClientError, RegisteredClient, Registrant};

/// RFC 7591 §3.2.1, members in upstream's order.
#[derive(Serialize)]
struct RegistrationAnswer<'client> {
    client_id: &'client str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'client str>,
    /// 0: never. Only beside a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    client_id_issued_at: i64,
}

/// Registers a powerless client.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = register(&request, payload, &deps, Registrant::Stranger).await;
    respond(&request, &deps, outcome)
}

/// Goes on if the caller leaves half-way: else it would leave a secret without its client behind (T-REG-11).
async fn register_to_the_end(
    deps: &Data<Deps>,
    registrant: Registrant,
    members: Map<String, Value>,
) -> Result<RegisteredClient, RegisterClientError> {
    let deps = Data::clone(deps);
    let registering =
        actix_web::rt::spawn(async move { register_client::run(&deps, &registrant, &members).await });
    registering.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.into()).into()))
}

/// Makes a client of the body, as far as the registrant may.
pub(super) async fn register(
    request: &HttpRequest,
    payload: Payload,
    deps: &Data<Deps>,
    registrant: Registrant,
) -> Result<HttpResponse, Refusal> {
    let members = json_body::read(request, payload, &["application/json"], Refusal::RegistrationBody).await?;
    if registrant == Registrant::Stranger {
        register_client::admit(deps, source::of(request, &deps.trusted_proxies))?;
    }
    let client = register_to_the_end(deps, registrant.clone(), members).await?;
    deps.metrics.clients_registered.inc();
    annotate(request, |line| line.client_id = Some(client.id.to_string()));
    match registrant {
        Registrant::Stranger => {
            audit::note(request, deps, Happened::to(AuditAction::ClientRegistered, &client.id));
        }
        Registrant::Operator(_) => {
            audit::record(request, deps, Happened::to(AuditAction::ClientCreated, &client.id)).await?;
        }
    }
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(RegistrationAnswer {
            client_id: client.id.as_str(),
            client_secret: client.secret.as_deref().map(String::as_str),
            client_secret_expires_at: client.secret.as_ref().map(|_| 0),
            client_id_issued_at: client.issued_at.unix_seconds(),
        }))
}
