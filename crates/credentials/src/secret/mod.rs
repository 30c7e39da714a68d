//! Client secrets: made by us, shown once, stored as keyed hashes. Or imported, with the hash that another product made,
//! until their first use turns that into one of ours.

mod imported;
mod pepper;
mod store;

pub use imported::{ImportedHash, ImportedHashDefect};
pub use pepper::{PagedList, Pepper, SecretHash, SecretLookup, TokenKind};
pub use store::{RemoveOutcome, RotateOutcome, Rotation, SecretId, SecretStore, StoredSecret};

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

#[cfg(test)]
mod tests {
    use super::generate;
    use crate::SystemRandom;
    use crate::client::ClientId;

    #[test]
    fn c_6749_23_c_7591_02_what_is_generated_cannot_be_guessed() {
        let bits = |text: &str| {
            assert!(text.bytes().all(|byte| byte.is_ascii_alphabetic()));
            f64::from(u32::try_from(text.len()).unwrap()) * 52_f64.log2()
        };
        assert!(bits(&generate(&SystemRandom).unwrap()) >= 256.0);
        assert!(bits(ClientId::generate(&SystemRandom).unwrap().as_str()) >= 160.0);
    }
}
