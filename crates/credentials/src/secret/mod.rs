//! Client secrets: made by us, shown once, stored as keyed hashes.

mod pepper;
mod store;

pub use pepper::{Pepper, SecretHash, SecretLookup};
pub use store::{SecretStore, StoredSecret};

use zeroize::Zeroizing;

use crate::random::{Random, RandomError, letters};

/// 48 letters: 273 bits, so that a fast hash is a safe one (architecture decision 4).
const GENERATED_LENGTH: usize = 48;

/// A new client secret of 48 letters (contract §1.1).
///
/// # Errors
/// [`RandomError`] if the random source failed.
pub fn generate(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    letters(random, GENERATED_LENGTH).map(Zeroizing::new)
}
