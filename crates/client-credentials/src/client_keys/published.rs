//! The keys that clients publish at their `jwks_uri`, remembered: asked for once in five minutes while they are used, and
//! at most once a minute for a `kid` that nobody knows (T-SSRF-06). If they cannot be had any more, the last good ones do
//! for a day (T-SSRF-07). What cannot be known is not held against the client: it is told to come back.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use common::{Clock, Timestamp};
use credentials::client::{Client, ClientId, ClientOrigin};
use credentials::key::{Algorithm, PublicKey};
use jose::KeyDefect;
use serde_json::{Map, Value};
use service_kit::metrics::{Counters, Labels};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore};

use super::fetch::{FetchError, KeySetFetcher};
use super::remembered::Remembered;
use super::resting::Resting;
use super::slots::{Asker, FetchSlots, Standing};
use super::{for_algorithm, spoils_its_set};
use crate::key_checks::KeyChecks;
use crate::slow_work::Busy;
use crate::source::Source;
use crate::token_places::{NoPlace, Place};

/// So long a set is as good as new.
const FRESH_SECONDS: i64 = 5 * 60;
/// Between two fetches for one client, whatever they brought.
const GAP_SECONDS: i64 = 60;
/// So long the last good set does if no newer one can be had.
const LAST_GOOD_SECONDS: i64 = 24 * 60 * 60;
/// Requests that wait for the set of one client.
const MAX_WAITING: usize = 32;
/// When to come back if it is we who have no time.
const BUSY_SECONDS: i64 = 5;

/// The key sets of all clients that publish theirs.
#[derive(Debug)]
pub struct PublishedKeys {
    fetcher: Arc<KeySetFetcher>,
    checks: KeyChecks,
    clock: Arc<dyn Clock>,
    fetches: Counters<Labels<1>>,
    slots: Arc<FetchSlots>,
    resting: Arc<Resting>,
    clients: Remembered,
}

/// The keys of the client cannot be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysUnknown {
    /// It will be tried again then, and not before.
    #[error("the keys of the client cannot be fetched from its jwks_uri")]
    NotFetched { retry_after_seconds: i64 },
    /// Says nothing about the client.
    #[error("too many key sets are being fetched, or too many requests wait for this one")]
    TooManyFetches { retry_after_seconds: i64 },
}

/// Why there are no keys to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeys {
    #[error(transparent)]
    Unknown(#[from] KeysUnknown),
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
}

/// The keys of a client, and where to note that it has one of them.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) keys: Arc<[PublicKey]>,
    publication: Arc<Publication>,
}

/// What one client publishes, as far as we know.
#[derive(Debug)]
pub(super) struct Publication {
    uri: String,
    /// Keys without an algorithm of their own are for this one.
    algorithm: Option<Algorithm>,
    state: RwLock<State>,
    /// Held by the one fetch that is on its way.
    fetching: Arc<AsyncMutex<()>>,
    waiting: Semaphore,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Arc<[PublicKey]>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    /// Before this time it is not fetched again.
    next_try: Option<Timestamp>,
    tries: u64,
    last_try: LastTry,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LastTry {
    #[default]
    None,
    Fetched,
    Failed,
    /// There was no slot: it says nothing about the client.
    NoSlot,
}

/// Why what was fetched is no key set to use. For the log.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("too many key sets are being fetched")]
    NoSlot,
    #[error("its URL did not answer in time before, and is left alone for a while")]
    Resting { until: Timestamp },
    #[error("no key can be used: {0}")]
    Key(#[from] KeyDefect),
    #[error("two keys have the same kid")]
    SameKid,
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl PublishedKeys {
    /// Nothing is remembered yet.
    pub(crate) fn new(
        fetcher: KeySetFetcher,
        checks: KeyChecks,
        clock: Arc<dyn Clock>,
        fetches: Counters<Labels<1>>,
    ) -> Self {
        Self {
            fetcher: Arc::new(fetcher),
            checks,
            clock,
            fetches,
            slots: Arc::default(),
            resting: Arc::default(),
            clients: Remembered::default(),
        }
    }

    /// Where keys are fetched from.
    pub(super) fn fetcher(&self) -> &KeySetFetcher {
        &self.fetcher
    }

    /// The keys at the `uri` of the client; `wanted` says whether the one that is looked for is among them. Whoever has to
    /// wait for them gives its place back meanwhile.
    ///
    /// # Errors
    /// [`KeysUnknown`] if they cannot be had, or the wanted one is not among those of long ago. [`NoPlace`].
    pub(super) async fn of(
        &self,
        client: &Client,
        uri: &str,
        source: Source,
        place: &mut Place,
        wanted: impl Fn(&[PublicKey]) -> bool,
    ) -> Result<Published, NoKeys> {
        let publication = self.publication(client, uri);
        let now = self.clock.now();
        let state = publication.state();
        let keys = if !state.is_worth_a_fetch(now, &wanted) {
            state.outcome(now, &wanted)?
        } else {
            match Arc::clone(&publication.fetching).try_lock_owned() {
                // Somebody is fetching: who finds the key among the last good ones need not wait.
                Err(_) if wanted(&state.usable(now)) => state.keys,
                turn => {
                    let Ok(_waiting) = publication.waiting.try_acquire() else {
                        return Err(KeysUnknown::TooManyFetches { retry_after_seconds: BUSY_SECONDS }.into());
                    };
                    let fetched = self.fetched(client, &publication, source, turn.ok(), state.tries);
                    place.outside(fetched).await?;
                    publication.state().outcome(self.clock.now(), &wanted)?
                }
            }
        };
        Ok(Published { keys, publication })
    }

    /// The client has just shown that it has one of these keys.
    pub(super) fn proved(&self, client: &Client, published: &Published) {
        let by_operator = client.origin == ClientOrigin::Operator;
        self.clients.proved(&client.id, &published.publication, by_operator, self.clock.now());
    }

    /// Waits until there has been another fetch than the first `tries`: one that is on its way, or one of its own. `turn` is
    /// there if nobody else is fetching.
    async fn fetched(
        &self,
        client: &Client,
        publication: &Arc<Publication>,
        source: Source,
        turn: Option<OwnedMutexGuard<()>>,
        tries: u64,
    ) {
        let turn = match turn {
            Some(turn) => turn,
            None => Arc::clone(&publication.fetching).lock_owned().await,
        };
        let state = publication.state();
        // One answer is for all who waited for it, also that there was no slot.
        if state.tries == tries {
            let standing = Standing::of(client);
            self.refresh(client.id.clone(), Arc::clone(publication), standing, source, turn).await;
        }
    }

    /// Fetches. Goes on if whoever asked leaves meanwhile: else a stranger could hang up and have it fetched again.
    async fn refresh(
        &self,
        id: ClientId,
        publication: Arc<Publication>,
        standing: Standing,
        source: Source,
        turn: OwnedMutexGuard<()>,
    ) {
        let (fetcher, checks, clock) =
            (Arc::clone(&self.fetcher), self.checks.clone(), Arc::clone(&self.clock));
        let (slots, resting, fetches) =
            (Arc::clone(&self.slots), Arc::clone(&self.resting), self.fetches.clone());
        let fetching = tokio::spawn(async move {
            let _turn = turn;
            let fetch = Fetch { fetcher: &fetcher, checks: &checks, slots: &slots, resting: &resting };
            let outcome = fetch.run(&publication, standing, source, clock.now()).await;
            let word = if outcome.is_ok() { "fetched" } else { "failed" };
            fetches.get_or_create(&[("outcome", word)]).inc();
            if let Err(error) = &outcome {
                tracing::warn!(client_id = %id, error.message = %error, "the keys of a client cannot be fetched");
            }
            publication.change(|state| state.after(outcome, clock.now()));
        });
        let _ = fetching.await;
    }

    /// What we know of the client's keys. A client that publishes elsewhere now starts anew, but for the pause between two
    /// fetches: else it would have us fetch as often as it says to have moved (T-SSRF-06).
    fn publication(&self, client: &Client, uri: &str) -> Arc<Publication> {
        let algorithm = client.assertion_algorithm.as_deref().and_then(Algorithm::named);
        let is_current = |known: &Publication| known.uri == uri && known.algorithm == algorithm;
        let new = |before: Option<&Publication>| {
            let new = Publication::new(uri.to_owned(), algorithm);
            if let Some(State { tried_at, next_try, .. }) = before.map(Publication::state) {
                new.change(|state| *state = State { tried_at, next_try, ..State::default() });
            }
            new
        };
        self.clients.get_or_add(&client.id, self.clock.now(), is_current, new)
    }
}

/// What a fetch needs.
struct Fetch<'deps> {
    fetcher: &'deps KeySetFetcher,
    checks: &'deps KeyChecks,
    slots: &'deps FetchSlots,
    resting: &'deps Resting,
}

impl Fetch<'_> {
    /// Fetches what is published, when there is a slot. What newcomers publish is left alone if it hung before.
    async fn run(
        &self,
        publication: &Publication,
        standing: Standing,
        source: Source,
        now: Timestamp,
    ) -> Result<Arc<[PublicKey]>, RefreshError> {
        let uri = &publication.uri;
        if standing == Standing::Newcomer
            && let Some(until) = self.resting.until(uri, now)
        {
            return Err(RefreshError::Resting { until });
        }
        let url = self.fetcher.check(uri).map_err(FetchError::from)?;
        let host = url.authority().to_owned();
        let asker = Asker { standing, source, host };
        let _slot = self.slots.take(&asker).await.map_err(|_| RefreshError::NoSlot)?;
        let fetched = self.fetcher.fetch(url).await;
        match &fetched {
            Err(FetchError::TooSlow) => self.resting.hung(uri, now),
            _ => self.resting.answered(uri),
        }
        publication.checked(fetched?, self.checks).await
    }
}

impl Publication {
    pub(super) fn new(uri: String, algorithm: Option<Algorithm>) -> Self {
        Self {
            uri,
            algorithm,
            state: RwLock::default(),
            fetching: Arc::default(),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The keys of a set that are for assertions. Others are passed over; if only bad ones are there, the last good ones go on.
    async fn checked(
        &self,
        jwks: Vec<Map<String, Value>>,
        checks: &KeyChecks,
    ) -> Result<Arc<[PublicKey]>, RefreshError> {
        let mut keys = Vec::new();
        let mut first_bad = None;
        for jwk in jwks {
            match checks.check(for_algorithm(&jwk, self.algorithm)).await? {
                Ok(key) => keys.push(key),
                Err(defect) if is_for_others(&defect) => {}
                Err(defect) if spoils_its_set(&defect) => return Err(defect.into()),
                Err(defect) => _ = first_bad.get_or_insert(defect),
            }
        }
        if let Some(defect) = first_bad.filter(|_| keys.is_empty()) {
            return Err(defect.into());
        }
        let mut kids = HashSet::new();
        if keys.iter().all(|key| kids.insert(key.kid())) {
            Ok(keys.into())
        } else {
            Err(RefreshError::SameKid)
        }
    }
}

/// A key that is good for something else says nothing about assertions: a set of such keys is one without any.
const fn is_for_others(defect: &KeyDefect) -> bool {
    matches!(
        defect,
        KeyDefect::KeyType
            | KeyDefect::Use
            | KeyDefect::Operations
            | KeyDefect::Curve
            | KeyDefect::EdwardsCurve
    )
}

impl State {
    /// The keys, unless they are too old for anything.
    fn usable(&self, now: Timestamp) -> Arc<[PublicKey]> {
        if within(self.fetched_at, LAST_GOOD_SECONDS, now) { Arc::clone(&self.keys) } else { Arc::default() }
    }

    fn is_worth_a_fetch(&self, now: Timestamp, wanted: impl Fn(&[PublicKey]) -> bool) -> bool {
        let fresh = within(self.fetched_at, FRESH_SECONDS, now) && wanted(&self.keys);
        !fresh && self.seconds_to_next_try(now) == 0
    }

    /// A clock that was set back makes nobody wait for ever.
    fn seconds_to_next_try(&self, now: Timestamp) -> i64 {
        match (self.tried_at, self.next_try) {
            (Some(tried), Some(next)) if tried <= now && now < next => {
                next.unix_seconds().saturating_sub(now.unix_seconds()).max(1)
            }
            _ => 0,
        }
    }

    /// What can be said without a fetch. A key that is not among those of long ago may be a new one.
    fn outcome(
        &self,
        now: Timestamp,
        wanted: impl Fn(&[PublicKey]) -> bool,
    ) -> Result<Arc<[PublicKey]>, KeysUnknown> {
        let keys = self.usable(now);
        if self.last_try == LastTry::Fetched || wanted(&keys) {
            return Ok(keys);
        }
        Err(match self.last_try {
            LastTry::NoSlot => KeysUnknown::TooManyFetches { retry_after_seconds: BUSY_SECONDS },
            LastTry::None | LastTry::Fetched | LastTry::Failed => {
                KeysUnknown::NotFetched { retry_after_seconds: self.seconds_to_next_try(now).max(1) }
            }
        })
    }

    /// A fetch has ended.
    fn after(&mut self, outcome: Result<Arc<[PublicKey]>, RefreshError>, now: Timestamp) {
        self.tries = self.tries.wrapping_add(1);
        if matches!(outcome, Err(RefreshError::NoSlot)) {
            self.last_try = LastTry::NoSlot;
            return;
        }
        self.tried_at = Some(now);
        self.next_try = Some(match outcome {
            Err(RefreshError::Resting { until }) => until,
            _ => now.plus_seconds(GAP_SECONDS),
        });
        self.last_try = LastTry::Failed;
        if let Ok(keys) = outcome {
            self.last_try = LastTry::Fetched;
            self.keys = keys;
            self.fetched_at = Some(now);
        }
    }
}

/// Whether something happened less than `seconds` ago. A clock that was set back makes nothing recent for ever.
fn within(then: Option<Timestamp>, seconds: i64, now: Timestamp) -> bool {
    then.is_some_and(|then| then <= now && now < then.plus_seconds(seconds))
}
