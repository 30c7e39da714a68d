//! `/clients/{client_id}/secrets`: rotating the secret of a client.

use actix_web::http::header::PRAGMA;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use common::Timestamp;
use credentials::audit::AuditAction;
use credentials::secret::{SecretId, StoredSecret};
use serde::Serialize;
use serde_json::Value;

use super::one::client_id;
use super::operator;
use crate::Deps;
use crate::administer_secrets::{self, AdministerSecretsError, NewSecret};
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};
use crate::http::json_body;
use crate::http::query::{ManagementRequestDefect, Query};

pub(super) const GRACE_SECONDS: &str = "graceSeconds";
/// How long the old secret goes on, unless the operator says otherwise: a day to roll out the new one.
const DEFAULT_GRACE_SECONDS: u32 = 86_400;
/// What `graceSeconds` must be.
pub(super) const GRACE_ALLOWED: &str = "a whole number of seconds from 0 to 7776000, which is 90 days";
/// 90 days.
const MAX_GRACE_SECONDS: u64 = 7_776_000;

/// A secret, without anything that opens anything.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSecret {
    id: SecretId,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_four: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct SecretsAnswer {
    secrets: Vec<ShownSecret>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSecretAnswer<'secret> {
    client_secret: &'secret str,
    /// When the secrets before it end.
    others_end_at: Timestamp,
    #[serde(flatten)]
    secret: ShownSecret,
}

/// Answers the live secrets, none of them readable.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = list(&request, &deps).await;
    respond(&request, &deps, outcome)
}

/// Adds a secret and sets an end to the others.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = rotate(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

/// Forgets one secret.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = remove(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn list(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let secrets = administer_secrets::list(deps, &client_id(request)?).await?;
    let secrets = secrets.into_iter().map(ShownSecret::from).collect();
    Ok(HttpResponse::Ok().json(SecretsAnswer { secrets }))
}

async fn rotate(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let members =
        json_body::read_optional(request, payload, &["application/json"], Refusal::PatchBody).await?;
    if members.keys().any(|name| name != GRACE_SECONDS) {
        return Err(ManagementRequestDefect::UnknownMember(GRACE_SECONDS).into());
    }
    let grace = members.get(GRACE_SECONDS).map_or(Ok(DEFAULT_GRACE_SECONDS), grace_seconds)?;
    let operator = operator(request);
    let rotation = administer_secrets::rotate(deps, &operator, &id, grace);
    let added = Happened::to(AuditAction::SecretAdded, &id);
    let id_of = |new: &NewSecret| Some(new.stored.id().as_str().to_owned());
    let new = audit::around_with(request, deps, added, rotation, id_of).await?;
    let secret = ShownSecret::from(new.stored);
    Ok(HttpResponse::Created().insert_header((PRAGMA, "no-cache")).json(NewSecretAnswer {
        client_secret: &new.secret,
        others_end_at: new.others_end,
        secret,
    }))
}

async fn remove(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let force = Query::read(request, &["force"])?.flag("force")?;
    let secret_id = request.uri().path().rsplit('/').next().unwrap_or_default();
    let operator = operator(request);
    let removal = administer_secrets::remove(deps, &operator, &id, secret_id, force);
    let retired = Happened::to(AuditAction::SecretRetired, &id).subject(secret_id);
    audit::around(request, deps, retired, removal).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// How long what there was goes on.
pub(super) fn grace_seconds(value: &Value) -> Result<u32, ManagementRequestDefect> {
    let seconds = value.as_u64().filter(|seconds| *seconds <= MAX_GRACE_SECONDS);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or(ManagementRequestDefect::Value { name: GRACE_SECONDS, allowed: GRACE_ALLOWED })
}

impl From<StoredSecret> for ShownSecret {
    fn from(secret: StoredSecret) -> Self {
        Self {
            id: secret.id(),
            last_four: secret.last_four,
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            last_used_at: secret.last_used_at,
        }
    }
}

impl From<AdministerSecretsError> for Refusal {
    fn from(error: AdministerSecretsError) -> Self {
        match error {
            AdministerSecretsError::Client(error) => error.into(),
            error => Self::AdministerSecrets(error),
        }
    }
}
