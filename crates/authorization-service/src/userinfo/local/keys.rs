//! The issuer's key set, as it was last fetched. It is fetched again every half minute, and when a token names a key that
//! is not in it; never more often than once a second, one fetch at a time, and never from an address that a token names.
//! Without a new one the last good one counts for ten minutes.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::key_set::{KeySet, KeySetDefect};
use super::metrics::LocalMetrics;
use crate::userinfo::Cause;

/// From the beginning of one fetch to that of the next.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// The same after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// However many tokens name unknown keys.
const LEAST_GAP: Duration = Duration::from_secs(1);
/// How long a key set counts that cannot be confirmed.
const LONGEST_AGE: Duration = Duration::from_secs(600);
/// Requests that wait for a fetch at a time.
const MOST_WAITING: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    known: RwLock<Option<Known>>,
    attempts: watch::Sender<Attempts>,
    wanted: Notify,
    waiting: Semaphore,
    started: Instant,
    metrics: Arc<LocalMetrics>,
}

#[derive(Debug)]
struct Known {
    current: Current,
    text: Vec<u8>,
    /// When it was last fetched: the beginning of that fetch.
    confirmed: Instant,
}

/// A key set, and its number: another one has another.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) set: Arc<KeySet>,
    pub(super) version: u64,
}

/// Fetches that began, and that ended.
#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    begun: u64,
    ended: u64,
    last_failed: bool,
}

/// Why there is no new key set.
#[derive(Debug, thiserror::Error)]
enum FetchFailure {
    #[error(transparent)]
    Download(#[from] Cause),
    #[error("what was downloaded is no key set: {0}")]
    Defect(#[from] KeySetDefect),
}

impl Keys {
    /// None yet.
    pub(super) fn new(metrics: Arc<LocalMetrics>) -> Self {
        Self {
            known: RwLock::default(),
            attempts: watch::Sender::default(),
            wanted: Notify::new(),
            waiting: Semaphore::new(MOST_WAITING),
            started: Instant::now(),
            metrics,
        }
    }

    /// The key set that counts now, if there is one.
    pub(super) fn current(&self, now: Instant) -> Option<Current> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| now.duration_since(known.confirmed) < LONGEST_AGE)?;
        Some(known.current.clone())
    }

    /// The age of what is known; of nothing, since this was made.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(known.as_ref().map_or(self.started, |known| known.confirmed))
    }

    /// Waits until there is a key set.
    pub(super) async fn there(&self) {
        let mut attempts = self.attempts.subscribe();
        let is_there = |_: &Attempts| self.current(Instant::now()).is_some();
        // Never an error: the sender is ours.
        let _ = attempts.wait_for(is_there).await;
    }

    /// The key set of a fetch that begins after this call: a key that is not in it is none of the issuer's.
    ///
    /// # Errors
    /// [`Cause::KeysUnknown`] if the fetch failed or `patience` is over before; [`Cause::Overloaded`] if too many wait.
    pub(super) async fn fetched_from_now_on(&self, patience: Duration) -> Result<Current, Cause> {
        let _place = self.waiting.try_acquire().map_err(|_| Cause::Overloaded)?;
        let mut attempts = self.attempts.subscribe();
        let needed = attempts.borrow_and_update().begun.saturating_add(1);
        self.wanted.notify_one();
        let ended = timeout(patience, attempts.wait_for(|attempts| attempts.ended >= needed)).await;
        let failed = !ended.is_ok_and(|attempts| attempts.is_ok_and(|attempts| !attempts.last_failed));
        self.current(Instant::now()).filter(|_| !failed).ok_or(Cause::KeysUnknown)
    }

    fn take(&self, text: Vec<u8>, began: Instant) -> Result<(), KeySetDefect> {
        let is_the_same = |known: &Known| known.text == text;
        let mut version = 0;
        if let Some(known) = &mut *self.known.write().unwrap_or_else(PoisonError::into_inner) {
            if is_the_same(known) {
                known.confirmed = began;
                return Ok(());
            }
            version = known.current.version.saturating_add(1);
        }
        // Checking keys takes a while: nobody waits for it.
        let set = KeySet::parse(&text)?;
        if set.passed_over > 0 {
            tracing::debug!(keys = set.passed_over, "keys of the key set cannot verify a token");
        }
        let current = Current { set: Arc::new(set), version };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { current, text, confirmed: began });
        Ok(())
    }
}

/// Keeps the key set fresh for as long as the process runs. `download` asks the one configured address.
pub(super) async fn refresh<D: Future<Output = Result<Vec<u8>, Cause>>>(
    keys: Arc<Keys>,
    download: impl Fn() -> D,
) -> Infallible {
    let mut was_failing = false;
    loop {
        let began = Instant::now();
        keys.attempts.send_modify(|attempts| attempts.begun = attempts.begun.saturating_add(1));
        let outcome = match download().await {
            Ok(text) => keys.take(text, began).map_err(FetchFailure::from),
            Err(cause) => Err(cause.into()),
        };
        keys.metrics.key_set_fetched(outcome.is_ok());
        tell(&outcome, &mut was_failing);
        keys.attempts.send_modify(|attempts| {
            attempts.ended = attempts.begun;
            attempts.last_failed = outcome.is_err();
        });
        let again = if outcome.is_ok() { REFRESH_EVERY } else { RETRY_AFTER };
        tokio::select! {
            () = until(began, again) => {}
            () = async {
                keys.wanted.notified().await;
                until(began, LEAST_GAP).await;
            } => {}
        }
    }
}

/// Waits until so long after `began`.
async fn until(began: Instant, after: Duration) {
    sleep(after.saturating_sub(began.elapsed())).await;
}

/// Once when it begins to fail, and once when it works again.
fn tell(outcome: &Result<(), FetchFailure>, was_failing: &mut bool) {
    match outcome {
        Err(failure) if !*was_failing => tracing::error!(
            error.message = %failure,
            "JWKS_URL gives no key set: the last one counts for ten minutes"
        ),
        Ok(()) if *was_failing => tracing::info!("JWKS_URL gives the key set again"),
        _ => {}
    }
    *was_failing = outcome.is_err();
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use serde_json::json;
    use testkit::ClientKey;

    use super::*;

    /// What the address answers, and how often it was asked.
    #[derive(Default)]
    struct Address {
        answer: Mutex<Option<Vec<u8>>>,
        asked: AtomicUsize,
    }

    impl Address {
        fn shows(&self, kids: &[&str]) {
            let keys: Vec<_> = kids.iter().map(|kid| ClientKey::generate(kid).public_jwk()).collect();
            *self.answer.lock().unwrap() = Some(json!({ "keys": keys }).to_string().into_bytes());
        }

        fn breaks(&self) {
            *self.answer.lock().unwrap() = None;
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn start() -> (Arc<Keys>, Arc<Address>) {
        let keys = Arc::new(Keys::new(Arc::default()));
        let address = Arc::<Address>::default();
        address.shows(&["a"]);
        let source = Arc::clone(&address);
        tokio::spawn(refresh(Arc::clone(&keys), move || {
            let source = Arc::clone(&source);
            async move {
                source.asked.fetch_add(1, Ordering::SeqCst);
                // As long as a call takes.
                tokio::time::sleep(Duration::from_millis(10)).await;
                source.answer.lock().unwrap().clone().ok_or(Cause::Status(500))
            }
        }));
        (keys, address)
    }

    const PATIENCE: Duration = Duration::from_secs(2);

    fn has(keys: &Keys, kid: &str) -> bool {
        keys.current(Instant::now()).is_some_and(|current| current.set.verifier(kid).is_some())
    }

    async fn pass(time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fetched_at_once_and_every_half_minute() {
        let (keys, address) = start();
        assert!(keys.current(Instant::now()).is_none());
        keys.there().await;
        let first = keys.current(Instant::now()).unwrap().version;
        pass(Duration::from_secs(29)).await;
        assert_eq!(address.asked(), 1);
        address.shows(&["a", "b"]);
        pass(Duration::from_secs(2)).await;
        assert_eq!(address.asked(), 2);
        assert!(has(&keys, "b"));
        let second = keys.current(Instant::now()).unwrap().version;
        assert_ne!(first, second);
        pass(REFRESH_EVERY).await;
        assert_eq!(keys.current(Instant::now()).unwrap().version, second, "nothing has changed");
    }

    #[tokio::test(start_paused = true)]
    async fn t_hdr_05_unknown_keys_are_asked_for_together_and_once_a_second_at_most() {
        let (keys, address) = start();
        keys.there().await;
        address.shows(&["a", "new"]);
        let asked = address.asked();
        let found = join_all((0..100).map(|_| keys.fetched_from_now_on(PATIENCE))).await;
        assert!(found.iter().all(|current| current.as_ref().unwrap().set.verifier("new").is_some()));
        assert_eq!(address.asked(), asked + 1, "a hundred tokens, one fetch");
        let (began, asked) = (Instant::now(), address.asked());
        for _ in 0..10 {
            keys.fetched_from_now_on(PATIENCE).await.unwrap();
        }
        assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
        assert_eq!(address.asked(), asked + 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_began_before_does_not_tell_that_a_key_is_unknown() {
        let (keys, address) = start();
        keys.there().await;
        let mut early = Box::pin(keys.fetched_from_now_on(PATIENCE));
        tokio::select! { biased; _ = &mut early => panic!("too soon"), () = pass(Duration::from_millis(995)) => {} }
        // The fetch is on its way since a moment: this one wants the next.
        let late = keys.fetched_from_now_on(PATIENCE);
        address.shows(&["a", "new"]);
        let (early, late) = tokio::join!(early, late);
        assert!(early.is_ok());
        assert!(late.unwrap().set.verifier("new").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_one_counts_for_ten_minutes_and_then_nothing_is_known() {
        let (keys, address) = start();
        keys.there().await;
        address.breaks();
        assert_eq!(keys.fetched_from_now_on(PATIENCE).await.unwrap_err(), Cause::KeysUnknown);
        assert!(has(&keys, "a"));
        pass(Duration::from_secs(590)).await;
        assert!(has(&keys, "a"));
        pass(Duration::from_secs(20)).await;
        assert!(!has(&keys, "a"), "{:?}", keys.age(Instant::now()));
        address.shows(&["b"]);
        pass(RETRY_AFTER).await;
        assert!(has(&keys, "b") && !has(&keys, "a"));
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_never_replaces_what_is_known() {
        let (keys, address) = start();
        keys.there().await;
        for nonsense in ["<html>", r#"{"keys":[]}"#] {
            *address.answer.lock().unwrap() = Some(nonsense.into());
            assert_eq!(keys.fetched_from_now_on(PATIENCE).await.unwrap_err(), Cause::KeysUnknown);
            assert!(has(&keys, "a"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_bounded_in_number_and_time() {
        let (keys, address) = start();
        keys.there().await;
        address.breaks();
        let answers = join_all((0..MOST_WAITING + 10).map(|_| keys.fetched_from_now_on(PATIENCE))).await;
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Cause::Overloaded))).count(), 10);
        let alone = Keys::new(Arc::default());
        let began = Instant::now();
        assert_eq!(alone.fetched_from_now_on(PATIENCE).await.unwrap_err(), Cause::KeysUnknown);
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
