//! Laws of [`SecretStore`].

use std::sync::Arc;

use common::Timestamp;
use credentials::secret::{
    ImportedHash, Pepper, RemoveOutcome, RotateOutcome, Rotation, SecretLookup, SecretStore, StoredSecret,
};
use futures_util::future::join_all;

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

/// A rotation to this secret that leaves room for five.
fn rotation(text: &str, at: i64, others_end: i64) -> Rotation {
    Rotation {
        new: secret(text, at, None),
        others_end: Timestamp::from_unix_millis(others_end),
        most_live: 5,
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

pub async fn what_has_ended_is_forgotten_and_nothing_else<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    let at = |millis: i64| Some(1_795_291_200_000 + millis);
    for id in ["a", "b"] {
        for (text, end) in [("ended", at(-1)), ("long ago", Some(-1)), ("ends now", at(0)), ("never", None)] {
            store.add(&owner(id), &secret(text, 1, end)).await.unwrap();
        }
    }
    for _ in 0..2 {
        store.forget_ended(Timestamp::from_unix_millis(1_795_291_200_000)).await.unwrap();
        for id in ["a", "b"] {
            let left = [secret("ends now", 1, at(0)), secret("never", 1, None)];
            assert_eq!(store.find(&owner(id)).await.unwrap(), left);
        }
    }
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
    let rotation = rotation("new", 4, 1_000);
    assert_eq!(store.rotate(&owner("a"), &rotation).await.unwrap(), RotateOutcome::Rotated);
    let ended = StoredSecret { expires_at: Some(end), ..secret("endless", 1, None) };
    let sooner = StoredSecret { expires_at: Some(end), ..secret("long", 2, Some(9_000)) };
    let expected = [ended, sooner, secret("short", 3, Some(5)), secret("new", 4, None)];
    assert_eq!(store.find(&owner("a")).await.unwrap(), expected);
    assert_eq!(store.find(&owner("neighbour")).await.unwrap(), [secret("s", 1, None)]);
    assert_eq!(store.rotate(&owner("nobody"), &rotation).await.unwrap(), RotateOutcome::Rotated);
    assert_eq!(store.find(&owner("nobody")).await.unwrap(), [secret("new", 4, None)]);
}

pub async fn a_rotation_forgets_what_has_ended_and_keeps_to_the_most<S: Storage<Store: SecretStore>>(
    storage: &S,
) {
    let store = open(storage).await;
    for secret in [secret("ended", 1, Some(4)), secret("first", 2, Some(5)), secret("second", 3, None)] {
        store.add(&owner("a"), &secret).await.unwrap();
    }
    let before = store.find(&owner("a")).await.unwrap();
    let most = |rotation: Rotation, most_live| Rotation { most_live, ..rotation };
    let with_grace = most(rotation("new", 4, 1_000), 2);
    assert_eq!(store.rotate(&owner("a"), &with_grace).await.unwrap(), RotateOutcome::TooMany);
    assert_eq!(store.find(&owner("a")).await.unwrap(), before, "a refused rotation changes nothing");
    let at_once = most(rotation("new", 4, 4), 1);
    assert_eq!(store.rotate(&owner("a"), &at_once).await.unwrap(), RotateOutcome::Rotated);
    let expected = [secret("first", 2, Some(4)), secret("second", 3, None), secret("new", 4, None)];
    let texts = |secrets: &[StoredSecret]| secrets.iter().map(|one| one.hash.clone()).collect::<Vec<_>>();
    let after = store.find(&owner("a")).await.unwrap();
    assert_eq!(texts(&after), texts(&expected));
    let live = after.iter().filter(|one| one.is_live(Timestamp::from_unix_millis(4)));
    assert_eq!(live.collect::<Vec<_>>(), [&expected[2]]);
}

pub async fn t_reg_06_of_concurrent_rotations_the_last_ones_secret_stays<S: Storage<Store: SecretStore>>(
    storage: &S,
) {
    let replicas = [open(storage).await, open(storage).await];
    let now = Timestamp::from_unix_millis(10);
    for (client, end) in [("at-once-", 10), ("with-grace-", 9_000)] {
        for round in 0..3 {
            let owner = &owner(&format!("{client}{round}"));
            replicas[0].add(owner, &secret("first", 1, None)).await.unwrap();
            let rotations: Vec<_> =
                (0..8).map(|caller| rotation(&format!("secret {caller}"), 10, end)).collect();
            let answers = join_all((0..).zip(&rotations).map(|(caller, rotation): (usize, _)| {
                let store = Arc::clone(&replicas[caller % 2]);
                async move { store.rotate(owner, rotation).await.unwrap() }
            }))
            .await;
            let after = replicas[1].find(owner).await.unwrap();
            let live = after.iter().filter(|one| one.is_live(now)).count();
            let endless = after.iter().filter(|one| one.expires_at.is_none()).count();
            let rotated = answers.iter().filter(|answer| **answer == RotateOutcome::Rotated).count();
            let expected = if end == 10 { (8, 1) } else { (4, 5) };
            assert_eq!((rotated, live, endless), (expected.0, expected.1, 1), "{client}, round {round}");
        }
    }
}

pub async fn t_reg_06_concurrent_removals_spare_the_last_live_secret<S: Storage<Store: SecretStore>>(
    storage: &S,
) {
    let replicas = [open(storage).await, open(storage).await];
    let now = Timestamp::from_unix_millis(10);
    for round in 0..5 {
        let owner = &owner(&format!("{round}"));
        let hashes = ["first", "second"].map(|text| pepper().hash(text));
        for text in ["first", "second"] {
            replicas[0].add(owner, &secret(text, 1, None)).await.unwrap();
        }
        replicas[0].add(owner, &secret("ended", 1, Some(10))).await.unwrap();
        let mut outcomes = join_all(
            hashes
                .iter()
                .zip(&replicas)
                .map(|(hash, store)| async move { store.remove(owner, hash, Some(now)).await.unwrap() }),
        )
        .await;
        outcomes.sort_by_key(|outcome| *outcome != RemoveOutcome::Removed);
        assert_eq!(outcomes, [RemoveOutcome::Removed, RemoveOutcome::LastLive], "round {round}");
        let left = replicas[1].find(owner).await.unwrap();
        assert_eq!(left.iter().filter(|one| one.is_live(now)).count(), 1);
        // What has ended is not spared, and the last one is not if nobody asks for it.
        let ended = pepper().hash("ended");
        assert_eq!(replicas[0].remove(owner, &ended, Some(now)).await.unwrap(), RemoveOutcome::Removed);
        let last = &left.iter().find(|one| one.is_live(now)).unwrap().hash;
        assert_eq!(replicas[0].remove(owner, last, None).await.unwrap(), RemoveOutcome::Removed);
        assert_eq!(replicas[0].find(owner).await.unwrap(), []);
    }
}

pub async fn one_secret_is_removed_once_and_the_others_stay<S: Storage<Store: SecretStore>>(storage: &S) {
    let store = open(storage).await;
    for id in ["a", "b"] {
        for text in ["first", "second"] {
            store.add(&owner(id), &secret(text, 1, None)).await.unwrap();
        }
    }
    let hash = pepper().hash("first");
    for (id, outcome) in
        [("a", RemoveOutcome::Removed), ("a", RemoveOutcome::Missing), ("nobody", RemoveOutcome::Missing)]
    {
        assert_eq!(store.remove(&owner(id), &hash, None).await.unwrap(), outcome);
    }
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
    store.rotate(&owner("a"), &rotation("next", 3, 1_000)).await.unwrap();
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
    assert_eq!(store.remove(&owner("a"), &other.hash, None).await.unwrap(), RemoveOutcome::Removed);
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
    store.rotate(&owner("a"), &rotation("next", 3, 9)).await.unwrap();
    let found = store.find(&owner("a")).await.unwrap();
    assert_eq!(found[0], StoredSecret { expires_at: Some(at(9)), ..used }, "a rotation forgets no use");
}
