//! Laws of [`KeyRingStore`].

use std::sync::Arc;

use common::Timestamp;
use credentials::key::ring::{NewKey, SealedKey, Urgency};
use credentials::key::{Algorithm, KeyRing, KeyRingStore, StoredRing};

use super::{Storage, all_at_once};
use crate::clients::{demanding_clients, public_key};

async fn open<S: Storage<Store: KeyRingStore>>(storage: &S) -> Arc<dyn KeyRingStore> {
    storage.open().await
}

fn moment() -> Timestamp {
    Timestamp::from_unix_millis(1_795_291_200_123)
}

fn with_key(mut ring: KeyRing, kid: &str, algorithm: Algorithm) -> KeyRing {
    let private = SealedKey(format!("sealed {kid}"));
    let key = NewKey { kid: kid.to_owned(), algorithm, public: public_key(kid), private };
    ring.add(key, moment()).expect("a key that fits");
    ring
}

fn ring(kid: &str) -> KeyRing {
    with_key(KeyRing::default(), kid, Algorithm::Rs256)
}

pub async fn an_unwritten_ring_is_empty_and_has_version_zero<S: Storage<Store: KeyRingStore>>(storage: &S) {
    let store = open(storage).await;
    assert_eq!(store.key_ring().await.unwrap(), StoredRing::default());
    for version in [1, u64::MAX] {
        assert!(!store.replace_key_ring(&ring("k"), version).await.unwrap());
    }
    assert_eq!(store.key_ring().await.unwrap(), StoredRing::default());
}

pub async fn a_ring_comes_back_equal_under_the_next_version<S: Storage<Store: KeyRingStore>>(storage: &S) {
    let (store, replica) = (open(storage).await, open(storage).await);
    let odd =
        demanding_clients().into_iter().find_map(|client| client.public_key).expect("a client with a key");
    let mut full = ring("è🔑 $set a.b {\"$gt\":\"\"}");
    full = with_key(full, "next", Algorithm::Rs256);
    full.activate("next", moment(), Urgency::Immediately).unwrap();
    full = with_key(full, "", Algorithm::EdDsa);
    let key = NewKey {
        kid: "odd".to_owned(),
        algorithm: Algorithm::Es256,
        public: odd,
        private: SealedKey("p".repeat(10_000)),
    };
    full.add(key, Timestamp::from_unix_millis(-1)).unwrap();
    for (version, ring) in [ring("k"), full, KeyRing::default()].into_iter().enumerate() {
        let version = u64::try_from(version).unwrap();
        assert!(store.replace_key_ring(&ring, version).await.unwrap());
        assert_eq!(replica.key_ring().await.unwrap(), StoredRing { ring, version: version + 1 });
    }
}

pub async fn an_unexpected_version_replaces_no_ring<S: Storage<Store: KeyRingStore>>(storage: &S) {
    let store = open(storage).await;
    assert!(store.replace_key_ring(&ring("k"), 0).await.unwrap());
    for version in [0, 2, u64::MAX] {
        assert!(!store.replace_key_ring(&ring("other"), version).await.unwrap(), "{version}");
    }
    assert_eq!(store.key_ring().await.unwrap(), StoredRing { ring: ring("k"), version: 1 });
}

/// All callers at once, each with a ring of its own, expecting `version`. Returns the ring of the one that won.
async fn race(replicas: &[Arc<dyn KeyRingStore>; 2], version: u64) -> KeyRing {
    let name = move |caller: usize| format!("{version}-{caller}");
    let won = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.replace_key_ring(&ring(&name(caller)), version).await.unwrap() }
    })
    .await;
    let winners: Vec<usize> =
        won.iter().enumerate().filter_map(|(caller, won)| won.then_some(caller)).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    ring(&name(winners[0]))
}

pub async fn of_concurrent_first_rings_one_is_kept<S: Storage<Store: KeyRingStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let winner = race(&replicas, 0).await;
    assert_eq!(replicas[0].key_ring().await.unwrap(), StoredRing { ring: winner, version: 1 });
}

pub async fn of_concurrent_changes_one_wins_each_round<S: Storage<Store: KeyRingStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    assert!(replicas[0].replace_key_ring(&ring("k"), 0).await.unwrap());
    for version in 1..5 {
        let winner = race(&replicas, version).await;
        let expected = StoredRing { ring: winner, version: version + 1 };
        assert_eq!(replicas[1].key_ring().await.unwrap(), expected);
    }
}

pub async fn a_ring_outlives_a_restart<S: Storage<Store: KeyRingStore>>(storage: &S) {
    assert!(open(storage).await.replace_key_ring(&ring("k"), 0).await.unwrap());
    assert_eq!(open(storage).await.key_ring().await.unwrap(), StoredRing { ring: ring("k"), version: 1 });
}
