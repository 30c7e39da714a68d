//! The key this replica signs with, and the public keys of all replicas, so that each verifies the tokens of all. The
//! keys are kept in memory; the store is asked when a token names an unknown one, at most once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use common::{Clock, Timestamp};
use credentials::StoreError;
use credentials::key::{KeyDirectory, PublicKey, PublishedKey};
use jose::{KeyDefect, SigningKey, Verifier, public_key};
use tokio::sync::Mutex;

/// Unknown keys lead to at most one look into the store in this time (T-TOK-08). Short, because a token of a replica
/// that started meanwhile is refused until it is over.
const REFRESH_GAP_SECONDS: i64 = 1;

/// See the module.
pub struct SigningKeys {
    own: SigningKey,
    directory: Arc<dyn KeyDirectory>,
    known: RwLock<Arc<KnownKeys>>,
    last_refresh: Mutex<Option<Refresh>>,
}

/// The public keys of the deployment, by `kid`.
#[derive(Debug, Default)]
pub struct KnownKeys(BTreeMap<String, KnownKey>);

#[derive(Debug)]
struct KnownKey {
    public: PublicKey,
    verifier: Verifier,
}

/// The last look into the store that came to an end.
#[derive(Debug)]
struct Refresh {
    ended_at: Timestamp,
    succeeded: bool,
}

impl SigningKeys {
    /// Publishes `own`, so that the other replicas know it before its first token, and reads theirs.
    ///
    /// # Errors
    /// [`StoreError`] if it was not published. Nothing may be signed then.
    pub async fn publish(
        own: SigningKey,
        directory: Arc<dyn KeyDirectory>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let published = directory.published().await?;
        if published.iter().any(|key| key.kid == own.kid() && key.key != *own.public()) {
            tracing::warn!(
                kid = own.kid(),
                "another key was published under this kid; tokens it signed are refused from now on. If another \
                 replica still signs with it, give each replica its own PRIVATE_RSA_KEY_ID"
            );
        }
        let key = PublishedKey {
            kid: own.kid().to_owned(),
            key: own.public().clone(),
            published_at: now,
            last_seen: now,
        };
        directory.publish(&key).await?;
        let known = KnownKeys::read(&own, published);
        Ok(Self { own, directory, known: RwLock::new(Arc::new(known)), last_refresh: Mutex::new(None) })
    }

    /// The key to sign with.
    #[must_use]
    pub const fn own(&self) -> &SigningKey {
        &self.own
    }

    /// The keys as they were last read.
    #[must_use]
    pub fn known(&self) -> Arc<KnownKeys> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys as the store has them, or as they were read within the last second.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell, or could not a second ago.
    pub async fn refreshed(&self, clock: &dyn Clock) -> Result<Arc<KnownKeys>, StoreError> {
        let mut last = self.last_refresh.lock().await;
        // The time is asked under the lock: whoever waited for a look takes its outcome, good or bad. A store that is
        // slow to fail would otherwise make each of them wait in turn.
        match last.as_ref().filter(|refresh| refresh.is_recent(clock.now())) {
            Some(Refresh { succeeded: true, .. }) => return Ok(self.known()),
            Some(Refresh { succeeded: false, .. }) => {
                return Err(StoreError::Unavailable(
                    "the last attempt to read the signing keys failed".into(),
                ));
            }
            None => {}
        }
        let published = self.directory.published().await;
        // Noted only now: a caller that goes away in between says nothing about the store.
        *last = Some(Refresh { ended_at: clock.now(), succeeded: published.is_ok() });
        let known = Arc::new(KnownKeys::read(&self.own, published?));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
        Ok(known)
    }
}

impl Refresh {
    /// A clock that was set back makes no refresh recent for ever.
    fn is_recent(&self, now: Timestamp) -> bool {
        self.ended_at <= now && now < self.ended_at.plus_seconds(REFRESH_GAP_SECONDS)
    }
}

impl KnownKeys {
    /// `own` is always among them, and wins over another key under its `kid`.
    fn read(own: &SigningKey, published: Vec<PublishedKey>) -> Self {
        let own = (own.kid().to_owned(), own.public().clone());
        let pairs = published.into_iter().map(|key| (key.kid, key.key)).chain([own]);
        Self(pairs.filter_map(|(kid, public)| Some((kid, KnownKey::ready(public)?))).collect())
    }

    /// The key of this `kid`, ready to verify with.
    #[must_use]
    pub fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.0.get(kid).map(|key| &key.verifier)
    }

    /// The public keys in ascending order of their `kid`.
    pub fn public(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values().map(|key| &key.public)
    }

    /// Whether one of these is the given key, whatever `kid` it goes by there.
    ///
    /// # Errors
    /// [`KeyDefect`] if the key has no thumbprint.
    pub fn contain(&self, key: &PublicKey) -> Result<bool, KeyDefect> {
        let wanted = public_key::thumbprint(key)?;
        Ok(self.public().any(|known| public_key::thumbprint(known).is_ok_and(|known| known == wanted)))
    }
}

impl KnownKey {
    fn ready(public: PublicKey) -> Option<Self> {
        let verifier = Verifier::new(&public)
            .inspect_err(|defect| {
                tracing::error!(kid = public.kid(), error.message = %defect, "a published key cannot be used");
            })
            .ok()?;
        Some(Self { public, verifier })
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKeys").field("own", &self.own).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use testkit::FakeClock;
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers, or fails, once the gate is open.
    struct Gated {
        gate: Semaphore,
        fails: bool,
        looks: AtomicUsize,
    }

    #[async_trait]
    impl KeyDirectory for Gated {
        async fn publish(&self, _: &PublishedKey) -> Result<(), StoreError> {
            Ok(())
        }

        async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
            self.looks.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            if self.fails { Err(StoreError::Unavailable("down".into())) } else { Ok(Vec::new()) }
        }

        async fn forget_unseen(&self, _: Timestamp) -> Result<(), StoreError> {
            Ok(())
        }

        async fn withdraw(&self, _: &str) -> Result<bool, StoreError> {
            Ok(false)
        }
    }

    /// Keys over a directory that has answered nothing yet.
    fn keys(fails: bool) -> (SigningKeys, Arc<Gated>) {
        let directory = Arc::new(Gated { gate: Semaphore::new(0), fails, looks: AtomicUsize::new(0) });
        let own = SigningKey::generate(jose::Algorithm::Rs256, None).unwrap();
        let known = RwLock::new(Arc::new(KnownKeys::read(&own, Vec::new())));
        let keys = SigningKeys { own, directory: directory.clone(), known, last_refresh: Mutex::new(None) };
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
}
