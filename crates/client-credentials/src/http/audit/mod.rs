//! `GET /audit`: what happened, newest first.

mod record;

pub use record::RecordError;
pub(super) use record::{Happened, acting, around, around_with, note};

use std::sync::LazyLock;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use credentials::audit::{AuditAction, AuditEvent, AuditFilter, EventId};
use credentials::client::ClientId;
use credentials::secret::PagedList;
use serde::Serialize;

use super::error::{Refusal, respond};
use super::query::Query;
use crate::Deps;

/// Why the events were not answered.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReadAuditError(#[from] credentials::StoreError);

#[derive(Serialize)]
struct PageAnswer {
    events: Vec<AuditEvent>,
    /// Pass it as `after` to get the next page, of older events; null on the last one.
    next: Option<String>,
}

/// Answers a page of events.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = list(&request, &deps).await;
    respond(&request, &deps, outcome)
}

async fn list(request: &HttpRequest, deps: &Deps) -> Result<HttpResponse, Refusal> {
    let query = Query::read(request, &["client", "action", "since", "until", "after", "limit"])?;
    let filter = AuditFilter {
        client: query.parsed("client", "a client id, of visible ASCII characters", |text| {
            ClientId::parse(text).ok()
        })?,
        action: query.parsed("action", &ACTIONS, action)?,
        since: query.moment("since")?,
        until: query.moment("until")?,
    };
    let before = query.after(&deps.pepper, PagedList::Events, |id| EventId::parse(id).ok())?;
    let limit = query.limit()?;
    // What this replica has not stored yet is a moment old, and asked for.
    deps.audit.flush().await;
    let page = deps.stores.audit.events(&filter, before.as_ref(), limit).await.map_err(ReadAuditError)?;
    Ok(HttpResponse::Ok().json(PageAnswer {
        events: page.events,
        next: page.next.map(|last| deps.pepper.page_after(PagedList::Events, last.as_str())),
    }))
}

/// The words of all actions, for whoever sent another one.
static ACTIONS: LazyLock<String> =
    LazyLock::new(|| format!("one of {}", AuditAction::ALL.map(AuditAction::as_str).join(", ")));

fn action(word: &str) -> Option<AuditAction> {
    AuditAction::ALL.into_iter().find(|action| action.as_str() == word)
}
