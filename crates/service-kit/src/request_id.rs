//! The id that ties the log lines of one request together, across services.

use std::cell::RefCell;

use actix_web::http::header::{HeaderMap, HeaderName};
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

static X_REQUEST_ID: HeaderName = HeaderName::from_static(common::headers::X_REQUEST_ID);

pub(crate) fn of(headers: &HeaderMap) -> String {
    kept_or_new(headers.get(&X_REQUEST_ID).and_then(|value| value.to_str().ok()))
}

/// `x-request-id` if the caller sent a decent one, else a new UUID v4 (upstream contract §8).
pub(crate) fn kept_or_new(sent: Option<&str>) -> String {
    sent.filter(|id| (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(generate, str::to_owned)
}

/// Random bytes for so many ids at once: a request id is no secret, and the system would be asked for each.
const IDS_AT_ONCE: usize = 32;

fn generate() -> String {
    thread_local! {
        static BYTES: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
    }
    let bytes = BYTES.with_borrow_mut(|bytes| {
        if bytes.is_empty() {
            let mut fresh = [0; 16 * IDS_AT_ONCE];
            // Zeroes if the source failed: a poor id is better than no log line.
            let _ = SystemRandom.fill(&mut fresh);
            bytes.extend(fresh.as_chunks().0);
        }
        bytes.pop()
    });
    uuid::Builder::from_random_bytes(bytes.unwrap_or_default()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn contract_8_a_decent_id_is_kept_and_others_are_new_each_time() {
        assert_eq!(kept_or_new(Some("abc-1")), "abc-1");
        let long = "x".repeat(MAX_LENGTH + 1);
        let odd = [None, Some(""), Some("a b"), Some("\u{e8}"), Some(long.as_str())];
        let new: HashSet<_> = odd.into_iter().cycle().take(5 * IDS_AT_ONCE).map(kept_or_new).collect();
        assert_eq!(new.len(), 5 * IDS_AT_ONCE);
        for id in &new {
            let id = uuid::Uuid::parse_str(id).unwrap();
            assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
        }
    }
}
