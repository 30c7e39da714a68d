//! Explanations as JSON, the same from the management listener and from the commands.

use access_rules::{Clause, ClauseValue, ExplainedRule, Rule, explain, explain_shadow};
use common::Principal;
use serde_json::{Map, Value, json};

use super::denials::{KeptCaller, KeptDenial};
use super::differences::KeptDifference;

/// A rule as everybody shows it.
pub(crate) fn rule(rule: &Rule) -> Value {
    let position = rule.position();
    let mut members = json!({
        "path": rule.key(),
        "verb": rule.verb().to_string(),
        "section": rule.section().as_str(),
        "public": rule.is_public(),
        "expression": rule.expression_text(),
        "line": position.line,
        "column": position.column,
    });
    if let (Some(shadow), Some(members)) = (rule.shadow(), members.as_object_mut()) {
        members.insert("shadowExpression".to_owned(), shadow.to_string().into());
    }
    members
}

/// What a rule says of a request: its clauses with their values, those that failed, and what would have to hold.
pub(crate) fn evaluation(explained: &ExplainedRule) -> Value {
    let expression = &explained.expression;
    json!({
        "allows": explained.outcome.is_ok(),
        "value": expression.value.ok(),
        "error": expression.value.err().map(|error| error.to_string()),
        "failed": expression.culprits.iter().map(|clause| shown(clause, false)).collect::<Vec<_>>(),
        "needs": expression.needs,
        "clauses": shown(&expression.trace, true),
    })
}

fn shown(clause: &Clause, with_parts: bool) -> Value {
    let value = match &clause.value {
        ClauseValue::Null => Value::Null,
        ClauseValue::Bool(value) => (*value).into(),
        ClauseValue::Number(value) => (*value).into(),
        ClauseValue::Text(value) => value.as_str().into(),
        other @ (ClauseValue::Names(_) | ClauseValue::Elements(_) | ClauseValue::Failed(_)) => {
            other.to_string().into()
        }
    };
    let mut members = json!({ "clause": clause.text, "value": value });
    if with_parts && !clause.parts.is_empty() {
        let parts: Value = clause.parts.iter().map(|part| shown(part, true)).collect();
        if let Some(members) = members.as_object_mut() {
            members.insert("parts".to_owned(), parts);
        }
    }
    members
}

/// A denial that is still known. `file` is where its rules were read.
pub(crate) fn denial(kept: &KeptDenial, file: &str) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("id", kept.id.to_string().into());
    put("at", kept.at.unix_millis().into());
    put("outcome", "deny".into());
    put("reason", kept.denial.word().into());
    put("message", kept.denial.to_string().into());
    put("request", json!({ "method": &*kept.method, "path": &*kept.path }));
    put("clientType", (*kept.client_type).into());
    put("backoffice", kept.is_backoffice.into());
    put("caller", caller(&kept.caller));
    if let Some(version) = kept.rules {
        put("rules", json!({ "version": version.to_string(), "file": file }));
    }
    if let Some(decided_by) = &kept.rule {
        let (seen, facts) = (kept.caller.seen(), kept.facts());
        put("rule", rule(decided_by));
        put("evaluation", evaluation(&explain(decided_by, seen, &facts)));
        if let Some(shadow) = explain_shadow(decided_by, seen, &facts) {
            put("shadowEvaluation", evaluation(&shadow));
        }
    }
    members.into()
}

/// A request of which a rule and its shadow said different things.
pub(crate) fn difference(kept: &KeptDifference) -> Value {
    let word = |allows| if allows { "allow" } else { "deny" };
    let (seen, facts) = (kept.caller.seen(), kept.facts());
    json!({
        "at": kept.at.unix_millis(),
        "live": word(kept.compared.live_allows),
        "shadow": word(kept.compared.shadow_allows),
        "request": { "method": &*kept.method, "path": &*kept.path },
        "clientType": &*kept.client_type,
        "backoffice": kept.is_backoffice,
        "caller": caller(&kept.caller),
        "rulesVersion": kept.rules.map(|version| version.to_string()),
        "rule": rule(&kept.rule),
        "evaluation": evaluation(&explain(&kept.rule, seen, &facts)),
        "shadowEvaluation": explain_shadow(&kept.rule, seen, &facts).map(|explained| evaluation(&explained)),
    })
}

fn caller(caller: &KeptCaller) -> Value {
    match caller {
        KeptCaller::NotLookedUp => json!({ "is": "not looked up" }),
        KeptCaller::Nobody(why) => json!({ "is": "nobody", "why": why }),
        KeptCaller::Unknown(why) => json!({ "is": "unknown", "why": why }),
        KeptCaller::Known(principal) => known(principal),
    }
}

/// With those of its groups and permissions that the rule names.
pub(crate) fn known(principal: &Principal) -> Value {
    json!({
        "is": "known",
        "id": principal.id,
        "groups": principal.groups.iter().collect::<Vec<_>>(),
        "permissions": principal.permissions.iter().collect::<Vec<_>>(),
    })
}
