//! The bearer token of a request.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use service_kit::bearer::{self, BearerDefect};

/// A token that says nothing here: neither the management token nor that of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bearer token is wrong")]
pub(super) struct WrongToken;

/// The one bearer token of a request.
///
/// # Errors
/// [`BearerDefect`].
pub(super) fn token(headers: &HeaderMap) -> Result<&str, BearerDefect> {
    bearer::token(headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes))
}
