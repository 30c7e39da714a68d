//! Laws of [`ReplayGuard`].

use std::sync::Arc;

use common::Timestamp;
use credentials::replay::{ReplayGuard, UseId};

use super::{CALLERS, Storage, all_at_once};
use crate::clients::client_id;

async fn open<S: Storage<Store: ReplayGuard>>(storage: &S) -> Arc<dyn ReplayGuard> {
    storage.open().await
}

fn use_of(jti: &str) -> UseId {
    UseId::of(&client_id("client"), jti)
}

pub async fn t_clm_12_the_second_use_is_not_the_first<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let store = open(storage).await;
    for jti in ["a", "b", "A", ""] {
        assert!(store.first_use(use_of(jti), storage.now().plus_seconds(60)).await.unwrap(), "{jti:?}");
    }
    for jti in ["a", "b", "A", ""] {
        for until in [-3600, 0, 60, 7200] {
            assert!(
                !store.first_use(use_of(jti), storage.now().plus_seconds(until)).await.unwrap(),
                "{jti:?} until {until}"
            );
        }
    }
}

pub async fn t_clm_13_of_concurrent_uses_one_is_first<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    for round in 0..5 {
        let id = use_of(&format!("round {round}"));
        let answers = all_at_once(|caller| {
            let (store, until) = (Arc::clone(&replicas[caller % 2]), storage.now().plus_seconds(60));
            async move { store.first_use(id, until).await.unwrap() }
        })
        .await;
        assert_eq!(answers.into_iter().filter(|first| *first).count(), 1, "round {round}");
    }
}

pub async fn t_clm_14_a_use_outlives_a_restart<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let store = open(storage).await;
    assert!(store.first_use(use_of("used"), storage.now().plus_seconds(60)).await.unwrap());
    drop(store);
    let store = open(storage).await;
    assert!(!store.first_use(use_of("used"), storage.now().plus_seconds(60)).await.unwrap());
    assert!(store.first_use(use_of("unused"), storage.now().plus_seconds(60)).await.unwrap());
}

pub async fn t_clm_16_a_live_use_is_kept_however_many_others_arrive<S: Storage<Store: ReplayGuard>>(
    storage: &S,
) {
    let store = open(storage).await;
    let kept = ["first", "second", "third"].map(use_of);
    for id in kept {
        assert!(store.first_use(id, storage.now().plus_seconds(120)).await.unwrap());
    }
    // Others that ended long ago, end soon, and end late: whatever a store cleans up, it cleans up now.
    for seconds in [-86_400, 60, 86_400] {
        for batch in 0..8 {
            let answers = all_at_once(|caller| {
                let store = Arc::clone(&store);
                let id = use_of(&format!("other {seconds} {}", batch * CALLERS + caller));
                let until = storage.now().plus_seconds(seconds);
                async move { store.first_use(id, until).await.unwrap() }
            })
            .await;
            assert!(answers.into_iter().all(|first| first));
        }
    }
    for id in kept {
        assert!(!store.first_use(id, storage.now().plus_seconds(120)).await.unwrap());
    }
}

pub async fn t_clm_18_the_jti_of_another_client_is_another_use<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let store = open(storage).await;
    for client in ["a", "b", "A"] {
        assert!(
            store
                .first_use(UseId::of(&client_id(client), "1"), storage.now().plus_seconds(60))
                .await
                .unwrap()
        );
    }
    // Cut in another place, the same letters are another pair (T-CLM-17).
    assert!(store.first_use(UseId::of(&client_id("a1"), ""), storage.now().plus_seconds(60)).await.unwrap());
    assert!(!store.first_use(UseId::of(&client_id("a"), "1"), storage.now().plus_seconds(60)).await.unwrap());
}

/// What just ended may be replayed by a caller whose clock is behind: it is kept some minutes longer.
pub async fn t_clm_19_uses_around_their_end_stay_used<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let store = open(storage).await;
    for until in [-60, -1, 0, 1] {
        let id = use_of(&format!("until {until}"));
        assert!(store.first_use(id, storage.now().plus_seconds(until)).await.unwrap());
        assert!(!store.first_use(id, storage.now().plus_seconds(until)).await.unwrap());
    }
}

pub async fn ends_at_the_edges_of_time_are_kept<S: Storage<Store: ReplayGuard>>(storage: &S) {
    let store = open(storage).await;
    assert!(store.first_use(use_of("far"), Timestamp::from_unix_millis(i64::MAX)).await.unwrap());
    // The past may be forgotten at once; it must only not disturb.
    store.first_use(use_of("past"), Timestamp::from_unix_millis(i64::MIN)).await.unwrap();
    store.first_use(use_of("epoch"), Timestamp::from_unix_millis(0)).await.unwrap();
    assert!(!store.first_use(use_of("far"), Timestamp::from_unix_millis(i64::MAX)).await.unwrap());
}
