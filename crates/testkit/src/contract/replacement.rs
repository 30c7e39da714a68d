//! Laws of [`ClientStore::replace`].

use std::sync::Arc;

use credentials::client::{AuthMethod, Client, ClientFilter, ClientState, ClientStore, ReplaceOutcome};
use serde_json::json;

use super::{CALLERS, Storage, all_at_once};
use crate::clients::{client, client_id, demanding_clients, public_key};

async fn open<S: Storage<Store: ClientStore>>(storage: &S) -> Arc<dyn ClientStore> {
    storage.open().await
}

pub async fn every_field_can_be_replaced<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let plain = client("changing");
    store.insert_new(&plain).await.unwrap();
    // Each demanding record in turn, with and without a key, and back to the plain one.
    let mut expected_version = plain.version;
    for next in demanding_clients().into_iter().chain([plain.clone()]) {
        let next = Client { id: plain.id.clone(), ..next };
        assert_eq!(store.replace(&next, expected_version).await.unwrap(), ReplaceOutcome::Replaced);
        assert_eq!(store.find(&plain.id).await.unwrap().as_ref(), Some(&next));
        expected_version = next.version;
    }
}

pub async fn an_unexpected_version_changes_nothing<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let stored = Client { version: 5, ..client("versioned") };
    store.insert_new(&stored).await.unwrap();
    for expected in [0, 1, 4, 6, u64::MAX] {
        let change =
            Client { name: "Changed".to_owned(), version: expected.wrapping_add(1), ..stored.clone() };
        assert_eq!(
            store.replace(&change, expected).await.unwrap(),
            ReplaceOutcome::VersionConflict,
            "{expected}"
        );
        assert_eq!(store.find(&stored.id).await.unwrap().as_ref(), Some(&stored));
    }
}

pub async fn an_unknown_client_is_missing_and_stays_so<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    for version in [0, 1] {
        assert_eq!(store.replace(&client("nobody"), version).await.unwrap(), ReplaceOutcome::Missing);
    }
    assert_eq!(store.find(&client_id("nobody")).await.unwrap(), None);
}

pub async fn only_the_named_client_changes<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    for id in ["orders", "Orders", "orders2"] {
        store.insert_new(&client(id)).await.unwrap();
    }
    let change = Client { name: "Changed".to_owned(), version: 2, ..client("orders") };
    assert_eq!(store.replace(&change, 1).await.unwrap(), ReplaceOutcome::Replaced);
    let names: Vec<_> = store
        .list(&ClientFilter::default(), None, 10)
        .await
        .unwrap()
        .clients
        .into_iter()
        .map(|client| client.name)
        .collect();
    assert_eq!(names, ["Orders", "Changed", "Orders"]);
}

/// A record whose fields all tell who wrote it.
fn written_by(caller: usize, version: u64) -> Client {
    let mark = format!("caller {caller}");
    Client {
        name: mark.clone(),
        state: if caller.is_multiple_of(2) { ClientState::Public } else { ClientState::Draft },
        auth_method: AuthMethod::PrivateKeyJwt,
        public_key: caller.is_multiple_of(3).then(|| public_key(&mark)),
        permissions: vec![mark.clone(); caller],
        audience: vec![mark.clone()],
        allowed_custom_claims: vec![mark.clone()],
        metadata: [(mark, json!(caller))].into_iter().collect(),
        version,
        ..client("contended")
    }
}

pub async fn t_reg_06_of_concurrent_replacements_one_wins_whole<S: Storage<Store: ClientStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    replicas[0].insert_new(&client("contended")).await.unwrap();
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.replace(&written_by(caller, 2), 1).await.unwrap() }
    })
    .await;
    let winners: Vec<_> =
        (0..CALLERS).filter(|caller| answers[*caller] == ReplaceOutcome::Replaced).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(
        answers.iter().filter(|answer| **answer == ReplaceOutcome::VersionConflict).count(),
        CALLERS - 1
    );
    let stored = replicas[1].find(&client_id("contended")).await.unwrap();
    assert_eq!(stored, Some(written_by(winners[0], 2)));
}

pub async fn t_reg_06_no_update_is_lost<S: Storage<Store: ClientStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    replicas[0].insert_new(&Client { version: 0, ..client("counter") }).await.unwrap();
    all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move {
            // Eight of the callers add their name to the record, each trying until it gets through.
            if caller < 8 {
                while !add_name(&*store, caller).await {}
            }
        }
    })
    .await;
    let mut record = replicas[0].find(&client_id("counter")).await.unwrap().unwrap();
    record.permissions.sort();
    assert_eq!(record.version, 8);
    assert_eq!(record.permissions, (0..8).map(|caller| format!("caller {caller}")).collect::<Vec<_>>());
}

/// One attempt to read the record, change it and write it back.
async fn add_name(store: &dyn ClientStore, caller: usize) -> bool {
    let mut record = store.find(&client_id("counter")).await.unwrap().unwrap();
    let expected = record.version;
    record.version += 1;
    record.permissions.push(format!("caller {caller}"));
    store.replace(&record, expected).await.unwrap() == ReplaceOutcome::Replaced
}

pub async fn a_replacement_outlives_a_restart<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    store.insert_new(&client("contended")).await.unwrap();
    store.replace(&written_by(3, 2), 1).await.unwrap();
    drop(store);
    assert_eq!(open(storage).await.find(&client_id("contended")).await.unwrap(), Some(written_by(3, 2)));
}
