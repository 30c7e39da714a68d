//! `GET /tokeninfo` (upstream contract §1.4): what a token says, if it is valid.

use actix_web::http::header::{HeaderValue, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use service_kit::access_log::annotate;

use super::bearer;
use super::error::{Refusal, respond};
use crate::Deps;
use crate::describe_token::{self, DescribeTokenError};
use crate::metrics::TokeninfoOutcome;

/// Answers the claims of the token in `Authorization`; tokens elsewhere are not looked at (T-TOK-05).
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = describe(&request, &deps).await;
    deps.metrics.tokeninfo(match &outcome {
        Ok(_) => TokeninfoOutcome::Valid,
        Err(Refusal::DescribeToken(
            DescribeTokenError::KeysUnknown(_) | DescribeTokenError::RevocationUnknown,
        )) => TokeninfoOutcome::CannotKnow,
        Err(_) => TokeninfoOutcome::Refused,
    });
    let mut response = respond(&request, &deps, outcome);
    response.headers_mut().insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

async fn describe(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let token = bearer::token(request.headers())?;
    let claims = describe_token::run(deps, token).await?;
    annotate(request, |line| line.client_id = Some(claims.sub.clone()));
    Ok(HttpResponse::Ok().json(claims))
}
