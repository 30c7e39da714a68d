use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use credentials::key::StoredRing;
use jose::Algorithm;
use testkit::FakeClock;
use tokio::sync::Semaphore;

use super::*;

/// Answers, or fails, once the gate is open.
struct Gated {
    gate: Semaphore,
    fails: bool,
    looks: AtomicUsize,
    /// What there is to see when a look begins.
    keys: std::sync::Mutex<Vec<PublishedKey>>,
}

#[async_trait]
impl KeyDirectory for Gated {
    async fn publish(&self, _: &PublishedKey) -> Result<(), StoreError> {
        Ok(())
    }

    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        self.gate.acquire().await.unwrap().forget();
        if self.fails { Err(StoreError::Unavailable("down".into())) } else { Ok(keys) }
    }

    async fn forget_unseen(&self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn withdraw(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// Has no ring and takes none.
struct NoRing;

#[async_trait]
impl KeyRingStore for NoRing {
    async fn key_ring(&self) -> Result<StoredRing, StoreError> {
        Ok(StoredRing::default())
    }

    async fn replace_key_ring(&self, _: &KeyRing, _: u64) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// Keys over a directory that has answered nothing yet.
fn keys(fails: bool) -> (SigningKeys, Arc<Gated>) {
    let gate = Semaphore::new(0);
    let directory = Arc::new(Gated { gate, fails, looks: AtomicUsize::new(0), keys: Default::default() });
    let now = FakeClock::default().now();
    let key = Arc::new(SigningKey::generate(Algorithm::EdDsa, None).unwrap());
    let keys = SigningKeys {
        holder: Holder::Own { key, published_at: now },
        stores: KeyStores { directory: directory.clone(), ring: Arc::new(NoRing) },
        known: RwLock::new(Arc::new(KnownKeys::new(None, KeyRing::default(), Vec::new(), now))),
        last_refresh: Mutex::new(None),
        reading: Mutex::new(()),
        kept_up_at: AtomicI64::new(now.unix_millis()),
        overdue: Notify::new(),
    };
    (keys, directory)
}

#[tokio::test]
async fn a_caller_that_leaves_is_no_failure_of_the_store() {
    let (keys, directory) = keys(false);
    let clock = FakeClock::default();
    tokio::select! {
        biased;
        _ = keys.refreshed(&clock) => panic!("the gate is closed"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(directory.looks.load(Ordering::SeqCst), 1, "it was waiting for the store when it left");
    directory.gate.add_permits(1);
    assert!(keys.refreshed(&clock).await.is_ok());
}

#[tokio::test]
async fn whoever_waits_for_a_slow_failure_gets_it_and_does_not_look_again() {
    let (keys, directory) = keys(true);
    let clock = FakeClock::default();
    let later = async {
        clock.advance_seconds(2);
        keys.refreshed(&clock).await
    };
    let (first, second, ()) = tokio::join!(keys.refreshed(&clock), later, async {
        clock.advance_seconds(5);
        directory.gate.add_permits(10);
    });
    assert!(first.is_err() && second.is_err());
    assert_eq!(directory.looks.load(Ordering::SeqCst), 1);
}

/// With immediate steps, a key that was stolen would else be good for another half minute.
#[tokio::test]
async fn c_7517_07_an_older_look_does_not_replace_what_a_newer_one_saw() {
    let (keys, directory) = keys(false);
    let now = FakeClock::default().now();
    let published = |kid: &str| {
        let key = SigningKey::generate(Algorithm::EdDsa, Some(kid)).unwrap();
        PublishedKey { kid: kid.to_owned(), key: key.public().clone(), published_at: now, last_seen: now }
    };
    *directory.keys.lock().unwrap() = vec![published("before")];
    let mut older = Box::pin(keys.read(now));
    assert!(futures_util::poll!(&mut older).is_pending());
    *directory.keys.lock().unwrap() = vec![published("after")];
    let mut newer = Box::pin(keys.read(now));
    assert!(futures_util::poll!(&mut newer).is_pending());
    directory.gate.add_permits(2);
    // Whichever goes on first.
    let newer_first = futures_util::poll!(&mut newer);
    older.await.unwrap();
    if newer_first.is_pending() {
        newer.await.unwrap();
    }
    let known = keys.last_known();
    assert!(known.verifier("after").is_some() && known.verifier("before").is_none());
}

#[test]
fn c_7517_07_a_new_key_is_published_for_as_long_as_key_sets_are_kept_twice() {
    let (_, max_age) = crate::http::well_known::CACHE.split_once("max-age=").unwrap();
    let max_age: i64 = max_age.parse().unwrap();
    assert!(2 * max_age <= credentials::key::ring::PUBLISHED_BEFORE_USE_SECONDS);
}
