//! Randomness as a parameter.

use std::fmt;

/// The random source failed. Nothing may be issued without it (T-OPS-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the random source of the operating system failed")]
pub struct RandomError;

/// Where random bytes come from: the operating system in a service, a seeded source in a test.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes` with unpredictable bytes.
    ///
    /// # Errors
    /// [`RandomError`] if the source failed; `bytes` then holds nothing usable.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }
}

/// `length` letters `[A-Za-z]`, each equally likely: the alphabet of upstream's ids and secrets (contract §1.1).
///
/// # Errors
/// [`RandomError`] if the source failed.
pub fn letters(random: &dyn Random, length: usize) -> Result<String, RandomError> {
    const ALPHABET: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        random.fill(&mut bytes)?;
        // 208 = 4 × 52: bytes above it would make the first letters likelier than the last.
        let fair = bytes.iter().filter(|byte| **byte < 208).map(|byte| usize::from(*byte % 52));
        let wanted = length.saturating_sub(text.len());
        text.extend(fair.take(wanted).filter_map(|index| ALPHABET.get(index)).map(|byte| char::from(*byte)));
    }
    Ok(text)
}
