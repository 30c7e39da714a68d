//! The laws of the ports, on a file in a temporary directory.
#![expect(clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::sync::Arc;

use async_trait::async_trait;
use common::{Clock, Timestamp};
use store_sqlite::SqliteStore;
use tempfile::TempDir;
use testkit::FakeClock;
use testkit::contract::Storage;

struct Directory(TempDir);

impl Directory {
    fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

#[async_trait]
impl Storage for Directory {
    type Store = SqliteStore;

    async fn open(&self) -> Arc<SqliteStore> {
        let store = SqliteStore::open(self.0.path(), Arc::new(FakeClock::default()));
        Arc::new(store.unwrap_or_else(|error| panic!("{error}")))
    }

    fn now(&self) -> Timestamp {
        FakeClock::default().now()
    }
}

testkit::store_contract!(on_sqlite, Directory::fresh());
