//! `POST /oauth/revoke` (RFC 7009).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::{Actor, AuditAction};
use credentials::client::ClientId;
use service_kit::to_the_end::to_the_end;

use super::client_request;
use crate::Deps;
use crate::http::audit::{self, Happened};
use crate::http::error::Refusal;
use crate::http::even_time::at_an_even_time;
use crate::revoke_token;

/// Revokes a token.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    to_the_end(at_an_even_time(async move {
        let outcome = revoke(&request, payload, &deps).await;
        client_request::respond(&request, &deps, outcome)
    }))
    .await
}

async fn revoke(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let form = client_request::form(request, payload).await?;
    let mut place = client_request::place(request)?;
    // token_type_hint is not looked at: there is one kind of token (RFC 7009 §2.1).
    let question = client_request::token_question(request, &form)?;
    if let Some(token) = revoke_token::prepare(deps, question, &mut place).await? {
        audit::acting(request, Actor::Client { id: token.by.clone() });
        let owner = ClientId::parse(&token.claims.sub).ok();
        let (action, client) = (AuditAction::TokenRevoked, owner.as_ref());
        let happened = Happened { action, client, subject: Some(&token.claims.jti), reason: None };
        audit::around(request, deps, happened, token.revoke(deps)).await?;
        deps.metrics.tokens_revoked.inc();
    }
    // Nothing that tells a token that was revoked now from one that was not valid before (RFC 7009 §2.2).
    Ok(HttpResponse::Ok().finish())
}
