//! `POST /clients/{client_id}/revoke-tokens`: every token that a client got until now.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::AuditAction;

use super::one::client_id;
use super::operator;
use crate::Deps;
use crate::administer_clients;
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};

/// Stands for them in the audit log.
const ALL_TOKENS: &str = "all";

/// Revokes them, on every replica. The client may get new ones at once.
pub async fn post(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = revoke(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn revoke(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let id = client_id(request)?;
    let operator = operator(request);
    let revoked = Happened::to(AuditAction::TokenRevoked, &id).subject(ALL_TOKENS);
    audit::around(request, deps, revoked, administer_clients::revoke_tokens(deps, &operator, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
