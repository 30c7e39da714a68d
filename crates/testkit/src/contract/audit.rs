//! Laws of [`AuditLog`].

use std::sync::Arc;

use common::Timestamp;
use credentials::audit::{
    Actor, AuditAction, AuditEvent, AuditFilter, AuditLog, AuditPage, EventId, Outcome, UNFINISHED,
};

use super::{CALLERS, Storage, all_at_once};
use crate::clients::client_id;
use crate::random::SeededRandom;

async fn open<S: Storage<Store: AuditLog>>(storage: &S) -> Arc<dyn AuditLog> {
    storage.open().await
}

/// An event in the `index`th second of the storage's time.
fn event(start: Timestamp, index: u16, action: AuditAction, client: &str) -> AuditEvent {
    let at = start.plus_seconds(index.into());
    AuditEvent {
        id: EventId::generate(at, &SeededRandom::new(index.into())).unwrap(),
        at,
        action,
        actor: Actor::Client { id: client_id(client) },
        client: Some(client_id(client)),
        subject: None,
        reason: None,
        request_id: None,
        source: None,
    }
}

/// One event of each action, for two clients in turn and for none.
fn events(start: Timestamp) -> Vec<AuditEvent> {
    let of_two = |(index, action): (u16, AuditAction)| {
        event(start, index, action, if index % 2 == 0 { "even" } else { "odd" })
    };
    let mut events: Vec<_> = (0..).zip(AuditAction::ALL).map(of_two).collect();
    let text = |text: &str| Some(text.to_owned());
    events.push(AuditEvent {
        actor: Actor::Anybody,
        client: None,
        subject: text("permissions,\u{0}\"è\u{1f511}$set"),
        reason: text(""),
        request_id: text("{\"$ne\":1}"),
        source: text("::1"),
        ..event(start, 100, AuditAction::TokenRefused, "nobody")
    });
    for (index, actor) in (101..).zip([Actor::Bootstrap, Actor::Service]) {
        events.push(AuditEvent { actor, ..event(start, index, AuditAction::ClientChanged, "$where") });
    }
    events
}

fn newest_first(events: &[AuditEvent]) -> Vec<AuditEvent> {
    events.iter().rev().cloned().collect()
}

async fn read(store: &dyn AuditLog, filter: &AuditFilter, size: u32) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    let mut before: Option<EventId> = None;
    loop {
        let page = store.events(filter, before.as_ref(), size).await.unwrap();
        assert!(page.events.len() <= usize::try_from(size).unwrap());
        events.extend(page.events);
        let Some(next) = page.next else { return events };
        assert_eq!(events.last().map(|event| &event.id), Some(&next), "the next page follows this one");
        before = Some(next);
    }
}

pub async fn events_come_back_equal_and_newest_first<S: Storage<Store: AuditLog>>(storage: &S) {
    let store = open(storage).await;
    let events = events(storage.now());
    store.append(&[], storage.now()).await.unwrap();
    for batch in [&events[5..], &events[..5]] {
        store.append(batch, storage.now().plus_seconds(600)).await.unwrap();
    }
    assert_eq!(read(&*store, &AuditFilter::default(), 1000).await, newest_first(&events));
}

pub async fn pages_are_complete<S: Storage<Store: AuditLog>>(storage: &S) {
    let store = open(storage).await;
    let everything = AuditFilter::default();
    assert_eq!(store.events(&everything, None, 10).await.unwrap(), AuditPage::default());
    let events = events(storage.now());
    store.append(&events, storage.now().plus_seconds(600)).await.unwrap();
    let all = u32::try_from(events.len()).unwrap();
    for size in [1, 2, 5, all - 1, all, all + 1, u32::MAX] {
        assert_eq!(read(&*store, &everything, size).await, newest_first(&events), "pages of {size}");
    }
    assert_eq!(store.events(&everything, None, all).await.unwrap().next, None);
    assert_eq!(store.events(&everything, None, 0).await.unwrap(), AuditPage::default());
}

pub async fn a_filter_leaves_out_exactly_the_other_events<S: Storage<Store: AuditLog>>(storage: &S) {
    let store = open(storage).await;
    let start = storage.now();
    let events = events(start);
    store.append(&events, start.plus_seconds(600)).await.unwrap();
    let at = |seconds| Some(start.plus_seconds(seconds));
    let (all, actions) = (AuditFilter::default(), AuditAction::ALL.len());
    for (filter, expected) in [
        (AuditFilter { client: Some(client_id("odd")), ..all.clone() }, actions / 2),
        (AuditFilter { client: Some(client_id("ODD")), ..all.clone() }, 0),
        (AuditFilter { client: Some(client_id("$where")), ..all.clone() }, 2),
        (AuditFilter { action: Some(AuditAction::TokenRefused), ..all.clone() }, 2),
        (AuditFilter { since: at(100), ..all.clone() }, 3),
        (AuditFilter { until: at(100), ..all.clone() }, actions),
        (AuditFilter { since: at(2), until: at(4), ..all.clone() }, 2),
        (AuditFilter { since: at(4), until: at(4), ..all.clone() }, 0),
        (
            AuditFilter {
                client: Some(client_id("$where")),
                action: Some(AuditAction::ClientChanged),
                since: at(102),
                until: at(103),
            },
            1,
        ),
        (all.clone(), actions + 3),
    ] {
        let matching: Vec<_> = events.iter().filter(|event| filter.matches(event)).cloned().collect();
        assert_eq!(matching.len(), expected, "{filter:?}");
        for size in [1, 1000] {
            assert_eq!(read(&*store, &filter, size).await, newest_first(&matching), "{filter:?}");
        }
        let expected = u32::try_from(expected).unwrap();
        for at_most in [0, 1, 1000] {
            assert_eq!(store.count(&filter, at_most).await.unwrap(), expected.min(at_most), "{filter:?}");
        }
    }
}

pub async fn appending_again_changes_nothing<S: Storage<Store: AuditLog>>(storage: &S) {
    let store = open(storage).await;
    let events = events(storage.now());
    let until = storage.now().plus_seconds(600);
    store.append(&events[..4], until).await.unwrap();
    let mut again = events.clone();
    again[0].subject = Some("other".to_owned());
    store.append(&again, until).await.unwrap();
    store.append(&again[..4], until).await.unwrap();
    assert_eq!(read(&*store, &AuditFilter::default(), 1000).await, newest_first(&events));
}

pub async fn r_22_an_announced_event_says_so_until_it_is_settled<S: Storage<Store: AuditLog>>(storage: &S) {
    let store = open(storage).await;
    let (start, until) = (storage.now(), storage.now().plus_seconds(600));
    let all = AuditFilter::default();
    let event = |index| {
        let subject = (index % 2 == 0).then(|| "name,\"$set\u{0}".to_owned());
        AuditEvent { subject, ..event(start, index, AuditAction::ClientChanged, "a") }
    };
    let announced: Vec<_> = (0..5).map(|index| event(index).announced()).collect();
    store.append(&announced, until).await.unwrap();
    store.settle(&[]).await.unwrap();
    let found = read(&*store, &all, 1000).await;
    assert_eq!(found, newest_first(&announced));
    assert!(found.iter().all(|event| event.reason.as_deref() == Some(UNFINISHED)));
    let subject = Some("known later".to_owned());
    let done = Outcome::Done { subject: None };
    let outcomes = [
        (event(0).id, done.clone()),
        (event(1).id, done.clone()),
        (event(2).id, Outcome::Withdrawn),
        (event(3).id, Outcome::Done { subject: subject.clone() }),
        (event(9).id, done),
    ];
    let settled = [event(0), event(1), AuditEvent { subject, ..event(3) }, event(4).announced()];
    for _ in 0..2 {
        store.settle(&outcomes).await.unwrap();
        assert_eq!(read(&*store, &all, 1000).await, newest_first(&settled), "again changes nothing");
    }
}

pub async fn replicas_append_at_once_and_see_all<S: Storage<Store: AuditLog>>(storage: &S) {
    let replicas = [open(storage).await, open(storage).await];
    let start = storage.now();
    all_at_once(|caller| {
        let store = Arc::clone(&replicas[caller % 2]);
        let event = event(start, u16::try_from(caller).unwrap(), AuditAction::TokenIssued, "a");
        async move { store.append(&[event], start.plus_seconds(600)).await.unwrap() }
    })
    .await;
    for store in replicas {
        assert_eq!(read(&*store, &AuditFilter::default(), 7).await.len(), CALLERS);
    }
}

pub async fn events_outlive_a_restart<S: Storage<Store: AuditLog>>(storage: &S) {
    let events = events(storage.now());
    open(storage).await.append(&events, storage.now().plus_seconds(600)).await.unwrap();
    let store = open(storage).await;
    assert_eq!(read(&*store, &AuditFilter::default(), 1000).await, newest_first(&events));
}
