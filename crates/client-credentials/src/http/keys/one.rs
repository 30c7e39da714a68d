//! `/keys/{kid}/…`: the steps of one key.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;
use credentials::form;
use credentials::key::ring::{RefusedStep, Urgency};
use serde_json::Value;

use super::KeyRequestDefect;
use crate::Deps;
use crate::administer_keys::{self, AdministerKeysError, KeyReport};
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};
use crate::http::json_body;
use crate::signing_keys::KeyStepError;

/// Makes the key sign.
pub async fn activate(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = match asked(&request, payload).await {
        Ok((kid, urgency)) => {
            step(&request, &deps, &kid, administer_keys::activate(&deps, &kid, urgency)).await
        }
        Err(refusal) => Err(refusal),
    };
    respond(&request, &deps, outcome)
}

/// Takes the key out of use.
pub async fn retire(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = match asked(&request, payload).await {
        Ok((kid, urgency)) => {
            step(&request, &deps, &kid, administer_keys::retire(&deps, &kid, urgency)).await
        }
        Err(refusal) => Err(refusal),
    };
    respond(&request, &deps, outcome)
}

async fn step(
    request: &HttpRequest,
    deps: &Deps,
    kid: &str,
    step: impl Future<Output = Result<KeyReport, AdministerKeysError>>,
) -> Result<HttpResponse, Refusal> {
    let changed = Happened::to_ours(AuditAction::SigningKeyChanged, Some(kid));
    let key = audit::around(request, deps, changed, step).await?;
    Ok(HttpResponse::Ok().json(key))
}

/// The key the path names, and the urgency that the body asks for; without a body there is none.
async fn asked(request: &HttpRequest, payload: Payload) -> Result<(String, Urgency), Refusal> {
    let mut body =
        json_body::read_optional(request, payload, &["application/json"], Refusal::KeyBody).await?;
    let urgency = match body.remove("immediately") {
        None | Some(Value::Bool(false)) => Urgency::WhenSafe,
        Some(Value::Bool(true)) => Urgency::Immediately,
        Some(_) => return Err(KeyRequestDefect::Immediately.into()),
    };
    if !body.is_empty() {
        return Err(KeyRequestDefect::UnknownMember.into());
    }
    let unknown = || AdministerKeysError::Step(KeyStepError::Refused(RefusedStep::Unknown));
    let segment = request.uri().path().split('/').nth(2).unwrap_or_default();
    let kid = form::decode_path_segment(segment).ok_or_else(unknown)?;
    Ok((kid, urgency))
}
