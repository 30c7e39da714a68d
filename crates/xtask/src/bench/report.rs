//! What was measured, for people and for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

use super::gateways::{Passage, RATE};
use super::latency::Waits;

/// The cost of one kind of token or decision. Times are processor time in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    pub(super) name: &'static str,
    pub(super) microseconds: f64,
    /// What OpenSSL alone takes for the signatures in it.
    pub(super) cryptography: f64,
    pub(super) target: f64,
    /// What the target is, in words.
    pub(super) meaning: &'static str,
}

/// The whole run.
pub(super) struct Report {
    /// What is counted.
    subject: &'static str,
    bare: f64,
    measurements: Vec<Measurement>,
    passages: Option<Passages>,
    /// Resident, in KiB: after the start, and after all of it.
    memory: Option<[u64; 2]>,
    left_out: Vec<String>,
}

/// Requests through gateways, and by how many milliseconds the question may lengthen what the slowest hundredth waits.
#[derive(Debug, Clone)]
struct Passages {
    target: f64,
    nginx: [Passage; 2],
    envoy: [Passage; 3],
}

impl Passages {
    /// By how much it does, through nginx.
    fn added(&self) -> f64 {
        let [alone, asking] = &self.nginx;
        asking.waits.p99 - alone.waits.p99
    }

    fn all(&self) -> impl Iterator<Item = &Passage> {
        self.nginx.iter().chain(&self.envoy)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "\nThrough a gateway as it ships, local mode, {RATE} requests/s: processor time in microseconds, waits in milliseconds\n\n\
             {:<26} {:>8} {:>9} {:>7} {:>7} {:>7}\n",
            "", "gateway", "decision", "p50", "p99", "p99.9"
        );
        for one in self.all() {
            let decision = one.decision.map_or_else(String::new, |decision| format!("{decision:.1}"));
            let Waits { p50, p99, p999 } = one.waits;
            let _ = writeln!(
                text,
                "{:<26} {:>8.1} {decision:>9} {p50:>7.2} {p99:>7.2} {p999:>7.2}",
                one.name, one.gateway
            );
        }
        let (added, target) = (self.added(), self.target);
        let verdict = if added <= target { "met" } else { "MISSED" };
        let _ = writeln!(text, "\nnginx: the question adds {added:.2} to p99, target {target:.2}: {verdict}");
        text
    }

    fn json(&self) -> Value {
        let one = |passage: &Passage| {
            let Waits { p50, p99, p999 } = passage.waits;
            json!({"name": passage.name, "gateway_microseconds": passage.gateway,
                "decision_microseconds": passage.decision,
                "milliseconds": {"p50": p50, "p99": p99, "p99.9": p999}})
        };
        json!({"passages": self.all().map(one).collect::<Vec<_>>(), "added_p99_milliseconds": self.added(),
            "target_milliseconds": self.target, "met": self.added() <= self.target})
    }
}

impl Measurement {
    fn is_met(&self) -> bool {
        self.microseconds <= self.target
    }

    fn ratio(&self) -> f64 {
        self.microseconds / self.target
    }
}

impl Report {
    pub(super) const fn new(subject: &'static str, bare: f64) -> Self {
        Self { subject, bare, measurements: Vec::new(), passages: None, memory: None, left_out: Vec::new() }
    }

    pub(super) const fn bare_microseconds(&self) -> f64 {
        self.bare
    }

    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    /// Requests through nginx alone and asking, and through Envoy; by how many milliseconds p99 may be longer.
    pub(super) fn passages(&mut self, target: f64, nginx: [Passage; 2], envoy: [Passage; 3]) {
        self.passages = Some(Passages { target, nginx, envoy });
    }

    /// How much memory the service had after the start, and after all of it, in KiB.
    pub(super) const fn memory(&mut self, idle: u64, loaded: u64) {
        self.memory = Some([idle, loaded]);
    }

    /// Of several runs in turn, each figure from the run that is the middle one for it: by its ratio to its target. The clock
    /// of a processor is not steady, and a ratio of one run is only as good as its worse half.
    pub(super) fn middle(runs: &[Self]) -> Option<Self> {
        let first = runs.first()?;
        let measurements = first.measurements.iter().filter_map(|wanted| {
            let all = runs.iter().flat_map(|run| &run.measurements).filter(|one| one.name == wanted.name);
            middle_by(all.cloned().collect(), Measurement::ratio)
        });
        let passages = runs.iter().filter_map(|run| run.passages.clone()).collect();
        Some(Self {
            subject: first.subject,
            bare: middle_by(runs.iter().map(|run| run.bare).collect(), |bare| *bare)?,
            measurements: measurements.collect(),
            passages: middle_by(passages, Passages::added),
            memory: runs.iter().filter_map(|run| run.memory).max(),
            left_out: first.left_out.clone(),
        })
    }

    pub(super) fn leave_out(&mut self, name: &str, error: &anyhow::Error) {
        self.left_out.push(format!("{name}: {error:#}"));
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "Processor time of the service for one {}, in microseconds\n\n{:<36} {:>8} {:>8} {:>8}  {}\n",
            self.subject, "", "measured", "target", "", "where it goes"
        );
        for one in &self.measurements {
            let rest = one.microseconds - one.cryptography - self.bare;
            let _ = writeln!(
                text,
                "{:<36} {:>8.1} {:>8.1} {:>8}  OpenSSL {:.1}, HTTP {:.1}, the rest {rest:.1}",
                one.name,
                one.microseconds,
                one.target,
                if one.is_met() { "met" } else { "MISSED" },
                one.cryptography,
                self.bare,
            );
        }
        for left_out in &self.left_out {
            let _ = writeln!(text, "not measured: {left_out}");
        }
        text.push('\n');
        for one in &self.measurements {
            let _ = writeln!(text, "{}: the target is {}", one.name, one.meaning);
        }
        if let Some(passages) = &self.passages {
            text.push_str(&passages.text());
        }
        if let Some([idle, loaded]) = self.memory.map(|kib| kib.map(|kib| kib / 1024)) {
            let _ = writeln!(
                text,
                "\nresident memory of the service: {idle} MiB after the start, {loaded} MiB after all of this"
            );
        }
        text
    }

    /// One line for each target that was not met.
    pub(super) fn missed(&self) -> Vec<String> {
        let passages = self.passages.as_ref().filter(|passages| passages.added() > passages.target);
        let waits = passages.map(|passages| {
            format!(
                "through nginx: the question adds {:.2} ms to p99, for {:.2}",
                passages.added(),
                passages.target
            )
        });
        let missed = self.measurements.iter().filter(|one| !one.is_met());
        missed
            .map(|one| {
                format!(
                    "{}: {:.0} µs for {:.0} ({}), {:.2} × the target",
                    one.name,
                    one.microseconds,
                    one.target,
                    one.meaning,
                    one.ratio()
                )
            })
            .chain(waits)
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let measurements: Vec<Value> = self
            .measurements
            .iter()
            .map(|one| {
                json!({"name": one.name, "microseconds": one.microseconds, "target_microseconds": one.target,
                    "target": one.meaning, "met": one.is_met(), "openssl_microseconds": one.cryptography})
            })
            .collect();
        json!({"http_microseconds": self.bare, "measurements": measurements,
            "gateways": self.passages.as_ref().map(Passages::json), "resident_kib": self.memory, "left_out": self.left_out})
    }
}

/// The one in the middle; of an even number, the larger of the two.
fn middle_by<T>(mut all: Vec<T>, by: impl Fn(&T) -> f64) -> Option<T> {
    all.sort_by(|one, other| by(one).total_cmp(&by(other)));
    let middle = all.len() / 2;
    (middle < all.len()).then(|| all.swap_remove(middle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bare: f64, microseconds: f64, target: f64) -> Report {
        let mut report = Report::new("token", bare);
        report.add(Measurement { name: "a", microseconds, cryptography: 0.0, target, meaning: "" });
        report
    }

    #[test]
    fn each_figure_is_that_of_the_run_in_the_middle() {
        // Ratios 1.5, 3 and 2.
        let middle =
            Report::middle(&[run(10.0, 30.0, 20.0), run(30.0, 30.0, 10.0), run(20.0, 80.0, 40.0)]).unwrap();
        assert_eq!(middle.bare, 20.0);
        assert_eq!((middle.measurements[0].microseconds, middle.measurements[0].target), (80.0, 40.0));
        assert_eq!(middle.missed().len(), 1);
        assert!(Report::middle(&[]).is_none());
    }
}
