//! `authorization-service coverage --openapi FILE`: operations of an API that no rule speaks for, and rules for which the
//! API has no operation. The rules of `/` are the fallback for what no other rule speaks for: they are shown apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use access_rules::{Facts, Method, Request, RouteTable, Rule, VerbEntry};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::{self, Format};

use super::check::count_of;
use super::{Asked, CommandError, yaml};

#[derive(Debug, Args)]
pub(super) struct Coverage {
    /// An OpenAPI 3.0 or 3.1 document, in YAML or JSON
    #[arg(long, value_name = "FILE")]
    openapi: PathBuf,
    /// What the gateway puts before the paths of the document, such as /api
    #[arg(long, value_name = "PATH", default_value = "", value_parser = prefix)]
    prefix: String,
    #[command(flatten)]
    asked: Asked,
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(format!("a path begins with a slash: write /{text}"))
}

/// As much of OpenAPI as says which operations there are.
#[derive(Debug, Deserialize)]
struct Document {
    openapi: String,
    #[serde(default)]
    paths: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// An operation of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Operation {
    method: Method,
    /// As in the document, with the prefix.
    path: String,
}

impl Coverage {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let table = self.asked.load(vars)?.table;
        let document: Document = yaml::read(&self.openapi)?;
        if !document.openapi.starts_with("3.") {
            let reason = format!("it is of version {}, not OpenAPI 3", document.openapi);
            return Err(CommandError::File { file: self.openapi.clone(), reason });
        }
        let operations = operations(&document, self.prefix.trim_end_matches('/'));
        let compared = Compared::of(&table, &operations);
        match self.asked.output {
            Format::Table => output::print(&compared.lines())?,
            Format::Json => self.asked.output.show(&compared.json(), &[], &[])?,
        }
        match compared.without_rule.is_empty() && compared.unused.is_empty() {
            true => Ok(()),
            false => Err(CommandError::Told("rules and operations do not match")),
        }
    }
}

fn operations(document: &Document, prefix: &str) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in &document.paths {
        for name in item.keys() {
            // Members such as `parameters` are no operations, and `trace` has no rule, ever.
            if let Some(method) = Method::from_token(name.to_ascii_uppercase().as_bytes())
                && name.chars().all(|character| character.is_ascii_lowercase())
            {
                operations.push(Operation { method, path: format!("{prefix}{path}") });
            }
        }
    }
    operations
}

/// The key that governs whatever has no rule of its own.
const FALLBACK: &str = "/";

/// What became of each operation and of each rule.
#[derive(Debug)]
struct Compared<'t> {
    operations: usize,
    /// Operations that no rule governs.
    without_rule: Vec<&'t Operation>,
    /// Operations that the fallback governs and no other rule.
    by_fallback: Vec<&'t Operation>,
    /// Rules that govern no operation. A fallback is there for other requests than those, so it is never one of them.
    unused: Vec<&'t Rule>,
}

impl<'t> Compared<'t> {
    fn of(table: &'t RouteTable, operations: &'t [Operation]) -> Self {
        let mut used: BTreeSet<*const Rule> = BTreeSet::new();
        let (mut without_rule, mut by_fallback) = (Vec::new(), Vec::new());
        for operation in operations {
            let target = example(&operation.path);
            let mut governing = Vec::new();
            for is_backoffice in [false, true] {
                let facts = Facts { client_type: "", is_backoffice };
                let method = operation.method.as_str().as_bytes();
                if let Ok(found) = table.find(&Request { method, target: target.as_bytes(), facts }) {
                    used.extend(found.rules().map(|rule| std::ptr::from_ref::<Rule>(rule)));
                    governing.push(found.rule().key());
                }
            }
            if governing.is_empty() {
                without_rule.push(operation);
            } else if target != FALLBACK && governing.iter().all(|key| *key == FALLBACK) {
                by_fallback.push(operation);
            }
        }
        let is_unused = |rule: &&Rule| rule.key() != FALLBACK && !used.contains(&std::ptr::from_ref(*rule));
        let unused = table.rules().filter(is_unused).collect();
        Self { operations: operations.len(), without_rule, by_fallback, unused }
    }

    fn with_rule(&self) -> usize {
        self.operations.saturating_sub(self.without_rule.len()).saturating_sub(self.by_fallback.len())
    }

    /// Rounded down, so that 100 means all; of no operation all have a rule.
    fn percent(&self) -> usize {
        self.with_rule().saturating_mul(100).checked_div(self.operations).unwrap_or(100)
    }

    fn json(&self) -> Value {
        let list = |operations: &[&Operation]| -> Vec<Value> {
            let operation =
                |operation: &&Operation| json!({ "verb": operation.method.as_str(), "path": operation.path });
            operations.iter().map(operation).collect()
        };
        let unused: Vec<Value> =
            self.unused.iter().map(|rule| crate::record::explained::rule(rule)).collect();
        json!({
            "operations": self.operations,
            "withRule": self.with_rule(),
            "percent": self.percent(),
            "withoutRule": list(&self.without_rule),
            "byFallback": list(&self.by_fallback),
            "rulesWithoutOperation": unused,
        })
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for Operation { method, path } in &self.without_rule {
            text.push_str(&format!("no rule for {method} {}\n", output::visible(path)));
        }
        for Operation { method, path } in &self.by_fallback {
            text.push_str(&format!(
                "only the fallback `{FALLBACK}` for {method} {}\n",
                output::visible(path)
            ));
        }
        for rule in &self.unused {
            let all = if rule.verb() == VerbEntry::All { " of any verb" } else { "" };
            let line = format!("no operation{all} for {rule} (line {})", rule.position().line);
            text.push_str(&format!("{}\n", output::visible(&line)));
        }
        text.push_str(&format!(
            "{}, {} with a rule ({} %), {} with the fallback only, {} without rule; {} without operation\n",
            count_of(self.operations, "operation"),
            self.with_rule(),
            self.percent(),
            self.by_fallback.len(),
            self.without_rule.len(),
            count_of(self.unused.len(), "rule"),
        ));
        text
    }
}

/// A path of the template: each `{parameter}` stands for a name that no literal has.
fn example(template: &str) -> String {
    let mut path = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(PARAMETER);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path.push_str(rest);
    path
}

/// No literal that people write.
const PARAMETER: &str = "0-parameter-0";

#[cfg(test)]
mod tests {
    use super::example;

    #[test]
    fn parameters_become_names() {
        for (template, expected) in [
            ("/a", "/a"),
            ("/a/{id}", "/a/0-parameter-0"),
            ("/a/{id}/b/{x}", "/a/0-parameter-0/b/0-parameter-0"),
            ("/a/{id}.json", "/a/0-parameter-0.json"),
            ("/a/{id", "/a/0-parameter-0"),
        ] {
            assert_eq!(example(template), expected, "{template}");
        }
    }
}
