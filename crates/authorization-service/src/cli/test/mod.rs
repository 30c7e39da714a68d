//! `authorization-service test`: do the rules answer what people wrote down that they should, and is there anything in
//! the rules that nobody wrote down?

mod cases;
mod junit;

use std::path::{Path, PathBuf};

use access_rules::{Coverage, Decision, RouteTable, Rule};
use clap::Args;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::{self, Format};

use super::check::count_of;
use super::{CommandError, settings, unusable, yaml};
use crate::decide::denial::Denial;
use crate::rules_source;
use cases::{Case, Cases, Expected};

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Files with cases, in YAML or JSON
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The rules file [default: what the cases name as `rules`, else that of CONFIGURATION_PATH and CONFIGURATION_FILE_NAME]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Write the results there too, as JUnit does
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Fail if less than this share of rules and conditions is tried
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), default_value_t = 0)]
    coverage_min: u8,
    /// Lines for people, or JSON for scripts
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// The rules that somebody named, and the files with cases for them.
type Set = (Option<PathBuf>, Vec<(String, Cases)>);

/// A case that was run.
#[derive(Debug)]
struct Ran {
    name: String,
    line: u64,
    /// What is not as expected.
    failure: Option<String>,
}

/// A file whose cases were run.
#[derive(Debug)]
struct RanFile {
    file: String,
    ran: Vec<Ran>,
}

/// A rules file, and what was tried of it.
#[derive(Debug)]
struct Tried {
    file: String,
    wanted: usize,
    tried: usize,
    /// Position, rule, column inside the expression, what never happened.
    untried: Vec<(String, String, Option<usize>, String)>,
}

impl Test {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        // The files of one rules file count together.
        let mut sets: Vec<Set> = Vec::new();
        for file in &self.files {
            let cases: Cases = yaml::read(file)?;
            if cases.cases.is_empty() {
                return Err(CommandError::File {
                    file: file.clone(),
                    reason: "there is no case in it".to_owned(),
                });
            }
            check_words(file, &cases)?;
            let rules = self.rules_of(file, &cases);
            let cases = (file.display().to_string(), cases);
            match sets.iter_mut().find(|(known, _)| *known == rules) {
                Some((_, set)) => set.push(cases),
                None => sets.push((rules, vec![cases])),
            }
        }
        let (mut files, mut tried) = (Vec::new(), Vec::new());
        for (rules, set) in sets {
            let settings = settings(rules.as_deref(), vars)?;
            let loaded = rules_source::load(&settings).map_err(|error| unusable(error, rules.is_some()))?;
            let mut coverage = Coverage::new(&loaded.table);
            for (file, cases) in &set {
                let ran = cases
                    .cases
                    .iter()
                    .map(|case| run(&case.value, case.referenced.line(), &loaded.table, &mut coverage));
                files.push(RanFile { file: file.clone(), ran: ran.collect() });
            }
            tried.push(Tried::of(&settings.file, &coverage));
        }
        if let Some(junit) = &self.junit {
            let unwritable =
                |error: std::io::Error| CommandError::File { file: junit.clone(), reason: error.to_string() };
            std::fs::write(junit, junit::document(&files)).map_err(unwritable)?;
        }
        self.show(&files, &tried)?;
        if files.iter().flat_map(|file| &file.ran).any(|ran| ran.failure.is_some()) {
            return Err(CommandError::Told("the rules do not answer what the cases expect"));
        }
        match tried.iter().any(|tried| tried.percent() < usize::from(self.coverage_min)) {
            true => Err(CommandError::Told("less of the rules is tried than --coverage-min asks for")),
            false => Ok(()),
        }
    }

    /// The rules that somebody named for this file; else the variables say which.
    fn rules_of(&self, file: &Path, cases: &Cases) -> Option<PathBuf> {
        let beside = |rules| file.parent().unwrap_or(Path::new("")).join(rules);
        self.rules.clone().or_else(|| cases.rules.as_ref().map(beside))
    }

    fn show(&self, files: &[RanFile], tried: &[Tried]) -> Result<(), CommandError> {
        match self.output {
            Format::Table => output::print(&lines(files, tried))?,
            Format::Json => {
                let files: Vec<Value> = files.iter().map(RanFile::json).collect();
                let rules: Vec<Value> = tried.iter().map(Tried::json).collect();
                self.output.show(&json!({ "files": files, "coverage": rules }), &[], &[])?;
            }
        }
        Ok(())
    }
}

/// A reason that no denial has would never be met, and nobody would know why.
fn check_words(file: &Path, cases: &Cases) -> Result<(), CommandError> {
    let unknown =
        |case: &Case| case.reason.as_ref().is_some_and(|word| !Denial::WORDS.contains(&word.as_str()));
    match cases.cases.iter().find(|case| unknown(&case.value)) {
        None => Ok(()),
        Some(case) => Err(CommandError::File {
            file: file.to_owned(),
            reason: format!(
                "line {}: `reason` is one of {}",
                case.referenced.line(),
                Denial::WORDS.join(", ")
            ),
        }),
    }
}

fn run<'t>(case: &Case, line: u64, table: &'t RouteTable, coverage: &mut Coverage<'t>) -> Ran {
    let question = case.question();
    let found = table.find(&question.request);
    let decision = coverage.decide(&found, question.caller(), &question.request.facts);
    let failure = (!is_as_expected(case, &decision)).then(|| {
        let reason = decision.deny_reason().map(|reason| Denial::Rules(reason).word());
        let got = if decision.is_allow() { "allow" } else { "deny" };
        let got = reason.map_or_else(|| got.to_owned(), |word| format!("{got} ({word})"));
        let by = decision.rule().map_or_else(
            || "no rule".to_owned(),
            |rule| format!("{rule} (line {}: {})", rule.position().line, rule.expression_text()),
        );
        format!("{}: expected {}, got {got} by {by}", case.line(), expectation(case))
    });
    Ran { name: case.name(), line, failure }
}

fn is_as_expected(case: &Case, decision: &Decision<'_>) -> bool {
    let reason = decision.deny_reason().map(|reason| Denial::Rules(reason).word());
    (case.expect == Expected::Allow) == decision.is_allow()
        && case.reason.as_deref().is_none_or(|word| Some(word) == reason)
        && case.rule.as_deref().is_none_or(|name| decision.rule().is_some_and(|rule| is_called(rule, name)))
}

/// Arrows are hard to type: blanks will do.
fn is_called(rule: &Rule, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace().filter(|word| *word != "→").map(str::to_owned).collect()
    };
    words(&rule.to_string()) == words(name)
}

fn expectation(case: &Case) -> String {
    let mut text = case.expect.word().to_owned();
    if let Some(reason) = &case.reason {
        text.push_str(&format!(" ({reason})"));
    }
    if let Some(rule) = &case.rule {
        text.push_str(&format!(" by {rule}"));
    }
    text
}

fn lines(files: &[RanFile], tried: &[Tried]) -> String {
    let mut text = String::new();
    for RanFile { file, ran } in files {
        text.push_str(&format!("{}\n", output::visible(file)));
        for ran in ran {
            let verdict = if ran.failure.is_some() { "FAIL" } else { "ok  " };
            text.push_str(&format!("  {verdict}  {}\n", output::visible(&ran.name)));
            if let Some(failure) = &ran.failure {
                text.push_str(&format!("        line {}: {}\n", ran.line, output::visible(failure)));
            }
        }
    }
    let all = || files.iter().flat_map(|file| &file.ran);
    let failed = all().filter(|ran| ran.failure.is_some()).count();
    text.push_str(&format!("\n{}, {failed} failed\n", count_of(all().count(), "case")));
    for tried in tried {
        text.push_str(&format!(
            "{}: {} of {} outcomes and values tried ({} %)\n",
            output::visible(&tried.file),
            tried.tried,
            tried.wanted,
            tried.percent()
        ));
        for (position, rule, column, what) in &tried.untried {
            let column = column.map_or_else(String::new, |column| format!(", column {column}"));
            let line = format!("{}:{position}: {rule}{column}: {what}", tried.file);
            text.push_str(&format!("  {}\n", output::visible(&line)));
        }
    }
    text
}

impl RanFile {
    fn json(&self) -> Value {
        let cases =
            self.ran.iter().map(|ran| json!({ "name": ran.name, "line": ran.line, "failure": ran.failure }));
        json!({ "file": self.file, "cases": cases.collect::<Vec<_>>() })
    }
}

impl Tried {
    fn of(file: &Path, coverage: &Coverage<'_>) -> Self {
        let (wanted, tried) = coverage.counts();
        let untried = coverage.untried().into_iter().map(|untried| {
            (untried.rule.position().to_string(), untried.rule.to_string(), untried.column, untried.what)
        });
        Self { file: file.display().to_string(), wanted, tried, untried: untried.collect() }
    }

    /// Rounded down, so that 100 means all; nothing to try is all.
    fn percent(&self) -> usize {
        self.tried.saturating_mul(100).checked_div(self.wanted).unwrap_or(100)
    }

    fn json(&self) -> Value {
        let untried = self.untried.iter().map(|(position, rule, column, what)| {
            json!({ "position": position, "rule": rule, "expressionColumn": column, "what": what })
        });
        json!({
            "rules": self.file,
            "wanted": self.wanted,
            "tried": self.tried,
            "percent": self.percent(),
            "untried": untried.collect::<Vec<_>>(),
        })
    }
}
