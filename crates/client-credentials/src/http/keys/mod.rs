//! `/keys`: the signing keys, for operators.

pub mod one;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;
use credentials::key::Algorithm;
use serde_json::json;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::json_body;
use crate::Deps;
use crate::administer_keys;

/// Why a request about keys cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRequestDefect {
    #[error("algorithm is not one that tokens are signed with")]
    Algorithm,
    #[error("immediately is not true or false")]
    Immediately,
    #[error("the body has a member that means nothing here")]
    UnknownMember,
}

/// Answers all keys that are not gone.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = administer_keys::list(&deps).await;
    let shown = outcome.map_err(Refusal::from).map(|keys| HttpResponse::Ok().json(json!({ "keys": keys })));
    respond(&request, &deps, shown)
}

/// Makes a next key.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = make(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

async fn make(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let mut body = json_body::read(request, payload, &["application/json"], Refusal::KeyBody).await?;
    let algorithm = body.remove("algorithm");
    let algorithm = algorithm.as_ref().and_then(|name| name.as_str()).and_then(Algorithm::named);
    let offered = algorithm.filter(|algorithm| Algorithm::OF_ACCESS_TOKENS.contains(algorithm));
    let algorithm = offered.ok_or(KeyRequestDefect::Algorithm)?;
    if !body.is_empty() {
        return Err(KeyRequestDefect::UnknownMember.into());
    }
    let added = Happened::to_ours(AuditAction::SigningKeyAdded, None);
    let making = administer_keys::make(deps, algorithm);
    let made = audit::around_with(request, deps, added, making, |made| Some(made.kid.clone())).await?;
    Ok(HttpResponse::Created().json(made))
}
