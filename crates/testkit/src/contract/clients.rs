//! Laws of [`ClientStore`], but for replacement.

use std::sync::Arc;

use credentials::InsertError;
use credentials::client::{Client, ClientId, ClientPage, ClientStore};
use serde_json::json;

use super::{CALLERS, Storage, all_at_once};
use crate::clients::{client, client_id, demanding_clients};

async fn open<S: Storage>(storage: &S) -> Arc<dyn ClientStore> {
    storage.open().await
}

pub async fn every_field_comes_back_equal<S: Storage>(storage: &S) {
    let store = open(storage).await;
    let clients = demanding_clients();
    for client in &clients {
        store.insert_new(client).await.unwrap_or_else(|error| panic!("{}: {error}", client.id));
    }
    for client in clients {
        assert_eq!(store.find(&client.id).await.unwrap().as_ref(), Some(&client), "{}", client.id);
    }
}

pub async fn an_unknown_id_is_none<S: Storage>(storage: &S) {
    let store = open(storage).await;
    assert_eq!(store.find(&client_id("nobody")).await.unwrap(), None);
    store.insert_new(&client("somebody")).await.unwrap();
    for other in ["nobody", "somebod", "somebody1", "SOMEBODY", "{\"$ne\":null}", "%", "*", ".*"] {
        assert_eq!(store.find(&client_id(other)).await.unwrap(), None, "{other}");
    }
}

pub async fn a_taken_id_is_a_duplicate_and_changes_nothing<S: Storage>(storage: &S) {
    let store = open(storage).await;
    let first = client("taken");
    store.insert_new(&first).await.unwrap();
    let second = Client { name: "Intruder".to_owned(), permissions: vec!["*".to_owned()], ..client("taken") };
    assert!(matches!(store.insert_new(&second).await, Err(InsertError::Duplicate)));
    assert!(matches!(store.insert_new(&first).await, Err(InsertError::Duplicate)));
    assert_eq!(store.find(&first.id).await.unwrap(), Some(first));
}

pub async fn of_concurrent_inserts_of_one_id_one_succeeds<S: Storage>(storage: &S) {
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

pub async fn concurrent_inserts_of_different_ids_all_succeed<S: Storage>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.insert_new(&client(&format!("id-{caller:03}"))).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(read_pages(&*replicas[1], 50).await.len(), CALLERS);
}

pub async fn ids_that_differ_in_case_are_different_clients<S: Storage>(storage: &S) {
    let store = open(storage).await;
    let spellings = ["orders", "Orders", "ORDERS"].map(|id| Client { name: id.to_owned(), ..client(id) });
    for client in &spellings {
        store.insert_new(client).await.unwrap();
    }
    for client in spellings {
        assert_eq!(store.find(&client.id).await.unwrap().unwrap().name, client.name);
    }
}

pub async fn pages_are_complete_and_in_byte_order<S: Storage>(storage: &S) {
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
    assert_eq!(store.list(None, all).await.unwrap().next, None);
    assert_eq!(store.list(None, 0).await.unwrap().clients, []);
}

/// Reads all pages of `size`, checking each.
async fn read_pages(store: &dyn ClientStore, size: u32) -> Vec<Client> {
    let mut clients = Vec::new();
    let mut after: Option<ClientId> = None;
    loop {
        let page = store.list(after.as_ref(), size).await.unwrap();
        assert!(page.clients.len() <= usize::try_from(size).unwrap());
        clients.extend(page.clients);
        let Some(next) = page.next else { return clients };
        assert_eq!(clients.last().map(|client| &client.id), Some(&next), "the next page follows this one");
        after = Some(next);
    }
}

pub async fn a_page_may_start_after_an_id_that_is_gone<S: Storage>(storage: &S) {
    let store = open(storage).await;
    for id in ["a", "c", "e"] {
        store.insert_new(&client(id)).await.unwrap();
    }
    store.delete(&client_id("c")).await.unwrap();
    let page = store.list(Some(&client_id("c")), 10).await.unwrap();
    assert_eq!(page, ClientPage { clients: vec![client("e")], next: None });
    let page = store.list(Some(&client_id("e")), 10).await.unwrap();
    assert_eq!(page, ClientPage::default());
}

pub async fn an_empty_store_has_one_empty_page<S: Storage>(storage: &S) {
    let store = open(storage).await;
    assert_eq!(store.list(None, 10).await.unwrap(), ClientPage::default());
}

pub async fn a_deleted_client_is_gone_and_its_id_free<S: Storage>(storage: &S) {
    let store = open(storage).await;
    let (first, neighbour) = (client("first"), client("First"));
    store.insert_new(&first).await.unwrap();
    store.insert_new(&neighbour).await.unwrap();
    assert!(store.delete(&first.id).await.unwrap());
    assert!(!store.delete(&first.id).await.unwrap());
    assert_eq!(store.find(&first.id).await.unwrap(), None);
    assert_eq!(store.list(None, 10).await.unwrap().clients, [neighbour]);
    let again = Client { name: "Again".to_owned(), ..first };
    store.insert_new(&again).await.unwrap();
    assert_eq!(store.find(&again.id).await.unwrap(), Some(again));
}

pub async fn of_concurrent_deletes_one_removes<S: Storage>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    replicas[0].insert_new(&client("doomed")).await.unwrap();
    let answers = all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        async move { store.delete(&client_id("doomed")).await.unwrap() }
    })
    .await;
    assert_eq!(answers.into_iter().filter(|removed| *removed).count(), 1);
}

pub async fn t_reg_10_an_acknowledged_client_outlives_a_restart<S: Storage>(storage: &S) {
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

pub async fn another_replica_sees_each_acknowledged_write<S: Storage>(storage: &S) {
    let (one, other) = (open(storage).await, open(storage).await);
    for round in 0..20 {
        let mut record = client(&format!("round-{round}"));
        one.insert_new(&record).await.unwrap();
        assert_eq!(other.find(&record.id).await.unwrap().as_ref(), Some(&record));
        record.metadata.insert("round".to_owned(), json!(round));
        record.version = 2;
        other.replace(&record, 1).await.unwrap();
        assert_eq!(one.find(&record.id).await.unwrap().as_ref(), Some(&record));
        one.delete(&record.id).await.unwrap();
        assert_eq!(other.find(&record.id).await.unwrap(), None);
    }
}

pub async fn ping_answers<S: Storage>(storage: &S) {
    open(storage).await.ping().await.unwrap();
}
