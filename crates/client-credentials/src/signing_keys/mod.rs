//! The key this replica signs with, and the public keys of all replicas, so that each verifies the tokens of all. The
//! keys are kept in memory. The store is asked when a token names an unknown one, at most once a second, and every half
//! minute besides, by a task of its own that no request waits for.

mod file;
mod known;
mod shared;
mod steps;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use common::{Clock, Timestamp};
use credentials::audit::AuditAction;
use credentials::key::ring::{KeyState, RotationPlan};
use credentials::key::{KeyDirectory, KeyRing, KeyRingStore, PublishedKey};
use credentials::{Random, StoreError};
use jose::{KeyEncryption, SigningKey};
use service_kit::StartError;
use tokio::sync::{Mutex, Notify};

pub(crate) use file::{check_generated, generated_files, key_file, read as read_file, read_or_make};
pub use known::KnownKeys;
pub use shared::KeyStepError;

use shared::SharedKeys;

/// Unknown keys lead to at most one look into the store in this time (T-TOK-08). Short, because a token of a replica
/// that started meanwhile is refused until it is over.
const REFRESH_GAP_SECONDS: i64 = 1;

/// How often the keys are kept up: a stolen key that an operator removes is refused everywhere after this time
/// (conformance R-21).
const KEEP_UP_SECONDS: u64 = 30;

/// Where keys are kept.
#[derive(Clone)]
pub struct KeyStores {
    pub directory: Arc<dyn KeyDirectory>,
    pub ring: Arc<dyn KeyRingStore>,
}

/// See the module.
pub struct SigningKeys {
    holder: Holder,
    stores: KeyStores,
    known: RwLock<Arc<KnownKeys>>,
    last_refresh: Mutex<Option<Refresh>>,
    /// Held while the store is read.
    reading: Mutex<()>,
    /// When the keys were last kept up, in Unix milliseconds.
    kept_up_at: AtomicI64,
    overdue: Notify,
}

/// How many keys there are, and how old the one that signs is.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// In the order of [`Self::STATES`].
    pub counts: [usize; 3],
    /// For how long it has signed: a shared key since it was activated, a key of this replica since the replica started.
    pub age_seconds: i64,
    /// When the schedule replaces it. `None`: nothing does.
    pub rotates_at: Option<Timestamp>,
}

impl Extent {
    /// Those in which a key counts for anything.
    pub const STATES: [KeyState; 3] = [KeyState::Next, KeyState::Active, KeyState::Retiring];
}

/// Whose key it is.
enum Holder {
    /// This replica's alone, in a file of its own.
    Own { key: Arc<SigningKey>, published_at: Timestamp },
    /// All replicas'.
    Shared(SharedKeys),
}

/// There is a key to sign with, but this replica cannot decrypt it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this replica cannot decrypt the active signing key: SIGNING_KEYS_ENCRYPTION_KEY must be that of the others"
)]
pub struct NoSigner;

/// The last look into the store that came to an end.
#[derive(Debug)]
struct Refresh {
    ended_at: Timestamp,
    succeeded: bool,
}

impl SigningKeys {
    /// Publishes `key`, so that the other replicas know it before its first token, and reads theirs.
    ///
    /// # Errors
    /// [`StartError`] if it was not published. Nothing may be signed then.
    pub async fn own(key: SigningKey, stores: KeyStores, now: Timestamp) -> Result<Self, StartError> {
        let published = stores.directory.published().await.map_err(cannot_start)?;
        if published.iter().any(|other| other.kid == key.kid() && other.key != *key.public()) {
            tracing::warn!(
                kid = key.kid(),
                "another key was published under this kid; tokens it signed are refused from now on. If another \
                 replica still signs with it, give each replica its own PRIVATE_RSA_KEY_ID"
            );
        }
        let holder = Holder::Own { key: Arc::new(key), published_at: now };
        Self::open(holder, stores, now).await
    }

    /// Takes part in the keys that all replicas share. The very first key is `first`, or made.
    ///
    /// # Errors
    /// [`StartError`] if there is no key that this replica can sign with.
    pub async fn shared(
        encryption: Arc<KeyEncryption>,
        plan: RotationPlan,
        first: Option<SigningKey>,
        stores: KeyStores,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let keys = SharedKeys { encryption, plan, first, taken: std::sync::Mutex::default() };
        keys.take_due_steps(&*stores.ring, random, now).await.map_err(cannot_start)?;
        let ring = stores.ring.key_ring().await.map_err(cannot_start)?.ring;
        keys.signer(&ring, None).map_err(|error| {
            let kid = ring.signing(plan.algorithm).map(|key| key.kid.as_str()).unwrap_or_default();
            StartError::new(format!("the signing key {kid} in the store cannot be used: {error}"))
        })?;
        Self::open(Holder::Shared(keys), stores, now).await
    }

    async fn open(holder: Holder, stores: KeyStores, now: Timestamp) -> Result<Self, StartError> {
        let nothing = KnownKeys::new(None, KeyRing::default(), Vec::new(), now);
        let keys = Self {
            holder,
            stores,
            known: RwLock::new(Arc::new(nothing)),
            last_refresh: Mutex::new(None),
            reading: Mutex::new(()),
            kept_up_at: AtomicI64::new(now.unix_millis()),
            overdue: Notify::new(),
        };
        keys.say_that_we_sign(now).await.map_err(cannot_start)?;
        keys.read(now).await.map_err(cannot_start)?;
        Ok(keys)
    }

    /// The key to sign with.
    ///
    /// # Errors
    /// [`NoSigner`]. Nothing may be signed then.
    pub fn signer(&self, now: Timestamp) -> Result<Arc<SigningKey>, NoSigner> {
        self.known(now).signer.clone().ok_or(NoSigner)
    }

    /// The keys as they were last read.
    #[must_use]
    pub fn known(&self, now: Timestamp) -> Arc<KnownKeys> {
        self.notice(now);
        self.last_known()
    }

    /// What there is, as it was last read: no store is asked.
    #[must_use]
    pub fn extent(&self, now: Timestamp) -> Extent {
        let known = self.known(now);
        let (since, rotates_at) = match &self.holder {
            Holder::Own { published_at, .. } => (Some(*published_at), None),
            Holder::Shared(keys) => {
                let signing = known.ring.signing(keys.plan.algorithm);
                (signing.and_then(|key| key.activated_at), known.ring.rotates_at(&keys.plan))
            }
        };
        let age = since.map_or(0, |since| now.unix_seconds().saturating_sub(since.unix_seconds()));
        let counts = Extent::STATES.map(|state| known.count(state));
        Extent { counts, age_seconds: age.max(0), rotates_at }
    }

    /// Has the keys kept up if it is time, without waiting for it.
    fn notice(&self, now: Timestamp) {
        let kept_up_at = Timestamp::from_unix_millis(self.kept_up_at.load(Ordering::Relaxed));
        // A clock that was set back makes nothing recent for ever.
        if now < kept_up_at || now >= kept_up_at.plus_seconds(KEEP_UP_SECONDS.cast_signed()) {
            self.overdue.notify_one();
        }
    }

    /// The keys as the store has them, or as they were read within the last second.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell, or could not a second ago.
    pub async fn refreshed(&self, clock: &dyn Clock) -> Result<Arc<KnownKeys>, StoreError> {
        self.notice(clock.now());
        let mut last = self.last_refresh.lock().await;
        // The time is asked under the lock: whoever waited for a look takes its outcome, good or bad. A store that is
        // slow to fail would otherwise make each of them wait in turn.
        match last.as_ref().filter(|refresh| refresh.is_recent(clock.now())) {
            Some(Refresh { succeeded: true, .. }) => return Ok(self.last_known()),
            Some(Refresh { succeeded: false, .. }) => {
                return Err(StoreError::Unavailable(
                    "the last attempt to read the signing keys failed".into(),
                ));
            }
            None => {}
        }
        let outcome = self.read(clock.now()).await;
        // Noted only now: a caller that goes away in between says nothing about the store.
        *last = Some(Refresh { ended_at: clock.now(), succeeded: outcome.is_ok() });
        outcome
    }

    /// The steps that this replica took by itself since it was last asked, with the `kid` of each.
    pub fn taken_steps(&self) -> Vec<(AuditAction, String)> {
        match &self.holder {
            Holder::Own { .. } => Vec::new(),
            Holder::Shared(keys) => keys.taken_steps(),
        }
    }

    /// Keeps the keys up for as long as the process lives, and calls `then` each time.
    pub async fn keep_up_for_ever(&self, clock: &dyn Clock, random: &dyn Random, then: impl Fn()) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(KEEP_UP_SECONDS)) => {}
                () = self.overdue.notified() => {}
            }
            if let Err(error) = self.keep_up(clock.now(), random).await {
                tracing::warn!(error.message = %error, "the signing keys could not be kept up; trying again");
            }
            then();
        }
    }

    async fn keep_up(&self, now: Timestamp, random: &dyn Random) -> Result<(), KeyStepError> {
        self.kept_up_at.store(now.unix_millis(), Ordering::Relaxed);
        self.say_that_we_sign(now).await?;
        if let Holder::Shared(keys) = &self.holder {
            // Whatever becomes of them, what others have done counts.
            let steps = keys.take_due_steps(&*self.stores.ring, random, now).await;
            self.read(now).await?;
            steps?;
        }
        self.stores.directory.forget_unseen(PublishedKey::unseen_since(now)).await?;
        self.read(now).await?;
        Ok(())
    }

    async fn say_that_we_sign(&self, now: Timestamp) -> Result<(), StoreError> {
        let Holder::Own { key, published_at } = &self.holder else { return Ok(()) };
        let (kid, key) = (key.kid().to_owned(), key.public().clone());
        let published = PublishedKey { kid, key, published_at: *published_at, last_seen: now };
        self.stores.directory.publish(&published).await
    }

    /// Reads all keys from the store. One after the other: what was read before a step must not replace what was read
    /// after it.
    async fn read(&self, now: Timestamp) -> Result<Arc<KnownKeys>, StoreError> {
        let _reading = self.reading.lock().await;
        let published = self.stores.directory.published().await?;
        let before = self.last_known();
        let ring = match self.stores.ring.key_ring().await {
            Ok(stored) => stored.ring,
            // A newer version may have written it. The keys we know still verify.
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(error.message = %error, "the shared signing keys are those read before");
                before.ring.clone()
            }
            Err(error) => return Err(error),
        };
        let signer = match &self.holder {
            Holder::Own { key, .. } => Some(Arc::clone(key)),
            Holder::Shared(keys) => keys.signer(&ring, before.signer.clone()).unwrap_or_else(|error| {
                tracing::error!(error.message = %error, "the active signing key cannot be used");
                None
            }),
        };
        let known = Arc::new(KnownKeys::new(signer, ring, published, now));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
        Ok(known)
    }

    fn last_known(&self) -> Arc<KnownKeys> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Refresh {
    /// A clock that was set back makes no refresh recent for ever.
    fn is_recent(&self, now: Timestamp) -> bool {
        self.ended_at <= now && now < self.ended_at.plus_seconds(REFRESH_GAP_SECONDS)
    }
}

fn cannot_start(error: impl std::fmt::Display) -> StartError {
    StartError::new(format!("the signing keys cannot be read or published: {error}"))
}

impl std::fmt::Debug for KeyStores {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeyStores(..)")
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKeys").field("known", &self.last_known()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
