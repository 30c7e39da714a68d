//! `/clients/{client_id}/keys`: replacing the key of a client without a gap.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::Timestamp;
use credentials::audit::AuditAction;
use credentials::client::{ClientKey, ClientKeyDefect};
use credentials::form;
use credentials::key::PublicKey;
use jose::public_key;
use serde::Serialize;
use serde_json::{Map, Value};

use super::one::client_id;
use super::operator;
use super::secrets::{GRACE_ALLOWED, GRACE_SECONDS, grace_seconds};
use crate::Deps;
use crate::administer_client_keys::{self, AdministerClientKeysError};
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};
use crate::http::json_body;
use crate::http::query::{ManagementRequestDefect, Query};

const PUBLIC_KEY: &str = "public_key";

/// A key, without the numbers that it consists of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownKey<'key> {
    kid: &'key str,
    #[serde(flatten)]
    kind: Kind<'key>,
    added_at: Timestamp,
    /// `active`, or `retiring` if it has an end.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Kind<'key> {
    kty: &'key str,
    alg: &'key str,
    /// RFC 7638. Null if it cannot be told.
    thumbprint: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeysAnswer<'keys> {
    keys: Vec<ShownKey<'keys>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<&'keys str>,
}

/// Answers the live keys.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = list(&request, &deps).await;
    respond(&request, &deps, outcome)
}

/// Adds a key beside the others.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = add(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

/// Retires a key.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = retire(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn list(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let found = administer_client_keys::list(deps, &client_id(request)?).await?;
    let keys = found.keys.iter().map(ShownKey::from).collect();
    let answer = KeysAnswer { keys, jwks_uri: found.jwks_uri.as_deref() };
    Ok(HttpResponse::Ok().json(answer))
}

async fn add(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let body = json_body::read(request, payload, &["application/json"], Refusal::KeyBody).await?;
    let (jwk, grace) = wanted(&body)?;
    let operator = operator(request);
    let addition = administer_client_keys::add(deps, &operator, &id, jwk, grace);
    let kid = |added: &PublicKey| added.kid().map(str::to_owned);
    let happened = Happened::to(AuditAction::ClientKeyAdded, &id);
    let added = audit::around_with(request, deps, happened, addition, kid).await?;
    let shown = ClientKey::new(added, deps.clock.now());
    Ok(HttpResponse::Created().json(ShownKey::from(&shown)))
}

async fn retire(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let query = Query::read(request, &[GRACE_SECONDS])?;
    let grace = query.parsed(GRACE_SECONDS, GRACE_ALLOWED, |text| {
        grace_seconds(&Value::from(text.parse::<u64>().ok()?)).ok()
    })?;
    let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
    let kid = form::decode_path_segment(segment).ok_or(ClientKeyDefect::Missing);
    let kid = kid.map_err(AdministerClientKeysError::from)?;
    let operator = operator(request);
    let step = administer_client_keys::retire(deps, &operator, &id, &kid, grace.unwrap_or_default());
    let retired = Happened::to(AuditAction::ClientKeyRetired, &id).subject(&kid);
    audit::around(request, deps, retired, step).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The key, and the grace of the others if they are to end.
fn wanted(body: &Map<String, Value>) -> Result<(&Map<String, Value>, Option<u32>), ManagementRequestDefect> {
    if body.keys().any(|name| ![PUBLIC_KEY, GRACE_SECONDS].contains(&name.as_str())) {
        return Err(ManagementRequestDefect::UnknownMember("public_key and graceSeconds"));
    }
    let jwk = body.get(PUBLIC_KEY).and_then(Value::as_object);
    let jwk =
        jwk.ok_or(ManagementRequestDefect::Value { name: PUBLIC_KEY, allowed: "a JWK: a JSON object" })?;
    Ok((jwk, body.get(GRACE_SECONDS).map(grace_seconds).transpose()?))
}

impl<'key> From<&'key ClientKey> for ShownKey<'key> {
    fn from(key: &'key ClientKey) -> Self {
        Self {
            kid: key.key.kid().unwrap_or_default(),
            kind: Kind::from(&key.key),
            added_at: key.added_at,
            state: if key.expires_at.is_some() { "retiring" } else { "active" },
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

impl<'key> From<&'key PublicKey> for Kind<'key> {
    fn from(key: &'key PublicKey) -> Self {
        Self {
            kty: key.members().get("kty").and_then(Value::as_str).unwrap_or_default(),
            alg: key.algorithm().unwrap_or_default(),
            thumbprint: public_key::thumbprint(key).ok(),
        }
    }
}

impl From<AdministerClientKeysError> for Refusal {
    fn from(error: AdministerClientKeysError) -> Self {
        match error {
            AdministerClientKeysError::Client(error) => error.into(),
            error => Self::AdministerClientKeys(error),
        }
    }
}
