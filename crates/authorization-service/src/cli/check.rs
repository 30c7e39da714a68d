//! `authorization-service check`: what is wrong or doubtful in a rules file, line by line.

use std::path::PathBuf;

use access_rules::{Finding, Severity, lint};
use clap::Args;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::{self, Format};

use super::{CommandError, settings, unusable};
use crate::rules_source::{self, RulesError};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The rules file [default: that of CONFIGURATION_PATH and CONFIGURATION_FILE_NAME]
    file: Option<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Lines for people, or JSON for scripts
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

impl Check {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let settings = settings(self.file.as_deref(), vars)?;
        let file = settings.file.display().to_string();
        let (rules, findings) = match rules_source::load(&settings) {
            Ok(loaded) => (loaded.table.rules().count(), lint(&file, &loaded)),
            Err(RulesError::Invalid(invalid)) => (0, invalid.findings),
            Err(unreadable) => return Err(unusable(unreadable, self.file.is_some())),
        };
        match self.output {
            Format::Table => output::print(&lines(&file, rules, &findings))?,
            Format::Json => {
                let shown: Vec<Value> = findings.iter().map(described).collect();
                self.output.show(&json!({ "file": file, "rules": rules, "findings": shown }), &[], &[])?;
            }
        }
        let least = if self.strict { Severity::Warning } else { Severity::Error };
        match findings.iter().any(|finding| finding.severity >= least) {
            true => Err(CommandError::Told("the rules need attention")),
            false => Ok(()),
        }
    }
}

/// One line for each, as compilers write them, and how many there are.
fn lines(file: &str, rules: usize, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let position = format!("{}:{}:{}: ", finding.file, finding.line, finding.column);
        let told = finding.to_string();
        let told = told.strip_prefix(&position).unwrap_or(&told);
        let (severity, kind) = (finding.severity.as_str(), finding.kind.as_str());
        text.push_str(&output::visible(&format!("{position}{severity}[{kind}]: {told}")));
        text.push('\n');
    }
    let count = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let counts = [count_of(rules, "rule"), count_of(errors, "error"), count_of(warnings, "warning")];
    text.push_str(&format!("{}: {}\n", output::visible(file), counts.join(", ")));
    text
}

pub(super) fn count_of(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn described(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.as_str(),
        "kind": finding.kind.as_str(),
        "line": finding.line,
        "column": finding.column,
        "place": finding.place,
        "expressionColumn": finding.expression_column,
        "message": finding.message,
    })
}
