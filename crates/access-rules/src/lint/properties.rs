//! The verdicts of the lint against looking at every request of a small universe, by the evaluator and the table that
//! decide.

use common::Principal;
use proptest::prelude::*;

use super::lint;
use crate::decision::{Caller, decide};
use crate::expression::Facts;
use crate::method::Method;
use crate::path::RepeatedSlashes;
use crate::route_table::{NotFound, Request};
use crate::rules_file::{FindingKind, LoadedRules, load_rules};

const EXPRESSIONS: [&str; 14] = [
    "true",
    "false",
    "groups.a",
    "groups.a || groups.a",
    "groups.a && !groups.a",
    "!groups.a || groups.a",
    "groups.a || groups.a && permissions.b",
    "permissions.b",
    "!groups.a",
    "isBackoffice",
    "isBackoffice && groups.a",
    "clientType == 'x'",
    "clientType in ['x', ''] || !(clientType == 'x')",
    "groups",
];
const KEYS: [&str; 9] = ["/", "/a", "/a/", "/a/b", "/a/:p", "/:p", "/:p/b", "/a/b/c", "/a/:p/"];
const VERBS: [&str; 3] = ["ALL", "GET", "POST"];

/// Key, verb, section, expression, public.
type Row = (&'static str, &'static str, bool, &'static str, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::sample::select(&KEYS[..]),
        prop::sample::select(&VERBS[..]),
        prop::bool::weighted(0.2),
        prop::sample::select(&EXPRESSIONS[..]),
        any::<bool>(),
    );
    prop::collection::vec(row, 1..7).prop_map(|mut rows: Vec<Row>| {
        rows.sort();
        rows.dedup_by_key(|row| (row.0, row.1, row.2));
        rows
    })
}

fn load(rows: &[Row]) -> LoadedRules {
    let mut file = serde_json::json!({});
    for (key, verb, backoffice, expression, public) in rows {
        let section = if *backoffice { "backofficeAuthorization" } else { "authorization" };
        file[key][verb][section] = serde_json::json!({"expression": expression, "public": public});
    }
    load_rules("auth.json", file.to_string().as_bytes(), RepeatedSlashes::Refuse).unwrap()
}

/// The universe: nobody, and callers with any of the names; every path of up to four segments.
fn callers() -> Vec<Option<Principal>> {
    let some = (0..8).map(|names| Principal {
        groups: [(1, "a"), (2, "other")]
            .iter()
            .filter(|(bit, _)| names & bit != 0)
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        permissions: (names & 4 != 0).then(|| "b".to_owned()).into_iter().collect(),
        ..Principal::default()
    });
    std::iter::once(None).chain(some.map(Some)).collect()
}

fn targets() -> Vec<String> {
    let mut paths = vec![String::new()];
    let mut all = vec!["/".to_owned()];
    for deepest in [false, false, false, true] {
        let segments = if deepest { &["z"][..] } else { &["a", "b", "c", "z"] };
        paths = paths
            .iter()
            .flat_map(|path| segments.iter().map(move |segment| format!("{path}/{segment}")))
            .collect();
        all.extend(paths.iter().flat_map(|path| [path.clone(), format!("{path}/")]));
    }
    all
}

fn facts() -> impl Iterator<Item = Facts<'static>> {
    ["", "x", "y"]
        .into_iter()
        .flat_map(|client_type| [false, true].map(|is_backoffice| Facts { client_type, is_backoffice }))
}

/// What the rules answer to every request of the universe; no rule is another answer than a denial.
fn answers(loaded: &LoadedRules, callers: &[Option<Principal>], targets: &[String]) -> Vec<Option<bool>> {
    let mut answers = Vec::new();
    for target in targets {
        for method in [Method::Get, Method::Post, Method::Put] {
            for facts in facts() {
                let request =
                    Request { method: method.as_str().as_bytes(), target: target.as_bytes(), facts };
                let found = loaded.table.find(&request);
                if let Err(NotFound::NoRule) = found {
                    answers.push(None);
                    continue;
                }
                answers.extend(callers.iter().map(|principal| {
                    let caller = principal.as_ref().map_or(Caller::Anonymous, Caller::Known);
                    Some(decide(&found, caller, &facts).is_allow())
                }));
                answers.push(Some(decide(&found, Caller::Unknown, &facts).is_allow()));
            }
        }
    }
    answers
}

fn told(findings: &[crate::Finding], place: &str, kinds: &[FindingKind]) -> bool {
    findings.iter().any(|finding| finding.place == place && kinds.contains(&finding.kind))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_entry_is_told_to_be_idle_if_and_only_if_no_answer_changes_without_it(rows in rows()) {
        let loaded = load(&rows);
        let findings = lint("auth.json", &loaded);
        let (callers, targets) = (callers(), targets());
        let before = answers(&loaded, &callers, &targets);
        for (key, verb) in rows.iter().map(|row| (row.0, row.1)).collect::<std::collections::BTreeSet<_>>() {
            let left: Vec<Row> = rows.iter().filter(|row| (row.0, row.1) != (key, verb)).copied().collect();
            let idle = answers(&load(&left), &callers, &targets) == before;
            let told = told(&findings, &format!("{key} → {verb}"), &[FindingKind::Shadowed, FindingKind::Unreachable]);
            prop_assert_eq!(told, idle, "{} {} in {:?}", key, verb, rows);
        }
    }

    #[test]
    fn always_and_never_are_told_if_and_only_if_no_request_differs(rows in rows()) {
        let loaded = load(&rows);
        let findings = lint("auth.json", &loaded);
        for rule in loaded.table.rules().filter(|rule| !matches!(rule.expression_text(), "true" | "false")) {
            let comes_here = |facts: &Facts<'_>| {
                let target = rule.key().replace(":p", "z");
                let method = if rule.verb().to_string() == "POST" { "POST" } else { "GET" };
                let request = Request { method: method.as_bytes(), target: target.as_bytes(), facts: *facts };
                // An `ALL` beside the verb: ask for a verb that has no entry.
                let others = Request { method: b"PUT", ..request };
                [request, others].iter().any(|request| {
                    loaded.table.find(request).is_ok_and(|found| std::ptr::eq(&raw const **found.rule(), rule))
                })
            };
            let mut values = Vec::new();
            for facts in facts().filter(comes_here) {
                values.extend(callers().iter().map(|caller| rule.expression().evaluate(&facts, caller.as_ref()).unwrap()));
            }
            let place = format!("{rule}.expression");
            prop_assert!(!values.is_empty(), "{}", rule);
            prop_assert_eq!(told(&findings, &place, &[FindingKind::AlwaysTrue]), !values.contains(&false), "{}", rule);
            prop_assert_eq!(told(&findings, &place, &[FindingKind::AlwaysFalse]), !values.contains(&true), "{}", rule);
        }
    }
}
