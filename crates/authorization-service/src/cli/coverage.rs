//! `authorization-service coverage --openapi FILE`: operations of an API that no rule speaks for, and rules for which the
//! API has no operation.

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
        let (without_rule, used) = compare(&table, &operations);
        let unused: Vec<&Rule> =
            table.rules().filter(|rule| !used.contains(&std::ptr::from_ref(*rule))).collect();
        match self.asked.output {
            Format::Table => output::print(&lines(&operations, &without_rule, &unused))?,
            Format::Json => {
                let operation = |operation: &&Operation| json!({ "verb": operation.method.as_str(), "path": operation.path });
                let without: Vec<Value> = without_rule.iter().map(operation).collect();
                let unused: Vec<Value> =
                    unused.iter().map(|rule| crate::record::explained::rule(rule)).collect();
                let json = json!({ "operations": operations.len(), "withoutRule": without, "rulesWithoutOperation": unused });
                self.asked.output.show(&json, &[], &[])?;
            }
        }
        match without_rule.is_empty() && unused.is_empty() {
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

/// The operations that no rule governs, and the rules that govern one.
fn compare<'o>(
    table: &RouteTable,
    operations: &'o [Operation],
) -> (Vec<&'o Operation>, BTreeSet<*const Rule>) {
    let mut used = BTreeSet::new();
    let mut without = Vec::new();
    for operation in operations {
        let target = example(&operation.path);
        let mut found_one = false;
        for is_backoffice in [false, true] {
            let facts = Facts { client_type: "", is_backoffice };
            let method = operation.method.as_str().as_bytes();
            if let Ok(found) = table.find(&Request { method, target: target.as_bytes(), facts }) {
                found_one = true;
                used.extend(found.rules().map(|rule| std::ptr::from_ref::<Rule>(rule)));
            }
        }
        if !found_one {
            without.push(operation);
        }
    }
    (without, used)
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

fn lines(operations: &[Operation], without_rule: &[&Operation], unused: &[&Rule]) -> String {
    let mut text = String::new();
    for Operation { method, path } in without_rule {
        text.push_str(&format!("no rule for {method} {}\n", output::visible(path)));
    }
    for rule in unused {
        let all = if rule.verb() == VerbEntry::All { " of any verb" } else { "" };
        let line = format!("no operation{all} for {rule} (line {})", rule.position().line);
        text.push_str(&format!("{}\n", output::visible(&line)));
    }
    text.push_str(&format!(
        "{}, {} without rule; {} without operation\n",
        count_of(operations.len(), "operation"),
        without_rule.len(),
        count_of(unused.len(), "rule"),
    ));
    text
}

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
