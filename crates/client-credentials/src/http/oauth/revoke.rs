//! `POST /oauth/revoke` (RFC 7009).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::{Actor, AuditAction};
use credentials::client::ClientId;

use super::client_request;
use crate::Deps;
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, respond};
use crate::revoke_token::{self, RevokedToken};

/// Revokes a token.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = revoke(&request, payload, &deps).await;
    respond(&request, &deps, outcome)
}

async fn revoke(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let form = client_request::form(request, payload).await?;
    let mut place = client_request::place(request)?;
    // token_type_hint is not looked at: there is one kind of token (RFC 7009 §2.1).
    let question = client_request::token_question(request, &form)?;
    if let Some(RevokedToken { by, claims }) = revoke_token::run(deps, question, &mut place).await? {
        deps.metrics.tokens_revoked.inc();
        audit::acting(request, Actor::Client { id: by });
        let owner = ClientId::parse(&claims.sub).ok();
        let action = AuditAction::TokenRevoked;
        let happened = Happened { action, client: owner.as_ref(), subject: Some(&claims.jti), reason: None };
        audit::note(request, deps, happened);
    }
    // Nothing that tells a token that was revoked now from one that was not valid before (RFC 7009 §2.2).
    Ok(HttpResponse::Ok().finish())
}
