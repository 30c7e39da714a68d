//! A master that dies, and the replicas it should have told. No use is accepted twice, and what was refused once stays
//! refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use credentials::StoreError;
use credentials::replay::ReplayGuard;
use store_redis::{RedisGuard, Server, Settings};
use testkit::redis::{RedisServer, Sentinels};

use crate::{at, connect, host, soon, use_of};

const PATIENCE: Duration = Duration::from_secs(60);

fn found_by(deployment: &Sentinels, replicas_to_wait_for: u16) -> Settings {
    let sentinels = deployment.hosts().iter().map(|text| host(text)).collect();
    let master_name = Sentinels::MASTER_NAME.to_owned();
    Settings {
        server: Server::FoundBySentinels { sentinels, master_name, login: None },
        login: None,
        tls: None,
        replicas_to_wait_for,
    }
}

/// Asks until the guard can tell. An attempt that failed may have used `jti` up.
async fn told(guard: &RedisGuard, jti: &str) -> bool {
    let start = Instant::now();
    loop {
        match guard.first_use(use_of(jti), soon()).await {
            Ok(first) => return first,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:?}"),
        }
    }
}

/// Uses assertions, each once, until one is accepted.
async fn one_is_accepted(guard: &RedisGuard) {
    let start = Instant::now();
    while let Err(error) = guard.first_use(use_of(&testkit::unique_name("jti")), soon()).await {
        assert!(start.elapsed() < PATIENCE, "{error:?}");
    }
}

mod on_redis {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_07_t_clm_13_a_failover_accepts_nothing_twice_and_forgets_no_use() {
        let mut deployment = Sentinels::start(&[], &[]).await;
        let settings = found_by(&deployment, 2);
        let replicas =
            [connect(settings.clone()).await.unwrap(), connect(settings).await.unwrap()].map(Arc::new);
        deployment.wait_until_watched().await;

        // Each worker presents each assertion at both replicas of ours, and goes on until one of them cannot tell.
        let workers: Vec<_> = (0..16)
            .map(|worker| {
                let replicas = replicas.clone();
                tokio::spawn(async move {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        let jti = format!("{worker}-{number}");
                        let (one, other) = tokio::join!(
                            replicas[0].first_use(use_of(&jti), soon()),
                            replicas[1].first_use(use_of(&jti), soon())
                        );
                        let answers = [one, other];
                        let first = answers.iter().filter(|answer| matches!(answer, Ok(true))).count();
                        assert!(first <= 1, "{jti} was accepted twice");
                        if first == 1 {
                            accepted.push(jti);
                        }
                        if answers.iter().any(Result::is_err) {
                            break;
                        }
                    }
                    accepted
                })
            })
            .collect();
        let old = deployment.master().await.address();
        while deployment.master().await.ask(&["DBSIZE"]).await.unwrap().parse::<u32>().unwrap() < 200 {}
        deployment.master().await.kill9();
        let mut accepted = Vec::new();
        for worker in workers {
            accepted.extend(worker.await.unwrap());
        }
        assert!(accepted.len() > 100, "{}", accepted.len());

        // What follows waits for no replica, so that a record that is gone shows at the first attempt.
        let guard = connect_eventually(found_by(&deployment, 0)).await;
        assert_ne!(deployment.master().await.address(), old);
        for jti in accepted {
            assert!(!told(&guard, &jti).await, "{jti} is accepted again");
        }
        // With one replica left, a use can be confirmed by one, and not by two.
        one_is_accepted(&connect_eventually(found_by(&deployment, 1)).await).await;
        told(&guard, "after").await;
        for (guard, jti) in replicas.iter().zip(["new", "newer"]) {
            assert!(!told(guard, "after").await, "a refusal needs no replica");
            assert!(guard.first_use(use_of(jti), soon()).await.is_err());
        }
    }

    /// Between the end of one master and the next one, nobody can connect.
    async fn connect_eventually(settings: Settings) -> RedisGuard {
        let start = Instant::now();
        loop {
            match connect(settings.clone()).await {
                Ok(guard) => return guard,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
        }
    }

    /// A master that the others left behind goes on answering, but nobody confirms what it says.
    #[tokio::test]
    async fn a_use_that_no_replica_has_is_not_accepted() {
        let master = RedisServer::start(&[]).await;
        let port = master.address().port().to_string();
        let settings = Settings { replicas_to_wait_for: 1, ..at(master.address()) };
        let guard = connect(settings).await.unwrap();
        let error = guard.first_use(use_of("alone"), soon()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");

        let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port]).await;
        one_is_accepted(&guard).await;
        assert!(
            !guard.first_use(use_of("alone"), soon()).await.unwrap(),
            "what was not confirmed stays used"
        );
        replica.pause();
        assert!(guard.first_use(use_of("hanging"), soon()).await.is_err());
        replica.resume();
        one_is_accepted(&guard).await;
    }
}
