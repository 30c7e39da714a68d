//! `POST /oauth/token` (RFC 6749 §3.2, upstream contract §1.3).

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::form::{Form, FormDefect};
use serde::Serialize;
use service_kit::access_log::annotate;
use service_kit::body;

use super::presented_credential;
use crate::Deps;
use crate::http::error::{Refusal, reason, respond};
use crate::issue_token::{self, TokenRequest};

/// The one grant (RFC 6749 §4.4).
pub(crate) const GRANT_TYPE: &str = "client_credentials";

/// Parameters that must not be in the query, where logs and histories keep them (C-6749-05).
const NEVER_IN_QUERY: [&str; 6] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type", "access_token", "password"];

/// Why a body is not a token request. Nothing about clients is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestDefect {
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    #[error(transparent)]
    Form(#[from] FormDefect),
    #[error("the query holds credentials")]
    CredentialsInQuery,
    #[error("there are several Authorization headers, or several credentials in one")]
    SeveralAuthorizations,
    #[error("the client authenticates in more than one way")]
    SeveralMethods,
    #[error("client_assertion holds several assertions")]
    SeveralAssertions,
    #[error("client_assertion or client_assertion_type is missing")]
    IncompleteAssertion,
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
}

/// Issues a token.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = issue(&request, payload, &deps).await;
    if let Err(refusal) = &outcome {
        deps.metrics.token_refused(reason(refusal));
    }
    respond(&request, &deps, outcome)
}

async fn issue(request: &HttpRequest, payload: Payload, deps: &Deps) -> Result<HttpResponse, Refusal> {
    check_query(request)?;
    if body::media_type(request) != "application/x-www-form-urlencoded" {
        return Err(TokenRequestDefect::NotAForm.into());
    }
    let body = body::read(request, payload).await?;
    let token_request = read(request, &body)?;
    if let Some(client) = token_request.credential.claimed_client() {
        annotate(request, |line| line.client_id = Some(client.into()));
    }
    let issued = issue_token::run(deps, token_request).await?;
    deps.metrics.token_issued(issued.method);
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(TokenAnswer {
            access_token: &issued.token,
            token_type: "Bearer",
            expires_in: issued.expires_in_seconds,
        }))
}

fn check_query(request: &HttpRequest) -> Result<(), TokenRequestDefect> {
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    if NEVER_IN_QUERY.iter().any(|name| query.names(name)) {
        return Err(TokenRequestDefect::CredentialsInQuery);
    }
    Ok(())
}

fn read(request: &HttpRequest, body: &[u8]) -> Result<TokenRequest, TokenRequestDefect> {
    let form = Form::parse(body)?;
    match form.get("grant_type") {
        Some(GRANT_TYPE) => {}
        Some(_) => return Err(TokenRequestDefect::GrantTypeUnsupported),
        None => return Err(TokenRequestDefect::GrantTypeMissing),
    }
    if form.get("scope").is_some_and(|scope| !is_scope(scope)) {
        return Err(TokenRequestDefect::ScopeMalformed);
    }
    Ok(TokenRequest {
        credential: presented_credential::find(request.headers(), &form)?,
        client_id: form.get("client_id").map(str::to_owned),
        audiences: form.all("audience").map(str::to_owned).collect(),
        resources: form.all("resource").map(str::to_owned).collect(),
    })
}

/// RFC 6749 appendix A.4. A well-formed scope is ignored: what a client may do is in its permissions (RFC 6749 §3.3).
fn is_scope(scope: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    scope.split(' ').all(|token| !token.is_empty() && token.bytes().all(legal))
}
