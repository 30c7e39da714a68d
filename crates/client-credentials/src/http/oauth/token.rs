//! `POST /oauth/token` (RFC 6749 §3.2, upstream contract §1.3).

use actix_web::http::header::PRAGMA;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::{Actor, AuditAction};
use credentials::form::Form;
use credentials::scope;
use serde::Serialize;
use service_kit::to_the_end::to_the_end;

use super::client_request::{self, ClientRequestDefect};
use crate::Deps;
use crate::http::audit::{self, Happened};
use crate::http::error::{Refusal, TOO_MANY_WRONG_SECRETS, reason};
use crate::http::even_time::at_an_even_time;
use crate::issue_token::{self, TokenRequest};

/// The one grant (RFC 6749 §4.4).
pub(crate) const GRANT_TYPE: &str = "client_credentials";

/// Why a form is not a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestDefect {
    #[error(transparent)]
    Client(#[from] ClientRequestDefect),
    #[error("grant_type is missing")]
    GrantTypeMissing,
    #[error("grant_type is not client_credentials")]
    GrantTypeUnsupported,
    #[error("scope breaks the grammar of RFC 6749 appendix A.4")]
    ScopeMalformed,
}

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct TokenAnswer<'token> {
    access_token: &'token str,
    token_type: &'static str,
    expires_in: i64,
    /// Beside a scope that was asked for (RFC 6749 §5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'token str>,
}

/// Issues a token.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    // Else whoever leaves in time is never counted, and guesses as often as they like.
    to_the_end(at_an_even_time(async move {
        let outcome = issue(&request, payload, &deps).await;
        if let Err(refusal) = &outcome {
            note_refusal(&request, &deps, refusal);
        }
        client_request::respond(&request, &deps, outcome)
    }))
    .await
}

fn note_refusal(request: &HttpRequest, deps: &Deps, refusal: &Refusal) {
    let reason = reason(refusal);
    deps.metrics.token_refused(reason);
    // A flood of wrong secrets has its own event, once a minute.
    if reason != TOO_MANY_WRONG_SECRETS {
        let client = client_request::refused_client(request, refusal);
        let (action, client) = (AuditAction::TokenRefused, client.as_ref());
        audit::note(request, deps, Happened { action, client, subject: None, reason: Some(reason) });
    }
}

async fn issue(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let form = client_request::form(request, payload).await?;
    let mut place = client_request::place(request)?;
    let token_request = read(request, &form)?;
    let issued = issue_token::run(deps, token_request, &mut place).await?;
    deps.metrics.token_issued(issued.method);
    audit::acting(request, Actor::Client { id: issued.client.clone() });
    let happened = Happened::to(AuditAction::TokenIssued, &issued.client).subject(&issued.jti);
    audit::note(request, deps, happened);
    Ok(HttpResponse::Ok().insert_header((PRAGMA, "no-cache")).json(TokenAnswer {
        access_token: &issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in_seconds,
        scope: issued.scope.as_deref(),
    }))
}

fn read(request: &HttpRequest, form: &Form) -> Result<TokenRequest, TokenRequestDefect> {
    match form.get("grant_type") {
        Some(GRANT_TYPE) => {}
        Some(_) => return Err(TokenRequestDefect::GrantTypeUnsupported),
        None => return Err(TokenRequestDefect::GrantTypeMissing),
    }
    let scope = form
        .get("scope")
        .map(|text| scope::names(text).ok_or(TokenRequestDefect::ScopeMalformed))
        .transpose()?;
    Ok(TokenRequest {
        credential: client_request::credential(request, form)?,
        client_id: form.get("client_id").map(str::to_owned),
        audiences: form.all("audience").map(str::to_owned).collect(),
        resources: form.all("resource").map(str::to_owned).collect(),
        scope,
    })
}
