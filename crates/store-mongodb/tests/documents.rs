//! The shape of what is stored: the platform's, readable by its tools, and safe against what users and other tools
//! write (contract §1.7).
#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{
    AuthMethod, Client, ClientFilter, ClientOrigin, ClientState, ClientStore, ReplaceOutcome,
};
use credentials::key::{KeyDirectory, KeyRingStore};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Client as Driver, Database};
use serde_json::json;
use store_mongodb::MongoStore;
use testkit::{client, client_id, public_key};

/// A fresh database, the store on it, and a way past the store.
async fn open() -> (testkit::mongod::Database, MongoStore, Database) {
    let server = testkit::mongod::Database::fresh().await;
    let store = MongoStore::connect(server.url(), None, "credentials").await.unwrap();
    let raw = Driver::with_uri_str(server.url()).await.unwrap().default_database().unwrap();
    (server, store, raw)
}

/// What a crud-service writes for a client of upstream.
fn platform_document(id: &str) -> Document {
    doc! {
        "clientId": id, "name": "From the console", "permissions": ["read"], "audience": Bson::Null,
        "authMethod": "client_secret_basic", "publicKey": {}, "__STATE__": "PUBLIC", "creatorId": "public",
        "updaterId": "public", "createdAt": DateTime::from_millis(1), "updatedAt": DateTime::from_millis(2),
        "lastLogin": DateTime::from_millis(3),
    }
}

mod on_mongodb {
    use super::*;

    #[tokio::test]
    async fn a_client_is_stored_under_the_names_of_the_platform() {
        let (_server, store, raw) = open().await;
        let metadata = json!({"team": {"name": "orders", "size": 3}});
        let record = Client {
            auth_method: AuthMethod::PrivateKeyJwt,
            public_key: Some(public_key("k")),
            permissions: vec!["read".to_owned()],
            metadata: metadata.as_object().unwrap().clone(),
            ..client("a")
        };
        store.insert_new(&record).await.unwrap();
        let mut stored = raw.collection::<Document>("clients").find_one(doc! {}).await.unwrap().unwrap();
        assert!(matches!(stored.remove("_id"), Some(Bson::ObjectId(_))));
        let key = stored.remove("publicKey").unwrap();
        assert_eq!(key.as_document().unwrap().get_str("kid").unwrap(), "k");
        assert_eq!(
            stored,
            doc! {
                "clientId": "a", "name": "Orders", "__STATE__": "PUBLIC", "authMethod": "private_key_jwt",
                "permissions": ["read"], "audience": [], "allowedCustomClaims": [],
                "metadata": { "team": { "name": "orders", "size": 3_i64 } },
                "createdAt": DateTime::from_millis(1_795_291_200_123),
                "updatedAt": DateTime::from_millis(1_795_291_200_123), "version": 1_i64,
            }
        );
    }

    #[tokio::test]
    async fn a_client_of_another_tool_is_read_and_its_other_fields_stay() {
        let (_server, store, raw) = open().await;
        let clients = raw.collection::<Document>("clients");
        clients.insert_one(platform_document("a")).await.unwrap();
        let mut bare = platform_document("b");
        bare.remove("authMethod");
        bare.remove("publicKey");
        clients.insert_one(bare).await.unwrap();

        for id in ["a", "b"] {
            let found = store.find(&client_id(id)).await.unwrap().unwrap();
            assert_eq!(
                (found.auth_method, found.state),
                (AuthMethod::ClientSecretBasic, ClientState::Public)
            );
            assert_eq!((found.version, found.public_key.as_ref(), found.audience.len()), (0, None, 0));
            let change = Client { version: 1, name: "Changed".to_owned(), ..found };
            assert_eq!(store.replace(&change, 0).await.unwrap(), ReplaceOutcome::Replaced);
            assert_eq!(store.replace(&change, 0).await.unwrap(), ReplaceOutcome::VersionConflict);
            let stored = clients.find_one(doc! { "clientId": id }).await.unwrap().unwrap();
            assert_eq!(stored.get_str("name").unwrap(), "Changed");
            assert_eq!(stored.get_datetime("lastLogin").unwrap(), &DateTime::from_millis(3));
            assert_eq!(stored.get_str("creatorId").unwrap(), "public");
        }
    }

    #[tokio::test]
    async fn clients_that_do_not_match_stay_in_the_database() {
        let (_server, store, raw) = open().await;
        for number in 0..150 {
            let bare = Client { permissions: vec!["all".to_owned()], ..client(&format!("c{number:03}")) };
            store.insert_new(&bare).await.unwrap();
        }
        let at = Timestamp::from_unix_millis(5);
        let metadata = json!({"team": "a"}).as_object().unwrap().clone();
        let rare = Client {
            state: ClientState::Draft,
            origin: ClientOrigin::Registration,
            permissions: vec!["rare".to_owned()],
            metadata,
            created_at: at,
            ..client("rare")
        };
        store.insert_new(&rare).await.unwrap();
        raw.run_command(doc! { "profile": 2 }).await.unwrap();
        let everything = ClientFilter::default();
        let after = at.plus_seconds(1);
        for filter in [
            ClientFilter { state: Some(ClientState::Draft), ..everything.clone() },
            ClientFilter { origin: Some(ClientOrigin::Registration), ..everything.clone() },
            ClientFilter { permission: Some("rare".to_owned()), ..everything.clone() },
            ClientFilter { metadata: vec![("team".to_owned(), "a".to_owned())], ..everything.clone() },
            ClientFilter { created_before: Some(after), ..everything.clone() },
            ClientFilter { unused_since: Some(after), ..everything.clone() },
        ] {
            let page = store.list(&filter, None, 10).await.unwrap();
            assert_eq!(page.clients, std::slice::from_ref(&rare), "{filter:?}");
        }
        raw.run_command(doc! { "profile": 0 }).await.unwrap();
        let profile = raw.collection::<Document>("system.profile");
        let found = profile.find(doc! { "command.find": "clients" }).await.unwrap();
        let found: Vec<Document> = found.try_collect().await.unwrap();
        let sent: Vec<_> = found.iter().map(|one| one.get_i32("nreturned").unwrap()).collect();
        assert_eq!(sent, [1; 6]);
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_read_is_named_and_not_shown() {
        let (_server, store, raw) = open().await;
        let clients = raw.collection::<Document>("clients");
        store.insert_new(&client("a")).await.unwrap();
        for (field, value) in [
            ("name", Bson::Int32(1)),
            ("name", Bson::Null),
            ("__STATE__", Bson::from("canary")),
            ("authMethod", Bson::from("canary")),
            ("permissions", Bson::from("canary")),
            ("permissions", Bson::from(vec![Bson::from("canary"), Bson::Int32(1)])),
            ("publicKey", Bson::from("canary")),
            ("metadata", Bson::from("[\"canary\"]")),
            ("metadata", Bson::Document(doc! { "canary": Bson::MaxKey })),
            ("keys", Bson::from("canary")),
            ("keys", Bson::from(vec![Bson::from("canary")])),
            ("keys", Bson::from(vec![doc! { "key": { "kid": "canary" } }])),
            ("jwksUri", Bson::Int32(1)),
            ("tokenLifetimeSeconds", Bson::Int64(-1)),
            ("staticClaims", Bson::from("canary")),
            ("origin", Bson::from("canary")),
            ("lastLogin", Bson::from("canary")),
            ("createdAt", Bson::from("canary")),
            ("updatedAt", Bson::Null),
            ("version", Bson::Double(1.5)),
        ] {
            let mut broken = platform_document("b");
            broken.insert(field, value.clone());
            clients.delete_one(doc! { "clientId": "b" }).await.unwrap();
            clients.insert_one(broken).await.unwrap();
            let error = store.find(&client_id("b")).await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{field} {value}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("client b") && shown.contains(field), "{shown}");
            assert!(!shown.contains("canary"), "{shown}");
            // It does not hide the others.
            let list = store.list(&ClientFilter::default(), None, 10).await.unwrap();
            assert_eq!(list.clients, [client("a")], "{field} {value}");
        }
        assert_eq!(store.find(&client_id("a")).await.unwrap(), Some(client("a")));
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_left_out_and_a_ring_is_not_taken_for_an_empty_one() {
        let (_server, store, raw) = open().await;
        let keys = raw.collection::<Document>("signing_keys");
        let (date, key) = (DateTime::from_millis(1), doc! { "kty": "EC" });
        keys.insert_many([
            doc! { "_id": "no key", "publishedAt": date, "lastSeen": date },
            doc! { "_id": 7, "publishedAt": date, "lastSeen": date, "key": key.clone() },
            doc! { "_id": "no date", "key": key.clone() },
            doc! { "_id": "of an older version", "publishedAt": date, "key": key.clone() },
            doc! { "_id": "whole", "publishedAt": date, "lastSeen": DateTime::from_millis(9), "key": key },
        ])
        .await
        .unwrap();
        let published = store.published().await.unwrap();
        let read: Vec<_> =
            published.iter().map(|key| (key.kid.as_str(), key.last_seen.unix_millis())).collect();
        assert_eq!(read, [("of an older version", 1), ("whole", 9)]);
        store.forget_unseen(Timestamp::from_unix_millis(1)).await.unwrap();
        assert_eq!(store.published().await.unwrap().len(), 1);

        let ring = raw.collection::<Document>("signing_key_ring");
        for broken in [doc! { "ring": "{" }, doc! { "ring": { "keys": [{ "kid": "canary" }] } }, doc! {}] {
            ring.delete_many(doc! {}).await.unwrap();
            let mut document = doc! { "_id": "ring", "version": 1_i64 };
            document.extend(broken);
            ring.insert_one(document).await.unwrap();
            let error = store.key_ring().await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
