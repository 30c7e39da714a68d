//! The store over a crud-service as upstream contract §7 recorded it, with the shipped schema and with a longer one.
//!
//! The contract suite of the other stores compares whole records, with times and versions. Here both are the
//! crud-service's (ADR 6), so the laws are shown one by one, and what differs is said.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::sync::Arc;

use common::Timestamp;
use credentials::client::{
    AuthMethod, Client, ClientFilter, ClientOrigin, ClientState, ClientStore, DeleteOutcome, ReplaceOutcome,
};
use credentials::{InsertError, StoreError};
use serde_json::json;
use store_crud::{CrudClients, OpenError};
use testkit::crud_service::{CrudService, FURTHER_FIELDS, SHIPPED_FIELDS};
use testkit::{client, client_id, public_key};

async fn shipped() -> (CrudService, CrudClients) {
    let service = CrudService::start(&SHIPPED_FIELDS);
    let store = CrudClients::connect(&service.url()).await.unwrap();
    (service, store)
}

async fn longer() -> (CrudService, CrudClients) {
    let service = CrudService::start(&[&SHIPPED_FIELDS[..], &FURTHER_FIELDS].concat());
    let store = CrudClients::connect(&format!("{}/", service.url())).await.unwrap();
    (service, store)
}

/// `found`, with what the crud-service sets itself as in `like`.
fn as_sent(found: Option<Client>, like: &Client) -> Client {
    let found = found.unwrap();
    assert_eq!(found.origin, ClientOrigin::Unknown, "the crud-service does not keep it");
    Client {
        origin: like.origin,
        version: like.version,
        created_at: like.created_at,
        updated_at: like.updated_at,
        ..found
    }
}

fn powerful(id: &str) -> Client {
    Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        public_key: Some(public_key("k")),
        permissions: vec!["read:orders".to_owned()],
        audience: vec!["api".to_owned()],
        allowed_custom_claims: vec!["tenant".to_owned()],
        ..client(id)
    }
}

#[tokio::test]
async fn contract_1_7_every_state_and_field_of_the_shipped_collection_comes_back() {
    let (service, store) = shipped().await;
    for (index, state) in ClientState::ALL.into_iter().enumerate() {
        let client = Client { state, ..powerful(&format!("a&b={index}\"+%")) };
        store.insert_new(&client).await.unwrap();
        assert_eq!(as_sent(store.find(&client.id).await.unwrap(), &client), client);
    }
    assert_eq!(store.find(&client_id("nobody")).await.unwrap(), None);
    let names: Vec<_> = service.documents()[0].keys().cloned().collect();
    assert!(!names.iter().any(|name| name == "version" || name == "origin"), "{names:?}");
}

#[tokio::test]
async fn contract_7_2_a_duplicate_is_409_or_422_and_changes_nothing() {
    let (service, store) = shipped().await;
    store.insert_new(&powerful("taken")).await.unwrap();
    for version_6 in [false, true] {
        if version_6 {
            service.as_version_6();
        }
        let second = Client { name: "Intruder".to_owned(), ..client("taken") };
        assert!(matches!(store.insert_new(&second).await, Err(InsertError::Duplicate)));
    }
    let store = Arc::new(store);
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.insert_new(&client("raced")).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, InsertError::Duplicate), "{error}"),
        }
    }
    assert_eq!((won, service.documents().len()), (1, 2));
}

#[tokio::test]
async fn contract_7_4_what_the_shipped_collection_lacks_is_left_out_if_it_is_for_show_and_else_refused() {
    let (service, store) = shipped().await;
    let shown = Client { metadata: json!({"team": "a"}).as_object().unwrap().clone(), ..client("shown") };
    store.insert_new(&shown).await.unwrap();
    assert!(store.find(&shown.id).await.unwrap().unwrap().metadata.is_empty());
    store.note_login(&shown.id, Timestamp::from_unix_seconds(1), None).await.unwrap();
    let powers = [
        Client { token_lifetime_seconds: Some(5), ..client("power") },
        Client { jwks_uri: Some("https://c.example/jwks".to_owned()), ..client("power") },
        Client { static_claims: json!({"a": 1}).as_object().unwrap().clone(), ..client("power") },
    ];
    for power in powers {
        let Err(InsertError::Store(StoreError::Unavailable(error))) = store.insert_new(&power).await else {
            unreachable!("{power:?}")
        };
        assert!(error.to_string().contains("not defined in validation schema"), "{error}");
    }
    assert_eq!(service.documents().len(), 1);

    let (_service, store) = longer().await;
    let full =
        Client { token_lifetime_seconds: Some(5), metadata: shown.metadata.clone(), ..powerful("full") };
    store.insert_new(&full).await.unwrap();
    assert_eq!(as_sent(store.find(&full.id).await.unwrap(), &full), full);
    let at = Timestamp::from_unix_millis(1_795_291_200_123);
    store.note_login(&full.id, at, None).await.unwrap();
    assert_eq!(store.find(&full.id).await.unwrap().unwrap().last_login, Some(at));
}

#[tokio::test]
async fn t_reg_06_of_changes_based_on_one_version_one_wins() {
    let (service, store) = longer().await;
    store.insert_new(&powerful("contended")).await.unwrap();
    let store = Arc::new(store);
    let base = store.find(&client_id("contended")).await.unwrap().unwrap();
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = Arc::clone(&store);
            let mine = Client { name: format!("writer {writer}"), public_key: None, ..base.clone() };
            tokio::spawn(async move { store.replace(&mine, mine.version).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += usize::from(writer.await.unwrap() == ReplaceOutcome::Replaced);
    }
    assert_eq!(won, 1);
    let now = store.find(&base.id).await.unwrap().unwrap();
    assert!(now.version > base.version && now.public_key.is_none(), "{now:?}");
    assert_eq!(store.replace(&client("nobody"), 1).await.unwrap(), ReplaceOutcome::Missing);

    // The state moves alone, and with the rest.
    let trashed = Client { state: ClientState::Trash, ..now.clone() };
    assert_eq!(store.replace(&trashed, base.version).await.unwrap(), ReplaceOutcome::VersionConflict);
    assert_eq!(store.replace(&trashed, now.version).await.unwrap(), ReplaceOutcome::Replaced);
    let now = store.find(&base.id).await.unwrap().unwrap();
    let draft = Client { state: ClientState::Draft, name: "again".to_owned(), ..now.clone() };
    assert_eq!(store.replace(&draft, now.version).await.unwrap(), ReplaceOutcome::Replaced);
    let now = store.find(&base.id).await.unwrap().unwrap();
    assert_eq!((now.state, now.name.as_str()), (ClientState::Draft, "again"));

    assert_eq!(store.delete(&now.id, Some(base.version)).await.unwrap(), DeleteOutcome::VersionConflict);
    assert_eq!(store.delete(&now.id, Some(now.version)).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.delete(&now.id, None).await.unwrap(), DeleteOutcome::Missing);
    assert!(service.documents().is_empty());
}

#[tokio::test]
async fn pages_are_complete_and_in_byte_order_and_filtered() {
    let (service, store) = shipped().await;
    for number in 0..205 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        service
            .put(&json!({"clientId": format!("id-{number:03}"), "name": name, "permissions": []}), "DRAFT");
    }
    service.put(&json!({"clientId": "id-100a", "name": 1, "permissions": []}), "PUBLIC");
    let filter = ClientFilter { name_contains: Some("EVEN".to_owned()), ..ClientFilter::default() };
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&filter, after.as_ref(), 100).await.unwrap();
        ids.extend(page.clients.into_iter().map(|client| client.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..205).step_by(2).map(|number| format!("id-{number:03}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn contract_1_7_documents_of_other_tools_are_read_and_doubtful_ones_refused() {
    let (service, store) = shipped().await;
    service.put(&json!({"clientId": "bare", "name": "n", "permissions": ["p"], "publicKey": {}}), "PUBLIC");
    let bare = store.find(&client_id("bare")).await.unwrap().unwrap();
    assert_eq!((bare.auth_method, bare.public_key), (AuthMethod::ClientSecretBasic, None));
    for _ in 0..2 {
        service.put(&json!({"clientId": "twice", "name": "n", "permissions": []}), "PUBLIC");
    }
    let error = store.find(&client_id("twice")).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
}

#[tokio::test]
async fn contract_2_each_call_has_the_headers_of_its_caller() {
    let (service, store) = longer().await;
    let callers = std::sync::atomic::AtomicUsize::new(0);
    let store = store.passing_on(Arc::new(move || {
        let caller = callers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let pair = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        vec![pair("miauserid", format!("user-{caller}")), pair("x-forwarded-for", "è, 1.1.1.1".to_owned())]
    }));
    let client = powerful("a");
    let before = service.requests().len();
    store.insert_new(&client).await.unwrap();
    let found = store.find(&client.id).await.unwrap().unwrap();
    let changed = Client { name: "b".to_owned(), ..found.clone() };
    store.replace(&changed, found.version).await.unwrap();
    let found = store.find(&client.id).await.unwrap().unwrap();
    let moved = Client { state: ClientState::Draft, ..found.clone() };
    store.replace(&moved, found.version).await.unwrap();
    store.note_login(&client.id, Timestamp::from_unix_seconds(1), None).await.unwrap();
    store.list(&ClientFilter::default(), None, 10).await.unwrap();
    store.ping().await.unwrap();
    let document = &service.documents()[0];
    store.delete(&client.id, None).await.unwrap();
    let requests = service.requests();
    for (caller, request) in requests[before..].iter().enumerate() {
        assert_eq!(request.header("miauserid"), format!("user-{caller}"), "{request:?}");
        assert_eq!(request.header("x-forwarded-for"), "è, 1.1.1.1");
    }
    let done = |method: &str, path: &str| {
        requests
            .iter()
            .filter(|request| (request.method.as_str(), request.path.as_str()) == (method, path))
            .count()
    };
    assert_eq!(
        (done("POST", "/"), done("POST", "/state"), done("PATCH", "/"), done("GET", "/count")),
        (1, 1, 2, 2)
    );
    assert_eq!(document["creatorId"], "user-1", "the second call, after the look");
    assert_ne!(document["updaterId"], document["creatorId"]);
}

#[tokio::test]
async fn a_crud_service_that_does_not_answer_is_unavailable() {
    let (service, store) = shipped().await;
    store.insert_new(&client("a")).await.unwrap();
    service.set_down(true);
    let unavailable = |error: StoreError| assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    unavailable(store.find(&client_id("a")).await.unwrap_err());
    unavailable(store.list(&ClientFilter::default(), None, 10).await.unwrap_err());
    unavailable(store.replace(&client("a"), 1).await.unwrap_err());
    unavailable(store.delete(&client_id("a"), None).await.unwrap_err());
    unavailable(store.ping().await.unwrap_err());
    assert!(matches!(store.insert_new(&client("b")).await, Err(InsertError::Store(_))));
    assert!(matches!(CrudClients::connect(&service.url()).await, Err(OpenError::Unusable(_))));
    for url in ["", "crud-service", "ftp://x", "http://x/clients?a=b"] {
        assert!(matches!(CrudClients::connect(url).await, Err(OpenError::NotAUrl)), "{url}");
    }
    service.set_down(false);
    assert!(store.find(&client_id("a")).await.unwrap().is_some());
}
