//! Laws of [`SecretStore`].

use std::sync::Arc;

use common::Timestamp;
use credentials::secret::{ImportedHash, Pepper, SecretLookup, SecretStore, StoredSecret};

use super::{CALLERS, Storage, all_at_once};
use crate::clients::client_id;

async fn open<S: Storage<Store: SecretStore>>(storage: &S) -> Arc<dyn SecretStore> {
    storage.open().await
}

fn pepper() -> Pepper {
    Pepper::new(vec![7; 32])
}

fn owner(id: &str) -> SecretLookup {
    pepper().lookup(&client_id(id))
}

fn secret(text: &str, created: i64, expires: Option<i64>) -> StoredSecret {
    StoredSecret {
        hash: pepper().hash(text),
        last_four: expires.map(|_| "è$\u{0}4".to_owned()),
        guessable: expires.is_some(),
        created_at: Timestamp::from_unix_millis(created),
        expires_at: expires.map(Timestamp::from_unix_millis),
        last_used_at: expires.map(Timestamp::from_unix_millis),
    }
}

pub async fn secrets_come_back_oldest_first_and_equal<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    let mut secrets = [
        secret("newest", i64::MAX, Some(i64::MAX)),
        secret("middle", 1_795_291_200_123, None),
        secret("expired", 1_795_291_200_122, Some(0)),
        secret("before the epoch", -1, Some(-1)),
        secret("oldest", i64::MIN, Some(i64::MIN)),
    ];
    for secret in &secrets {
        store.add(&owner("a"), secret).await.unwrap();
    }
    secrets.reverse();
    assert_eq!(store.find(&owner("a")).await.unwrap(), secrets);
}

pub async fn a_client_without_secrets_has_none<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    store.add(&owner("a"), &secret("s", 1, None)).await.unwrap();
    assert_eq!(store.find(&owner("A")).await.unwrap(), []);
    store.delete_all(&owner("A")).await.unwrap();
    assert_eq!(store.find(&owner("a")).await.unwrap().len(), 1);
}

pub async fn deleting_forgets_all_of_one_client_only<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    for id in ["a", "b"] {
        for text in ["first", "second"] {
            store.add(&owner(id), &secret(text, 1, None)).await.unwrap();
        }
    }
    store.delete_all(&owner("a")).await.unwrap();
    assert_eq!(store.find(&owner("a")).await.unwrap(), []);
    assert_eq!(store.find(&owner("b")).await.unwrap().len(), 2);
    store.add(&owner("a"), &secret("new", 2, None)).await.unwrap();
    assert_eq!(store.find(&owner("a")).await.unwrap(), [secret("new", 2, None)]);
}

pub async fn concurrently_added_secrets_are_all_kept<S: Storage<Store: SecretStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let nth = |caller: usize| secret(&format!("secret {caller}"), i64::try_from(caller).unwrap(), None);
    all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.add(&owner("a"), &nth(caller)).await.unwrap() }
    })
    .await;
    assert_eq!(replicas[0].find(&owner("a")).await.unwrap(), (0..CALLERS).map(nth).collect::<Vec<_>>());
}

pub async fn secrets_outlive_a_restart<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    store.add(&owner("kept"), &secret("s", 1, Some(2))).await.unwrap();
    store.add(&owner("deleted"), &secret("s", 1, None)).await.unwrap();
    store.delete_all(&owner("deleted")).await.unwrap();
    drop(store);
    let store = open(storage).await;
    assert_eq!(store.find(&owner("kept")).await.unwrap(), [secret("s", 1, Some(2))]);
    assert_eq!(store.find(&owner("deleted")).await.unwrap(), []);
}

pub async fn a_rotation_ends_the_others_and_not_later_than_they_would<S: Storage<Store: SecretStore>>(
    storage: &S,
) {
    let store = open(storage).await;
    store.add(&owner("neighbour"), &secret("s", 1, None)).await.unwrap();
    for secret in [secret("endless", 1, None), secret("long", 2, Some(9_000)), secret("short", 3, Some(5))] {
        store.add(&owner("a"), &secret).await.unwrap();
    }
    let end = Timestamp::from_unix_millis(1_000);
    store.rotate(&owner("a"), &secret("new", 4, None), end).await.unwrap();
    let ended = StoredSecret { expires_at: Some(end), ..secret("endless", 1, None) };
    let sooner = StoredSecret { expires_at: Some(end), ..secret("long", 2, Some(9_000)) };
    let expected = [ended, sooner, secret("short", 3, Some(5)), secret("new", 4, None)];
    assert_eq!(store.find(&owner("a")).await.unwrap(), expected);
    assert_eq!(store.find(&owner("neighbour")).await.unwrap(), [secret("s", 1, None)]);
    store.rotate(&owner("nobody"), &secret("first", 4, None), end).await.unwrap();
    assert_eq!(store.find(&owner("nobody")).await.unwrap(), [secret("first", 4, None)]);
}

pub async fn one_secret_is_removed_once_and_the_others_stay<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    for id in ["a", "b"] {
        for text in ["first", "second"] {
            store.add(&owner(id), &secret(text, 1, None)).await.unwrap();
        }
    }
    let hash = pepper().hash("first");
    assert!(store.remove(&owner("a"), &hash).await.unwrap());
    assert!(!store.remove(&owner("a"), &hash).await.unwrap());
    assert!(!store.remove(&owner("nobody"), &hash).await.unwrap());
    assert_eq!(store.find(&owner("a")).await.unwrap(), [secret("second", 1, None)]);
    assert_eq!(store.find(&owner("b")).await.unwrap().len(), 2);
}

/// A secret as it was imported.
fn imported(salt: &str, created: i64, expires: Option<i64>) -> StoredSecret {
    let hash = format!("$2b$04${salt}kI9asqphaLG/YhfqddmnNso0dP.3ztS");
    let secret =
        StoredSecret::imported(&ImportedHash::parse(&hash).unwrap(), Timestamp::from_unix_millis(created));
    StoredSecret { expires_at: expires.map(Timestamp::from_unix_millis), ..secret }
}

pub async fn an_imported_hash_is_upgraded_by_one_and_keeps_its_times<S: Storage<Store: SecretStore>>(
    storage: &S,
) {
    let replicas = [open(storage).await, open(storage).await];
    let store = &replicas[0];
    let salts = ["AbCdEfGhIjKlMnOpQrStUu", "BbCdEfGhIjKlMnOpQrStUu"];
    let [old, other] = salts.map(|salt| imported(salt, 1, Some(9_000)));
    store.add(&owner("neighbour"), &old).await.unwrap();
    store.add(&owner("a"), &old).await.unwrap();
    store.add(&owner("a"), &other).await.unwrap();
    // In between somebody rotates.
    let end = Timestamp::from_unix_millis(1_000);
    store.rotate(&owner("a"), &secret("next", 3, None), end).await.unwrap();
    let new = secret("s", 2, None);
    let winners = all_at_once(|caller| {
        let (store, old, new) = (Arc::clone(&replicas[caller % 2]), old.clone(), new.clone());
        async move { store.upgrade(&owner("a"), &old.hash, &new).await.unwrap() }
    })
    .await;
    assert_eq!(winners.into_iter().filter(|won| *won).count(), 1);
    let upgraded = StoredSecret { created_at: old.created_at, expires_at: Some(end), ..new.clone() };
    let other = StoredSecret { expires_at: Some(end), ..other };
    assert_eq!(store.find(&owner("a")).await.unwrap(), [upgraded, other.clone(), secret("next", 3, None)]);
    assert_eq!(store.find(&owner("neighbour")).await.unwrap(), [old]);
    assert!(store.remove(&owner("a"), &other.hash).await.unwrap());
    assert!(!store.upgrade(&owner("a"), &other.hash, &new).await.unwrap(), "what is gone does not come back");
    assert_eq!(store.find(&owner("a")).await.unwrap().len(), 2);
}

pub async fn it_is_known_whether_an_imported_hash_is_left<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    store.add(&owner("a"), &secret("ours", 1, None)).await.unwrap();
    assert_eq!(store.any_imported().await.unwrap(), None);
    let old = imported("AbCdEfGhIjKlMnOpQrStUu", 1, None);
    store.add(&owner("a"), &old).await.unwrap();
    assert_eq!(store.any_imported().await.unwrap(), Some(old.hash.clone()));
    assert!(store.upgrade(&owner("a"), &old.hash, &secret("s", 1, None)).await.unwrap());
    assert_eq!(store.any_imported().await.unwrap(), None);
}

pub async fn the_use_of_a_secret_is_noted<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    let at = Timestamp::from_unix_millis;
    store.add(&owner("a"), &secret("used", 1, None)).await.unwrap();
    store.add(&owner("a"), &secret("unused", 2, None)).await.unwrap();
    store.note_use(&owner("nobody"), &pepper().hash("used"), at(5)).await.unwrap();
    store.note_use(&owner("a"), &pepper().hash("gone"), at(5)).await.unwrap();
    for noted in [100, 50] {
        store.note_use(&owner("a"), &pepper().hash("used"), at(noted)).await.unwrap();
    }
    let used = StoredSecret { last_used_at: Some(at(100)), ..secret("used", 1, None) };
    assert_eq!(store.find(&owner("a")).await.unwrap(), [used.clone(), secret("unused", 2, None)]);
    store.rotate(&owner("a"), &secret("next", 3, None), at(9)).await.unwrap();
    let found = store.find(&owner("a")).await.unwrap();
    assert_eq!(found[0], StoredSecret { expires_at: Some(at(9)), ..used }, "a rotation forgets no use");
}
