//! docs/benchmarks.md: everything that was measured in one run, with the machine it was measured on.

use std::fmt::Write;
use std::process::Command;

use super::report::Report;
use super::rivals::{Comparison, RATE};

/// A whole run.
pub(super) struct Page {
    /// How often each figure was measured.
    pub(super) rounds: u8,
    pub(super) token: Report,
    pub(super) decision: Report,
    pub(super) rivals: Vec<Comparison>,
}

impl Page {
    pub(super) fn markdown(&self) -> String {
        let mut page = format!(
            "# Benchmarks\n\nWritten by `cargo xtask bench report`, in one run. Each figure of ours was measured {} times, in turn, \
             and is that of the round in the middle by its ratio to its target. What is measured and why so, and where the time \
             goes that misses a target: [performance.md](performance.md).\n\n",
            self.rounds
        );
        for (what, value) in machine() {
            let _ = writeln!(page, "* {what}: {value}");
        }
        for (title, report) in [("A token", &self.token), ("A decision", &self.decision)] {
            let _ = write!(page, "\n## {title}\n\n```text\n{}```\n", report.text());
        }
        page.push_str("\n## Targets that were missed\n\n");
        let missed: Vec<_> = [&self.token, &self.decision].into_iter().flat_map(Report::missed).collect();
        if missed.is_empty() {
            page.push_str("None.\n");
        }
        for line in missed {
            let _ = writeln!(page, "* {line}");
        }
        let _ = write!(
            page,
            "\n## Beside others\n\nA secret for a signed JWT. Processor time in microseconds; waits in milliseconds, {RATE} requests a \
             second, open loop; memory in MiB, after the start and after all of it. node-oidc-provider keeps its data in memory, \
             client-credentials in SQLite.\n\n\
             | | processor time | p50 | p99 | p99.9 | memory |\n| --- | --- | --- | --- | --- | --- |\n"
        );
        for one in &self.rivals {
            let waits = one.waits;
            let [idle, loaded] = one.kib.map(|kib| kib / 1024);
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {idle} → {loaded} |",
                one.name, one.microseconds, waits.p50, waits.p99, waits.p999
            );
        }
        page
    }
}

/// What it was measured on, as far as it tells.
fn machine() -> Vec<(&'static str, String)> {
    let told = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "not told".to_owned())
    };
    [
        ("date", "date -u +%Y-%m-%d"),
        ("processor", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"),
        ("cores", "nproc"),
        ("load, of the last minutes", "cut -d' ' -f1-3 /proc/loadavg"),
        ("system", "uname -sr"),
        ("compiler", "rustc --version"),
        ("Node.js", "node --version"),
    ]
    .map(|(what, line)| (what, told(line)))
    .into()
}
