//! URLs that did not answer in time. Each such fetch holds a slot for as long as one can be held, so newcomers have them
//! asked more and more rarely, whatever clients they belong to. An answer, of whatever kind, ends it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use common::Timestamp;

/// After the first time.
const FIRST_REST_SECONDS: i64 = 60;
/// Doubled so many times at most: 8 minutes.
const MAX_DOUBLED: u32 = 3;
/// URLs that are remembered.
const MAX_URLS: usize = 1_000;

/// The URLs that are left alone for a while.
#[derive(Debug, Default)]
pub(super) struct Resting(Mutex<HashMap<String, Rest>>);

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Timestamp,
    times: u32,
}

impl Resting {
    /// Until when `uri` is left alone.
    pub(super) fn until(&self, uri: &str, now: Timestamp) -> Option<Timestamp> {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(uri).map(|rest| rest.until).filter(|until| now < *until)
    }

    /// It did not answer.
    pub(super) fn hung(&self, uri: &str, now: Timestamp) {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = resting.get(uri).map_or(0, |rest| rest.times.saturating_add(1).min(MAX_DOUBLED));
        if resting.len() >= MAX_URLS && !resting.contains_key(uri) {
            let first = resting.iter().min_by_key(|(_, rest)| rest.until).map(|(uri, _)| uri.clone());
            first.and_then(|uri| resting.remove(&uri));
        }
        let until = now.plus_seconds(FIRST_REST_SECONDS << times);
        resting.insert(uri.to_owned(), Rest { until, times });
    }

    /// It answered.
    pub(super) fn answered(&self, uri: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_ssrf_06_who_hangs_is_asked_more_and_more_rarely() {
        let resting = Resting::default();
        let mut now = Timestamp::from_unix_seconds(1_000_000);
        for seconds in [60, 120, 240, 480, 480] {
            assert_eq!(resting.until("https://a", now), None);
            resting.hung("https://a", now);
            assert_eq!(resting.until("https://a", now), Some(now.plus_seconds(seconds)));
            assert_eq!(resting.until("https://b", now), None, "nobody else");
            now = now.plus_seconds(seconds);
        }
        resting.answered("https://a");
        resting.hung("https://a", now);
        assert_eq!(resting.until("https://a", now), Some(now.plus_seconds(60)), "anew");
        for n in 0..MAX_URLS * 2 {
            resting.hung(&n.to_string(), now);
        }
        assert_eq!(resting.0.lock().unwrap().len(), MAX_URLS);
    }
}
