//! What all ports do when the store cannot work. Not part of `store_contract!`: how to break a store depends on it.

use common::Timestamp;
use credentials::InsertError;
use credentials::StoreError;
use credentials::audit::{Actor, AuditAction, AuditEvent, AuditFilter, EventId, Outcome};
use credentials::client::{ClientFilter, ClientStore};
use credentials::key::{KeyRing, PublishedKey};
use credentials::replay::UseId;
use credentials::revocation::{LONGEST_TOKEN_LIFETIME_SECONDS, all_tokens_of};
use credentials::secret::{Pepper, Rotation, SecretStore, StoredSecret};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::Store;
use crate::clients::{client, client_id, public_key};

/// Methods of all ports.
const METHODS: usize = 30;

/// Has a store that works.
///
/// # Panics
/// If a method of a port answers `Unavailable`, with the names and reasons of all that do.
pub async fn assert_that_all_answer(store: &impl Store) {
    let unavailable = unavailable(store).await;
    assert!(unavailable.is_empty(), "{unavailable:#?}");
}

/// Has a store that cannot work.
///
/// # Panics
/// If a method of a port answers anything but `Unavailable`, with the names and answers of all that do.
pub async fn assert_that_none_answers(store: &impl Store) {
    let mut answering = answers(store).await;
    answering.retain(|(_, answer)| !is_unavailable(answer));
    assert!(answering.is_empty(), "{answering:#?}");
}

/// The methods that answer `Unavailable` when all are asked at the same time.
pub async fn unavailable(store: &impl Store) -> Vec<(&'static str, Result<(), StoreError>)> {
    let mut answers = answers(store).await;
    answers.retain(|(_, answer)| is_unavailable(answer));
    answers
}

fn is_unavailable(answer: &Result<(), StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

/// What every method of every port answers when all are asked at the same time.
async fn answers(store: &impl Store) -> Vec<(&'static str, Result<(), StoreError>)> {
    let id = client_id("outage");
    let owner = Pepper::new(vec![1]).lookup(&id);
    let moment = Timestamp::from_unix_seconds(1_795_291_200);
    let secret = StoredSecret::new("s", &Pepper::new(vec![1]), moment);
    let rotation = Rotation { new: secret.clone(), others_end: moment, most_live: 5 };
    let revoked = all_tokens_of(&id, moment, LONGEST_TOKEN_LIFETIME_SECONDS);
    let key = PublishedKey {
        kid: "outage".to_owned(),
        key: public_key("outage"),
        published_at: moment,
        last_seen: moment,
    };
    let (all_events, events) = (AuditFilter::default(), [event(moment)]);
    let settled = [(EventId::first_at(moment), Outcome::Done { subject: None })];
    let (ring, everything) = (KeyRing::default(), ClientFilter::default());
    let (new, changed) = (client("outage-new"), client("outage"));
    let calls: [(&str, BoxFuture<'_, Result<(), StoreError>>); METHODS] = [
        ("insert_new", store.insert_new(&new).map(without_duplicate).boxed()),
        ("find", ClientStore::find(store, &id).map(done).boxed()),
        ("list", store.list(&everything, None, 10).map(done).boxed()),
        ("replace", store.replace(&changed, 1).map(done).boxed()),
        ("note_login", store.note_login(&id, moment, None).map(done).boxed()),
        ("delete", store.delete(&id, None).map(done).boxed()),
        ("ping", store.ping().boxed()),
        ("add secret", store.add(&owner, &secret).boxed()),
        ("find secrets", SecretStore::find(store, &owner).map(done).boxed()),
        ("rotate secrets", store.rotate(&owner, &rotation).map(done).boxed()),
        ("upgrade secret", store.upgrade(&owner, &secret.hash, &secret).map(done).boxed()),
        ("note use of a secret", store.note_use(&owner, &secret.hash, moment).boxed()),
        ("any imported secret", store.any_imported().map(done).boxed()),
        ("remove secret", store.remove(&owner, &secret.hash, None).map(done).boxed()),
        ("delete_all secrets", store.delete_all(&owner).boxed()),
        ("first_use", store.first_use(UseId::of(&id, "outage"), moment).map(done).boxed()),
        ("revoke", store.revoke(&revoked).boxed()),
        ("revocations", store.revocations().map(done).boxed()),
        ("watch", store.watch().map(done).boxed()),
        ("publish", store.publish(&key).boxed()),
        ("published", store.published().map(done).boxed()),
        ("append audit events", store.append(&events, moment).boxed()),
        ("settle audit events", store.settle(&settled).boxed()),
        ("audit events", store.events(&all_events, None, 10).map(done).boxed()),
        ("count audit events", store.count(&all_events, 10).map(done).boxed()),
        ("forget_unseen", store.forget_unseen(moment).boxed()),
        ("withdraw", store.withdraw("outage").map(done).boxed()),
        ("key_ring", store.key_ring().map(done).boxed()),
        ("replace_key_ring", store.replace_key_ring(&ring, 0).map(done).boxed()),
        ("agree", store.agree("outage", b"value").map(done).boxed()),
    ];
    join_all(calls.map(|(name, call)| call.map(move |answer| (name, answer)))).await
}

fn event(at: Timestamp) -> AuditEvent {
    AuditEvent {
        id: EventId::first_at(at),
        at,
        action: AuditAction::ClientChanged,
        actor: Actor::Service,
        client: None,
        subject: None,
        reason: None,
        request_id: None,
        source: None,
    }
}

fn done<T>(answer: Result<T, StoreError>) -> Result<(), StoreError> {
    answer.map(drop)
}

fn without_duplicate(answer: Result<(), InsertError>) -> Result<(), StoreError> {
    match answer {
        Err(InsertError::Store(error)) => Err(error),
        Ok(()) | Err(InsertError::Duplicate) => Ok(()),
    }
}
