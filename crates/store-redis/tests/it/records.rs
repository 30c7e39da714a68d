//! What is kept, and for how long.

use std::sync::Arc;

use common::{Clock, Timestamp};
use credentials::replay::ReplayGuard;
use store_redis::{OpenError, RedisGuard};
use testkit::FakeClock;
use testkit::redis::RedisServer;

use crate::{at, connect, soon, use_of};

const KEPT_LONGER_MILLIS: i64 = 600_000;

mod on_redis {
    use super::*;

    /// The one key on the server and how many milliseconds it has left.
    async fn only_record(server: &RedisServer) -> (String, i64) {
        let key = server.ask(&["KEYS", "*"]).await.unwrap();
        let left = server.ask(&["PTTL", &key]).await.unwrap().parse().unwrap();
        (key, left)
    }

    #[tokio::test]
    async fn t_clm_19_a_record_lives_as_long_as_our_clock_says_and_ten_minutes() {
        let server = RedisServer::start(&[]).await;
        let clock = Arc::new(FakeClock::default());
        let now = clock.now();
        let guard =
            RedisGuard::connect(at(server.address()), Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        for (until, left) in [
            (now.plus_seconds(60), 60_000),
            (now, 0),
            (now.plus_seconds(-86_400), 0),
            (Timestamp::from_unix_millis(i64::MIN), 0),
        ] {
            server.ask(&["FLUSHALL"]).await.unwrap();
            assert!(guard.first_use(use_of("jti"), until).await.unwrap());
            let (key, found) = only_record(&server).await;
            assert!(key.starts_with("gettone:used-assertion:") && !key.contains("jti"), "{key}");
            let expected = left + KEPT_LONGER_MILLIS;
            assert!((expected - 5_000..=expected).contains(&found), "{found} of {expected}");
        }
        // A later use neither prolongs nor shortens the record.
        assert!(!guard.first_use(use_of("jti"), soon().plus_seconds(3600)).await.unwrap());
        assert!(only_record(&server).await.1 <= KEPT_LONGER_MILLIS);
    }

    #[tokio::test]
    async fn t_clm_16_a_redis_that_throws_keys_away_is_refused() {
        for policy in ["allkeys-lru", "volatile-ttl"] {
            let server = RedisServer::start(&["--maxmemory", "64mb", "--maxmemory-policy", policy]).await;
            let error = connect(at(server.address())).await.unwrap_err();
            assert!(matches!(&error, OpenError::Evicts(found) if found == policy), "{error}");
        }
        let full = RedisServer::start(&["--maxmemory", "100kb", "--maxmemory-policy", "noeviction"]).await;
        let guard = connect(at(full.address())).await.unwrap();
        let error = guard.first_use(use_of("no room"), soon()).await.unwrap_err();
        assert!(format!("{error:?}").contains("OOM"), "T-CLM-15: no room is no first use: {error:?}");
    }

    #[tokio::test]
    async fn a_replica_is_not_taken_for_the_master() {
        let master = RedisServer::start(&[]).await;
        let port = master.address().port().to_string();
        let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port]).await;
        let error = connect(at(replica.address())).await.unwrap_err();
        assert!(matches!(error, OpenError::Replica), "{error}");
    }

    #[tokio::test]
    async fn r_08_a_use_survives_kill_9_of_a_redis_that_writes_each_change() {
        let mut server = RedisServer::start(&[]).await;
        let guard = connect(at(server.address())).await.unwrap();
        assert!(guard.first_use(use_of("used"), soon()).await.unwrap());
        server.kill9();
        server.restart().await;
        // The old connection is dead. That costs a new use nothing, and one that is there is not told from our own.
        assert!(guard.first_use(use_of("used"), soon()).await.is_err());
        assert!(guard.first_use(use_of("unused"), soon()).await.unwrap());
        assert!(!guard.first_use(use_of("used"), soon()).await.unwrap());
    }
}
