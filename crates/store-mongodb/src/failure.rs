//! What goes wrong between us and the database, and what the ports call it.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use credentials::StoreError;
use mongodb::error::{Error, ErrorKind, WriteFailure};

/// How long the driver waits for a primary, for a connection, for the majority.
pub(crate) const WAIT: Duration = Duration::from_secs(2);
/// No operation takes longer, whatever hangs: a caller holds a request open meanwhile.
pub(crate) const LIMIT: Duration = Duration::from_millis(2800);

pub(crate) const DUPLICATE_KEY: i32 = 11000;
/// The collection does not exist yet.
pub(crate) const NO_SUCH_NAMESPACE: i32 = 26;

/// The database did not answer within [`LIMIT`].
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer within {} ms", LIMIT.as_millis())]
struct TooSlow;

/// A stored document is not what we wrote. Never holds a stored value.
#[derive(Debug, thiserror::Error)]
#[error("{what} has no usable field {field}")]
pub(crate) struct Unreadable {
    pub(crate) what: String,
    pub(crate) field: &'static str,
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Corrupt(unreadable.into())
    }
}

/// A stored document is not BSON from its beginning to its end. Never holds a stored value.
#[derive(Debug, thiserror::Error)]
#[error("{what} is not well-formed BSON")]
pub(crate) struct NotBson {
    pub(crate) what: String,
}

impl From<NotBson> for StoreError {
    fn from(broken: NotBson) -> Self {
        Self::Corrupt(broken.into())
    }
}

/// Waits for `operation`, but not too long. If it is given up, the driver closes the connection it was using.
pub(crate) async fn within_limit<T, O>(operation: O) -> Result<T, StoreError>
where
    O: IntoFuture<Output = Result<T, Error>>,
    O::IntoFuture: Send,
{
    attempt(operation.into_future()).await?.map_err(store_error)
}

/// Inserts or updates: `None` if a unique key refused it.
pub(crate) async fn unless_duplicate<T, O>(operation: O) -> Result<Option<T>, StoreError>
where
    O: IntoFuture<Output = Result<T, Error>>,
    O::IntoFuture: Send,
{
    match attempt(operation.into_future()).await? {
        Ok(done) => Ok(Some(done)),
        Err(error) if code(&error) == Some(DUPLICATE_KEY) => Ok(None),
        Err(error) => Err(store_error(error)),
    }
}

async fn attempt<T>(
    operation: impl Future<Output = Result<T, Error>> + Send,
) -> Result<Result<T, Error>, StoreError> {
    tokio::time::timeout(LIMIT, operation).await.map_err(|_| too_slow())
}

pub(crate) fn too_slow() -> StoreError {
    StoreError::Unavailable(TooSlow.into())
}

pub(crate) fn store_error(error: Error) -> StoreError {
    match *error.kind {
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) => StoreError::Corrupt(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}

/// The server's number for an error.
pub(crate) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        _ => None,
    }
}
