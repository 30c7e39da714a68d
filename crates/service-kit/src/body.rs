//! Reads request bodies within limits of size and time.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies above this are refused before they are read to the end (T-FRM-06).
pub const MAX_BYTES: usize = 64 * 1024;
/// A body that takes longer is refused (T-FRM-08).
const MAX_TIME: Duration = Duration::from_secs(10);
/// What every connection may hold of its body. Token requests fit in, so that nobody can take the room for them away.
const FREE_BYTES: usize = 8 * 1024;
/// What all bodies may hold beyond that, while they arrive.
const ROOM_BYTES: usize = 32 * 1024 * 1024;

/// The memory for bodies on their way in, shared by all connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES)))
    }
}

impl BodyRoom {
    /// Takes more room for a body that grows from `held` bytes to `needed`.
    fn grow(
        &self,
        taken: &mut Option<OwnedSemaphorePermit>,
        held: usize,
        needed: usize,
    ) -> Result<(), BodyError> {
        let beyond = |bytes: usize| bytes.saturating_sub(FREE_BYTES);
        let more = u32::try_from(beyond(needed).saturating_sub(beyond(held))).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0).try_acquire_many_owned(more).map_err(|_| BodyError::NoRoom)?;
        match taken {
            Some(taken) => taken.merge(permit),
            None => *taken = Some(permit),
        }
        Ok(())
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It may have this many bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within 10 seconds")]
    TooSlow,
    #[error("the body could not be read to its end")]
    Broken,
    #[error("compressed bodies are not accepted: send it without Content-Encoding")]
    Encoded,
    #[error("too many large bodies are on their way")]
    NoRoom,
}

/// The whole body, if it is small and quick enough and not compressed (T-FRM-05).
///
/// # Errors
/// [`BodyError`].
pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, BodyError> {
    read_at_most(MAX_BYTES, request, payload).await
}

/// The same with less than [`MAX_BYTES`] for a body that we keep (T-REG-02).
///
/// # Errors
/// [`BodyError`].
pub async fn read_at_most(
    max_bytes: usize,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Bytes, BodyError> {
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(BodyError::Encoded);
    }
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > max_bytes as u64) {
        return Err(BodyError::TooLarge(max_bytes));
    }
    let room = request.app_data::<BodyRoom>().cloned().unwrap_or_default();
    // Where a client offers another protocol, the parser takes all that follows for it. We stay with this one (RFC 9110
    // §7.8), so the body ends where the head says.
    let offers_another = request.headers().contains_key(header::UPGRADE);
    let end = declared.filter(|_| offers_another).and_then(|length| usize::try_from(length).ok());
    tokio::time::timeout(MAX_TIME, collect(max_bytes, payload, end, &room))
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(
    max_bytes: usize,
    mut payload: Payload,
    end: Option<usize>,
    room: &BodyRoom,
) -> Result<Bytes, BodyError> {
    let (mut body, mut taken) = (BytesMut::new(), None);
    while end.is_none_or(|end| body.len() < end)
        && let Some(chunk) = payload.next().await
    {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        let needed = body.len().saturating_add(chunk.len());
        if needed > max_bytes {
            return Err(BodyError::TooLarge(max_bytes));
        }
        room.grow(&mut taken, body.len(), needed)?;
        body.extend_from_slice(&chunk);
    }
    body.truncate(end.unwrap_or(max_bytes));
    Ok(body.freeze())
}

/// The media type of the request without parameters, lower case; empty if there is none. A charset other than UTF-8
/// makes it empty too: we read UTF-8 only.
#[must_use]
pub fn media_type(request: &HttpRequest) -> String {
    let mut values = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else { return String::new() };
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_owned();
    let foreign = parts
        .filter_map(|part| part.split_once('='))
        .any(|(name, value)| name.trim() == "charset" && value.trim().trim_matches('"') != "utf-8");
    if foreign { String::new() } else { media_type }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_frm_08_large_bodies_share_room_and_small_ones_need_none() {
        let room = BodyRoom(Arc::new(Semaphore::new(1_000)));
        let mut first = None;
        assert_eq!(room.grow(&mut first, 0, FREE_BYTES), Ok(()));
        assert_eq!(room.0.available_permits(), 1_000);
        assert_eq!(room.grow(&mut first, FREE_BYTES, FREE_BYTES + 600), Ok(()));
        assert_eq!(room.grow(&mut first, FREE_BYTES + 600, FREE_BYTES + 1_000), Ok(()));
        assert_eq!(room.0.available_permits(), 0);
        let mut second = None;
        assert_eq!(room.grow(&mut second, 0, FREE_BYTES), Ok(()), "whatever others hold");
        assert_eq!(room.grow(&mut second, FREE_BYTES, FREE_BYTES + 1), Err(BodyError::NoRoom));
        drop(first);
        assert_eq!(room.0.available_permits(), 1_000);
        assert_eq!(room.grow(&mut second, FREE_BYTES, FREE_BYTES + 1), Ok(()));
    }
}
