//! `/clients`: making clients with powers (upstream contract §1.2), and looking through them.

pub mod one;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use credentials::client::{Client, ClientFilter, ClientId};
use credentials::form::{Form, FormDefect};
use serde::Serialize;

use super::error::{Refusal, respond};
use super::register::register;
use crate::Deps;
use crate::administer_clients;
use crate::register_client::Registrant;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Why a request of an operator cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManagementRequestDefect {
    #[error("the query cannot be read: {0}")]
    Query(#[from] FormDefect),
    #[error("limit is not a number from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("after is not a client id")]
    After,
    #[error("If-Match is not one version")]
    IfMatch,
}

#[derive(Serialize)]
struct PageAnswer {
    clients: Vec<Client>,
    /// Pass it as `after` to get the next page; null on the last one.
    next: Option<ClientId>,
}

/// Registers a client with the powers it is given.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let outcome = register(&request, payload, &deps, Registrant::Operator, None).await;
    respond(&request, &deps, outcome)
}

/// Answers a page of clients, in ascending order of their ids.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = list(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn list(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes())
        .map_err(ManagementRequestDefect::from)?;
    let limit = match query.get("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or(ManagementRequestDefect::Limit)?,
    };
    let after = query.get("after").map(ClientId::parse).transpose();
    let after = after.map_err(|_| ManagementRequestDefect::After)?;
    let page = administer_clients::list(deps, &ClientFilter::default(), after.as_ref(), limit).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(PageAnswer { clients: page.clients, next: page.next }))
}
