//! Randomness as a parameter.

use std::fmt;

/// The random source failed. Nothing may be issued without it (T-OPS-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomError;

impl fmt::Display for RandomError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the random source of the operating system failed")
    }
}

impl std::error::Error for RandomError {}

/// Where random bytes come from: the operating system in a service, a seeded source in a test.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes` with unpredictable bytes.
    ///
    /// # Errors
    /// [`RandomError`] if the source failed; `bytes` then holds nothing usable.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}
