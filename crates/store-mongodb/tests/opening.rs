//! Opening: what an operator may get wrong, and what they may not weaken. No sentence repeats a value.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::time::{Duration, Instant};

use common::Timestamp;
use credentials::client::ClientStore;
use credentials::replay::{ReplayGuard, UseId};
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Client, Collection, Database, IndexModel};
use store_mongodb::{MongoStore, OpenError};
use testkit::{client, client_id};

/// A second way into the database, past the store.
async fn raw(url: &str) -> Database {
    Client::with_uri_str(url).await.unwrap().default_database().unwrap()
}

async fn index_names(collection: &Collection<Document>) -> Vec<String> {
    collection.list_index_names().await.unwrap()
}

async fn refusal(url: &str, credentials: &str) -> OpenError {
    match MongoStore::connect(url, None, credentials).await {
        Ok(_) => panic!("{url} was accepted"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_url_that_cannot_work_is_refused_without_its_value() {
    for url in [
        "",
        "canary",
        "http://canary:secret@127.0.0.1/db",
        "mongodb://canary:secret@/db",
        "mongodb://canary:sec@ret@127.0.0.1/db",
        "mongodb://canary:secret@127.0.0.1:99999/db",
        "mongodb://canary:secret@127.0.0.1/db?w=canary&journal=secret",
        "mongodb://canary:%zz@127.0.0.1/db",
    ] {
        let error = refusal(url, "credentials").await;
        assert!(matches!(error, OpenError::NotAUrl), "{url}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("CREDENTIALS_MONGODB_URL"), "{shown}");
        assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
    }
    let error = refusal("mongodb://canary:secret@127.0.0.1", "credentials").await;
    assert!(matches!(error, OpenError::NoDatabase), "{error}");
    for name in ["clients", "used_assertions", "signing_keys", "deployment", "audit_events", "", "a$b"] {
        let error = refusal("mongodb://127.0.0.1/db", name).await;
        assert!(matches!(error, OpenError::CollectionName), "{name:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_by_the_variable_and_no_password_is_shown() {
    // Nobody listens on a port that is reserved for this test.
    let port = testkit::port::ReservedPort::new();
    let url = format!("mongodb://canary:secret@{}/db", port.address());
    let error = refusal(&url, "credentials").await;
    assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary") && !shown.contains("secret"), "{shown}");
}

mod on_mongodb {
    use super::*;

    #[tokio::test]
    async fn wrong_credentials_are_a_refusal() {
        let server = testkit::mongod::Database::fresh().await;
        let url = server.url().replace("mongodb://", "mongodb://canary:secret@");
        let error = refusal(&url, "credentials").await;
        assert!(matches!(error, OpenError::Refused), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[tokio::test]
    async fn the_database_may_be_named_apart_from_the_url() {
        let server = testkit::mongod::Database::fresh().await;
        let name = format!("{}_other", raw(server.url()).await.name());
        let store = MongoStore::connect(server.url(), Some(&name), "secrets").await.unwrap();
        store.insert_new(&client("a")).await.unwrap();
        let database = raw(server.url()).await.client().database(&name);
        let mut names = database.list_collection_names().await.unwrap();
        names.sort();
        assert_eq!(
            names,
            ["audit_events", "clients", "deployment", "revocations", "secrets", "used_assertions"]
        );
        database.drop().await.unwrap();
    }

    #[tokio::test]
    async fn clients_are_unique_whoever_made_the_index() {
        let server = testkit::mongod::Database::fresh().await;
        let clients = raw(server.url()).await.collection::<Document>("clients");
        let options = IndexOptions::builder().unique(true).name("by the operator".to_owned()).build();
        clients
            .create_index(IndexModel::builder().keys(doc! { "clientId": 1 }).options(options).build())
            .await
            .unwrap();
        let store = MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        assert_eq!(index_names(&clients).await, ["_id_", "by the operator"]);
        store.insert_new(&client("a")).await.unwrap();
        assert!(clients.insert_one(doc! { "clientId": "a" }).await.is_err());
        // Opening again, as every replica does, changes nothing.
        MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        assert_eq!(index_names(&clients).await.len(), 2);
    }

    #[tokio::test]
    async fn documents_that_share_a_client_id_are_found_at_the_start() {
        let server = testkit::mongod::Database::fresh().await;
        let clients = raw(server.url()).await.collection::<Document>("clients");
        clients.insert_many([doc! { "clientId": "a" }, doc! { "clientId": "a" }]).await.unwrap();
        let error = refusal(server.url(), "credentials").await;
        assert!(matches!(error, OpenError::Index { field: "clientId", .. }), "{error}");
    }

    async fn note_layout(url: &str, version: impl Into<Bson>) {
        let deployment = raw(url).await.collection::<Document>("deployment");
        let note = doc! { "$set": { "version": version.into() } };
        deployment.update_one(doc! { "_id": "layout" }, note).upsert(true).await.unwrap();
    }

    async fn noted_layout(url: &str) -> i64 {
        let deployment = raw(url).await.collection::<Document>("deployment");
        let noted = deployment.find_one(doc! { "_id": "layout" }).await.unwrap().unwrap();
        noted.get_i64("version").unwrap()
    }

    /// ADR 14: during a rolling upgrade, and after going back by one version.
    #[tokio::test]
    async fn a_database_of_the_next_version_is_read_written_and_left_at_its_version() {
        let server = testkit::mongod::Database::fresh().await;
        MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        let next = noted_layout(server.url()).await + 1;
        note_layout(server.url(), next).await;
        let store = MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        store.insert_new(&client("a")).await.unwrap();
        assert_eq!(noted_layout(server.url()).await, next);
    }

    #[tokio::test]
    async fn a_database_two_versions_newer_is_refused_and_left_alone() {
        let server = testkit::mongod::Database::fresh().await;
        MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        let known = noted_layout(server.url()).await;
        note_layout(server.url(), known + 2).await;
        let clients = raw(server.url()).await.collection::<Document>("clients");
        clients.drop_indexes().await.unwrap();
        let error = refusal(server.url(), "credentials").await;
        let sentence = format!("layout {}; this one can read up to {}", known + 2, known + 1);
        assert!(error.to_string().contains(&sentence), "{error}");
        assert_eq!(noted_layout(server.url()).await, known + 2);
        assert_eq!(index_names(&clients).await, ["_id_"]);
    }

    #[tokio::test]
    async fn a_layout_that_is_no_number_is_refused() {
        let server = testkit::mongod::Database::fresh().await;
        note_layout(server.url(), "canary").await;
        let error = refusal(server.url(), "credentials").await;
        assert!(matches!(error, OpenError::Layout(_)), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn t_clm_19_the_server_keeps_used_assertions_for_an_hour_after_their_end() {
        let server = testkit::mongod::Database::fresh().await;
        let store = MongoStore::connect(server.url(), None, "credentials").await.unwrap();
        let used = raw(server.url()).await.collection::<Document>("used_assertions");
        let now = Timestamp::from_unix_millis(DateTime::now().timestamp_millis());
        for (jti, seconds) in [("ended", -30 * 60), ("forgotten", -61 * 60), ("live", 60)] {
            assert!(store.first_use(use_of(jti), now.plus_seconds(seconds)).await.unwrap());
        }
        let start = Instant::now();
        while used.count_documents(doc! {}).await.unwrap() == 3 {
            assert!(start.elapsed() < Duration::from_secs(150), "the server forgets nothing");
        }
        for jti in ["ended", "live"] {
            assert!(!store.first_use(use_of(jti), now).await.unwrap(), "{jti}");
        }
        assert_eq!(used.count_documents(doc! {}).await.unwrap(), 2);
    }

    fn use_of(jti: &str) -> UseId {
        UseId::of(&client_id("client"), jti)
    }
}
