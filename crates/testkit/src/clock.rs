//! A clock that stands still until a test moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use common::{Clock, Timestamp};

/// Time as a test wants it. Share it with `Arc`.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.unix_millis()))
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_millis(), Ordering::SeqCst);
    }

    /// Moves the time by `seconds`; negative ones move it back.
    pub fn advance_seconds(&self, seconds: i64) {
        self.set(self.now().plus_seconds(seconds));
    }
}

impl Default for FakeClock {
    /// 2026-11-21 20:00:00 UTC.
    fn default() -> Self {
        Self::at(Timestamp::from_unix_seconds(1_795_291_200))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_only_when_told() {
        let clock = FakeClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance_seconds(-5);
        assert_eq!(clock.now(), start.plus_seconds(-5));
    }
}
