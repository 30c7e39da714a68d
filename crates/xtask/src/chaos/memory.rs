//! Resident memory of processes over time, and whether it grows.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::process::resident_kib;
use crate::http::{call, request};

/// What a process had at each look, in KiB.
#[derive(Debug)]
pub(super) struct Memory {
    name: String,
    process: u32,
    /// Where it tells how many tokens it keeps, if it does.
    metrics: Option<SocketAddr>,
    samples: Vec<(Duration, u64)>,
    /// Tokens kept at each of them.
    kept: Vec<u64>,
}

/// From the second quarter of a run, when everything has warmed up, to the last: as much may be added.
const TOLERATED_SHARE: f64 = 0.05;
const TOLERATED_KIB: f64 = 2_048.0;
/// authorization-service keeps verified tokens, up to a bound that a short run does not reach: as much for each of them.
const KIB_OF_A_KEPT_TOKEN: f64 = 4.0;

impl Memory {
    pub(super) const fn of(name: String, process: u32, metrics: Option<SocketAddr>) -> Self {
        Self { name, process, metrics, samples: Vec::new(), kept: Vec::new() }
    }

    /// Looks once; a process that is gone has none.
    pub(super) fn look(&mut self, now: Duration) {
        if let Ok(kib) = resident_kib(self.process) {
            self.samples.push((now, kib));
            self.kept.push(self.metrics.and_then(verified_tokens).unwrap_or(0));
        }
    }

    /// Whether it is one of ours. A database keeps what it was given, as far as its cache goes.
    fn is_judged(&self) -> bool {
        !self.name.starts_with("mongod")
    }

    /// Mean of the second quarter and of the last one, in KiB.
    fn quarters(&self) -> [f64; 2] {
        quarters(self.samples.iter().map(|(_, kib)| *kib))
    }

    /// Whether it does not grow.
    pub(super) fn is_flat(&self) -> bool {
        let ([before, after], [kept, kept_then]) = (self.quarters(), quarters(self.kept.iter().copied()));
        let of_tokens = (kept_then - kept).max(0.0) * KIB_OF_A_KEPT_TOKEN;
        !self.is_judged() || after - before <= TOLERATED_KIB.max(before * TOLERATED_SHARE) + of_tokens
    }

    /// One line for people.
    pub(super) fn text(&self) -> String {
        let [before, after] = self.quarters();
        let every = self.samples.len().div_ceil(8).max(1);
        let shown: Vec<_> = self
            .samples
            .iter()
            .step_by(every)
            .map(|(_, kib)| format!("{:.1}", *kib as f64 / 1024.0))
            .collect();
        let verdict = match (self.is_judged(), self.is_flat()) {
            (false, _) => "not judged",
            (true, true) => "flat",
            (true, false) => "GROWS",
        };
        format!("{:<26} {:+.1} MiB, {verdict}: {}", self.name, (after - before) / 1024.0, shown.join(" "))
    }

    pub(super) fn json(&self) -> Value {
        let samples: Vec<Value> =
            self.samples.iter().map(|(at, kib)| json!({"second": at.as_secs(), "kib": kib})).collect();
        let [before, after] = self.quarters();
        json!({"process": self.name, "growth_kib": after - before, "flat": self.is_flat(), "samples": samples})
    }
}

fn quarters(values: impl Iterator<Item = u64>) -> [f64; 2] {
    let values: Vec<_> = values.collect();
    let quarter = values.len().div_ceil(4).max(1);
    let mean = |skip: usize| {
        let part: Vec<_> = values.iter().skip(skip).take(quarter).collect();
        part.iter().copied().sum::<u64>() as f64 / part.len().max(1) as f64
    };
    [mean(quarter), mean(values.len().saturating_sub(quarter))]
}

/// How many tokens a replica of authorization-service keeps, as its metrics tell.
fn verified_tokens(metrics: SocketAddr) -> Option<u64> {
    let (_, page) = call(metrics, &request("GET", "/-/metrics", &[], "")).ok()?;
    page.lines().find_map(|line| line.strip_prefix("verified_tokens "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(kib: impl Fn(u64) -> u64) -> Memory {
        let mut memory = Memory::of("service".to_owned(), 0, None);
        memory.samples = (0..40).map(|second| (Duration::from_secs(second), kib(second))).collect();
        memory
    }

    #[test]
    fn warming_up_and_breathing_are_flat_and_growing_is_not() {
        assert!(memory(|second| 20_000 + second.min(8) * 2_000).is_flat(), "it warms up");
        assert!(memory(|second| 40_000 + second % 3 * 1_000).is_flat(), "it breathes");
        assert!(!memory(|second| 20_000 + second * 200).is_flat(), "it leaks");
        let mut keeper = memory(|second| 20_000 + second * 200);
        keeper.kept = (0..40).map(|second| second * 50).collect();
        assert!(keeper.is_flat(), "it keeps tokens, up to a bound");
        keeper.kept = (0..40).map(|second| second * 5).collect();
        assert!(!keeper.is_flat(), "not as many");
        let mut database = memory(|second| 20_000 + second * 200);
        database.name = "mongod-1".to_owned();
        assert!(database.is_flat(), "its cache fills");
    }
}
