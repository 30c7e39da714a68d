//! Turns what a request did into an audit event: the event knows request and source, the request's log line the event.

use actix_web::{HttpMessage, HttpRequest};
use credentials::audit::{Actor, AuditAction, AuditEvent, EventId, Outcome};
use credentials::client::ClientId;
use credentials::{RandomError, StoreError};
use service_kit::access_log::{Audited, annotate};
use service_kit::request_id;

use crate::Deps;
use crate::http::error::{Refusal, may_be_done};
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

/// Why an event was not stored. What it tells of was not done.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("nothing was done, because it could not be recorded in the audit log: {0}")]
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
    pub(in crate::http) const fn to_ours(action: AuditAction, subject: Option<&'a str>) -> Self {
        Self { action, client: None, subject, reason: None }
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

/// Makes a change whose event is stored before: no event, no change. If the change is refused, the event is withdrawn; if
/// nobody knows whether it was made, as after a kill or a failure of the store, the event says so for ever.
///
/// # Errors
/// Those of the change, or [`RecordError`]: then it was not made.
pub(in crate::http) async fn around<T, E: Into<Refusal>>(
    request: &HttpRequest,
    deps: &Deps,
    happened: Happened<'_>,
    change: impl Future<Output = Result<T, E>>,
) -> Result<T, Refusal> {
    around_with(request, deps, happened, change, |_| None).await
}

/// The same for a change that tells the subject of its event only when it is made.
///
/// # Errors
/// As [`around`].
pub(in crate::http) async fn around_with<T, E: Into<Refusal>>(
    request: &HttpRequest,
    deps: &Deps,
    happened: Happened<'_>,
    change: impl Future<Output = Result<T, E>>,
    subject: impl FnOnce(&T) -> Option<String>,
) -> Result<T, Refusal> {
    let mut event = event(request, deps, &happened).map_err(RecordError::from)?;
    deps.audit.announce(event.clone()).await.map_err(RecordError::from)?;
    match change.await {
        Ok(changed) => {
            let subject = subject(&changed);
            event.subject = subject.clone().or(event.subject);
            tell(request, &event);
            deps.audit.settle(event.id, Outcome::Done { subject });
            Ok(changed)
        }
        Err(error) => {
            let refusal = error.into();
            if !may_be_done(&refusal) {
                deps.audit.settle(event.id, Outcome::Withdrawn);
            }
            Err(refusal)
        }
    }
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
        // A token of the service that we replace has no jti.
        subject: happened.subject.filter(|subject| !subject.is_empty()).map(str::to_owned),
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
