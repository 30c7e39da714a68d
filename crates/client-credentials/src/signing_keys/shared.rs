//! The keys that all replicas share: each step is taken on the ring in the store, by whichever replica is first.

use std::sync::{Arc, Mutex, PoisonError};

use common::Timestamp;
use credentials::audit::AuditAction;
use credentials::key::ring::{DueStep, NewKey, RefusedStep, RotationPlan};
use credentials::key::{Algorithm, KeyRing, KeyRingStore, StoredRing};
use credentials::{Random, StoreError};
use jose::{KeyEncryption, SealError, SigningKey, SigningKeyError, UnsealError};

/// How often a step is tried again when another replica comes in between.
const ATTEMPTS: u32 = 8;

/// What this replica needs to take part.
#[derive(Debug)]
pub(super) struct SharedKeys {
    pub(super) encryption: Arc<KeyEncryption>,
    pub(super) plan: RotationPlan,
    /// The first key of the ring, if it is not to be made.
    pub(super) first: Option<SigningKey>,
    /// Steps that were due and were taken here, for the audit log.
    pub(super) taken: Mutex<Vec<(AuditAction, String)>>,
}

/// Why a step was not taken. Nothing was changed, unless it is [`Self::Store`].
#[derive(Debug, thiserror::Error)]
pub enum KeyStepError {
    #[error(transparent)]
    Refused(#[from] RefusedStep),
    #[error("the keys are being changed by others all the time")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no key was made: {0}")]
    NotMade(#[from] SigningKeyError),
    #[error(transparent)]
    NotSealed(#[from] SealError),
}

impl SharedKeys {
    /// A new key, encrypted. The work is done where it keeps nobody waiting.
    pub(super) async fn make(
        &self,
        algorithm: Algorithm,
        random: &dyn Random,
    ) -> Result<NewKey, KeyStepError> {
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, None));
        let key = made.await.unwrap_or(Err(SigningKeyError::OpenSsl))?;
        Ok(self.encryption.seal(&key, random)?)
    }

    /// Takes one step on the ring as it is now, again if another replica comes in between.
    pub(super) async fn step<T>(
        store: &dyn KeyRingStore,
        step: impl Fn(&mut KeyRing) -> Result<T, RefusedStep>,
    ) -> Result<T, KeyStepError> {
        for _ in 0..ATTEMPTS {
            let StoredRing { mut ring, version } = store.key_ring().await?;
            let taken = step(&mut ring)?;
            if store.replace_key_ring(&ring, version).await? {
                return Ok(taken);
            }
        }
        Err(KeyStepError::Conflict)
    }

    /// Takes every step that the plan asks for. Replicas that do so at once get in each other's way without harm: what
    /// one has done is not due for the next.
    pub(super) async fn take_due_steps(
        &self,
        store: &dyn KeyRingStore,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(), KeyStepError> {
        for _ in 0..ATTEMPTS {
            let StoredRing { mut ring, version } = store.key_ring().await?;
            let Some(step) = ring.due(&self.plan, now) else { return Ok(()) };
            let taken = match &step {
                DueStep::ForgetGone => {
                    ring.forget_gone(now);
                    None
                }
                DueStep::Activate(kid) => {
                    ring.activate(kid, now, credentials::key::ring::Urgency::WhenSafe)?;
                    Some((AuditAction::SigningKeyChanged, kid.clone()))
                }
                DueStep::Add(algorithm) => {
                    let first = self.first.as_ref().filter(|_| version == 0);
                    let key = match first {
                        Some(first) => self.encryption.seal(first, random)?,
                        None => self.make(*algorithm, random).await?,
                    };
                    let kid = key.kid.clone();
                    ring.add(key, now)?;
                    Some((AuditAction::SigningKeyAdded, kid))
                }
            };
            if store.replace_key_ring(&ring, version).await? {
                tracing::info!(step = ?step, "the signing keys took a step that was due");
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
            }
        }
        Err(KeyStepError::Conflict)
    }

    /// The steps since it was last asked.
    pub(super) fn taken_steps(&self) -> Vec<(AuditAction, String)> {
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key to sign with. `current` is kept if it is still that one.
    pub(super) fn signer(
        &self,
        ring: &KeyRing,
        current: Option<Arc<SigningKey>>,
    ) -> Result<Option<Arc<SigningKey>>, UnsealError> {
        let Some(key) = ring.signing(self.plan.algorithm) else { return Ok(None) };
        match current.filter(|current| current.public() == &key.public) {
            Some(current) => Ok(Some(current)),
            None => self.encryption.open(key).map(Arc::new).map(Some),
        }
    }
}
