//! Laws of [`ClientStore`], but for replacement.

use std::sync::Arc;

use common::Timestamp;
use credentials::InsertError;
use credentials::client::{
    Client, ClientFilter, ClientId, ClientKey, ClientOrigin, ClientPage, ClientState, ClientStore,
    DeleteOutcome, ReplaceOutcome,
};
use serde_json::json;

use super::{CALLERS, Storage, all_at_once};
use crate::clients::{client, client_id, demanding_clients, public_key};

async fn open<S: Storage<Store: ClientStore>>(storage: &S) -> Arc<dyn ClientStore> {
    storage.open().await
}

pub async fn every_field_comes_back_equal<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let clients = demanding_clients();
    for client in &clients {
        store.insert_new(client).await.unwrap_or_else(|error| panic!("{}: {error}", client.id));
    }
    for client in clients {
        assert_eq!(store.find(&client.id).await.unwrap().as_ref(), Some(&client), "{}", client.id);
    }
}

pub async fn an_unknown_id_is_none<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    assert_eq!(store.find(&client_id("nobody")).await.unwrap(), None);
    store.insert_new(&client("somebody")).await.unwrap();
    for other in ["nobody", "somebod", "somebody1", "SOMEBODY", "{\"$ne\":null}", "%", "*", ".*"] {
        assert_eq!(store.find(&client_id(other)).await.unwrap(), None, "{other}");
    }
}

pub async fn a_taken_id_is_a_duplicate_and_changes_nothing<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let first = client("taken");
    store.insert_new(&first).await.unwrap();
    let second = Client { name: "Intruder".to_owned(), permissions: vec!["*".to_owned()], ..client("taken") };
    assert!(matches!(store.insert_new(&second).await, Err(InsertError::Duplicate)));
    assert!(matches!(store.insert_new(&first).await, Err(InsertError::Duplicate)));
    assert_eq!(store.find(&first.id).await.unwrap(), Some(first));
}

pub async fn of_concurrent_inserts_of_one_id_one_succeeds<S: Storage<Store: ClientStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move {
            let mine = Client { name: format!("caller {caller}"), ..client("contended") };
            (store.insert_new(&mine).await, mine)
        }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|(answer, _)| matches!(answer, Err(InsertError::Duplicate))));
    assert_eq!(replicas[0].find(&client_id("contended")).await.unwrap().as_ref(), Some(&won[0].1));
}

pub async fn concurrent_inserts_of_different_ids_all_succeed<S: Storage<Store: ClientStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.insert_new(&client(&format!("id-{caller:03}"))).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(read_pages(&*replicas[1], 50).await.len(), CALLERS);
}

pub async fn ids_that_differ_in_case_are_different_clients<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let spellings = ["orders", "Orders", "ORDERS"].map(|id| Client { name: id.to_owned(), ..client(id) });
    for client in &spellings {
        store.insert_new(client).await.unwrap();
    }
    for client in spellings {
        assert_eq!(store.find(&client.id).await.unwrap().unwrap().name, client.name);
    }
}

pub async fn pages_are_complete_and_in_byte_order<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let mut expected = demanding_clients();
    expected.retain(|client| client.metadata.is_empty());
    for client in expected.iter().rev() {
        store.insert_new(client).await.unwrap();
    }
    expected.sort_by(|one, other| one.id.as_str().as_bytes().cmp(other.id.as_str().as_bytes()));
    assert!(expected.len() > 12);
    let all = u32::try_from(expected.len()).unwrap();
    for size in [1, 2, 5, all - 1, all, all + 1, u32::MAX] {
        assert_eq!(read_pages(&*store, size).await, expected, "pages of {size}");
    }
    // Exactly full is still the last page, and no limit is none at all.
    assert_eq!(store.list(&ClientFilter::default(), None, all).await.unwrap().next, None);
    assert_eq!(store.list(&ClientFilter::default(), None, 0).await.unwrap().clients, []);
}

/// Reads all pages of `size`, checking each.
async fn read_pages(store: &dyn ClientStore, size: u32) -> Vec<Client> {
    let mut clients = Vec::new();
    let mut after: Option<ClientId> = None;
    loop {
        let page = store.list(&ClientFilter::default(), after.as_ref(), size).await.unwrap();
        assert!(page.clients.len() <= usize::try_from(size).unwrap());
        clients.extend(page.clients);
        let Some(next) = page.next else { return clients };
        assert_eq!(clients.last().map(|client| &client.id), Some(&next), "the next page follows this one");
        after = Some(next);
    }
}

pub async fn a_page_may_start_after_an_id_that_is_gone<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    for id in ["a", "c", "e"] {
        store.insert_new(&client(id)).await.unwrap();
    }
    store.delete(&client_id("c"), None).await.unwrap();
    let page = store.list(&ClientFilter::default(), Some(&client_id("c")), 10).await.unwrap();
    assert_eq!(page, ClientPage { clients: vec![client("e")], next: None });
    let page = store.list(&ClientFilter::default(), Some(&client_id("e")), 10).await.unwrap();
    assert_eq!(page, ClientPage::default());
}

pub async fn an_empty_store_has_one_empty_page<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    assert_eq!(store.list(&ClientFilter::default(), None, 10).await.unwrap(), ClientPage::default());
}

pub async fn a_deleted_client_is_gone_and_its_id_free<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let (first, neighbour) = (client("first"), client("First"));
    store.insert_new(&first).await.unwrap();
    store.insert_new(&neighbour).await.unwrap();
    assert_eq!(store.delete(&first.id, None).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.delete(&first.id, None).await.unwrap(), DeleteOutcome::Missing);
    assert_eq!(store.find(&first.id).await.unwrap(), None);
    assert_eq!(store.list(&ClientFilter::default(), None, 10).await.unwrap().clients, [neighbour]);
    let again = Client { name: "Again".to_owned(), ..first };
    store.insert_new(&again).await.unwrap();
    assert_eq!(store.find(&again.id).await.unwrap(), Some(again));
}

pub async fn of_concurrent_deletes_one_removes<S: Storage<Store: ClientStore>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    replicas[0].insert_new(&client("doomed")).await.unwrap();
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.delete(&client_id("doomed"), None).await.unwrap() }
    })
    .await;
    let removed = answers.iter().filter(|outcome| **outcome == DeleteOutcome::Deleted).count();
    assert_eq!(removed, 1);
    assert!(!answers.contains(&DeleteOutcome::VersionConflict));
}

pub async fn only_the_expected_version_is_deleted<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let stored = Client { version: 5, ..client("versioned") };
    store.insert_new(&stored).await.unwrap();
    for other in [0, 4, 6, u64::MAX] {
        let outcome = store.delete(&stored.id, Some(other)).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::VersionConflict, "{other}");
    }
    assert_eq!(store.find(&stored.id).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(store.delete(&stored.id, Some(5)).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.delete(&stored.id, Some(5)).await.unwrap(), DeleteOutcome::Missing);
}

pub async fn a_filter_leaves_out_exactly_what_it_does_not_match<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let mut expected = demanding_clients();
    expected.retain(|client| client.metadata.len() < 5);
    for client in &expected {
        store.insert_new(client).await.unwrap();
    }
    expected.sort_by(|one, other| one.id.as_str().as_bytes().cmp(other.id.as_str().as_bytes()));
    let filters = [
        ClientFilter { state: Some(ClientState::Draft), ..ClientFilter::default() },
        ClientFilter { origin: Some(ClientOrigin::Registration), ..ClientFilter::default() },
        ClientFilter { name_contains: Some("ORD".to_owned()), ..ClientFilter::default() },
        ClientFilter { permission: Some("read:orders".to_owned()), ..ClientFilter::default() },
        ClientFilter { origin: Some(ClientOrigin::Operator), ..ClientFilter::default() },
        ClientFilter { permission: Some("a\u{0}b".to_owned()), ..ClientFilter::default() },
        ClientFilter { created_before: Some(Timestamp::from_unix_seconds(0)), ..ClientFilter::default() },
        ClientFilter { unused_since: Some(Timestamp::from_unix_seconds(0)), ..ClientFilter::default() },
        ClientFilter { metadata: vec![("$where".to_owned(), "1".to_owned())], ..ClientFilter::default() },
        ClientFilter { metadata: vec![("".to_owned(), "empty".to_owned())], ..ClientFilter::default() },
        ClientFilter {
            metadata: vec![("__STATE__".to_owned(), "TRASH".to_owned())],
            ..ClientFilter::default()
        },
        ClientFilter { metadata: vec![("è".to_owned(), "è".to_owned())], ..ClientFilter::default() },
        ClientFilter { name_contains: Some("nowhere in a name".to_owned()), ..ClientFilter::default() },
    ];
    for filter in filters {
        let wanted: Vec<_> = expected.iter().filter(|client| filter.matches(client)).cloned().collect();
        for size in [1, 2, u32::MAX] {
            let mut found = Vec::new();
            let mut after = None;
            loop {
                let page = store.list(&filter, after.as_ref(), size).await.unwrap();
                found.extend(page.clients);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, wanted, "{filter:?} in pages of {size}");
        }
    }
}

pub async fn a_login_is_noted_beside_the_version<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let at = Timestamp::from_unix_seconds;
    let record = client("visitor");
    store.insert_new(&record).await.unwrap();
    store.note_login(&client_id("nobody"), at(1), Some("A1")).await.unwrap();
    for (noted, expected) in [(100, 100), (50, 100), (200, 200)] {
        store.note_login(&record.id, at(noted), None).await.unwrap();
        let found = store.find(&record.id).await.unwrap().unwrap();
        assert_eq!(found, Client { last_login: Some(at(expected)), ..record.clone() });
    }
    // A change that was read before the login does not undo it.
    let change = Client { name: "Changed".to_owned(), version: 2, ..record };
    assert_eq!(store.replace(&change, 1).await.unwrap(), ReplaceOutcome::Replaced);
    let expected = Client { last_login: Some(at(200)), ..change };
    assert_eq!(store.list(&ClientFilter::default(), None, 10).await.unwrap().clients, [expected]);
}

pub async fn the_use_of_a_key_is_noted_beside_the_version<S: Storage<Store: ClientStore>>(storage: &S) {
    let store = open(storage).await;
    let at = Timestamp::from_unix_seconds;
    let keys: Vec<_> = ["a.b", "$c"].map(|kid| ClientKey::new(public_key(kid), at(1))).into();
    let record = Client { keys, ..client("signer") };
    store.insert_new(&record).await.unwrap();
    for (noted, kid) in [(100, "$c"), (50, "$c"), (60, "a.b"), (200, "gone")] {
        store.note_login(&record.id, at(noted), Some(kid)).await.unwrap();
    }
    let found = store.find(&record.id).await.unwrap().unwrap();
    assert_eq!([0, 1].map(|place| found.keys[place].last_used_at), [Some(at(60)), Some(at(100))]);
    assert_eq!((found.last_login, found.version), (Some(at(200)), record.version));
}

pub async fn t_reg_10_an_acknowledged_client_outlives_a_restart<S: Storage<Store: ClientStore>>(storage: &S) {
    let clients = demanding_clients();
    let store = open(storage).await;
    for client in &clients {
        store.insert_new(client).await.unwrap();
    }
    drop(store);
    let store = open(storage).await;
    for client in clients {
        assert_eq!(store.find(&client.id).await.unwrap().as_ref(), Some(&client), "{}", client.id);
        assert!(matches!(store.insert_new(&client).await, Err(InsertError::Duplicate)));
    }
}

pub async fn another_replica_sees_each_acknowledged_write<S: Storage<Store: ClientStore>>(storage: &S) {
    let (one, other) = (open(storage).await, open(storage).await);
    for round in 0..20 {
        let mut record = client(&format!("round-{round}"));
        one.insert_new(&record).await.unwrap();
        assert_eq!(other.find(&record.id).await.unwrap().as_ref(), Some(&record));
        record.metadata.insert("round".to_owned(), json!(round));
        record.version = 2;
        other.replace(&record, 1).await.unwrap();
        assert_eq!(one.find(&record.id).await.unwrap().as_ref(), Some(&record));
        one.delete(&record.id, None).await.unwrap();
        assert_eq!(other.find(&record.id).await.unwrap(), None);
    }
}

pub async fn ping_answers<S: Storage<Store: ClientStore>>(storage: &S) {
    open(storage).await.ping().await.unwrap();
}
