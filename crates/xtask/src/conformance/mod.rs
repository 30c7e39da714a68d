//! `cargo xtask conformance`: which row of a standard, or of the list of attacks, is shown by which test. Makes
//! `docs/conformance.md` of the catalogue in `docs/conformance/rows.txt` and the names of the tests.

mod catalogue;
mod page;
mod row_ids;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::cargo;
use crate::console;
use crate::tools;
use catalogue::{Catalogue, Row, Status};

/// Arguments of `cargo xtask conformance`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write nothing; fail if the page is not what would be written
    #[arg(long)]
    check: bool,
}

/// A row and the tests that show it.
struct Shown<'c> {
    row: &'c Row,
    tests: Vec<String>,
}

pub(crate) fn run(workspace: &Path, options: &Options) -> Result<()> {
    let rows_file = workspace.join("docs/conformance/rows.txt");
    let catalogue = Catalogue::parse(&fs::read_to_string(&rows_file)?)?;
    let tests = tests(workspace)?;
    let (sections, mistakes) = show(&catalogue, &tests);
    ensure!(mistakes.is_empty(), "{}:\n  {}", rows_file.display(), mistakes.join("\n  "));
    let page = page::write(&sections);
    let place = workspace.join("docs/conformance.md");
    if options.check {
        let there = fs::read_to_string(&place).unwrap_or_default();
        ensure!(
            there == page,
            "docs/conformance.md is not what the tests show: run `cargo xtask conformance`"
        );
    } else {
        fs::write(&place, &page)?;
        console::line(format_args!("docs/conformance.md: {}", page::summary(&sections)))?;
    }
    Ok(())
}

/// Every test of the workspace, as `package path::to::test`.
fn tests(workspace: &Path) -> Result<Vec<String>> {
    let nextest = tools::CARGO_NEXTEST.ready(workspace)?;
    let output = cargo::command(workspace, nextest)
        .args(["nextest", "list", "--locked", "--workspace", "--message-format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo-nextest could not be started")?;
    ensure!(output.status.success(), "the tests could not be listed");
    let list: Value = serde_json::from_slice(&output.stdout)?;
    let suites = list.get("rust-suites").and_then(Value::as_object).context("the list has no suites")?;
    let mut tests = Vec::new();
    for suite in suites.values() {
        let package = suite.get("package-name").and_then(Value::as_str).unwrap_or_default();
        let cases = suite.get("testcases").and_then(Value::as_object).context("a suite has no tests")?;
        tests.extend(cases.keys().map(|name| format!("{package} {name}")));
    }
    tests.sort();
    Ok(tests)
}

type Section<'c> = (&'c str, Vec<Shown<'c>>);

/// Puts rows and tests together; the second part is what does not fit.
fn show<'c>(catalogue: &'c Catalogue, tests: &[String]) -> (Vec<Section<'c>>, Vec<String>) {
    let mut by_row: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for test in tests {
        for id in row_ids::of(test) {
            if catalogue.knows(&id) {
                by_row.entry(id).or_default().push(test.clone());
            } else {
                mistakes.push(format!("{test} shows {id}, which is not in the list"));
            }
        }
    }
    let mut sections = Vec::new();
    for section in &catalogue.sections {
        let mut shown = Vec::new();
        for row in &section.rows {
            let mut found = by_row.remove(&row.id).unwrap_or_default();
            if let Status::In(names) = &row.status {
                for name in names {
                    let matching: Vec<_> = tests.iter().filter(|test| is_called(test, name)).collect();
                    if matching.is_empty() {
                        mistakes.push(format!("{}: no test is called {name}", row.id));
                    }
                    found.extend(matching.into_iter().cloned());
                }
            }
            if found.is_empty() && row.status.reason().is_none() {
                mistakes.push(format!("{}: no test carries the id, and no reason says why", row.id));
            }
            found.dedup();
            shown.push(Shown { row, tests: found });
        }
        sections.push((section.title.as_str(), shown));
    }
    (sections, mistakes)
}

/// Whether this is the whole name of a test's function, with or without the modules around it.
fn is_called(test: &str, name: &str) -> bool {
    test.strip_suffix(name).is_some_and(|start| start.ends_with([':', ' ']))
}

/// The last part of a test's path.
fn function(test: &str) -> &str {
    test.rsplit([':', ' ']).next().unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "## One\nC-6749-01 | M | both | a\nC-6749-02 | M | both | b | in table\n\
                        T-ALG-01 | M | both | c | open: later\n";

    fn mistakes(list: &str, tests: &[&str]) -> Vec<String> {
        let tests: Vec<String> = tests.iter().map(|test| (*test).to_owned()).collect();
        show(&Catalogue::parse(list).unwrap(), &tests).1
    }

    #[test]
    fn every_row_has_a_test_or_a_reason() {
        assert_eq!(mistakes(LIST, &["p a::c_6749_01_x", "p b::table"]), Vec::<String>::new());
        assert_eq!(
            mistakes(LIST, &["p b::tables"]),
            [
                "C-6749-01: no test carries the id, and no reason says why",
                "C-6749-02: no test is called table",
                "C-6749-02: no test carries the id, and no reason says why",
            ]
        );
        assert_eq!(
            mistakes(LIST, &["p c_6749_01", "p table", "p t_alg_02_y"]),
            ["p t_alg_02_y shows T-ALG-02, which is not in the list"]
        );
    }
}
