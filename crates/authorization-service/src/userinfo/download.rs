//! What the calls of this folder have in common: bodies that end, and errors that say what happened.

use std::error::Error;

use super::Cause;

/// Answers above this are refused before they are read to the end (G-UI-10).
pub(super) const MAX_ANSWER: usize = 256 * 1024;

/// The whole body.
///
/// # Errors
/// [`Cause::Broken`], [`Cause::TooLarge`].
pub(super) async fn body_of(response: &mut reqwest::Response) -> Result<Vec<u8>, Cause> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Cause::Broken(innermost(&error)))? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(Cause::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The cause at the bottom, for instance "Connection refused": the texts above it repeat the URL.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
