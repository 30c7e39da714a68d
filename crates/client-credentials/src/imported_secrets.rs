//! Verifies secrets of which only an imported hash is known. Those hashes are slow on purpose, and whoever sends a secret
//! has us compute them: so they are computed in few places (T-BRU-05), and for clients that do not exist as well, as long
//! as some are left, or the time would tell which clients were imported (T-TIM-01).

use std::sync::{PoisonError, RwLock};

use credentials::secret::{ImportedHash, SecretHash};
use zeroize::Zeroizing;

use crate::slow_work::{Busy, Place, SlowWork};

/// See the module.
#[derive(Debug)]
pub struct ImportedSecrets {
    places: SlowWork,
    /// One of the hashes that are left: it is computed where there is none. `None`: none has been seen.
    decoy: RwLock<Option<ImportedHash>>,
}

impl ImportedSecrets {
    /// `known` is one that is stored, if there is one.
    pub fn new(known: Option<&SecretHash>) -> Self {
        Self { places: SlowWork::default(), decoy: RwLock::new(known.and_then(SecretHash::imported)) }
    }

    /// Takes note of a hash that was imported or read.
    pub fn saw(&self, hash: &SecretHash) {
        if self.decoy().is_none()
            && let Some(hash) = hash.imported()
        {
            *self.decoy.write().unwrap_or_else(PoisonError::into_inner) = Some(hash);
        }
    }

    /// What to compute in the place of a hash that is not there.
    pub fn decoy(&self) -> Option<ImportedHash> {
        self.decoy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A place to verify in.
    ///
    /// # Errors
    /// [`Busy`] if there was none in time.
    pub(crate) async fn place(&self) -> Result<Place, Busy> {
        self.places.place().await
    }
}

/// The first of `hashes` that is the secret's.
pub(crate) async fn verify(place: Place, hashes: Vec<ImportedHash>, secret: &str) -> Option<ImportedHash> {
    let secret = Zeroizing::new(secret.to_owned());
    place.run(move || hashes.into_iter().find(|hash| hash.verify(&secret))).await.flatten()
}
