//! Random sources for tests.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use credentials::{Random, RandomError};

/// The same bytes for the same seed, different bytes with each call (SplitMix64). Never for secrets.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// A source whose bytes follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    #[must_use]
    pub fn bits(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(GAMMA, Ordering::SeqCst).wrapping_add(GAMMA);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, all of them equally likely as far as a test can tell.
    ///
    /// # Panics
    /// If `end` is 0.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        self.bits() % end
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A random source that always fails (T-OPS-03).
#[derive(Debug, Clone, Copy, Default)]
pub struct FailingRandom;

impl Random for FailingRandom {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

/// `prefix` and 16 hexadecimal digits that no other test of this machine has: a database name, a replica set name.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let seed = (std::process::id(), CALLS.fetch_add(1, Ordering::SeqCst));
    format!("{prefix}_{:016x}", RandomState::new().hash_one(seed))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bytes_follow_from_the_seed_and_differ_between_calls() {
        let draw = |random: &SeededRandom| {
            let mut bytes = [0; 13];
            random.fill(&mut bytes).unwrap();
            bytes
        };
        let (one, same, other) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        let first = draw(&one);
        assert_eq!(first, draw(&same));
        assert_ne!(first, draw(&one));
        assert_ne!(first, draw(&other));
    }

    #[test]
    fn unique_names_are_unique() {
        let names: HashSet<_> = (0..1000).map(|_| unique_name("x")).collect();
        assert_eq!(names.len(), 1000);
    }
}
