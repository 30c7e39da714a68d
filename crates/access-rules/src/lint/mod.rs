//! What a person should look at in a valid rules file: rules that cannot be what their author means. Compares by looking
//! at every request that can be told apart, so a verdict is a fact and no guess; where those are too many it says so.

#[cfg(test)]
mod properties;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::expression::{Expression, Worlds};
use crate::route_table::{Entry, Idle, RouteTable, Rule};
use crate::rules_file::{Finding, FindingKind, LoadedRules, Severity};

/// Most kinds of paths that are compared: some 20,000 routes.
const MAX_PATHS: usize = 100_000;

/// Most that comparing the rules of overlapping keys may cost, as [`Worlds::cost`] counts: less than a second.
const MAX_COMPARING: usize = 1_000_000_000;

/// Most segments of keys that a look-up of one path may visit before it is told: 50 µs for one reading of the path.
const MAX_VISITED: usize = 1_000;

/// All findings in a file, those of [`crate::load_rules`] included, in the order of the file. `file` names it.
#[must_use]
pub fn lint(file: &str, loaded: &LoadedRules) -> Vec<Finding> {
    let mut findings = loaded.warnings.clone();
    let finding = |rule: &Rule, place: String, severity, kind, message| Finding {
        severity,
        kind,
        file: file.to_owned(),
        line: rule.position.line,
        column: rule.position.column,
        place,
        expression_column: None,
        message,
    };
    for entry in loaded.table.entries() {
        for rule in entry.rules() {
            let notes = rule::notes(entry, rule).into_iter().map(|note| ("expression", note));
            let tried = rule::shadow_notes(entry, rule).into_iter().map(|note| ("shadowExpression", note));
            for (member, note) in notes.chain(tried) {
                let place = format!("{rule}.{member}");
                let mut finding = finding(rule, place, note.severity, note.kind, note.message);
                finding.expression_column = note.column;
                findings.push(finding);
            }
        }
        if let Some(rule) = idle_backoffice(entry) {
            let message = "decides like `authorization`, which backoffice requests use without it".to_owned();
            findings.push(finding(
                rule,
                rule.to_string(),
                Severity::Warning,
                FindingKind::Duplicate,
                message,
            ));
        }
    }
    match idle_entries(&loaded.table, MAX_COMPARING) {
        Some(idle) => findings.extend(idle.into_iter().filter_map(|(entry, idle)| {
            let rule = entry.rules().next()?;
            let (severity, kind, message) = about(&idle);
            Some(finding(rule, format!("{} → {}", rule.key, rule.verb), severity, kind, message))
        })),
        None => findings.extend(loaded.table.rules().next().map(|rule| {
            let message = "not checked for rules that others make pointless: there are too many kinds of paths, too \
                           many names in rules of keys that overlap, or paths that differ in letter case only";
            finding(rule, String::new(), Severity::Note, FindingKind::NotChecked, message.to_owned())
        })),
    }
    let crowded = loaded.table.most_crowded_path(MAX_PATHS).filter(|(_, visited)| *visited > MAX_VISITED);
    let first = loaded.table.rules().min_by_key(|rule| (rule.position.line, rule.position.column));
    if let (Some((path, visited)), Some(rule)) = (crowded, first) {
        let message = format!(
            "a request for `{path}` is compared with {visited} places in the keys, because so many overlap there with their \
             parameters: who asks for such paths costs the service time for each of them"
        );
        findings.push(finding(rule, String::new(), Severity::Warning, FindingKind::Overlapping, message));
    }
    findings.sort_by(|one, other| {
        let place = |finding: &Finding| (finding.line, finding.column, finding.expression_column);
        place(one).cmp(&place(other))
    });
    findings
}

/// The entries that could be taken out, without those that hold no rule: they are told already. `None` if it costs more than
/// `left` to find out.
fn idle_entries(table: &RouteTable, mut left: usize) -> Option<Vec<(&Entry, Idle<'_>)>> {
    let mut known = HashMap::new();
    table.idle_entries(MAX_PATHS, |one, other| {
        let pair = (std::ptr::from_ref(one), std::ptr::from_ref(other));
        if let Some(alike) = known.get(&pair) {
            return Some(*alike);
        }
        let mut alike = true;
        for backoffice in [false, true] {
            alike &= match (one.rule(backoffice), other.rule(backoffice)) {
                (Some(one), Some(other)) => {
                    let expressions = [&one.expression, &other.expression];
                    let worlds = Worlds::of(&expressions, &[backoffice]);
                    left = left.checked_sub(worlds.map_or(0, |worlds| worlds.cost(&expressions)))?;
                    let [first, second] = expressions;
                    decide_alike((first, one.public), (second, other.public), backoffice)
                }
                (one, other) => one.is_none() && other.is_none(),
            };
        }
        known.insert(pair, alike);
        Some(alike)
    })
}

fn about(idle: &Idle<'_>) -> (Severity, FindingKind, String) {
    match idle {
        Idle::Unreachable => {
            let message = "governs no request: every verb has an entry of its own".to_owned();
            (Severity::Error, FindingKind::Unreachable, message)
        }
        Idle::Shadowed(others) => {
            let others: Vec<String> = others
                .iter()
                .filter_map(|entry| entry.rules().next())
                .map(|rule| format!("{} → {}", rule.key, rule.verb))
                .collect();
            let message = format!("could go: without it {} would decide the same", others.join(" and "));
            (Severity::Warning, FindingKind::Shadowed, message)
        }
    }
}

/// The backoffice rule, if backoffice requests were decided alike without it.
fn idle_backoffice(entry: &Entry) -> Option<&Rule> {
    let (plain, backoffice) = (entry.authorization.as_ref()?, entry.backoffice.as_ref()?);
    let alike =
        decide_alike((&plain.expression, plain.public), (&backoffice.expression, backoffice.public), true);
    alike.then_some(backoffice)
}

/// Whether two rules, each an expression and whether it is public, let the same requests pass, whoever calls and whether
/// userinfo answers or not.
fn decide_alike(one: (&Expression, bool), other: (&Expression, bool), is_backoffice: bool) -> bool {
    let Some(worlds) = Worlds::of(&[one.0, other.0], &[is_backoffice]) else { return one == other };
    let passes = |(expression, public): (&Expression, bool)| {
        let anybody = worlds.truth(expression);
        let strangers = public.then(|| anybody.clone().and(&worlds.nobody()));
        let strangers = strangers.filter(|strangers| !strangers.never());
        let unknown = !expression.negates_user_data() && strangers.is_some();
        (anybody, strangers, unknown)
    };
    passes(one) == passes(other)
}
