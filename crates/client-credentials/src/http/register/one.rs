//! `/register/{client_id}` (RFC 7592): a client looks after its own registration, with the token it got there.

use actix_web::http::header::PRAGMA;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::{Actor, AuditAction};
use credentials::client::{Client, ClientId};
use credentials::form;
use serde_json::{Map, Value, json};
use service_kit::access_log::annotate;
use service_kit::to_the_end::to_the_end;

use crate::Deps;
use crate::http::audit::{self, Happened};
use crate::http::bearer::{self, WrongToken};
use crate::http::error::{Refusal, respond};
use crate::http::even_time::at_an_even_time;
use crate::http::{json_body, source};
use crate::manage_registration;

/// Tells what is registered. Never the secret: it is stored as a hash (C-7592-03).
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    at_an_even_time(async move {
        let outcome = find(&request, &deps).await;
        respond(&request, &deps, outcome)
    })
    .await
}

/// Puts another description in its place.
pub async fn put(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    to_the_end(at_an_even_time(async move {
        let outcome = replace(&request, payload, &deps).await;
        respond(&request, &deps, outcome)
    }))
    .await
}

/// Forgets the client.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    to_the_end(at_an_even_time(async move {
        let outcome = remove(&request, &deps).await;
        respond(&request, &deps, outcome)
    }))
    .await
}

async fn find(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let (id, token) = holder(request)?;
    let client = manage_registration::find(deps, &id, token).await?;
    Ok(information(deps, &client, token))
}

async fn replace(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let (id, token) = holder(request)?;
    // Strangers are sent away before their body is read.
    manage_registration::find(deps, &id, token).await?;
    manage_registration::admit(deps, source::of(request, &deps.trusted_proxies))?;
    let members = json_body::description(request, payload, Refusal::ReplacementBody).await?;
    // A replacement changes all of them. Not the names that were sent: they may be any text.
    let names = |client: &Client| {
        let registered = client.registered_metadata();
        Some(registered.keys().map(String::as_str).collect::<Vec<_>>().join(","))
    };
    audit::acting(request, Actor::Client { id: id.clone() });
    let replacement = manage_registration::replace(deps, &id, token, &members);
    let changed = Happened::to(AuditAction::ClientChanged, &id);
    let client = audit::around_with(request, deps, changed, replacement, names).await?;
    Ok(information(deps, &client, token))
}

async fn remove(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let (id, token) = holder(request)?;
    let permissions = manage_registration::removable(deps, &id, token).await?;
    manage_registration::admit(deps, source::of(request, &deps.trusted_proxies))?;
    audit::acting(request, Actor::Client { id: id.clone() });
    let removal = manage_registration::remove(deps, &id, permissions);
    audit::around(request, deps, Happened::to(AuditAction::ClientDeleted, &id), removal).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which client the path names, and the token that is presented. A segment that is no client id is nobody's: that is told
/// like a wrong token (C-7592-09).
fn holder(request: &HttpRequest) -> Result<(ClientId, &str), Refusal> {
    let token = bearer::token(request.headers())?;
    let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
    let id = form::decode_path_segment(segment).and_then(|text| ClientId::parse(&text).ok());
    let id = id.ok_or(WrongToken)?;
    annotate(request, |line| line.client_id = Some(id.to_string()));
    Ok((id, token))
}

/// RFC 7592 §3. The token is the one that was presented: it does not change.
fn information(deps: &Deps, client: &Client, token: &str) -> HttpResponse {
    let mut members = Map::new();
    members.insert("client_id".to_owned(), json!(client.id));
    members.insert("client_id_issued_at".to_owned(), json!(client.created_at.unix_seconds()));
    members.extend(management(deps, &client.id, token));
    members.extend(client.registered_metadata());
    HttpResponse::Ok().insert_header((PRAGMA, "no-cache")).json(members)
}

/// Where the registration is looked after, and with what. The URL follows from the issuer, never from what a request says
/// about its host (C-7592-02, T-REG-09).
pub(super) fn management(deps: &Deps, id: &ClientId, token: &str) -> Map<String, Value> {
    let mut members = Map::new();
    if let Some(uri) = deps.discovery.registration_client_uri(id) {
        members.insert("registration_access_token".to_owned(), json!(token));
        members.insert("registration_client_uri".to_owned(), json!(uri));
    }
    members
}
