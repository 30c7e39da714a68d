//! MongoDB dead, hanging, killed and back: nothing acknowledged is lost, and no call takes longer than three seconds.
#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::time::{Duration, Instant};

use credentials::client::{ClientFilter, ClientStore};
use credentials::replay::{ReplayGuard, UseId};
use credentials::store::DeploymentStore;
use store_mongodb::{MongoStore, OpenError};
use testkit::contract::outage::{assert_that_all_answer, assert_that_none_answers, unavailable};
use testkit::mongod::ReplicaSet;
use testkit::{client, client_id, demanding_clients};

async fn connect(url: &str) -> MongoStore {
    MongoStore::connect(url, None, "credentials").await.unwrap()
}

fn use_of(jti: &str) -> UseId {
    UseId::of(&client_id("client"), jti)
}

/// Waits until the driver has found the server again and has ended the transactions that hung there.
async fn wait_until_all_answer(store: &MongoStore) {
    let start = Instant::now();
    while let unavailable @ [_, ..] = unavailable(store).await.as_slice() {
        assert!(start.elapsed() < Duration::from_secs(60), "{unavailable:#?}");
    }
}

/// Waits until the driver has found the server again.
async fn wait_for_answer(store: &MongoStore) {
    let start = Instant::now();
    while let Err(error) = store.ping().await {
        assert!(start.elapsed() < Duration::from_secs(60), "{error}");
    }
}

mod on_mongodb {
    use super::*;

    #[tokio::test]
    async fn t_clm_15_a_dead_or_hanging_server_makes_every_method_unavailable_in_bounded_time() {
        let mut server = ReplicaSet::start().await;
        let url = server.database_url();
        let store = connect(&url).await;
        assert_that_all_answer(&store).await;

        server.pause();
        // Twice: with connections from before, and without.
        for _ in 0..2 {
            let start = Instant::now();
            assert_that_none_answers(&store).await;
            assert!(start.elapsed() < Duration::from_secs(20), "hanging: {:?}", start.elapsed());
        }
        server.resume();
        wait_until_all_answer(&store).await;

        server.kill9();
        for _ in 0..2 {
            let start = Instant::now();
            assert_that_none_answers(&store).await;
            assert!(start.elapsed() < Duration::from_secs(20), "dead: {:?}", start.elapsed());
        }
        let start = Instant::now();
        let error = MongoStore::connect(&url, None, "credentials").await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());

        server.restart().await;
        wait_until_all_answer(&store).await;
    }

    #[tokio::test]
    async fn t_reg_10_t_clm_14_what_was_acknowledged_survives_kill_9_of_the_server() {
        let mut server = ReplicaSet::start().await;
        let store = connect(&server.database_url()).await;
        let until = client("a").created_at.plus_seconds(1_000_000_000);
        for client in demanding_clients() {
            store.insert_new(&client).await.unwrap();
        }
        assert!(store.first_use(use_of("used"), until).await.unwrap());
        store.agree("pepper", b"agreed").await.unwrap();
        // The last writes before the end, with no time for a checkpoint.
        store.insert_new(&client("last")).await.unwrap();
        assert!(store.first_use(use_of("last"), until).await.unwrap());
        server.kill9();
        server.restart().await;

        wait_for_answer(&store).await;
        for client in demanding_clients().into_iter().chain([client("last")]) {
            assert_eq!(store.find(&client.id).await.unwrap(), Some(client));
        }
        for jti in ["used", "last"] {
            assert!(!store.first_use(use_of(jti), until).await.unwrap(), "{jti}");
        }
        assert_eq!(store.agree("pepper", b"other").await.unwrap(), b"agreed");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_07_r_08_writers_at_work_while_the_server_is_killed_lose_nothing() {
        let mut server = ReplicaSet::start().await;
        let store = connect(&server.database_url()).await;
        let until = client("a").created_at.plus_seconds(1_000_000_000);
        let writers: Vec<_> = (0..32)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for number in 0.. {
                        let id = format!("{writer}-{number}");
                        let inserted = store.insert_new(&client(&id)).await.is_ok();
                        let used = store.first_use(use_of(&id), until).await;
                        if inserted && matches!(used, Ok(true)) {
                            acknowledged.push(id);
                        }
                        if used.is_err() {
                            break;
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let probe = connect(&server.database_url()).await;
        while store.list(&ClientFilter::default(), None, 400).await.unwrap().clients.len() < 400 {
            probe.ping().await.unwrap();
        }
        server.kill9();
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        assert!(acknowledged.len() > 300, "{}", acknowledged.len());
        server.restart().await;
        wait_for_answer(&store).await;
        for id in acknowledged {
            assert_eq!(store.find(&client_id(&id)).await.unwrap(), Some(client(&id)), "{id}");
            assert!(!store.first_use(use_of(&id), until).await.unwrap(), "{id}");
        }
    }
}
