//! Turns what a request did into an audit event: the event knows request and source, the request's log line the event.

use actix_web::{HttpMessage, HttpRequest};
use credentials::audit::{Actor, AuditAction, AuditEvent, EventId};
use credentials::client::ClientId;
use credentials::{RandomError, StoreError};
use service_kit::access_log::{Audited, annotate};
use service_kit::request_id;

use crate::Deps;
use crate::http::source;

/// What a request did, as its handler knows it.
#[derive(Debug)]
pub(in crate::http) struct Happened<'a> {
    pub(in crate::http) action: AuditAction,
    pub(in crate::http) client: Option<&'a ClientId>,
    /// Which of the client's things: see [`AuditAction`].
    pub(in crate::http) subject: Option<&'a str>,
    /// Why it was refused; `None` if it was done.
    pub(in crate::http) reason: Option<&'a str>,
}

/// Why an event was not stored. What it tells of has happened.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("what was done is not in the audit log: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl<'a> Happened<'a> {
    /// Something that was done to a client.
    pub(in crate::http) const fn to(action: AuditAction, client: &'a ClientId) -> Self {
        Self { action, client: Some(client), subject: None, reason: None }
    }

    /// Something that was done to what is no client's: a signing key, an initial access token.
    pub(in crate::http) const fn to_ours(action: AuditAction, subject: &'a str) -> Self {
        Self { action, client: None, subject: Some(subject), reason: None }
    }

    /// The same, to one of the client's things.
    pub(in crate::http) const fn subject(self, subject: &'a str) -> Self {
        Self { subject: Some(subject), ..self }
    }
}

/// Remembers who proved to be behind this request; until then it is anybody.
pub(in crate::http) fn acting(request: &HttpRequest, actor: Actor) {
    request.extensions_mut().insert(actor);
}

/// Stores an event before the answer: for what operators change.
///
/// # Errors
/// [`RecordError`]: the answer must not say that all went well.
pub(in crate::http) async fn record(
    request: &HttpRequest,
    deps: &Deps,
    happened: Happened<'_>,
) -> Result<(), RecordError> {
    let event = event(request, deps, &happened)?;
    tell(request, &event);
    Ok(deps.audit.record(event).await?)
}

/// Has an event stored soon: for what happens all the time.
pub(in crate::http) fn note(request: &HttpRequest, deps: &Deps, happened: Happened<'_>) {
    match event(request, deps, &happened) {
        Ok(event) => {
            tell(request, &event);
            deps.audit.note(event);
        }
        Err(_) => deps.audit.lose(),
    }
}

fn event(request: &HttpRequest, deps: &Deps, happened: &Happened<'_>) -> Result<AuditEvent, RandomError> {
    let at = deps.clock.now();
    Ok(AuditEvent {
        id: EventId::generate(at, &*deps.random)?,
        at,
        action: happened.action,
        actor: request.extensions().get::<Actor>().cloned().unwrap_or(Actor::Anybody),
        client: happened.client.cloned(),
        subject: happened.subject.map(str::to_owned),
        reason: happened.reason.map(str::to_owned),
        request_id: request_id::current(request),
        source: Some(source::of(request, &deps.trusted_proxies).to_string()),
    })
}

fn tell(request: &HttpRequest, event: &AuditEvent) {
    annotate(request, |line| {
        line.audit = Some(Audited {
            id: event.id.to_string(),
            action: event.action.as_str(),
            actor: event.actor.to_text(),
            subject: event.subject.clone(),
        });
    });
}
