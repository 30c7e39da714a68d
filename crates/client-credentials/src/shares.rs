//! So many places for each of any number of keys. Of a key that holds none, nothing is remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// A number of places for each key that somebody holds or waits for.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    size: usize,
    shares: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Hash + Eq> Shares<K> {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, shares: Mutex::default() }
    }

    /// The places of `key`.
    pub(crate) fn of(&self, key: K) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&key).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.size));
        shares.insert(key, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_places_and_those_who_left_are_forgotten() {
        let shares = Shares::new(1);
        let take = |key: u32| shares.of(key).try_acquire_owned();
        let held = take(1).unwrap();
        assert!(take(1).is_err() && take(2).is_ok());
        drop(held);
        assert!(take(1).is_ok());
        for key in 0..100 {
            assert!(take(key).is_ok());
        }
        assert_eq!(shares.shares.lock().unwrap().len(), 1);
    }
}
