//! The laws of the ports, on a real MongoDB.
#![expect(clippy::panic, reason = "tests may fail loudly")]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use common::Timestamp;
use store_mongodb::MongoStore;
use testkit::contract::Storage;
use testkit::mongod::Database;

struct Fresh(Database);

#[async_trait]
impl Storage for Fresh {
    type Store = MongoStore;

    async fn open(&self) -> Arc<MongoStore> {
        let store = MongoStore::connect(self.0.url(), None, "credentials").await;
        Arc::new(store.unwrap_or_else(|error| panic!("{error}")))
    }

    #[expect(clippy::disallowed_methods, reason = "mongod forgets by the real time")]
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_seconds(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }
}

testkit::store_contract!(on_mongodb, Fresh(Database::fresh().await));
