//! `POST /register` (RFC 7591 §3, upstream contract §1.1): anybody gets a client, and it can do nothing.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::Profile;
use credentials::StoreError;
use credentials::audit::AuditAction;
use serde_json::{Map, Value, json};
use service_kit::access_log::annotate;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::{json_body, source};
use crate::Deps;
use crate::register_client::{self, RegisterClientError, RegisteredClient, Registrant};

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
    let registered = register_to_the_end(deps, registrant.clone(), members).await?;
    deps.metrics.clients_registered.inc();
    let id = registered.client.id.to_string();
    match registrant {
        Registrant::Stranger => {
            annotate(request, |line| line.client_id = Some(id));
            audit::note(request, deps, Happened::to(AuditAction::ClientRegistered, &registered.client.id));
        }
        Registrant::Operator(_) => {
            annotate(request, |line| line.target_client = Some(id));
            let happened = Happened::to(AuditAction::ClientCreated, &registered.client.id);
            audit::record(request, deps, happened).await?;
        }
    }
    let members = match (registrant, deps.profile) {
        (Registrant::Stranger, Profile::Standard) => full_answer(&registered),
        // Upstream contract §1.1: these members and no others, in this order.
        (Registrant::Stranger, Profile::DropIn) | (Registrant::Operator(_), _) => brief_answer(&registered),
    };
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(members))
}

/// Who the client is, and its secret if it has one. `client_secret_expires_at` 0: never.
fn brief_answer(registered: &RegisteredClient) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("client_id".to_owned(), json!(registered.client.id));
    if let Some(secret) = &registered.secret {
        members.insert("client_secret".to_owned(), json!(**secret));
        members.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    members.insert("client_id_issued_at".to_owned(), json!(registered.client.created_at.unix_seconds()));
    members
}

/// The same, and everything that is registered (RFC 7591 §3.2.1).
fn full_answer(registered: &RegisteredClient) -> Map<String, Value> {
    let mut members = brief_answer(registered);
    members.extend(registered.client.registered_metadata());
    members
}
