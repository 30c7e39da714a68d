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
