//! The embedded store: one SQLite file, nothing to install. All writes go through one thread that commits many at
//! once; reads go through a few connections of their own. It implements the ports of `credentials` and knows nothing
//! of those who call them.
//!
//! Several processes may share the file: single use and unique ids are constraints of the file, not of a process.

mod audit;
mod clients;
mod deployment;
mod failure;
mod file;
mod key_ring;
mod keys;
mod readers;
mod replay;
mod revocations;
mod schema;
mod secrets;
mod writer;

use std::path::Path;
use std::sync::Arc;

use common::Clock;
use rusqlite::Connection;
use tokio::sync::Notify;

pub use failure::OpenError;

use failure::Failure;
use readers::Readers;
use writer::Writer;

/// All ports of `credentials` over `DIR/gettone.sqlite3`. Clones share the connections; the last one to be dropped
/// waits until everything accepted is written.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Dropped in this order: the writer has the last connection, which folds the write-ahead log into the file.
    readers: Arc<Readers>,
    writer: Writer,
    /// Wakes the watches of this process when one of its own revocations is recorded.
    revoked: Notify,
}

impl SqliteStore {
    /// Opens the store in `directory`. Creates the directory (mode 0700) and the file (mode 0600) if they are missing,
    /// and brings an older file up to date. `clock` decides only when what has ended may be forgotten. Blocks for some
    /// milliseconds.
    ///
    /// # Errors
    /// [`OpenError`], with what to do about it.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (file, connection) = file::open(directory)?;
        let readers = Arc::new(Readers::new(file.clone()));
        let writer = Writer::start(connection, file, clock)?;
        Ok(Self { shared: Arc::new(Shared { readers, writer, revoked: Notify::new() }) })
    }

    /// Whether the file in `directory`, if it is there, could be opened for writing. Changes nothing on the disk.
    ///
    /// # Errors
    /// As [`open`](Self::open) has, of what can be known without opening the database.
    pub fn check(directory: &Path) -> Result<(), OpenError> {
        file::check(directory)
    }

    /// Writes what was accepted, closes the file, and answers every later call with `Unavailable`. Blocks until done.
    pub fn close(&self) {
        self.shared.readers.close();
        self.shared.writer.close();
    }

    /// Runs `work` in the next transaction. `Ok` means that it was committed and is on the disk.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.shared.writer.write(work).await
    }

    /// Runs `work` on a connection that sees every committed write.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        Arc::clone(&self.shared.readers).read(work).await
    }

    /// As [`read`](Self::read), for work that may go through a whole table.
    async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        Arc::clone(&self.shared.readers).scan(work).await
    }

    /// As [`read`](Self::read), for work that finds a few rows by their key and may be run again.
    async fn look_up<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        Arc::clone(&self.shared.readers).look_up(work).await
    }
}

#[cfg(test)]
mod tests {
    use credentials::client::ClientStore;
    use credentials::store::DeploymentStore;
    use testkit::FakeClock;

    use super::*;

    #[tokio::test]
    async fn a_store_that_takes_no_writes_is_not_well_until_it_does() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), Arc::new(FakeClock::default())).unwrap();
        let limit = |pages: i64| {
            store.write(move |connection| Ok(connection.pragma_update(None, "max_page_count", pages)?))
        };
        assert!(store.ping().await.is_ok());
        let refused = store.write(|_| {
            Err::<(), _>(Failure::Unreadable {
                what: "a record".to_owned(),
                category: serde_json::error::Category::Data,
                column: 1,
            })
        });
        assert!(refused.await.is_err());
        assert!(store.ping().await.is_ok(), "one bad record says nothing about the disk");

        // As small as it can be, and then full.
        limit(1).await.unwrap();
        let value = [7; 4096];
        let mut names = (0..100).map(|number| number.to_string());
        while store.agree(&names.next().unwrap(), &value).await.is_ok() {}
        for _ in 0..2 {
            assert!(store.ping().await.is_err());
        }
        assert!(store.find(&testkit::client_id("a")).await.is_ok(), "it is still read");
        limit(1_000_000).await.unwrap();
        assert!(store.ping().await.is_ok());
        assert_eq!(store.agree("name", &value).await.unwrap(), value);
    }
}
