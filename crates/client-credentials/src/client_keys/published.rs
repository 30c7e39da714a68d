//! The keys that clients publish at their `jwks_uri`, remembered: asked for once in five minutes while they are used, and
//! at most once a minute for a `kid` that nobody knows (T-SSRF-06). If they cannot be had any more, the last good ones do
//! for a day (T-SSRF-07). What cannot be known is not held against the client: it is told to come back.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use common::{Clock, Timestamp};
use credentials::client::{Client, ClientId};
use credentials::key::{Algorithm, PublicKey};
use jose::KeyDefect;
use service_kit::metrics::{Counters, Labels};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::fetch::{FetchError, KeySetFetcher};
use super::for_algorithm;
use crate::key_checks::KeyChecks;
use crate::slow_work::Busy;

/// So long a set is as good as new.
const FRESH_SECONDS: i64 = 5 * 60;
/// Between two fetches for one client, whatever they brought.
const GAP_SECONDS: i64 = 60;
/// So long the last good set does if no newer one can be had.
const LAST_GOOD_SECONDS: i64 = 24 * 60 * 60;
/// Clients whose sets are remembered.
const MAX_CLIENTS: usize = 1_000;

/// The key sets of all clients that publish theirs.
#[derive(Debug)]
pub struct PublishedKeys {
    fetcher: Arc<KeySetFetcher>,
    checks: KeyChecks,
    clock: Arc<dyn Clock>,
    fetches: Counters<Labels<1>>,
    clients: Mutex<HashMap<ClientId, Arc<Publication>>>,
}

/// The keys of the client cannot be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the client cannot be fetched from its jwks_uri")]
pub struct KeysUnknown;

/// What one client publishes, as far as we know.
#[derive(Debug)]
struct Publication {
    uri: String,
    /// Keys without an algorithm of their own are for this one.
    algorithm: Option<Algorithm>,
    state: RwLock<State>,
    /// Held by the one fetch that is on its way.
    fetching: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Arc<[PublicKey]>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    last_try_failed: bool,
}

/// Why what was fetched is no key set to use. For the log.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("a key is bad: {0}")]
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
        Self { fetcher: Arc::new(fetcher), checks, clock, fetches, clients: Mutex::default() }
    }

    /// Where keys are fetched from.
    pub(super) fn fetcher(&self) -> &KeySetFetcher {
        &self.fetcher
    }

    /// The keys at the `uri` of the client; `wanted` says whether the one that is looked for is among them.
    ///
    /// # Errors
    /// [`KeysUnknown`] if they cannot be had, or the wanted one is not among those of long ago.
    pub(super) async fn of(
        &self,
        client: &Client,
        uri: &str,
        wanted: impl Fn(&[PublicKey]) -> bool,
    ) -> Result<Arc<[PublicKey]>, KeysUnknown> {
        let publication = self.publication(client, uri);
        let state = publication.state();
        if !state.is_worth_a_fetch(self.clock.now(), &wanted) {
            return state.outcome(self.clock.now(), &wanted);
        }
        let turn = Arc::clone(&publication.fetching);
        let turn = match turn.try_lock_owned() {
            Ok(turn) => turn,
            // Somebody is fetching: who finds the key among the last good ones need not wait.
            Err(_) if wanted(&state.usable(self.clock.now())) => return Ok(state.keys),
            Err(_) => Arc::clone(&publication.fetching).lock_owned().await,
        };
        let state = publication.state();
        if state.is_worth_a_fetch(self.clock.now(), &wanted) {
            self.refresh(client.id.clone(), Arc::clone(&publication), turn).await;
        }
        publication.state().outcome(self.clock.now(), &wanted)
    }

    /// Fetches. Goes on if whoever asked leaves meanwhile: else a stranger could hang up and have it fetched again.
    async fn refresh(&self, id: ClientId, publication: Arc<Publication>, turn: OwnedMutexGuard<()>) {
        let (fetcher, checks, clock) =
            (Arc::clone(&self.fetcher), self.checks.clone(), Arc::clone(&self.clock));
        let fetches = self.fetches.clone();
        let fetching = tokio::spawn(async move {
            let _turn = turn;
            let outcome = publication.fetch(&fetcher, &checks).await;
            let word = if outcome.is_ok() { "fetched" } else { "failed" };
            fetches.get_or_create(&[("outcome", word)]).inc();
            if let Err(error) = &outcome {
                tracing::warn!(client_id = %id, error.message = %error, "the keys of a client cannot be fetched");
            }
            let now = clock.now();
            // That there was no room says nothing about the client.
            let busy = matches!(outcome, Err(RefreshError::Fetch(FetchError::Busy)));
            publication.change(|state| {
                state.tried_at = (!busy).then_some(now);
                state.last_try_failed = outcome.is_err();
                if let Ok(keys) = outcome {
                    state.keys = keys;
                    state.fetched_at = Some(now);
                }
            });
        });
        let _ = fetching.await;
    }

    /// What we know of the client's keys. A client that publishes elsewhere now starts anew, but for the pause between two
    /// fetches: else it would have us fetch as often as it says to have moved (T-SSRF-06). When there is no room, the one
    /// whose keys were asked for longest ago is forgotten.
    fn publication(&self, client: &Client, uri: &str) -> Arc<Publication> {
        let algorithm = client.assertion_algorithm.as_deref().and_then(Algorithm::named);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&client.id)
            && known.uri == uri
            && known.algorithm == algorithm
        {
            return Arc::clone(known);
        }
        let tried_at = clients.get(&client.id).and_then(|known| known.state().tried_at);
        if clients.len() >= MAX_CLIENTS {
            let oldest = clients.iter().min_by_key(|(_, known)| known.state().tried_at);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| clients.remove(&id));
        }
        let new = Arc::new(Publication {
            uri: uri.to_owned(),
            algorithm,
            state: RwLock::new(State { tried_at, ..State::default() }),
            fetching: Arc::default(),
        });
        clients.insert(client.id.clone(), Arc::clone(&new));
        new
    }
}

impl Publication {
    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    async fn fetch(
        &self,
        fetcher: &KeySetFetcher,
        checks: &KeyChecks,
    ) -> Result<Arc<[PublicKey]>, RefreshError> {
        let mut keys = Vec::new();
        for jwk in fetcher.fetch(&self.uri).await? {
            match checks.check(for_algorithm(&jwk, self.algorithm)).await? {
                Ok(key) => keys.push(key),
                Err(defect) if is_for_others(&defect) => {}
                Err(defect) => return Err(defect.into()),
            }
        }
        let mut kids = HashSet::new();
        if keys.iter().all(|key| kids.insert(key.kid())) {
            Ok(keys.into())
        } else {
            Err(RefreshError::SameKid)
        }
    }
}

/// A key that is good for something else does not spoil a set (RFC 7517 §5). A bad one does.
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
        !fresh && !within(self.tried_at, GAP_SECONDS, now)
    }

    /// What can be said without a fetch. A key that is not among those of long ago may be a new one.
    fn outcome(
        &self,
        now: Timestamp,
        wanted: impl Fn(&[PublicKey]) -> bool,
    ) -> Result<Arc<[PublicKey]>, KeysUnknown> {
        let keys = self.usable(now);
        let known = self.fetched_at.is_some() && !self.last_try_failed;
        if known || wanted(&keys) { Ok(keys) } else { Err(KeysUnknown) }
    }
}

/// Whether something happened less than `seconds` ago. A clock that was set back makes nothing recent for ever.
fn within(then: Option<Timestamp>, seconds: i64, now: Timestamp) -> bool {
    then.is_some_and(|then| then <= now && now < then.plus_seconds(seconds))
}
