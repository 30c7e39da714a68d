//! `/registration-tokens`: initial access tokens (RFC 7591 §3), made and ended by an operator.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;
use serde::Serialize;

use super::audit::{self, Happened};
use super::error::{Refusal, respond};
use super::json_body;
use crate::Deps;
use crate::registration_tokens::{self, MakeTokenError};

#[derive(Serialize)]
struct MadeTokenAnswer<'token> {
    id: &'token str,
    /// For the `Authorization` header of `POST /register`. Shown here and never again.
    initial_access_token: &'token str,
    uses: u32,
    /// Unix seconds.
    expires_at: i64,
}

/// Makes a token.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = make(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

/// Ends a token before its time. One that is not there has ended.
pub async fn delete(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = end(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn make(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let members = json_body::read(request, payload, &["application/json"], Refusal::InitialTokenBody).await?;
    let added = Happened::to_ours(AuditAction::RegistrationTokenAdded, None);
    let making = registration_tokens::make(deps, &members);
    let made = audit::around_with(request, deps, added, making, |made| Some(made.id.clone())).await?;
    Ok(HttpResponse::Created().json(MadeTokenAnswer {
        id: &made.id,
        initial_access_token: &made.token,
        uses: made.uses,
        expires_at: made.expires_at.unix_seconds(),
    }))
}

async fn end(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default();
    let retired = Happened::to_ours(AuditAction::RegistrationTokenRetired, Some(id));
    let end = async { registration_tokens::end(deps, id).await.map_err(MakeTokenError::from) };
    audit::around(request, deps, retired, end).await?;
    Ok(HttpResponse::NoContent().finish())
}
