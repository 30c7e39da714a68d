//! `/clients`: making clients with powers (upstream contract §1.2), and looking through them.

mod if_match;
pub mod keys;
pub mod one;
pub mod registration_token;
pub mod revoke_tokens;
pub mod secrets;
pub mod usage;

use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use credentials::client::{Client, ClientFilter, ClientId, ClientOrigin, ClientState};
use credentials::secret::PagedList;
use serde::Serialize;
use service_kit::to_the_end::to_the_end;

use super::error::{Refusal, respond};
use super::query::{ManagementRequestDefect, Query};
use super::register::register;
use crate::Deps;
use crate::administer_clients::{self, Operator};
use crate::register_client::Registrant;

/// What a list can be asked for. The last stands for `metadata.` and the name of a member.
const PARAMETERS: [&str; 9] = [
    "limit",
    "after",
    "state",
    "origin",
    "name",
    "permission",
    "created_before",
    "unused_since",
    "metadata.",
];

#[derive(Serialize)]
struct PageAnswer {
    clients: Vec<Client>,
    /// Pass it as `after` to get the next page; null on the last one.
    next: Option<String>,
}

/// Registers a client with the powers it is given.
pub async fn post(request: HttpRequest, payload: Payload, deps: Data<Deps>) -> HttpResponse {
    let registrant = Registrant::Operator(operator(&request));
    to_the_end(async move {
        let outcome = register(&request, payload, &deps, registrant, None).await;
        respond(&request, &deps, outcome)
    })
    .await
}

/// Who asks, as the door of the management listener found out.
pub(super) fn operator(request: &HttpRequest) -> Operator {
    request.extensions().get::<Operator>().cloned().unwrap_or(Operator::Nobody)
}

/// Answers a page of clients, in ascending order of their ids.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = list(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn list(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let query = Query::read(request, &PARAMETERS)?;
    let limit = query.limit()?;
    let after = query.after(&deps.pepper, PagedList::Clients, |id| ClientId::parse(id).ok())?;
    let page = administer_clients::list(deps, &filter(&query)?, after.as_ref(), limit).await?;
    Ok(HttpResponse::Ok().json(PageAnswer {
        clients: page.clients,
        next: page.next.map(|last| deps.pepper.page_after(PagedList::Clients, last.as_str())),
    }))
}

fn filter(query: &Query) -> Result<ClientFilter, ManagementRequestDefect> {
    let state = |text: &str| ClientState::ALL.into_iter().find(|state| state.as_str() == text);
    let origin = |text: &str| ClientOrigin::ALL.into_iter().find(|origin| origin.as_str() == text);
    let text = |name| query.get(name).map(str::to_owned);
    Ok(ClientFilter {
        state: query.parsed("state", "PUBLIC, DRAFT, TRASH or DELETED", state)?,
        origin: query.parsed("origin", "operator, registration or unknown", origin)?,
        name_contains: text("name"),
        permission: text("permission"),
        metadata: query.each_below("metadata."),
        created_before: query.moment("created_before")?,
        unused_since: query.moment("unused_since")?,
    })
}
