//! The laws of the port, on a real Redis.

use std::sync::Arc;

use async_trait::async_trait;
use common::{Clock, Timestamp};
use store_redis::RedisGuard;
use testkit::FakeClock;
use testkit::contract::Storage;
use testkit::redis::RedisServer;

use crate::{at, connect};

struct Fresh(RedisServer);

#[async_trait]
impl Storage for Fresh {
    type Store = RedisGuard;

    async fn open(&self) -> Arc<RedisGuard> {
        Arc::new(connect(at(self.0.address())).await.unwrap())
    }

    fn now(&self) -> Timestamp {
        FakeClock::default().now()
    }
}

testkit::store_contract!(on_redis, Fresh(RedisServer::start(&[]).await); replay);
