//! What many ask at the same time goes in one command: each gets the answer to their own question.
#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

use credentials::StoreError;
use credentials::client::ClientStore;
use credentials::replay::{ReplayGuard, UseId};
use credentials::secret::{Pepper, SecretStore, StoredSecret};
use futures_util::future::join_all;
use mongodb::Client as Driver;
use mongodb::bson::{RawDocumentBuf, rawdoc};
use store_mongodb::MongoStore;
use testkit::mongod::Database;
use testkit::{client, client_id};

/// More than one command takes.
const MANY: usize = 250;

async fn open() -> (Database, MongoStore) {
    let server = Database::fresh().await;
    let store = MongoStore::connect(server.url(), None, "credentials").await.unwrap();
    (server, store)
}

mod on_mongodb {
    use super::*;

    #[tokio::test]
    async fn t_clm_13_of_uses_recorded_together_each_is_told_whether_it_was_the_first() {
        let (_server, store) = open().await;
        let until = client("a").created_at.plus_seconds(1_000_000_000);
        let use_of = |number: usize| UseId::of(&client_id("client"), &number.to_string());
        let known = |number: usize| number.is_multiple_of(3);
        let before = (0..MANY).filter(|number| known(*number));
        assert!(
            join_all(before.map(|number| store.first_use(use_of(number), until)))
                .await
                .into_iter()
                .all(Result::unwrap)
        );
        // Each of them three times, side by side in the same command and in different ones.
        let numbers = || (0..MANY).flat_map(|number| [number, number]).chain(0..MANY);
        let answers = join_all(numbers().map(|number| store.first_use(use_of(number), until))).await;
        let mut firsts = [0; MANY];
        for (number, first) in numbers().zip(answers) {
            *firsts.get_mut(number).unwrap() += usize::from(first.unwrap());
        }
        for (number, firsts) in firsts.into_iter().enumerate() {
            assert_eq!(firsts, usize::from(!known(number)), "{number}");
        }
    }

    #[tokio::test]
    async fn of_clients_found_together_each_is_the_one_that_was_asked_for() {
        let (_server, store) = open().await;
        let id = |number: usize| format!("client-{number}");
        let exists = |number: usize| !number.is_multiple_of(3);
        for number in (0..MANY).filter(|number| exists(*number)) {
            store.insert_new(&client(&id(number))).await.unwrap();
        }
        let ids: Vec<_> = (0..MANY).chain(0..MANY).map(|number| (number, client_id(&id(number)))).collect();
        let found = join_all(ids.iter().map(|(_, id)| ClientStore::find(&store, id))).await;
        for ((number, _), found) in ids.iter().zip(found) {
            assert_eq!(found.unwrap(), exists(*number).then(|| client(&id(*number))), "{number}");
        }
    }

    #[tokio::test]
    async fn of_secrets_found_together_each_client_gets_its_own() {
        let (_server, store) = open().await;
        let pepper = Pepper::new(vec![1]);
        let owner = |number: usize| pepper.lookup(&client_id(&number.to_string()));
        let secret = |number: usize, place: usize| {
            let at = client("a").created_at.plus_seconds(i64::try_from(place).unwrap());
            StoredSecret::new(&format!("{number} {place}"), &pepper, at)
        };
        let owners: Vec<_> = (0..MANY).map(owner).collect();
        // Of different numbers, none among them, the youngest first.
        for (number, owner) in owners.iter().enumerate().take(30) {
            for place in (0..number % 4).rev() {
                store.add(owner, &secret(number, place)).await.unwrap();
            }
        }
        let found = join_all(owners.iter().map(|owner| SecretStore::find(&store, owner))).await;
        for (number, found) in found.into_iter().enumerate() {
            let count = if number < 30 { number % 4 } else { 0 };
            let expected: Vec<_> = (0..count).map(|place| secret(number, place)).collect();
            assert_eq!(found.unwrap(), expected, "{number}");
        }
    }

    #[tokio::test]
    async fn a_broken_document_hides_no_other() {
        let (server, store) = open().await;
        let raw = Driver::with_uri_str(server.url()).await.unwrap().default_database().unwrap();
        store.insert_new(&client("a")).await.unwrap();
        // A text that is not UTF-8, as no driver of ours would write it.
        let mut broken = rawdoc! { "clientId": "broken", "name": "canary!" }.into_bytes();
        *broken.iter_mut().find(|byte| **byte == b'!').unwrap() = 0xff;
        let broken = RawDocumentBuf::from_bytes(broken).unwrap();
        raw.collection::<RawDocumentBuf>("clients").insert_one(broken).await.unwrap();

        let ids = [client_id("broken"), client_id("a"), client_id("none")];
        let mut found = join_all(ids.iter().map(|id| ClientStore::find(&store, id))).await.into_iter();
        let error = found.next().unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("client broken") && !shown.contains("canary"), "{shown}");
        assert_eq!(found.next().unwrap().unwrap(), Some(client("a")));
        assert_eq!(found.next().unwrap().unwrap(), None);
    }
}
