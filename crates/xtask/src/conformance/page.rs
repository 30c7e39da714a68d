//! The page that a stranger reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Section, Shown, function};

const OPENING: &str = "\
# What is shown, row by row

Every row below is one thing that a standard asks of **client-credentials**, or that an attacker would try at it or at
**authorization-service** (the rows `G-…`). It names the tests that show it, by package and function;
`cargo xtask test -- NAME` runs one. Where no test stands, a reason does.

* **Level**: M, a MUST of the standard or an attack that has to fail; S, a SHOULD; D, our decision where standards leave
  room.
* **Profile**: the setting of `PROFILE` in which the row counts. Both profiles refuse the same; they differ in statuses
  and spellings only.
* *Open* is to be built or shown, *later* needs a feature that does not exist yet, *waived* is not done and says why,
  *elsewhere* is shown by something that is no test.

This page is generated: `cargo xtask conformance` writes it from [rows.txt](conformance/rows.txt) and the list of tests.
";

pub(super) fn write(sections: &[Section<'_>]) -> String {
    let mut page = OPENING.to_owned();
    let _ = write!(page, "\n**{}**\n", summary(sections));
    for (title, rows) in sections {
        let _ = write!(
            page,
            "\n## {title}\n\n| Row | Level | Profile | What is asked | Shown by |\n|---|---|---|---|---|\n"
        );
        for shown in rows {
            let row = shown.row;
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} |",
                row.id,
                row.level,
                row.profiles,
                row.requirement,
                shown_by(shown)
            );
        }
    }
    page
}

/// How many rows are shown, and what the others wait for.
pub(super) fn summary(sections: &[Section<'_>]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut all, mut must, mut tested) = (0_usize, 0_usize, 0_usize);
    for shown in sections.iter().flat_map(|(_, rows)| rows) {
        all = all.saturating_add(1);
        let is_tested = !shown.tests.is_empty();
        if shown.row.level == "M" {
            must = must.saturating_add(1);
            tested = tested.saturating_add(usize::from(is_tested));
        }
        if let (false, Some((kind, _))) = (is_tested, shown.row.status.reason()) {
            let count = counts.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }
    let others: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!(
        "{all} rows, {must} of them M; {tested} M rows are shown by tests. Without a test: {}.",
        others.join(", ")
    )
}

fn shown_by(shown: &Shown<'_>) -> String {
    let mut functions: Vec<(&str, &str)> = Vec::new();
    for test in &shown.tests {
        let named = (test.split(' ').next().unwrap_or_default(), function(test));
        // One test on two stores is one line.
        if !functions.contains(&named) {
            functions.push(named);
        }
    }
    let mut lines: Vec<String> =
        functions.iter().map(|(package, function)| format!("{package}: `{function}`")).collect();
    if let Some((kind, sentence)) = shown.row.status.reason() {
        lines.push(format!("*{kind}*: {sentence}"));
    }
    lines.join("<br>")
}
