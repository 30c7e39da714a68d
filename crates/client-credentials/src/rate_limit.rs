//! How often something may happen, in total or for each source or client (ADR 11). A limit has a fixed table of cells; a
//! key is hashed to one of them, with a hash that callers cannot foresee. So a flood of sources takes no memory, and the
//! worst it does is to share its cell with a few others. Knows nothing of HTTP, and takes the time as a parameter.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};

use common::Timestamp;

/// Cells of a limit for each key: 512 KiB.
const CELLS: usize = 1 << 16;
/// A minute, in the microseconds that cells count in.
const WINDOW_MICROS: i64 = 60_000_000;

/// Too much happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {limit} is reached")]
pub struct LimitReached {
    /// The label of the metric.
    pub limit: &'static str,
    /// After so many it may happen again.
    pub retry_after_seconds: i64,
}

/// So many times a minute, for each key. All of them may come at once; then one comes back at a time.
#[derive(Debug)]
pub(crate) struct RateLimit {
    name: &'static str,
    /// Of each cell, the time at which all that was spent has come back, in microseconds (the "theoretical arrival time"
    /// of the generic cell rate algorithm).
    cells: Box<[AtomicI64]>,
    /// What one costs.
    cost_micros: i64,
    seed: RandomState,
}

impl RateLimit {
    /// `per_minute` times for each key. `None` if it is 0: no limit.
    #[must_use]
    pub(crate) fn for_each_key(name: &'static str, per_minute: u32) -> Option<Self> {
        Self::new(name, per_minute, CELLS)
    }

    /// `per_minute` times in total, whatever the key. `None` if it is 0: no limit.
    #[must_use]
    pub(crate) fn in_total(name: &'static str, per_minute: u32) -> Option<Self> {
        Self::new(name, per_minute, 1)
    }

    fn new(name: &'static str, per_minute: u32, cells: usize) -> Option<Self> {
        Some(Self {
            name,
            cells: std::iter::repeat_with(AtomicI64::default).take(cells).collect(),
            cost_micros: WINDOW_MICROS.checked_div(per_minute.into())?,
            seed: RandomState::new(),
        })
    }

    /// Spends one of `key`.
    ///
    /// # Errors
    /// [`LimitReached`]; nothing was spent.
    pub(crate) fn spend(&self, key: &impl Hash, now: Timestamp) -> Result<(), LimitReached> {
        let Some(cell) = self.cell(key) else { return Ok(()) };
        let spend = |back_at| self.after_one_more(back_at, now).ok();
        match cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(back_at) => self.after_one_more(back_at, now).map(drop),
        }
    }

    /// Whether one of `key` is left.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub(crate) fn check(&self, key: &impl Hash, now: Timestamp) -> Result<(), LimitReached> {
        let Some(cell) = self.cell(key) else { return Ok(()) };
        self.after_one_more(cell.load(Ordering::Relaxed), now).map(drop)
    }

    /// What a cell holds after one more is spent, if that is possible now.
    fn after_one_more(&self, back_at: i64, now: Timestamp) -> Result<i64, LimitReached> {
        let now = now.unix_millis().saturating_mul(1_000);
        let full = now.saturating_add(WINDOW_MICROS);
        // A cell is further ahead than a window only if the clock was set back: then it counts from now.
        let from = if back_at > full { now } else { back_at.max(now) };
        let after = from.saturating_add(self.cost_micros);
        if after <= full {
            return Ok(after);
        }
        let wait = after.saturating_sub(full);
        let retry_after_seconds = wait.saturating_add(999_999) / 1_000_000;
        Err(LimitReached { limit: self.name, retry_after_seconds })
    }

    fn cell(&self, key: &impl Hash) -> Option<&AtomicI64> {
        let index = self.seed.hash_one(key).checked_rem(self.cells.len() as u64)?;
        self.cells.get(usize::try_from(index).ok()?)
    }
}

/// Spends one of `key`, if there is a limit.
///
/// # Errors
/// [`LimitReached`]; nothing was spent.
pub(crate) fn spend(limit: Option<&RateLimit>, key: &impl Hash, now: Timestamp) -> Result<(), LimitReached> {
    limit.map_or(Ok(()), |limit| limit.spend(key, now))
}

/// Whether one of `key` is left, if there is a limit.
///
/// # Errors
/// [`LimitReached`].
pub(crate) fn check(limit: Option<&RateLimit>, key: &impl Hash, now: Timestamp) -> Result<(), LimitReached> {
    limit.map_or(Ok(()), |limit| limit.check(key, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).plus_seconds(seconds)
    }

    fn reached(retry_after_seconds: i64) -> LimitReached {
        LimitReached { limit: "test", retry_after_seconds }
    }

    #[test]
    fn t_bru_01_a_minute_has_so_many_and_they_come_back_one_by_one() {
        let limit = RateLimit::for_each_key("test", 10).unwrap();
        for _ in 0..10 {
            assert_eq!(limit.check(&"a", at(0)), Ok(()), "a look spends nothing");
            assert_eq!(limit.spend(&"a", at(0)), Ok(()));
        }
        assert_eq!(limit.check(&"a", at(0)), Err(reached(6)));
        assert_eq!(limit.spend(&"a", at(0)), Err(reached(6)));
        assert_eq!(limit.spend(&"a", at(5)), Err(reached(1)));
        assert_eq!(limit.spend(&"a", at(6)), Ok(()));
        assert_eq!(limit.spend(&"a", at(6)), Err(reached(6)));
        // After a minute of rest, all of them.
        for _ in 0..10 {
            assert_eq!(limit.spend(&"a", at(66)), Ok(()));
        }
        assert!(limit.spend(&"a", at(66)).is_err());
    }

    #[test]
    fn t_bru_03_keys_have_their_own_and_a_flood_of_them_takes_no_memory() {
        let limit = RateLimit::for_each_key("test", 1).unwrap();
        let good = (0..1_000).filter(|key| limit.spend(key, at(0)).is_ok()).count();
        assert!(good > 950, "{good} of 1,000 keys had a cell of their own");
        for key in 0..200_000 {
            let _ = limit.spend(&key, at(0));
        }
        assert_eq!(limit.cells.len(), CELLS);
        let total = RateLimit::in_total("test", 2).unwrap();
        assert_eq!([1, 2, 3].map(|key| total.spend(&key, at(0)).is_ok()), [true, true, false]);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limit = RateLimit::in_total("test", 1).unwrap();
        assert_eq!(limit.spend(&"a", at(3_600)), Ok(()));
        assert_eq!(limit.spend(&"a", at(0)), Ok(()));
        assert_eq!(limit.spend(&"a", at(0)), Err(reached(60)));
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(RateLimit::for_each_key("test", 0).is_none());
        assert_eq!(spend(None, &"a", at(0)), Ok(()));
    }
}
