//! Randomness as a parameter, and letters made of it.

pub use common::{Random, RandomError};

/// The operating system's random source. `service_kit` has one of its own, for services that know no credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of what issues secrets that asks the system"
    )]
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

/// Sources for the tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::{Random, RandomError};

    /// 0, 1, 2, … 255, 0, …
    #[derive(Debug, Default)]
    pub(crate) struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }

    /// Always fails.
    #[derive(Debug)]
    pub(crate) struct Broken;

    impl Random for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::testing::{Broken, Counting};
    use super::{Random, RandomError, SystemRandom, letters};

    #[test]
    fn each_letter_is_equally_likely() {
        // Every byte value comes equally often: so must every letter, in one whole number of rounds.
        let text = letters(&Counting::default(), 52 * 40).unwrap();
        let mut counts = HashMap::new();
        for letter in text.chars() {
            *counts.entry(letter).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 52);
        assert!(counts.keys().all(char::is_ascii_alphabetic));
        assert!(counts.values().all(|count| *count == 40), "{counts:?}");
    }

    #[test]
    fn the_length_is_the_one_asked_for() {
        for length in [0, 1, 32, 48, 63, 64, 65, 1000] {
            assert_eq!(letters(&SystemRandom, length).unwrap().len(), length);
        }
    }

    #[test]
    fn t_ops_03_a_failing_source_gives_nothing() {
        assert_eq!(letters(&Broken, 32), Err(RandomError));
        assert_eq!(Broken.fill(&mut [0]), Err(RandomError));
    }

    #[test]
    fn c_7591_17_no_two_texts_are_equal() {
        let texts: std::collections::HashSet<String> =
            (0..10_000).map(|_| letters(&SystemRandom, 32).unwrap()).collect();
        assert_eq!(texts.len(), 10_000);
    }
}
