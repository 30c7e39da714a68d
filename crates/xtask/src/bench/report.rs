//! What was measured, for people and for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

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
    left_out: Vec<String>,
}

impl Measurement {
    fn is_met(&self) -> bool {
        self.microseconds <= self.target
    }
}

impl Report {
    pub(super) const fn new(subject: &'static str, bare: f64) -> Self {
        Self { subject, bare, measurements: Vec::new(), left_out: Vec::new() }
    }

    pub(super) const fn bare_microseconds(&self) -> f64 {
        self.bare
    }

    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
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
        text
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
        json!({"http_microseconds": self.bare, "measurements": measurements, "left_out": self.left_out})
    }
}
