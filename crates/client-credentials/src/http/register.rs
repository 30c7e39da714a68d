//! `POST /register` (RFC 7591 §3, upstream contract §1.1): anybody gets a client, and it can do nothing.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;
use serde::Serialize;
use service_kit::access_log::annotate;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::json_body;
use crate::Deps;
use crate::register_client::{self, Registrant};

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
    let outcome = register(&request, payload, &deps, &Registrant::Stranger).await;
    respond(&request, &deps, outcome)
}

/// Makes a client of the body, as far as the registrant may.
pub(super) async fn register(
    request: &HttpRequest,
    payload: Payload,
    deps: &Deps,
    registrant: &Registrant,
) -> Result<HttpResponse, Refusal> {
    let members = json_body::read(request, payload, &["application/json"], Refusal::RegistrationBody).await?;
    let client = register_client::run(deps, registrant, &members).await?;
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
