//! What is revoked, as this replica knows it: in memory, so that a token is judged without I/O, and followed from the
//! store, so that every replica refuses what one of them revoked. A replica that cannot follow any more knows that
//! it does not know (docs/adr/0012).

mod feed;
mod follower;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use common::revocation::{Revocation, RevokedTokens, name_of};
use common::{AccessTokenClaims, Clock, Timestamp};
use credentials::StoreError;
use credentials::client::ClientId;
use credentials::revocation::{RevocationStore, all_tokens_of};
use service_kit::metrics::Counter;
use tokio::sync::{Semaphore, broadcast};

use crate::shares::Shares;

pub use feed::{Reader, Sent, TooManyReaders};

/// Single tokens that are kept at most: some 100 MiB. Whole clients are always taken.
const MOST_TOKENS: usize = 1_000_000;
/// Single tokens of one client: so that none can take the place of all others.
const MOST_TOKENS_OF_A_CLIENT: usize = 50_000;

/// See the module.
pub struct Revocations {
    store: Arc<dyn RevocationStore>,
    known: RwLock<Known>,
    /// When the store last told us all it had.
    confirmed: Mutex<Instant>,
    /// `None`: what is known counts, however old.
    max_staleness: Option<Duration>,
    /// Names this process in the cursors of the feed.
    instance: String,
    /// To every reader of the feed.
    sender: broadcast::Sender<Change>,
    /// A place for each reader of the feed.
    places: Arc<Semaphore>,
    /// Of these, for the readers of each client.
    places_of_client: Shares<Option<String>>,
    readers_cut: Counter,
}

/// What is revoked, and how it came to be known.
#[derive(Debug, Default)]
struct Known {
    tokens: RevokedTokens,
    /// Of the last change.
    number: u64,
    /// The last changes.
    latest: VecDeque<Change>,
}

/// Something that was not known before. Numbers grow by one.
#[derive(Debug, Clone)]
struct Change {
    number: u64,
    revocation: Revocation,
}

/// What is known about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Good,
    Revoked,
    /// The store has told nothing for too long.
    Unknown,
}

/// Why a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// Too many single tokens are revoked already, of this client or altogether.
    #[error("there is no room for another revoked token")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How much is known, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub tokens: usize,
    pub clients: usize,
    pub staleness: Duration,
    /// Readers of the feed.
    pub readers: usize,
}

impl Revocations {
    /// Reads what is revoked, and follows it in a task of its own from then on. `readers_cut` counts readers of the
    /// feed that were too slow.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read: without it, no token may be called good.
    pub async fn follow(
        store: Arc<dyn RevocationStore>,
        max_staleness: Option<Duration>,
        readers_cut: Counter,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let this = Arc::new(Self {
            store,
            known: RwLock::default(),
            confirmed: Mutex::new(Instant::now()),
            max_staleness,
            // No secret: it only differs from that of every other process.
            instance: format!("{:016x}", RandomState::new().build_hasher().finish()),
            sender: broadcast::Sender::new(feed::CHANGES_KEPT),
            places: Arc::new(Semaphore::new(feed::READERS)),
            places_of_client: Shares::new(feed::READERS_OF_ONE),
            readers_cut,
        });
        let watch = follower::begin(&this).await?;
        tokio::spawn(follower::run(Arc::downgrade(&this), watch, clock));
        Ok(this)
    }

    /// Whether a token with these claims, signed by us, is revoked. Asks nobody.
    #[must_use]
    pub fn standing(&self, claims: &AccessTokenClaims) -> Standing {
        if self.read().tokens.contain(claims) {
            return Standing::Revoked;
        }
        if self.max_staleness.is_some_and(|most| self.staleness() > most) {
            return Standing::Unknown;
        }
        Standing::Good
    }

    /// Up to when all tokens of this client are revoked: a new one has to count as issued later.
    #[must_use]
    pub fn all_until(&self, client: &ClientId) -> Option<Timestamp> {
        self.read().tokens.all_until(client.as_str())
    }

    /// Revokes the token with these claims, on every replica.
    ///
    /// # Errors
    /// [`RevokeError`]: the token may still be good.
    pub async fn revoke_token(&self, claims: &AccessTokenClaims) -> Result<(), RevokeError> {
        let revocation = {
            let known = &self.read().tokens;
            if known.contain(claims) {
                return Ok(());
            }
            if known.tokens() >= MOST_TOKENS || known.tokens_of(&claims.sub) >= MOST_TOKENS_OF_A_CLIENT {
                return Err(RevokeError::Full);
            }
            Revocation::Token {
                jti: name_of(claims).into_owned(),
                client_id: claims.sub.clone(),
                exp: claims.exp,
            }
        };
        Ok(self.record(&revocation).await?)
    }

    /// Revokes every token that the client got until now, on every replica.
    ///
    /// # Errors
    /// [`StoreError`]: they may still be good.
    pub async fn revoke_all_of(&self, client: &ClientId, now: Timestamp) -> Result<(), StoreError> {
        self.record(&all_tokens_of(client, now)).await
    }

    /// How much is known.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let (tokens, clients) = {
            let known = &self.read().tokens;
            (known.tokens(), known.clients())
        };
        Extent { tokens, clients, staleness: self.staleness(), readers: self.readers() }
    }

    async fn record(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.store.revoke(revocation).await?;
        // Here at once; elsewhere as soon as the others are told.
        self.add(revocation);
        Ok(())
    }

    fn add(&self, revocation: &Revocation) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.tokens.add(revocation) {
            return;
        }
        known.number = known.number.saturating_add(1);
        let change = Change { number: known.number, revocation: revocation.clone() };
        if known.latest.len() == feed::CHANGES_KEPT {
            known.latest.pop_front();
        }
        known.latest.push_back(change.clone());
        // Nobody may be reading. Under the lock, so that a new reader finds a change either in what it reads first or here.
        let _ = self.sender.send(change);
    }

    fn forget(&self, now: Timestamp) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).tokens.forget(now);
    }

    fn confirm(&self) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn staleness(&self) -> Duration {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Revocations").field("extent", &self.extent()).finish_non_exhaustive()
    }
}
