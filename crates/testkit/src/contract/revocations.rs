//! Laws of [`RevocationStore`].

use std::sync::Arc;

use common::Timestamp;
use common::revocation::Revocation;
use credentials::revocation::{RevocationStore, RevocationWatch};

use super::{CALLERS, Storage, all_at_once};

/// Looks of a watch before a test gives up: each waits a second at most.
const PATIENCE: usize = 30;

async fn open<S: Storage<Store: RevocationStore>>(storage: &S) -> Arc<dyn RevocationStore> {
    storage.open().await
}

fn token<S: Storage>(storage: &S, jti: &str) -> Revocation {
    let exp = storage.now().unix_seconds() + 3600;
    Revocation::Token { jti: jti.to_owned(), client_id: "client-1".to_owned(), exp }
}

/// All tokens of a client up to so many milliseconds after now.
fn client<S: Storage>(storage: &S, client_id: &str, millis: i64) -> Revocation {
    let issued_until = Timestamp::from_unix_millis(storage.now().unix_millis() + millis);
    let forget_at = issued_until.plus_seconds(86_400);
    Revocation::Client { client_id: client_id.to_owned(), issued_until, forget_at }
}

/// What is recorded, in a fixed order.
async fn recorded(store: &dyn RevocationStore) -> Vec<String> {
    let mut texts: Vec<_> =
        store.revocations().await.unwrap().iter().map(|entry| format!("{entry:?}")).collect();
    texts.sort();
    texts
}

fn sorted(entries: &[Revocation]) -> Vec<String> {
    let mut texts: Vec<_> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    texts.sort();
    texts
}

/// Follows a watch until it has told all of these; it may tell others, and one several times.
async fn tells(watch: &mut Box<dyn RevocationWatch>, expected: &[Revocation]) {
    let mut missing = expected.to_vec();
    let mut quiet = 0;
    while !missing.is_empty() {
        match watch.next().await.unwrap() {
            Some(told) => missing.retain(|entry| *entry != told),
            None => {
                quiet += 1;
                assert!(quiet < PATIENCE, "not told: {missing:?}");
            }
        }
    }
}

pub async fn revocations_come_back_equal<S: Storage<Store: RevocationStore>>(storage: &S) {
    let (store, replica) = (open(storage).await, open(storage).await);
    assert_eq!(recorded(&*store).await, Vec::<String>::new());
    let long = "j".repeat(4000);
    let mut entries: Vec<_> = ["j", "J", "", "$set", "a.b", "è🔑", "a\u{0}b", "{\"$ne\":1}", &long]
        .map(|jti| token(storage, jti))
        .into();
    entries.extend(["j", "client-1", "Client-1", "$set", "{\"$ne\":1}"].map(|id| client(storage, id, 0)));
    for entry in &entries {
        store.revoke(entry).await.unwrap_or_else(|error| panic!("{entry:?}: {error}"));
    }
    assert_eq!(recorded(&*store).await, sorted(&entries));
    assert_eq!(recorded(&*replica).await, sorted(&entries), "acknowledged is acknowledged everywhere");
}

pub async fn revoking_again_changes_nothing<S: Storage<Store: RevocationStore>>(storage: &S) {
    let store = open(storage).await;
    let entries = [token(storage, "j"), client(storage, "c", 0)];
    for _ in 0..3 {
        for entry in &entries {
            store.revoke(entry).await.unwrap();
        }
    }
    assert_eq!(recorded(&*store).await, sorted(&entries));
}

pub async fn the_latest_of_a_client_stays<S: Storage<Store: RevocationStore>>(storage: &S) {
    let store = open(storage).await;
    for millis in [10, 0, 20, 19, -5000, 20] {
        store.revoke(&client(storage, "c", millis)).await.unwrap();
    }
    assert_eq!(recorded(&*store).await, sorted(&[client(storage, "c", 20)]));
}

pub async fn of_concurrent_revocations_of_a_client_the_latest_stays<S: Storage<Store: RevocationStore>>(
    storage: &S,
) {
    let replicas = [open(storage).await, open(storage).await];
    let entries: Vec<_> = (0..CALLERS).map(|caller| client(storage, "c", caller as i64)).collect();
    let answers = all_at_once(|caller| {
        let (store, entry) = (Arc::clone(&replicas[caller % 2]), entries[caller].clone());
        async move { store.revoke(&entry).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(recorded(&*replicas[0]).await, sorted(&entries[CALLERS - 1..]));
}

pub async fn c_7009_09_a_watch_tells_what_any_replica_revokes<S: Storage<Store: RevocationStore>>(
    storage: &S,
) {
    let (store, replica) = (open(storage).await, open(storage).await);
    store.revoke(&token(storage, "before")).await.unwrap();
    let mut watches = [store.watch().await.unwrap(), replica.watch().await.unwrap()];
    let entries = [
        token(storage, "a"),
        client(storage, "c", 0),
        token(storage, "b"),
        client(storage, "c", 1),
        client(storage, "d", 0),
    ];
    for (turn, entry) in entries.iter().enumerate() {
        [&store, &replica][turn % 2].revoke(entry).await.unwrap();
        for watch in &mut watches {
            tells(watch, std::slice::from_ref(entry)).await;
        }
    }
}

pub async fn a_watch_misses_nothing_of_many_at_once<S: Storage<Store: RevocationStore>>(storage: &S) {
    let (store, replica) = (open(storage).await, open(storage).await);
    let mut watch = replica.watch().await.unwrap();
    let entries: Vec<_> = (0..CALLERS * 20).map(|number| token(storage, &format!("{number}"))).collect();
    let answers = all_at_once(|caller| {
        let (store, entries) = (Arc::clone(&store), entries[caller * 20..(caller + 1) * 20].to_vec());
        async move {
            for entry in entries {
                store.revoke(&entry).await.unwrap();
            }
        }
    });
    tokio::join!(answers, tells(&mut watch, &entries));
}

pub async fn a_quiet_watch_says_so<S: Storage<Store: RevocationStore>>(storage: &S) {
    let store = open(storage).await;
    let mut watch = store.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap(), None);
    store.revoke(&token(storage, "late")).await.unwrap();
    tells(&mut watch, &[token(storage, "late")]).await;
}

pub async fn revocations_outlive_a_restart<S: Storage<Store: RevocationStore>>(storage: &S) {
    let entries = [token(storage, "j"), client(storage, "c", 0)];
    let store = open(storage).await;
    for entry in &entries {
        store.revoke(entry).await.unwrap();
    }
    drop(store);
    assert_eq!(recorded(&*open(storage).await).await, sorted(&entries));
}

/// Whatever a store cleans up, it cleans up while it is written to.
pub async fn what_has_not_ended_is_kept_however_many_others_arrive<S: Storage<Store: RevocationStore>>(
    storage: &S,
) {
    let store = open(storage).await;
    let kept = [token(storage, "kept"), client(storage, "kept", 0)];
    for entry in &kept {
        store.revoke(entry).await.unwrap();
    }
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&store);
        let exp = storage.now().unix_seconds() - 86_400;
        async move {
            for number in 0..10 {
                let jti = format!("ended {caller} {number}");
                store.revoke(&Revocation::Token { jti, client_id: "c".to_owned(), exp }).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(answers.len(), CALLERS);
    let recorded = recorded(&*store).await;
    assert!(sorted(&kept).iter().all(|entry| recorded.contains(entry)));
}
