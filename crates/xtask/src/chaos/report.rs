//! What a run found, for people and for scripts.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::check::{Excuse, Findings};
use super::loss::Loss;
use super::memory::Memory;

/// A whole run.
pub(super) struct Report {
    pub(super) name: &'static str,
    pub(super) seed: u64,
    pub(super) lasted: Duration,
    pub(super) calls: usize,
    pub(super) losses: Vec<Loss>,
    pub(super) findings: Findings,
    pub(super) memory: Vec<Memory>,
}

/// As many of a kind are told one by one.
const TOLD: usize = 10;

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.findings.is_good() && self.memory.iter().all(Memory::is_flat)
    }

    fn failed(&self, wanted: impl Fn(Excuse) -> bool) -> usize {
        let failed = self.findings.failed.iter().filter(|(failure, _)| wanted(failure.excuse));
        failed.map(|(_, failed)| failed.count).sum()
    }

    pub(super) fn text(&self) -> String {
        let Findings { lost, wrong, double, .. } = &self.findings;
        let mut text = format!(
            "\n{}, seed {}: {} calls in {} s, {} losses\n\n",
            self.name,
            self.seed,
            self.calls,
            self.lasted.as_secs(),
            self.losses.len()
        );
        for (what, found) in
            [("lost acknowledgements", lost), ("wrong decisions", wrong), ("double acceptances", double)]
        {
            let _ = writeln!(text, "{:>7}  {what}", found.len());
            for one in found.iter().take(TOLD) {
                let _ = writeln!(text, "           {one}");
            }
        }
        for (what, count) in [
            ("failed valid calls", self.failed(|excuse| excuse == Excuse::None)),
            ("503 within 15 s of a primary's loss", self.failed(|excuse| excuse == Excuse::Failover)),
            (
                "held by a process that was killed or stopped",
                self.failed(|excuse| excuse == Excuse::InTheLostProcess),
            ),
        ] {
            let _ = writeln!(text, "{count:>7}  {what}");
        }
        self.tell_causes(&mut text);
        text.push_str("\nput to the test\n");
        for (what, count) in &self.findings.tested {
            let _ = writeln!(text, "{count:>7}  {what}");
        }
        for what in self.findings.untested() {
            let _ = writeln!(text, "      0  {what}: THE RUN SAYS NOTHING ABOUT IT");
        }
        let last_pass = self.findings.last_pass;
        let _ = writeln!(text, "\na revoked token was let through for {last_pass:.1?} at most");
        self.tell_losses(&mut text);
        if !self.memory.is_empty() {
            text.push_str(
                "\nresident memory: growth from the second quarter to the last, and MiB over time\n",
            );
        }
        for memory in &self.memory {
            let _ = writeln!(text, "  {}", memory.text());
        }
        let verdict = if self.is_good() { "as promised" } else { "NOT AS PROMISED" };
        let _ = writeln!(text, "\n{verdict}");
        text
    }

    fn tell_causes(&self, text: &mut String) {
        if !self.findings.failed.is_empty() {
            text.push_str("\nfailed valid calls by cause\n");
        }
        for (failure, failed) in &self.findings.failed {
            let excuse = match failure.excuse {
                Excuse::None => "NO EXCUSE",
                Excuse::Failover => "within 15 s of a primary's loss",
                Excuse::InTheLostProcess => "held by the lost process",
            };
            let (call, answer, during) = (failure.call, failure.answer, &failure.during);
            let (count, last) = (failed.count, failed.last);
            let _ = writeln!(
                text,
                "{count:>7}  {call}: {answer}, {during}, the last {last:.1?} later ({excuse})"
            );
        }
    }

    fn tell_losses(&self, text: &mut String) {
        if !self.losses.is_empty() {
            text.push_str("\nlosses, in seconds from the start\n");
        }
        for loss in &self.losses {
            let [from, until] = [loss.from, loss.until].map(|moment| moment.as_secs_f64());
            let _ = writeln!(text, "  {from:>6.1} to {until:>6.1}  {loss}");
        }
    }

    pub(super) fn json(&self) -> Value {
        let Findings { lost, wrong, double, failed, tested, last_pass } = &self.findings;
        let failed: Vec<Value> = failed
            .iter()
            .map(|(failure, failed)| {
                json!({"call": failure.call, "answer": failure.answer.to_string(), "during": failure.during,
                    "excuse": match failure.excuse {
                        Excuse::None => Value::Null,
                        Excuse::Failover => "failover".into(),
                        Excuse::InTheLostProcess => "in_the_lost_process".into(),
                    }, "count": failed.count, "last_after_seconds": failed.last.as_secs_f64()})
            })
            .collect();
        let losses: Vec<Value> = self
            .losses
            .iter()
            .map(|loss| {
                json!({"part": loss.part.to_string(), "kind": loss.kind.to_string(),
                    "from_seconds": loss.from.as_secs_f64(), "until_seconds": loss.until.as_secs_f64()})
            })
            .collect();
        json!({"name": self.name, "seed": self.seed, "seconds": self.lasted.as_secs(), "calls": self.calls,
            "good": self.is_good(), "lost_acknowledgements": lost, "wrong_decisions": wrong,
            "double_acceptances": double, "failed_valid_calls": failed, "tested": tested,
            "untested": self.findings.untested(), "longest_pass_of_a_revoked_token_seconds": last_pass.as_secs_f64(),
            "losses": losses, "memory": self.memory.iter().map(Memory::json).collect::<Vec<_>>()})
    }
}
