//! `GET /revocations` on the management listener: the revocation feed, as server-sent events (WHATWG HTML §9.2). The events
//! are those of [`common::revocation::FeedEvent`].

use std::convert::Infallible;

use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use service_kit::status::Status;

use super::error::{Refusal, respond};
use crate::Deps;
use crate::revocations::{Reader, Sent};

/// Answers what is revoked, and goes on with what is revoked from now on. `Last-Event-ID` is where the reader left off.
pub async fn get(request: HttpRequest, deps: Data<Deps>, status: Data<Status>) -> HttpResponse {
    let cursor = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let outcome = deps.revocations.reader(cursor).map_err(Refusal::from).map(|reader| {
        let mut answer = HttpResponse::Ok();
        answer.content_type("text/event-stream").insert_header((CACHE_CONTROL, "no-store"));
        // nginx would keep the events back until it has a buffer full of them.
        answer.insert_header(("X-Accel-Buffering", "no"));
        if request.method() == Method::HEAD {
            return answer.finish();
        }
        answer.streaming(events(reader, status))
    });
    respond(&request, &deps, outcome)
}

fn events(
    reader: Reader,
    status: Data<Status>,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    futures_util::stream::unfold((reader, status), |(mut reader, status)| async move {
        let sent = reader.next(|| status.is_stopping()).await?;
        Some((Ok(text(&sent)?), (reader, status)))
    })
}

/// An event on the wire. Its data is one line of JSON. Readers come back after a second.
fn text(sent: &Sent) -> Option<Bytes> {
    let id = sent.cursor.as_ref().map(|cursor| format!("id: {cursor}\n")).unwrap_or_default();
    let data = sent.event.data().ok()?;
    Some(Bytes::from(format!("{id}event: {}\nretry: 1000\ndata: {data}\n\n", sent.event.name())))
}
