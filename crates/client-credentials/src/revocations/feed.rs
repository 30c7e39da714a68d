//! What is sent to readers of the revocation feed: everything that is revoked, or what was missed, and then each new one.
//! A reader costs a bounded amount of memory, however slow it is: it shares the latest changes with all others, and one
//! that falls behind them is sent away to come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::revocation::{FeedEvent, Part};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Change, Revocations};

/// Changes that are kept for readers that are slow or come back.
pub(super) const CHANGES_KEPT: usize = 4096;
/// Readers at a time.
pub(super) const READERS: usize = 64;
/// Of these, with one and the same client: the others have some as well.
pub(super) const READERS_OF_ONE: usize = 48;
/// Of a snapshot: some 8 MiB of JSON, far below [`FeedEvent::LARGEST`]. So much a reader costs at a time.
const ENTRIES_OF_A_PART: usize = 50_000;
/// After so long without an event a reader is told that there is none.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon it is noticed that a feed is over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Beyond this age of our own knowledge there are no heartbeats, so that readers learn of it.
const FRESH: Duration = Duration::from_secs(30);

/// There are too many readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{READERS} readers follow the revocations already, or {READERS_OF_ONE} of one client")]
pub struct TooManyReaders;

/// An event, and the cursor of a reader that has seen it.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    pub event: FeedEvent,
    /// `None`: a reader cannot come back to this place.
    pub cursor: Option<String>,
}

/// One reader.
pub struct Reader {
    revocations: Arc<Revocations>,
    /// What is sent before what is new.
    first: VecDeque<First>,
    changes: Receiver<Change>,
    /// The number of the last change that was sent, or is in the snapshot.
    seen: u64,
    /// Whether the reader has been told that it knows everything.
    is_complete: bool,
    sent_at: Instant,
    is_over: bool,
    _places: [OwnedSemaphorePermit; 2],
}

enum First {
    OfSnapshot(Part),
    Missed(Change),
}

impl Revocations {
    /// A reader that begins after `cursor`, if it is one of ours and not too old; else with everything. `client` is whose
    /// token it came with; `None`: the bootstrap token.
    ///
    /// # Errors
    /// [`TooManyReaders`].
    pub fn reader(
        self: &Arc<Self>,
        client: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Reader, TooManyReaders> {
        let of_client = self.places_of_client.of(client.map(str::to_owned)).try_acquire_owned();
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| TooManyReaders)?;
        let places = [of_client.map_err(|_| TooManyReaders)?, place];
        // No change comes in between: changes are made, numbered and sent under the lock.
        let known = self.read();
        let changes = self.sender.subscribe();
        let missed = cursor.and_then(|cursor| self.number_of(cursor)).and_then(|seen| {
            let oldest = known.latest.front().map_or(known.number, |change| change.number.saturating_sub(1));
            (oldest..=known.number).contains(&seen).then(|| {
                known
                    .latest
                    .iter()
                    .filter(|change| change.number > seen)
                    .cloned()
                    .map(First::Missed)
                    .collect()
            })
        });
        let everything = || known.tokens.parts(ENTRIES_OF_A_PART).map(First::OfSnapshot).collect();
        let first: VecDeque<First> = missed.unwrap_or_else(everything);
        Ok(Reader {
            revocations: Arc::clone(self),
            first,
            changes,
            seen: known.number,
            is_complete: false,
            sent_at: Instant::now(),
            is_over: false,
            _places: places,
        })
    }

    /// How many readers there are.
    #[must_use]
    pub fn readers(&self) -> usize {
        READERS.saturating_sub(self.places.available_permits())
    }

    fn cursor(&self, number: u64) -> String {
        format!("{}-{number}", self.instance)
    }

    /// The number in a cursor of this process: numbers of another one mean other changes.
    fn number_of(&self, cursor: &str) -> Option<u64> {
        let (instance, number) = cursor.split_once('-')?;
        if instance == self.instance { number.parse().ok() } else { None }
    }
}

impl Reader {
    /// The next event, as soon as there is one. `None`: the feed is over. `must_end` tells whether it has to be: then the
    /// reader learns nothing more.
    pub async fn next(&mut self, must_end: impl Fn() -> bool) -> Option<Sent> {
        if self.is_over {
            return None;
        }
        let sent = match self.first.pop_front() {
            _ if must_end() => without_cursor(FeedEvent::Goodbye),
            Some(first) => self.first(first),
            None if !self.is_complete => self.up_to_date(must_end).await,
            None => self.live(must_end).await,
        };
        self.is_over = sent.event == FeedEvent::Goodbye;
        self.sent_at = Instant::now();
        Some(sent)
    }

    fn first(&self, first: First) -> Sent {
        let known = self.revocations.read();
        match first {
            First::OfSnapshot(part) => {
                without_cursor(FeedEvent::Snapshot(known.tokens.entries_of(part).collect()))
            }
            First::Missed(change) => self.changed(change),
        }
    }

    /// Tells that the reader knows everything, once that is so: while we know too little, the reader does.
    async fn up_to_date(&mut self, must_end: impl Fn() -> bool) -> Sent {
        while self.revocations.staleness() >= FRESH {
            tokio::time::sleep(LOOK_AGAIN).await;
            if must_end() {
                return without_cursor(FeedEvent::Goodbye);
            }
        }
        self.is_complete = true;
        Sent { event: FeedEvent::UpToDate, cursor: Some(self.revocations.cursor(self.seen)) }
    }

    async fn live(&mut self, must_end: impl Fn() -> bool) -> Sent {
        loop {
            let received = tokio::time::timeout(LOOK_AGAIN, self.changes.recv()).await;
            if must_end() {
                return without_cursor(FeedEvent::Goodbye);
            }
            match received {
                Ok(Ok(change)) => return self.changed(change),
                // It lost some, or we end.
                Ok(Err(RecvError::Lagged(_))) => {
                    self.revocations.readers_cut.inc();
                    return without_cursor(FeedEvent::Goodbye);
                }
                Ok(Err(RecvError::Closed)) => return without_cursor(FeedEvent::Goodbye),
                Err(_) => {
                    let is_due = self.sent_at.elapsed() >= HEARTBEAT;
                    if is_due && self.revocations.staleness() < FRESH {
                        return without_cursor(FeedEvent::Heartbeat);
                    }
                }
            }
        }
    }

    fn changed(&self, change: Change) -> Sent {
        let cursor = Some(self.revocations.cursor(change.number));
        Sent { event: FeedEvent::Revocation(change.revocation), cursor }
    }
}

const fn without_cursor(event: FeedEvent) -> Sent {
    Sent { event, cursor: None }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use common::Timestamp;
    use common::revocation::Revocation;
    use credentials::StoreError;
    use credentials::revocation::{RevocationStore, RevocationWatch};
    use futures_util::FutureExt;
    use testkit::FakeClock;

    use super::*;

    /// A store in which nothing is revoked, and whose watch is silent for ever.
    struct Silent;

    #[async_trait]
    impl RevocationStore for Silent {
        async fn revoke(&self, _: &Revocation) -> Result<(), StoreError> {
            Ok(())
        }

        async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
            Ok(Vec::new())
        }

        async fn watch(&self) -> Result<Box<dyn RevocationWatch>, StoreError> {
            Ok(Box::new(Self))
        }
    }

    #[async_trait]
    impl RevocationWatch for Silent {
        async fn next(&mut self) -> Result<Option<Revocation>, StoreError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_minute_with_very_many_tokens_is_told_in_events_that_a_reader_takes() {
        let clock = Arc::new(FakeClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let revocations =
            Revocations::follow(Arc::new(Silent), None, Default::default(), clock).await.unwrap();
        let many = 120_000;
        let token = |number: i32| Revocation::Token {
            // As long as ours are, of a client with the longest id. All of them are 20 MB.
            jti: format!("017f22e2-79b0-7cc3-98c4-{number:012}"),
            client_id: "c".repeat(64),
            exp: 1_800_000_000,
        };
        {
            let mut known = revocations.known.write().unwrap();
            (0..many).for_each(|number| assert!(known.tokens.add(&token(number))));
        }
        let mut reader = revocations.reader(None, None).unwrap();
        let mut told = std::collections::HashSet::new();
        loop {
            let event = reader.next(|| false).await.unwrap().event;
            let length = event.data().unwrap().len();
            assert!(length < FeedEvent::LARGEST / 2, "{length}");
            match event {
                FeedEvent::Snapshot(part) => part.into_iter().for_each(|revocation| match revocation {
                    Revocation::Token { jti, .. } => assert!(told.insert(jti)),
                    other => panic!("{other:?}"),
                }),
                FeedEvent::UpToDate => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told.len(), usize::try_from(many).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_not_told_that_it_knows_everything_while_we_do_not() {
        let clock = Arc::new(FakeClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let revocations =
            Revocations::follow(Arc::new(Silent), None, Default::default(), clock).await.unwrap();
        let confirmed = |at| *revocations.confirmed.lock().unwrap() = at;
        let mut reader = revocations.reader(None, None).unwrap();
        confirmed(Instant::now().checked_sub(FRESH).unwrap());
        assert_eq!(reader.next(|| false).await.unwrap().event, FeedEvent::Snapshot(Vec::new()));
        let mut next = Box::pin(reader.next(|| false));
        for _ in 0..100 {
            assert!((&mut next).now_or_never().is_none());
            tokio::time::advance(LOOK_AGAIN).await;
        }
        confirmed(Instant::now());
        assert_eq!(next.await.unwrap().event, FeedEvent::UpToDate);
        // Who waits for it is let go when the feed has to end.
        let mut other = revocations.reader(None, None).unwrap();
        confirmed(Instant::now().checked_sub(FRESH).unwrap());
        other.next(|| false).await.unwrap();
        let looks = std::cell::Cell::new(0);
        let must_end = || looks.replace(looks.get() + 1) > 1;
        assert_eq!(other.next(must_end).await.unwrap().event, FeedEvent::Goodbye);
    }
}
