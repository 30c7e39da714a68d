//! `/clients/{client_id}`: one client.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;
use credentials::client::{Client, ClientId};
use credentials::form;
use service_kit::access_log::annotate;

use super::{if_match, operator};
use crate::Deps;
use crate::administer_clients::{self, AdministerClientsError};
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};
use crate::http::json_body;

/// Answers the client.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = find(&request, &deps).await;
    respond(&request, &deps, outcome)
}

/// Changes the client by a JSON merge patch (RFC 7396).
pub async fn patch(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = change(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

/// Forgets the client and its secrets.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = remove(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn find(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    Ok(shown(&administer_clients::find(deps, &id).await?))
}

async fn change(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let expected = expected_version(request, deps, &id).await?;
    let media_types = ["application/merge-patch+json", "application/json"];
    let patch = json_body::read(request, payload, &media_types, Refusal::PatchBody).await?;
    let operator = operator(request);
    let names = patch.keys().map(String::as_str).collect::<Vec<_>>().join(",");
    let changed = Happened::to(AuditAction::ClientChanged, &id).subject(&names);
    let change = administer_clients::change(deps, &operator, &id, &patch, expected);
    Ok(shown(&audit::around(request, deps, changed, change).await?))
}

async fn remove(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let (operator, expected) = (operator(request), expected_version(request, deps, &id).await?);
    let removal = administer_clients::remove(deps, &operator, &id, expected);
    audit::around(request, deps, Happened::to(AuditAction::ClientDeleted, &id), removal).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn shown(client: &Client) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", client.version))).json(client)
}

/// The client that a path names, `/clients/{client_id}` or one below it. A segment that is no client id names none.
pub(in crate::http) fn client_id(request: &HttpRequest) -> Result<ClientId, Refusal> {
    let segment = request.uri().path().split('/').nth(2).unwrap_or_default();
    let id = form::decode_path_segment(segment).and_then(|text| ClientId::parse(&text).ok());
    let id = id.ok_or(AdministerClientsError::Missing)?;
    annotate(request, |line| line.target_client = Some(id.to_string()));
    Ok(id)
}

/// The version that a change is to be made to: one of those in `If-Match`. Without that header, or with `*`, any will do.
async fn expected_version(request: &HttpRequest, deps: &Deps, id: &ClientId) -> Result<Option<u64>, Refusal> {
    let Some(versions) = if_match::versions(request)? else { return Ok(None) };
    if let [version] = versions[..] {
        return Ok(Some(version));
    }
    let current = administer_clients::find(deps, id).await?.version;
    let matched = versions.into_iter().find(|version| *version == current);
    Ok(Some(matched.ok_or(AdministerClientsError::OtherVersion)?))
}
