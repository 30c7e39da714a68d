//! Identical calls that are on their way at the same time become one. Nothing is kept once it is answered: this is no
//! cache. A call runs in a task of its own, so that nobody's leaving takes the answer from the others (G-CACHE-08).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;
use service_kit::metrics::Counter;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

/// Identifies a call by everything that its answer may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The digest of all parts. Each is preceded by its length, so that no two lists look alike (G-CACHE-02).
    pub(crate) fn of<'part>(parts: impl IntoIterator<Item = &'part [u8]>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// As random as any.
    pub(crate) const fn first_byte(self) -> u8 {
        let Self([first, ..]) = self;
        first
    }
}

/// The calls that are on their way.
pub(crate) struct Coalesced<T> {
    calls: Arc<Mutex<Calls<T>>>,
    limit: usize,
    joined: Counter,
}

type Calls<T> = HashMap<Key, Shared<oneshot::Receiver<Arc<T>>>>;

/// There is no answer: too many calls are on their way, or the one that was has been lost in a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoAnswer;

impl<T: Send + Sync + 'static> Coalesced<T> {
    /// At most `limit` different calls at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self { calls: Arc::default(), limit, joined: Counter::default() }
    }

    /// Counts there whoever joins a call that is on its way.
    pub(crate) fn counting(self, joined: Counter) -> Self {
        Self { joined, ..self }
    }

    /// The answer of the call with this key that is on its way, or of `call`, which is started at once if there is none. Who
    /// waits for it does not carry the call along: a call is large.
    pub(crate) fn run<C>(
        &self,
        key: Key,
        call: C,
    ) -> impl Future<Output = Result<Arc<T>, NoAnswer>> + use<T, C>
    where
        C: Future<Output = T> + Send + 'static,
    {
        let answer = self.join_or_start(key, call);
        async { answer?.await.map_err(|_| NoAnswer) }
    }

    fn join_or_start(
        &self,
        key: Key,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<Shared<oneshot::Receiver<Arc<T>>>, NoAnswer> {
        let mut calls = lock(&self.calls);
        if let Some(answer) = calls.get(&key) {
            self.joined.inc();
            return Ok(answer.clone());
        }
        if calls.len() >= self.limit {
            return Err(NoAnswer);
        }
        let (sender, receiver) = oneshot::channel();
        let answer = receiver.shared();
        calls.insert(key, answer.clone());
        drop(calls);
        let entry = Entry { calls: Arc::clone(&self.calls), key };
        tokio::spawn(async move {
            let answer = call.await;
            // Whoever asks from now on starts a call of their own.
            drop(entry);
            // Fails only if everybody has left.
            let _ = sender.send(Arc::new(answer));
        });
        Ok(answer)
    }
}

fn lock<T>(calls: &Mutex<Calls<T>>) -> MutexGuard<'_, Calls<T>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the call, also if its task is dropped or panics.
struct Entry<T> {
    calls: Arc<Mutex<Calls<T>>>,
    key: Key,
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        lock(&self.calls).remove(&self.key);
    }
}

impl<T> fmt::Debug for Coalesced<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Coalesced").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Numbers its calls from 0; each waits until the gate opens.
    struct Backend {
        started: AtomicUsize,
        gate: Semaphore,
    }

    impl Backend {
        fn new() -> Arc<Self> {
            Arc::new(Self { started: AtomicUsize::new(0), gate: Semaphore::new(0) })
        }

        fn call(self: &Arc<Self>) -> impl Future<Output = usize> + Send + 'static {
            let backend = Arc::clone(self);
            async move {
                let number = backend.started.fetch_add(1, Ordering::SeqCst);
                let _permit = backend.gate.acquire().await.unwrap();
                number
            }
        }

        fn open(&self) {
            self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        }
    }

    fn key(text: &str) -> Key {
        Key::of([text.as_bytes()])
    }

    #[tokio::test]
    async fn fifty_identical_calls_are_one_and_the_next_is_another() {
        let (calls, backend) = (Coalesced::new(10), Backend::new());
        let mut waiting = Vec::new();
        for _ in 0..50 {
            let mut asking = Box::pin(calls.run(key("a"), backend.call()));
            assert!((&mut asking).now_or_never().is_none());
            waiting.push(asking);
        }
        backend.open();
        assert!(join_all(waiting).await.into_iter().all(|answer| *answer.unwrap() == 0));
        assert_eq!(*calls.run(key("a"), backend.call()).await.unwrap(), 1, "nothing is kept");
    }

    #[tokio::test]
    async fn g_cache_01_different_keys_never_share() {
        let (calls, backend) = (Coalesced::new(10), Backend::new());
        backend.open();
        let (a, b) = tokio::join!(calls.run(key("a"), backend.call()), calls.run(key("b"), backend.call()));
        assert_ne!(a.unwrap(), b.unwrap());
    }

    #[test]
    fn g_cache_02_where_one_part_ends_matters() {
        let keys = [
            Key::of([b"a|b".as_slice(), b"c"]),
            Key::of([b"a".as_slice(), b"b|c"]),
            Key::of([b"a|bc".as_slice()]),
            Key::of([b"a|bc".as_slice(), b""]),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| one != other));
        }
    }

    #[tokio::test]
    async fn g_cache_08_the_others_get_their_answer_when_the_first_leaves() {
        let (calls, backend) = (Coalesced::new(10), Backend::new());
        let mut first = Box::pin(calls.run(key("a"), backend.call()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(calls.run(key("a"), backend.call()));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        backend.open();
        assert_eq!(*second.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_call_that_dies_answers_nobody_and_leaves_no_trace() {
        let calls = Coalesced::<usize>::new(1);
        let dying = async { if true { panic!("as a test") } else { 1 } };
        assert_eq!(calls.run(key("a"), dying).await.unwrap_err(), NoAnswer);
        assert_eq!(*calls.run(key("a"), async { 2 }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn the_number_of_different_calls_is_bounded() {
        let (calls, backend) = (Coalesced::new(1), Backend::new());
        let mut first = Box::pin(calls.run(key("a"), backend.call()));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(calls.run(key("b"), backend.call()).await.unwrap_err(), NoAnswer);
        backend.open();
        assert_eq!(*first.await.unwrap(), 0);
    }
}
