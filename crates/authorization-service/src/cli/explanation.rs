//! An explanation as people read it: from the same JSON that the service gives, so that a denial of yesterday and a
//! request of a thought look the same.

use std::fmt::Write;

use serde_json::Value;
use service_kit::output::{moment, visible};

/// The lines, from the outcome to what would have to change.
pub(super) fn text(explained: &Value) -> String {
    let mut text = String::new();
    let mut indented = |name: &str, depth: usize, value: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:<9} {}{}", "  ".repeat(depth), visible(value).trim_end());
    };
    let mut line = |name: &str, value: &str| indented(name, 0, value);
    let of = |pointer: &str| explained.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let denied = of("/outcome") == "deny";
    line(
        "outcome",
        &if denied { format!("DENY, {}: {}", of("/reason"), of("/message")) } else { "ALLOW".to_owned() },
    );
    line("request", &format!("{} {}", of("/request/method"), of("/request/path")));
    if explained.get("at").is_some() {
        line("at", &moment(explained.get("at")));
    }
    line("caller", &caller(explained));
    match explained.get("rule") {
        None => line("rule", "none"),
        Some(rule) => {
            let number = |name: &str| rule.get(name).and_then(Value::as_u64).unwrap_or_default();
            let place = format!("{}:{}:{}", of("/rules/file"), number("line"), number("column"));
            let who = if rule.get("public") == Some(&true.into()) { "anybody" } else { "users only" };
            line(
                "rule",
                &format!("{} → {} → {}, for {who}", of("/rule/path"), of("/rule/verb"), of("/rule/section")),
            );
            line("", &place);
            line("", of("/rule/expression"));
        }
    }
    for (index, (depth, clause)) in clauses(explained, "/evaluation/clauses").iter().enumerate() {
        indented(if index == 0 { "clauses" } else { "" }, *depth, clause);
    }
    if denied {
        indented("needs", 0, &needs(explained));
    }
    if let Some(allows) = explained.pointer("/shadowEvaluation/allows") {
        let outcome = if *allows == true { "ALLOW" } else { "DENY" };
        indented("tried", 0, &format!("{outcome}, with shadowExpression in force"));
        for (depth, clause) in clauses(explained, "/shadowEvaluation/clauses") {
            indented("", depth, &clause);
        }
    }
    text
}

fn caller(explained: &Value) -> String {
    let caller = |name: &str| explained.pointer(&format!("/caller/{name}"));
    let names = |name: &str| -> Vec<&str> {
        caller(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut text = caller("is").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (before, member) in [(" ", "id"), (": ", "why")] {
        if let Some(value) = caller(member).and_then(Value::as_str).filter(|value| !value.is_empty()) {
            text.push_str(before);
            text.push_str(value);
        }
    }
    for member in ["groups", "permissions"] {
        let names = names(member);
        if !names.is_empty() {
            text.push_str(&format!(", {member} {}", names.join(" ")));
        }
    }
    if let Some(client_type) = explained["clientType"].as_str().filter(|text| !text.is_empty()) {
        text.push_str(&format!(", client type {client_type}"));
    }
    if explained["backoffice"] == true {
        text.push_str(", backoffice");
    }
    text
}

/// What is at `pointer`, a line for each clause with its depth.
fn clauses(explained: &Value, pointer: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    if let Some(clause) = explained.pointer(pointer) {
        collect_clauses(clause, 0, &mut lines);
    }
    lines
}

fn collect_clauses(clause: &Value, depth: usize, lines: &mut Vec<(usize, String)>) {
    let text = clause.get("clause").and_then(Value::as_str).unwrap_or_default();
    let value = clause.get("value").map(Value::to_string).unwrap_or_default();
    lines.push((depth, format!("{text} is {value}")));
    for part in clause.get("parts").and_then(Value::as_array).into_iter().flatten() {
        collect_clauses(part, depth.saturating_add(1), lines);
    }
}

/// What would have to change, in a sentence.
fn needs(explained: &Value) -> String {
    let holds = explained.pointer("/evaluation/value");
    let needed = explained.pointer("/evaluation/needs").and_then(Value::as_str);
    let is_known = explained.pointer("/caller/is") == Some(&"known".into());
    let closed = explained.pointer("/rule/public") == Some(&false.into()) && !is_known;
    match (explained.get("reason").and_then(Value::as_str), holds, needed) {
        (Some("no_rule"), ..) => "a rule for this path and verb".to_owned(),
        (Some("path_refused"), ..) => "a path that can be read in one way only".to_owned(),
        (_, Some(Value::Null), _) => "another expression: this one has no value, whoever asks".to_owned(),
        (_, Some(Value::Bool(false)), None) => {
            "another expression: this one is false, whoever asks".to_owned()
        }
        (_, Some(Value::Bool(false)), Some(needed)) if closed => format!("a user for whom {needed}"),
        (_, Some(Value::Bool(false)), Some(needed)) => needed.to_owned(),
        (_, Some(Value::Bool(true)), _) if closed => "a user: the rule is not for anybody".to_owned(),
        _ => "see the message above".to_owned(),
    }
}
