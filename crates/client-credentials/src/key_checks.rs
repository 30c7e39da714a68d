//! Checks the keys of strangers. Whether a number of 4096 bits is the product of two primes costs some 15 ms, and anybody
//! may ask: so not on a thread that serves others meanwhile, not on all cores at once, and not for a queue without end
//! (R-19, T-REG-01).

use std::sync::Arc;
use std::time::Duration;

use credentials::key::PublicKey;
use jose::{KeyDefect, public_key};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

/// Whoever waits longer is sent away, to come back.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places where a key is checked.
#[derive(Debug, Clone)]
pub struct KeyChecks {
    places: Arc<Semaphore>,
    patience: Duration,
}

/// All places were taken for a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many keys are being checked")]
pub struct Busy;

impl Default for KeyChecks {
    /// One place for every second core, at least one.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { places: Arc::new(Semaphore::new(cores.div_ceil(2))), patience: PATIENCE }
    }
}

impl KeyChecks {
    /// What [`public_key::check`] says.
    ///
    /// # Errors
    /// [`Busy`] if nobody could check it in time.
    pub async fn check(&self, jwk: Map<String, Value>) -> Result<Result<PublicKey, KeyDefect>, Busy> {
        let waiting = Arc::clone(&self.places).acquire_owned();
        let place =
            tokio::time::timeout(self.patience, waiting).await.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let checking = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also if whoever asked has left.
            let _place = place;
            public_key::check(&jwk)
        });
        Ok(checking.await.unwrap_or(Err(KeyDefect::OpenSsl)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t_reg_01_a_check_waits_for_a_place_and_not_for_ever() {
        let checks = KeyChecks { places: Arc::new(Semaphore::new(1)), patience: Duration::from_millis(10) };
        let taken = Arc::clone(&checks.places).acquire_owned().await.unwrap();
        assert_eq!(checks.check(Map::new()).await.unwrap_err(), Busy);
        drop(taken);
        let defect = checks.check(Map::new()).await.unwrap().unwrap_err();
        assert!(!matches!(defect, KeyDefect::OpenSsl), "{defect}");
        assert_eq!(checks.places.available_permits(), 1, "the place is free again");
    }
}
