//! Checks the keys of strangers. Whether a number of 4096 bits is the product of two primes costs some 15 ms, and anybody
//! may ask (R-19, T-REG-01).

use credentials::key::PublicKey;
use jose::{KeyDefect, public_key};
use serde_json::{Map, Value};

use crate::slow_work::{Busy, SlowWork};

/// The places where a key is checked.
#[derive(Debug, Clone, Default)]
pub struct KeyChecks(SlowWork);

impl KeyChecks {
    /// What [`public_key::check`] says.
    ///
    /// # Errors
    /// [`Busy`] if nobody could check it in time.
    pub async fn check(&self, jwk: Map<String, Value>) -> Result<Result<PublicKey, KeyDefect>, Busy> {
        let place = self.0.place().await?;
        Ok(place.run(move || public_key::check(&jwk)).await.unwrap_or(Err(KeyDefect::OpenSsl)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_check_says_comes_back() {
        let defect = KeyChecks::default().check(Map::new()).await.unwrap().unwrap_err();
        assert!(!matches!(defect, KeyDefect::OpenSsl), "{defect}");
    }
}
