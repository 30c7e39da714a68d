//! The id that ties the log lines of one request together, across services.

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest};
use common::Random;

use crate::random::SystemRandom;

const MAX_LENGTH: usize = 128;

/// The id of a request that the access log knows, which [`current`] reads.
pub(crate) struct RequestId(pub(crate) String);

/// The id of this request, as its log line has it.
#[must_use]
pub fn current(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<RequestId>().map(|id| id.0.clone())
}

pub(crate) fn of(headers: &HeaderMap) -> String {
    kept_or_new(headers.get(common::headers::X_REQUEST_ID).and_then(|value| value.to_str().ok()))
}

/// `x-request-id` if the caller sent a decent one, else a new UUID v4 (upstream contract §8).
pub(crate) fn kept_or_new(sent: Option<&str>) -> String {
    sent.filter(|id| (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(generate, str::to_owned)
}

fn generate() -> String {
    let mut bytes = [0_u8; 16];
    // Zeroes if the source failed: a poor id is better than no log line.
    let _ = SystemRandom.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
