//! `/clients/{client_id}/usage`: how much a client is used, as far as the audit log remembers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use common::Timestamp;
use credentials::audit::{AuditAction, AuditFilter};
use serde::Serialize;

use super::one::client_id;
use crate::Deps;
use crate::administer_clients;
use crate::http::audit::ReadAuditError;
use crate::http::error::{Refusal, respond};
use crate::http::query::Query;

/// Nobody counts further: a client with so many tokens is in use.
const COUNTED: u32 = 100_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    tokens_issued: u32,
    /// Whether there were more.
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login: Option<Timestamp>,
}

/// Answers the number of tokens that the client got.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = count(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn count(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let since = Query::read(request, &["since"])?.moment("since")?;
    let client = administer_clients::find(deps, &client_id(request)?).await?;
    let last_login = client.last_login;
    let (client, action) = (Some(client.id), Some(AuditAction::TokenIssued));
    let filter = AuditFilter { client, action, since, until: None };
    deps.audit.flush().await;
    let counting = deps.stores.audit.count(&filter, COUNTED.saturating_add(1)).await;
    let found = counting.map_err(ReadAuditError::from)?;
    let (tokens_issued, more) = (found.min(COUNTED), found > COUNTED);
    let answer = UsageAnswer { since, tokens_issued, more, last_login };
    Ok(HttpResponse::Ok().json(answer))
}
