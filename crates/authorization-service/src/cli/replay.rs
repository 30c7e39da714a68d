//! `authorization-service replay DECISIONS --rules NEW`: what would have been decided by other rules. Reads the decision
//! log (`docs/logging.md`), as it stands among the other lines of the service.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use access_rules::{Caller, Facts, Request, RouteTable, decide};
use clap::Args;
use common::Principal;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::Vars;
use service_kit::output::{self, Column, Format};

use super::check::count_of;
use super::{Asked, CommandError};
use crate::decide::denial::Denial;

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Decision log; `-` is standard input
    decisions: PathBuf,
    /// Fail if a decision would change
    #[arg(long)]
    fail_on_change: bool,
    #[command(flatten)]
    asked: Asked,
}

/// A line of the log. Lines without `decision` and `caller` are other lines.
#[derive(Debug, Deserialize)]
struct Line {
    decision: Decided,
    request: Option<Asker>,
    caller: Option<LoggedCaller>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    outcome: String,
    reason: Option<String>,
    rule: Option<String>,
    #[serde(default)]
    cut: bool,
    #[serde(default = "one")]
    sample_of: u64,
}

fn one() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asker {
    method: String,
    path: String,
    #[serde(default)]
    client_type: String,
    #[serde(default)]
    backoffice: bool,
}

#[derive(Debug, Default, Deserialize)]
struct LoggedCaller {
    is: String,
    id: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
}

/// What a change is counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    before: String,
    after: String,
    caller: String,
    method: String,
    /// The path of the rule that decides now, or that decided before; the path itself if there was none.
    route: String,
}

#[derive(Debug, Default)]
struct Replayed {
    /// Decisions that the log stands for, and how many of them would change.
    decisions: u64,
    changed: u64,
    /// Lines that cannot be decided again.
    left_out: u64,
    changes: BTreeMap<Change, u64>,
}

const COLUMNS: [Column; 6] = [
    Column::text("BEFORE", "/before"),
    Column::text("AFTER", "/after"),
    Column::text("CALLER", "/caller"),
    Column::text("VERB", "/method"),
    Column::text("ROUTE", "/route"),
    Column::text("DECISIONS", "/decisions"),
];

impl Replay {
    pub(super) fn run(&self, vars: &Vars) -> Result<(), CommandError> {
        let table = self.asked.load(vars)?.table;
        let unusable = |error: std::io::Error| self.unusable(error.to_string());
        let replayed = if self.decisions == Path::new("-") {
            replay(&table, std::io::stdin().lock()).map_err(unusable)?
        } else {
            let file = std::fs::File::open(&self.decisions).map_err(unusable)?;
            replay(&table, BufReader::new(file)).map_err(unusable)?
        };
        if replayed.decisions == 0 && replayed.left_out == 0 {
            return Err(self.unusable("no line of it is a decision (DECISION_LOG writes them)".to_owned()));
        }
        self.show(&replayed)?;
        match self.fail_on_change && replayed.changed > 0 {
            true => Err(CommandError::Told("decisions would change")),
            false => Ok(()),
        }
    }

    fn unusable(&self, reason: String) -> CommandError {
        CommandError::File { file: self.decisions.clone(), reason }
    }

    fn show(&self, replayed: &Replayed) -> Result<(), CommandError> {
        let mut changes: Vec<(&Change, &u64)> = replayed.changes.iter().collect();
        changes.sort_by_key(|(change, count)| (std::cmp::Reverse(**count), *change));
        let changes: Vec<Value> = changes.into_iter().map(|(change, count)| change.json(*count)).collect();
        let records: Vec<&Value> = changes.iter().collect();
        let Replayed { decisions, changed, left_out, .. } = replayed;
        let json =
            json!({ "decisions": decisions, "changed": changed, "leftOut": left_out, "changes": changes });
        if self.asked.output == Format::Table && changes.is_empty() {
            output::print("")?;
        } else {
            self.asked.output.show(&json, &records, &COLUMNS)?;
        }
        if self.asked.output == Format::Table {
            let counted = count_of(usize::try_from(*decisions).unwrap_or(usize::MAX), "decision");
            output::print(&format!(
                "{counted}, {changed} would change, {left_out} lines cannot be decided again\n"
            ))?;
        }
        Ok(())
    }
}

/// Lines longer than this are none that the service writes, and would be read without end from a file that is no log.
const MAX_LINE: u64 = 1 << 20;

fn replay(table: &RouteTable, mut log: impl BufRead) -> std::io::Result<Replayed> {
    let mut replayed = Replayed::default();
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        if log.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            let reason = format!("line {number} is longer than 1 MiB, so this is no log of the service");
            return Err(std::io::Error::other(reason));
        }
        if let Ok(line) = serde_json::from_slice::<Line>(&bytes) {
            replayed.add(table, &line);
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn add(&mut self, table: &RouteTable, line: &Line) {
        // The access line tells of decisions too, but not who called.
        let Some(caller) = &line.caller else { return };
        let (Some(request), false) = (&line.request, line.decision.cut) else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        let facts = Facts { client_type: &request.client_type, is_backoffice: request.backoffice };
        let (method, target) = (request.method.as_bytes(), request.path.as_bytes());
        let found = table.find(&Request { method, target, facts });
        // Nobody looked the caller up, because no rule asked for it. If one does now, it is not known who it was.
        let not_looked_up = caller.is == "not looked up" && found.is_ok();
        let decided_elsewhere = matches!(
            line.decision.reason.as_deref(),
            Some(
                "untrusted_peer" | "original_request_unclear" | "client_type_unclear" | "identity_unsendable"
            )
        );
        if not_looked_up || decided_elsewhere {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let principal = caller.principal();
        let who = match caller.is.as_str() {
            "known" => Caller::Known(&principal),
            "nobody" => Caller::Anonymous,
            _ => Caller::Unknown,
        };
        let decision = decide(&found, who, &facts);
        let times = line.decision.sample_of;
        self.decisions = self.decisions.saturating_add(times);
        let after = decision.deny_reason().map(|reason| Denial::Rules(reason).word());
        if decision.is_allow() == (line.decision.outcome == "allow") {
            return;
        }
        self.changed = self.changed.saturating_add(times);
        let key = decision.rule().map(|rule| rule.key().to_owned());
        let before = line.decision.rule.as_ref().and_then(|rule| rule.split(" → ").next().map(str::to_owned));
        let change = Change {
            before: worded(&line.decision.outcome, line.decision.reason.as_deref()),
            after: worded(if decision.is_allow() { "allow" } else { "deny" }, after),
            caller: caller.name(),
            method: request.method.clone(),
            route: key.or(before).unwrap_or_else(|| request.path.clone()),
        };
        let count = self.changes.entry(change).or_default();
        *count = count.saturating_add(times);
    }
}

fn worded(outcome: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| outcome.to_owned(), |reason| format!("{outcome} ({reason})"))
}

impl LoggedCaller {
    fn principal(&self) -> Principal {
        Principal {
            id: self.id.clone().unwrap_or_default(),
            groups: self.groups.iter().cloned().collect(),
            permissions: self.permissions.iter().cloned().collect(),
            ..Principal::default()
        }
    }

    fn name(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.is.clone())
    }
}

impl Change {
    fn json(&self, decisions: u64) -> Value {
        json!({
            "before": self.before,
            "after": self.after,
            "caller": self.caller,
            "method": self.method,
            "route": self.route,
            "decisions": decisions,
        })
    }
}

#[cfg(test)]
mod tests {
    use access_rules::{RepeatedSlashes, load_rules};

    use super::*;

    fn table(orders: &str, public: bool) -> RouteTable {
        let file = json!({
            "/orders": {"GET": {"authorization": {"expression": orders, "public": public}}},
            "/orders/:id": {"ALL": {"authorization": {"expression": "groups.staff", "public": false}}},
        });
        load_rules("auth.json", file.to_string().as_bytes(), RepeatedSlashes::Refuse).unwrap().table
    }

    /// Every request of a small universe: verb, path, client type, who calls and with which groups.
    fn requests() -> Vec<(&'static str, &'static str, &'static str, &'static str, Vec<&'static str>)> {
        let mut all = Vec::new();
        for method in ["GET", "POST"] {
            for path in ["/orders", "/orders/1", "/nothing", "/orders/../x"] {
                for client_type in ["", "web"] {
                    all.push((method, path, client_type, "nobody", vec![]));
                    all.push((method, path, client_type, "unknown", vec![]));
                    for groups in [vec![], vec!["staff"], vec!["guest"], vec!["guest", "staff"]] {
                        all.push((method, path, client_type, "known", groups));
                    }
                }
            }
        }
        all
    }

    fn allows(table: &RouteTable, request: &(&str, &str, &str, &str, Vec<&str>)) -> bool {
        let (method, path, client_type, is, groups) = request;
        let facts = Facts { client_type, is_backoffice: false };
        let principal = Principal {
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            ..Principal::default()
        };
        let caller = match *is {
            "known" => Caller::Known(&principal),
            "nobody" => Caller::Anonymous,
            _ => Caller::Unknown,
        };
        let found = table.find(&Request { method: method.as_bytes(), target: path.as_bytes(), facts });
        decide(&found, caller, &facts).is_allow()
    }

    #[test]
    fn what_changes_is_what_the_two_tables_decide_differently() {
        let rules = [
            table("groups.staff", false),
            table("true", true),
            table("groups.guest || clientType == 'web'", true),
            table("!groups.staff", true),
        ];
        for before in &rules {
            for after in &rules {
                let requests = requests();
                let mut log = String::new();
                for request in &requests {
                    let (method, path, client_type, is, groups) = request;
                    let outcome = if allows(before, request) { "allow" } else { "deny" };
                    let line = json!({"level": 30, "msg": "decision",
                        "decision": {"outcome": outcome, "sampleOf": 3},
                        "request": {"method": method, "path": path, "clientType": client_type, "backoffice": false},
                        "caller": {"is": is, "id": "ada", "groups": groups, "permissions": []}});
                    log.push_str(&format!("{line}\n{{\"level\":30,\"msg\":\"request completed\"}}\n"));
                }
                let replayed = replay(after, log.as_bytes()).unwrap();
                let changed =
                    requests.iter().filter(|request| allows(before, request) != allows(after, request));
                let expected = 3 * u64::try_from(changed.count()).unwrap();
                assert_eq!(replayed.changed, expected);
                assert_eq!(replayed.changes.values().sum::<u64>(), expected);
                assert_eq!(replayed.decisions, 3 * u64::try_from(requests.len()).unwrap());
            }
        }
    }

    #[test]
    fn a_line_without_end_is_no_log() {
        let table = table("true", true);
        let first = std::io::Cursor::new(b"{}\n".to_vec());
        let error = replay(&table, BufReader::new(first.chain(std::io::repeat(0)))).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is longer than 1 MiB, so this is no log of the service");
        let longest = format!("{}\n", "x".repeat((1 << 20) - 1));
        assert_eq!(replay(&table, longest.repeat(2).as_bytes()).unwrap().decisions, 0);
    }

    #[test]
    fn the_line_of_the_page_is_read_and_what_cannot_be_decided_again_is_left_out() {
        let page = include_str!("../../../../docs/logging.md");
        let line = page.split("```json\n").find(|text| text.contains("\"msg\":\"decision\"")).unwrap();
        let line = line.split("```").next().unwrap().replace('\n', "");
        let table = load_rules(
            "auth.json",
            br#"{"/orders": {"POST": {"authorization": {"expression": "groups.staff", "public": false}}}}"#,
            RepeatedSlashes::Refuse,
        );
        let table = table.unwrap().table;
        let replayed = replay(&table, line.as_bytes()).unwrap();
        let change = replayed.changes.keys().next().unwrap();
        assert_eq!((change.before.as_str(), change.after.as_str()), ("deny (forbidden)", "allow"));
        assert_eq!((change.caller.as_str(), change.route.as_str()), ("user-1", "/orders"));

        for (from, to) in [
            (r#""sampleOf":1"#, r#""sampleOf":1,"cut":true"#),
            (r#""is":"known""#, r#""is":"not looked up""#),
            (r#""reason":"forbidden""#, r#""reason":"identity_unsendable""#),
            (r#""request":"#, r#""other":"#),
        ] {
            assert!(line.contains(from), "{from}");
            let replayed = replay(&table, line.replace(from, to).as_bytes()).unwrap();
            assert_eq!((replayed.left_out, replayed.decisions), (1, 0), "{to}");
        }
        let access_line = r#"{"msg":"request completed","decision":{"outcome":"deny"}}"#;
        let replayed = replay(&table, access_line.as_bytes()).unwrap();
        assert_eq!((replayed.left_out, replayed.decisions), (0, 0));
    }
}
