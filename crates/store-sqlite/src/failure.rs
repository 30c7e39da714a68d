//! What goes wrong in this store, and what the ports call it.

use std::io;
use std::path::PathBuf;

use credentials::StoreError;
use rusqlite::ErrorCode;
use serde::de::DeserializeOwned;

/// Why the store could not be opened. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the directory {path} cannot be used: {source}; check DATA_DIR and its permissions")]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "{path} was written by a much newer version (schema {found}; this one can read up to {supported}); use that \
             version or the one before it, restore a backup from before the upgrade, or use another DATA_DIR"
    )]
    Newer { path: PathBuf, found: i64, supported: i64 },
    #[error(
        "{path} is not a database of ours or is damaged ({source}); restore it from a backup, or use another \
             DATA_DIR"
    )]
    Damaged { path: PathBuf, source: rusqlite::Error },
    #[error(
        "{path} cannot be opened: {source}; check DATA_DIR, its permissions and the space left on its disk"
    )]
    File { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the file system of {path} cannot share memory between processes, as SQLite's write-ahead log needs; \
             move DATA_DIR to a local disk"
    )]
    NoWriteAheadLog { path: PathBuf },
    #[error("the writer thread cannot be started: {0}")]
    Thread(io::Error),
}

impl OpenError {
    pub(crate) fn of_file(path: PathBuf, source: rusqlite::Error) -> Self {
        if is_corruption(&source) { Self::Damaged { path, source } } else { Self::File { path, source } }
    }

    /// Whether another process was in the way, so that it may work in a moment.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Self::File { source, .. } if is_contention(source))
    }
}

/// Why a read or write failed. Never holds a stored value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{what} is not what was written: {category:?} error in column {column}")]
    Unreadable { what: String, category: serde_json::error::Category, column: usize },
    #[error("a record cannot be written as JSON: {0}")]
    Unwritable(serde_json::Error),
    #[error("the transaction was not committed: {0}")]
    NotCommitted(String),
    #[error("the database file was removed or replaced while it was open; restart the service")]
    FileGone,
    #[error("too many writes are waiting")]
    QueueFull,
    #[error("the store is closed")]
    Closed,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Unreadable { .. } => Self::Corrupt(failure.into()),
            Failure::Sqlite(error) if is_corruption(error) => Self::Corrupt(failure.into()),
            Failure::Sqlite(_)
            | Failure::Unwritable(_)
            | Failure::NotCommitted(_)
            | Failure::FileGone
            | Failure::QueueFull
            | Failure::Closed => Self::Unavailable(failure.into()),
        }
    }
}

impl Failure {
    /// Whether it is the file or its disk that takes no writes, and not what was to be written.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
            )
        )
    }
}

/// Reads a stored record. `what` names it in the error; the text itself never gets there.
pub(crate) fn decode<T: DeserializeOwned>(what: impl FnOnce() -> String, record: &str) -> Result<T, Failure> {
    serde_json::from_str(record).map_err(|error| Failure::Unreadable {
        what: what(),
        category: error.classify(),
        column: error.column(),
    })
}

/// A record as it is stored.
pub(crate) fn encode(record: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(record).map_err(Failure::Unwritable)
}

/// Whether another process or connection was in the way.
pub(crate) fn is_contention(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn is_corruption(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        // A column holds another type than we put there.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::InvalidColumnType(..) => true,
        _ => false,
    }
}
