//! Entity tags of answers that stay the same for a while (RFC 9110 §8.8.3).

use actix_web::HttpRequest;
use actix_web::http::header::IF_NONE_MATCH;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The tag of this content, in quotes.
#[must_use]
pub fn of(content: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(content)))
}

/// Whether the caller has the version of this tag (RFC 9110 §13.1.2). Tags are compared weakly: what a gateway has
/// compressed is the same.
#[must_use]
pub fn caller_has(request: &HttpRequest, etag: &str) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
