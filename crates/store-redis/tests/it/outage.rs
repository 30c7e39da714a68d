//! Redis dead or hanging: no answer is a yes, and none takes longer than three seconds.

use std::time::{Duration, Instant};

use credentials::StoreError;
use credentials::replay::ReplayGuard;
use store_redis::OpenError;
use testkit::redis::RedisServer;

use crate::{at, connect, soon, use_of};

mod on_redis {
    use super::*;

    #[tokio::test]
    async fn t_clm_15_a_dead_or_hanging_redis_is_unavailable_in_bounded_time_and_comes_back() {
        let mut server = RedisServer::start(&[]).await;
        let guard = connect(at(server.address())).await.unwrap();
        assert!(guard.first_use(use_of("before"), soon()).await.unwrap());

        server.pause();
        // Twice: with the connection from before, and without.
        for _ in 0..2 {
            let start = Instant::now();
            let answers =
                futures_util::future::join_all((0..20).map(|_| guard.first_use(use_of("hanging"), soon())))
                    .await;
            assert!(
                answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))),
                "{answers:?}"
            );
            assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        }
        server.resume();
        // A command that was on its way may have arrived: then its use counts as used, never as free.
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(guard.first_use(use_of("hanging"), soon()).await.unwrap());
        }
        assert!(answers.iter().filter(|first| **first).count() <= 1 && !answers[2], "{answers:?}");

        server.kill9();
        for _ in 0..2 {
            let error = guard.first_use(use_of("dead"), soon()).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        let error = connect(at(server.address())).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
        server.restart().await;
        assert!(!guard.first_use(use_of("before"), soon()).await.unwrap());
        assert!(guard.first_use(use_of("dead"), soon()).await.unwrap(), "nothing was used up");
    }
}
