//! What was measured, for people and for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

use super::latency::Waits;

/// The cost of one kind of token or decision. Times are processor time in microseconds.
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
    waits: Option<AddedWait>,
    left_out: Vec<String>,
}

/// What callers wait without something and with it, in milliseconds.
pub(super) struct AddedWait {
    /// Under which circumstances.
    pub(super) name: String,
    pub(super) without: Waits,
    pub(super) with: Waits,
    /// By how much the slowest hundredth may wait longer.
    pub(super) target: f64,
}

impl AddedWait {
    fn added(&self) -> f64 {
        self.with.p99 - self.without.p99
    }

    fn text(&self) -> String {
        let one =
            |waits: &Waits| format!("p50 {:.2}, p99 {:.2}, p99.9 {:.2}", waits.p50, waits.p99, waits.p999);
        format!(
            "{}, milliseconds: without the question {}; with it {}; p99 + {:.2}, target {:.2}: {}\n",
            self.name,
            one(&self.without),
            one(&self.with),
            self.added(),
            self.target,
            if self.added() <= self.target { "met" } else { "MISSED" },
        )
    }

    fn json(&self) -> Value {
        let one = |waits: &Waits| json!({"p50": waits.p50, "p99": waits.p99, "p99.9": waits.p999});
        json!({"name": self.name, "without_milliseconds": one(&self.without), "with_milliseconds": one(&self.with),
            "added_p99_milliseconds": self.added(), "target_milliseconds": self.target,
            "met": self.added() <= self.target})
    }
}

impl Measurement {
    fn is_met(&self) -> bool {
        self.microseconds <= self.target
    }
}

impl Report {
    pub(super) const fn new(subject: &'static str, bare: f64) -> Self {
        Self { subject, bare, measurements: Vec::new(), waits: None, left_out: Vec::new() }
    }

    pub(super) const fn bare_microseconds(&self) -> f64 {
        self.bare
    }

    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    pub(super) fn wait(&mut self, waits: AddedWait) {
        self.waits = Some(waits);
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
        if let Some(waits) = &self.waits {
            text.push_str(&waits.text());
        }
        for left_out in &self.left_out {
            let _ = writeln!(text, "not measured: {left_out}");
        }
        text.push('\n');
        for one in &self.measurements {
            let _ = writeln!(text, "{}: the target is {}", one.name, one.meaning);
        }
        text
    }

    /// One line for each target that was not met.
    pub(super) fn missed(&self) -> Vec<String> {
        let waits = self.waits.as_ref().filter(|waits| waits.added() > waits.target);
        let waits = waits
            .map(|waits| format!("{}: p99 + {:.2} ms for {:.2}", waits.name, waits.added(), waits.target));
        let missed = self.measurements.iter().filter(|one| !one.is_met());
        missed
            .map(|one| {
                let times = one.microseconds / one.target;
                format!(
                    "{}: {:.0} µs for {:.0} ({}), {times:.2} × the target",
                    one.name, one.microseconds, one.target, one.meaning
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
            "waits": self.waits.as_ref().map(AddedWait::json), "left_out": self.left_out})
    }
}
