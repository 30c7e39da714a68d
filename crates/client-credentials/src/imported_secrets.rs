//! Verifies secrets of which only an imported hash is known. Those hashes are slow on purpose, and whoever sends a secret
//! has us compute them: so they are computed in few places (T-BRU-05), and for clients that do not exist as well, as long
//! as some are left, or the time would tell which clients were imported (T-TIM-01).

use std::sync::{PoisonError, RwLock};

use common::Timestamp;
use credentials::StoreError;
use credentials::secret::{ImportedHash, SecretHash, SecretStore};
use zeroize::Zeroizing;

use crate::slow_work::{Busy, SlowWork, WorkPlace};

/// How often the store is asked whether any are left, if many wrong secrets come.
const LOOK_AGAIN_SECONDS: i64 = 3600;

/// See the module.
#[derive(Debug)]
pub struct ImportedSecrets {
    places: SlowWork,
    left: RwLock<Left>,
}

/// What is known of the hashes that are left.
#[derive(Debug)]
struct Left {
    /// One of them: it is computed where there is none. `None`: none has been seen.
    decoy: Option<ImportedHash>,
    /// When the store was asked.
    asked_at: Timestamp,
}

impl ImportedSecrets {
    /// `known` is one that is stored `now`, if there is one.
    pub fn new(known: Option<&SecretHash>, now: Timestamp) -> Self {
        let left = Left { decoy: known.and_then(SecretHash::imported), asked_at: now };
        Self { places: SlowWork::default(), left: RwLock::new(left) }
    }

    /// Takes note of a hash that was imported or read.
    pub fn saw(&self, hash: &SecretHash) {
        if self.decoy().is_none()
            && let Some(hash) = hash.imported()
        {
            self.left.write().unwrap_or_else(PoisonError::into_inner).decoy = Some(hash);
        }
    }

    /// Asks the store whether any are left, once an hour at most: when the last one is gone, nothing is computed in its
    /// place any more.
    ///
    /// # Errors
    /// [`StoreError`]; then it is asked again in an hour.
    pub async fn look_again(&self, secrets: &dyn SecretStore, now: Timestamp) -> Result<(), StoreError> {
        {
            let mut left = self.left.write().unwrap_or_else(PoisonError::into_inner);
            if now < left.asked_at.plus_seconds(LOOK_AGAIN_SECONDS) {
                return Ok(());
            }
            left.asked_at = now;
        }
        let found = secrets.any_imported().await?;
        let decoy = found.as_ref().and_then(SecretHash::imported);
        self.left.write().unwrap_or_else(PoisonError::into_inner).decoy = decoy;
        Ok(())
    }

    /// What to compute in the place of a hash that is not there.
    pub fn decoy(&self) -> Option<ImportedHash> {
        self.left.read().unwrap_or_else(PoisonError::into_inner).decoy.clone()
    }

    /// A place to verify in.
    ///
    /// # Errors
    /// [`Busy`] if there was none in time.
    pub(crate) async fn place(&self) -> Result<WorkPlace, Busy> {
        self.places.place().await
    }
}

/// The first of `hashes` that is the secret's.
pub(crate) async fn verify(
    place: WorkPlace,
    hashes: Vec<ImportedHash>,
    secret: &str,
) -> Option<ImportedHash> {
    let secret = Zeroizing::new(secret.to_owned());
    place.run(move || hashes.into_iter().find(|hash| hash.verify(&secret))).await.flatten()
}
