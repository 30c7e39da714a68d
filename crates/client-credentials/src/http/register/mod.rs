//! `POST /register` (RFC 7591 §3, upstream contract §1.1): anybody gets a client, unless `REGISTRATION` says otherwise, and
//! it can do nothing.

pub mod one;

use actix_web::http::header::PRAGMA;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::Profile;
use credentials::audit::AuditAction;
use serde_json::{Map, Value, json};
use service_kit::access_log::annotate;
use service_kit::to_the_end::to_the_end;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::{bearer, json_body, source};
use crate::Deps;
use crate::config::RegistrationMode;
use crate::register_client::{self, RegisterClientError, RegisteredClient, Registrant};
use crate::registration_tokens::{self, Admission};

/// Registers a powerless client.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    // Else a caller who leaves half-way would leave a secret without its client behind.
    to_the_end(async move {
        let outcome = admit_and_register(&request, payload, &deps).await;
        respond(&request, &deps, outcome)
    })
    .await
}

async fn admit_and_register(
    request: &HttpRequest,
    payload: Payload,
    deps: &Deps,
) -> Result<HttpResponse, Refusal> {
    let admission = match deps.registration {
        RegistrationMode::Open => None,
        RegistrationMode::Token => {
            let token = bearer::token(request.headers())?;
            Some(registration_tokens::admit(deps, token).await.map_err(RegisterClientError::from)?)
        }
        RegistrationMode::Closed => return Err(Refusal::RegistrationClosed),
    };
    register(request, payload, deps, Registrant::Stranger, admission).await
}

/// Makes a client of the body, as far as the registrant may.
pub(super) async fn register(
    request: &HttpRequest,
    payload: Payload,
    deps: &Deps,
    registrant: Registrant,
    admission: Option<Admission>,
) -> Result<HttpResponse, Refusal> {
    let members = json_body::description(request, payload, Refusal::RegistrationBody).await?;
    if registrant == Registrant::Stranger {
        register_client::admit(deps, source::of(request, &deps.trusted_proxies))?;
    }
    let token_id = admission.as_ref().map(|admission| admission.token_id().to_owned());
    let prepared = register_client::prepare(deps, &registrant, admission, &members).await?;
    let id = prepared.id().clone();
    let action = match registrant {
        Registrant::Stranger => AuditAction::ClientRegistered,
        Registrant::Operator(_) => AuditAction::ClientCreated,
    };
    let happened = Happened { subject: token_id.as_deref(), ..Happened::to(action, &id) };
    let registered = audit::around(request, deps, happened, prepared.store(deps)).await?;
    deps.metrics.clients_registered.inc();
    annotate(request, |line| match registrant {
        Registrant::Stranger => line.client_id = Some(id.to_string()),
        Registrant::Operator(_) => line.target_client = Some(id.to_string()),
    });
    let members = match (registrant, deps.profile) {
        (Registrant::Stranger, Profile::Standard) => full_answer(deps, &registered),
        // Upstream contract §1.1: these members and no others, in this order.
        (Registrant::Stranger, Profile::DropIn) | (Registrant::Operator(_), _) => brief_answer(&registered),
    };
    Ok(HttpResponse::Created().insert_header((PRAGMA, "no-cache")).json(members))
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
fn full_answer(deps: &Deps, registered: &RegisteredClient) -> Map<String, Value> {
    let mut members = brief_answer(registered);
    if let Some(token) = &registered.registration_token {
        members.extend(one::management(deps, &registered.client.id, token));
    }
    members.extend(registered.client.registered_metadata());
    members
}
