//! `GET /revocations` on the management listener: the revocation feed, as server-sent events (WHATWG HTML §9.2). The events
//! are those of [`common::revocation::FeedEvent`].

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use common::AccessTokenClaims;
use credentials::client::ClientId;
use service_kit::caller::Caller;
use service_kit::carried::taken_along;
use service_kit::status::Status;

use super::REVOCATIONS_READ;
use super::error::{Refusal, respond};
use crate::Deps;
use crate::revocations::{Reader, Sent, Standing};

/// How often it is looked whether the client may still read: it costs a question to the store.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Answers what is revoked, and goes on with what is revoked from now on. `Last-Event-ID` is where the reader left off.
pub async fn get(request: HttpRequest, deps: Data<Deps>, status: Data<Status>) -> HttpResponse {
    let cursor = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let token = request.extensions().get::<AccessTokenClaims>().cloned();
    let client = token.as_ref().map(|claims| claims.sub.as_str());
    let outcome = deps.revocations.reader(client, cursor).map_err(Refusal::from).map(|reader| {
        let mut answer = HttpResponse::Ok();
        answer.content_type("text/event-stream");
        // nginx would keep the events back until it has a buffer full of them.
        answer.insert_header(("X-Accel-Buffering", "no"));
        if request.method() == Method::HEAD {
            return answer.finish();
        }
        let (deps, caller) = (Data::clone(&deps), Caller::of(&request));
        let may_read = token.as_ref().map(|claims| watch_permission(&deps, claims));
        let must_end = move || {
            status.is_stopping()
                || caller.has_left()
                || token.as_ref().is_some_and(|claims| !is_still_good(&deps, claims))
                || may_read.as_ref().is_some_and(|may_read| !may_read.load(Ordering::Relaxed))
        };
        answer.streaming(events(reader, must_end))
    });
    respond(&request, &deps, outcome)
}

/// Whether a token that was good is so now (T-TOK-04). What ends a client revokes its tokens.
fn is_still_good(deps: &Deps, claims: &AccessTokenClaims) -> bool {
    deps.clock.now().unix_seconds() < claims.exp && deps.revocations.standing(claims) != Standing::Revoked
}

/// Whether the client of the token has the permission still. A task of its own looks again and again until the feed drops
/// this: no event waits for the store.
fn watch_permission(deps: &Data<Deps>, claims: &AccessTokenClaims) -> Arc<AtomicBool> {
    let may_read = Arc::new(AtomicBool::new(true));
    let (deps, client, told) = (Data::clone(deps), claims.sub.clone(), Arc::downgrade(&may_read));
    actix_web::rt::spawn(taken_along(async move {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let Some(may_read) = told.upgrade() else { return };
            may_read.store(has_permission(&deps, &client).await, Ordering::Relaxed);
        }
    }));
    may_read
}

/// While the store cannot tell, nobody took it away.
async fn has_permission(deps: &Deps, client: &str) -> bool {
    let Ok(id) = ClientId::parse(client) else { return false };
    match deps.stores.clients.find(&id).await {
        Ok(client) => client.is_some_and(|client| client.permissions.iter().any(|it| it == REVOCATIONS_READ)),
        Err(_) => true,
    }
}

fn events(
    reader: Reader,
    must_end: impl Fn() -> bool,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    futures_util::stream::unfold((reader, must_end), |(mut reader, must_end)| async move {
        let sent = reader.next(&must_end).await?;
        Some((Ok(text(&sent)?), (reader, must_end)))
    })
}

/// An event on the wire. Its data is one line of JSON. Readers come back after a second.
fn text(sent: &Sent) -> Option<Bytes> {
    let id = sent.cursor.as_ref().map(|cursor| format!("id: {cursor}\n")).unwrap_or_default();
    let data = sent.event.data().ok()?;
    Some(Bytes::from(format!("{id}event: {}\nretry: 1000\ndata: {data}\n\n", sent.event.name())))
}
