//! Reading a request body that must be one JSON object.

use actix_web::HttpRequest;
use actix_web::web::Payload;
use common::strict_json;
use serde_json::{Map, Value};
use service_kit::body;

use super::error::Refusal;

/// The largest description of a client.
const MAX_DESCRIPTION_BYTES: usize = 32 * 1024;

/// Why a body is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonBodyDefect {
    #[error("the Content-Type is not one this path reads")]
    ContentType,
    #[error("the body is not one JSON object with distinct member names")]
    NotAnObject,
}

/// The object in the body, if its media type is one of `media_types`. `refusal` says for which endpoint it is read.
///
/// # Errors
/// [`Refusal::Body`], or what `refusal` makes of the defect.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    media_types: &[&str],
    refusal: fn(JsonBodyDefect) -> Refusal,
) -> Result<Map<String, Value>, Refusal> {
    read_at_most(body::MAX_BYTES, request, payload, media_types, refusal).await
}

/// The description of a client: we keep most of it, so it may have half of what others may (T-REG-02).
///
/// # Errors
/// As [`read`].
pub(super) async fn description(
    request: &HttpRequest,
    payload: Payload,
    refusal: fn(JsonBodyDefect) -> Refusal,
) -> Result<Map<String, Value>, Refusal> {
    read_at_most(MAX_DESCRIPTION_BYTES, request, payload, &["application/json"], refusal).await
}

async fn read_at_most(
    max_bytes: usize,
    request: &HttpRequest,
    payload: Payload,
    media_types: &[&str],
    refusal: fn(JsonBodyDefect) -> Refusal,
) -> Result<Map<String, Value>, Refusal> {
    if !media_types.contains(&body::media_type(request).as_str()) {
        return Err(refusal(JsonBodyDefect::ContentType));
    }
    let bytes = body::read_at_most(max_bytes, request, payload).await?;
    strict_json::object(&bytes).map_err(|_| refusal(JsonBodyDefect::NotAnObject))
}

/// The same as [`read`], but a body may be left out: then the object is empty.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_optional(
    request: &HttpRequest,
    payload: Payload,
    media_types: &[&str],
    refusal: fn(JsonBodyDefect) -> Refusal,
) -> Result<Map<String, Value>, Refusal> {
    let bytes = body::read(request, payload).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if !media_types.contains(&body::media_type(request).as_str()) {
        return Err(refusal(JsonBodyDefect::ContentType));
    }
    strict_json::object(&bytes).map_err(|_| refusal(JsonBodyDefect::NotAnObject))
}
