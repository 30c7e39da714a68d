//! Laws of [`KeyDirectory`].

use std::sync::Arc;

use common::Timestamp;
use credentials::key::{KeyDirectory, PublishedKey};

use super::{CALLERS, Storage, all_at_once};
use crate::clients::{demanding_clients, public_key};

async fn open<S: Storage<Store: KeyDirectory>>(storage: &S) -> Arc<dyn KeyDirectory> {
    storage.open().await
}

fn key(kid: &str, published: i64) -> PublishedKey {
    PublishedKey {
        kid: kid.to_owned(),
        key: public_key(kid),
        published_at: Timestamp::from_unix_millis(published),
        last_seen: Timestamp::from_unix_millis(published.saturating_add(7)),
    }
}

pub async fn keys_come_back_equal_and_in_order<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let store = open(storage).await;
    let odd =
        demanding_clients().into_iter().find_map(|client| client.public_key).expect("a client with a key");
    let mut keys: Vec<_> =
        ["b", "a", "B", "", "$set", "a.b", "è", "🔑", "a\u{0}b", "{\"$gt\":\"\"}", &"k".repeat(4000)]
            .map(|kid| key(kid, i64::MAX))
            .into();
    keys.push(PublishedKey { key: odd, ..key("odd", i64::MIN) });
    for key in &keys {
        store.publish(key).await.unwrap_or_else(|error| panic!("{}: {error}", key.kid));
    }
    keys.sort_by(|one, other| one.kid.as_bytes().cmp(other.kid.as_bytes()));
    assert_eq!(store.published().await.unwrap(), keys);
}

pub async fn publishing_again_replaces<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let store = open(storage).await;
    store.publish(&key("k", 1)).await.unwrap();
    store.publish(&key("other", 1)).await.unwrap();
    let replacement = PublishedKey { key: public_key("another"), ..key("k", 2) };
    store.publish(&replacement).await.unwrap();
    store.publish(&replacement).await.unwrap();
    assert_eq!(store.published().await.unwrap(), [replacement, key("other", 1)]);
}

pub async fn an_empty_directory_is_empty<S: Storage<Store: KeyDirectory>>(storage: &S) {
    assert_eq!(open(storage).await.published().await.unwrap(), []);
}

pub async fn replicas_publish_at_once_and_see_all<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    // Half of the callers publish one and the same key, the others one each.
    let kid =
        |caller: usize| if caller.is_multiple_of(2) { "shared".to_owned() } else { format!("k{caller:02}") };
    all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller / 2 % 2]);
        let key = key(&kid(caller), 1);
        async move { store.publish(&key).await.unwrap() }
    })
    .await;
    for store in replicas {
        let published = store.published().await.unwrap();
        assert_eq!(published.len(), CALLERS / 2 + 1);
        assert_eq!(published.last(), Some(&key("shared", 1)));
    }
}

pub async fn keys_outlive_a_restart<S: Storage<Store: KeyDirectory>>(storage: &S) {
    open(storage).await.publish(&key("k", 1)).await.unwrap();
    assert_eq!(open(storage).await.published().await.unwrap(), [key("k", 1)]);
}

fn seen(kid: &str, millis: i64) -> PublishedKey {
    PublishedKey { last_seen: Timestamp::from_unix_millis(millis), ..key(kid, 1) }
}

pub async fn only_keys_that_were_not_seen_since_are_forgotten<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let store = open(storage).await;
    let keys = [seen("a", i64::MIN), seen("b", 999), seen("c", 1000), seen("d", 1001), seen("e", i64::MAX)];
    for key in &keys {
        store.publish(key).await.unwrap();
    }
    store.forget_unseen(Timestamp::from_unix_millis(1000)).await.unwrap();
    assert_eq!(store.published().await.unwrap(), keys[3..]);
    store.forget_unseen(Timestamp::from_unix_millis(1000)).await.unwrap();
    assert_eq!(store.published().await.unwrap(), keys[3..]);
}

pub async fn a_key_that_is_seen_in_the_same_moment_stays<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    replicas[0].publish(&seen("k", 1)).await.unwrap();
    all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move {
            if caller.is_multiple_of(4) {
                store.publish(&seen("k", 2000)).await.unwrap();
            } else {
                store.forget_unseen(Timestamp::from_unix_millis(1000)).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(replicas[1].published().await.unwrap(), [seen("k", 2000)]);
}

pub async fn a_withdrawn_key_is_gone_and_the_others_stay<S: Storage<Store: KeyDirectory>>(storage: &S) {
    let (store, replica) = (open(storage).await, open(storage).await);
    store.publish(&key("a", 1)).await.unwrap();
    store.publish(&key("b", 1)).await.unwrap();
    assert!(replica.withdraw("a").await.unwrap());
    assert!(!store.withdraw("a").await.unwrap());
    assert_eq!(store.published().await.unwrap(), [key("b", 1)]);
}
