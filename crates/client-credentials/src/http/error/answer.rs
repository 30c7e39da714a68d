//! A row of the table: what the caller sees, and the word of the log.

use std::borrow::Cow;

use actix_web::http::StatusCode;

use crate::rate_limit::LimitReached;

pub(super) const BASIC_CHALLENGE: &str = r#"Basic realm="client-credentials""#;
pub(super) const BEARER_CHALLENGE: &str = r#"Bearer realm="client-credentials""#;
pub(super) const BEARER_CHALLENGE_BAD_TOKEN: &str =
    r#"Bearer realm="client-credentials", error="invalid_token""#;
pub(super) const BEARER_CHALLENGE_BAD_REQUEST: &str =
    r#"Bearer realm="client-credentials", error="invalid_request""#;

/// When to come back after a 503, in seconds.
const RETRY_AFTER_SECONDS: i64 = 5;

pub(super) const STORE_UNAVAILABLE: &str = "store_unavailable";

/// A write that was given up may have been made, and a removal may be half done: it must not be said that nothing was.
const STORE_DOWN: &str = "the service cannot read or change its store now: what was asked for is not confirmed, try again in a few seconds; \
     if it lasts, its operator should look at the store";

const NO_RANDOMNESS: &str =
    "the service lacks randomness to make secrets of: nothing was changed, tell the operator";

/// A row of the table.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `error` of the body: a code of the RFC that governs the endpoint.
    pub(super) code: &'static str,
    pub(super) sentence: Cow<'static, str>,
    pub(super) challenge: Option<Cow<'static, str>>,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<i64>,
    /// `decision.reason` of the log line.
    pub(super) reason: &'static str,
}

impl Answer {
    pub(super) fn challenging(self, challenge: impl Into<Cow<'static, str>>) -> Self {
        Self { challenge: Some(challenge.into()), ..self }
    }
}

pub(super) fn new(
    status: u16,
    code: &'static str,
    sentence: impl Into<Cow<'static, str>>,
    reason: &'static str,
) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        code,
        sentence: sentence.into(),
        challenge: None,
        retry_after: (status == 503).then_some(RETRY_AFTER_SECONDS),
        reason,
    }
}

/// A limit of ours is reached. Not an error of any RFC: clients that know none but those see the status.
pub(super) fn too_many(sentence: &'static str, reached: LimitReached, reason: &'static str) -> Answer {
    Answer {
        retry_after: Some(reached.retry_after_seconds),
        ..new(429, "too_many_requests", sentence, reason)
    }
}

pub(super) fn bad_request(sentence: impl Into<Cow<'static, str>>, reason: &'static str) -> Answer {
    new(400, "invalid_request", sentence, reason)
}

pub(super) fn store_unavailable() -> Answer {
    new(503, "temporarily_unavailable", STORE_DOWN, STORE_UNAVAILABLE)
}

/// No place is free.
pub(super) fn overloaded() -> Answer {
    let sentence = "too many token requests are being answered: send it again a little later";
    new(503, "temporarily_unavailable", sentence, "overloaded")
}

/// The random source failed.
pub(super) fn no_randomness() -> Answer {
    new(503, "temporarily_unavailable", NO_RANDOMNESS, "random_unavailable")
}
