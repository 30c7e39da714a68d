//! The decision table row by row (upstream contract §3.4). Where a row is about transport, the part that is decided
//! here is tested; statuses belong to the service.

use common::Principal;
use proptest::prelude::*;

use super::{Caller, Compared, Decision, DenyReason, compare_shadow, decide, explain, explain_shadow};
use crate::expression::properties::{caller, expression};
use crate::expression::{EvaluationError, Facts};
use crate::path::{PathRefusal, RepeatedSlashes};
use crate::route_table::{Request, RouteTable};
use crate::rules_file::load_rules;

/// One route `/r` with this rule.
fn table(expression: &str, public: bool) -> RouteTable {
    let expression = expression.replace('"', "\\\"");
    let file = format!(
        r#"{{"/r": {{"ALL": {{"authorization": {{"expression": "{expression}", "public": {public}}}}}}}}}"#
    );
    load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse)
        .unwrap_or_else(|error| panic!("{error}"))
        .table
}

fn member_of(group: &str) -> Principal {
    Principal { id: "u".to_owned(), groups: [group.to_owned()].into(), ..Principal::default() }
}

fn outcome(expression: &str, public: bool, caller: Caller<'_>, client_type: &str) -> Option<DenyReason> {
    let table = table(expression, public);
    let facts = Facts { client_type, is_backoffice: false };
    let found = table.find(&Request { method: b"GET", target: b"/r", facts });
    let decision = decide(&found, caller, &facts);
    assert_eq!(decision.rule().map(ToString::to_string).as_deref(), Some("/r → ALL → authorization"));
    assert_eq!(decision.is_allow(), decision.deny_reason().is_none());
    decision.deny_reason()
}

#[test]
fn decision_table_row_01_public_and_allowed_with_user_or_without() {
    let user = member_of("a");
    for caller in [Caller::Known(&user), Caller::Anonymous] {
        assert_eq!(outcome("true", true, caller, ""), None);
        assert_eq!(outcome("clientType == \"k\"", true, caller, "k"), None);
    }
    assert_eq!(outcome("groups.a", true, Caller::Known(&user), ""), None);
}

#[test]
fn decision_table_row_02_private_with_user_and_allowed() {
    let user = member_of("a");
    assert_eq!(outcome("groups.a", false, Caller::Known(&user), ""), None);
    assert_eq!(outcome("true", false, Caller::Known(&Principal::default()), ""), None);
}

#[test]
fn decision_table_row_03_private_without_user_whatever_the_expression() {
    for expression in
        ["true", "groups.a", "!groups.banned", "clientType == \"k\"", "clientType == isBackoffice"]
    {
        assert_eq!(
            outcome(expression, false, Caller::Anonymous, "k"),
            Some(DenyReason::Unauthenticated),
            "{expression}"
        );
    }
}

#[test]
fn decision_table_row_04_user_present_and_not_allowed_public_or_not() {
    let user = member_of("a");
    for public in [true, false] {
        assert_eq!(outcome("groups.b", public, Caller::Known(&user), ""), Some(DenyReason::Forbidden));
        assert_eq!(outcome("false", public, Caller::Known(&user), ""), Some(DenyReason::Forbidden));
    }
}

#[test]
fn decision_table_row_05_public_without_user_and_not_allowed() {
    let expression = "groups.foo || clientType==\"bar\"";
    let user = member_of("foo");
    assert_eq!(outcome(expression, true, Caller::Anonymous, ""), Some(DenyReason::Unauthenticated));
    assert_eq!(outcome(expression, true, Caller::Anonymous, "bar"), None);
    assert_eq!(outcome(expression, true, Caller::Known(&user), ""), None);
    assert_eq!(outcome(expression, true, Caller::Known(&member_of("x")), ""), Some(DenyReason::Forbidden));
}

#[test]
fn decision_table_row_06_no_rule() {
    let table = table("true", true);
    let user = member_of("a");
    for (method, target) in [("GET", "/other"), ("TRACE", "/r"), ("get", "/r"), ("", "/r"), ("GET", "/")] {
        let facts = Facts::default();
        let found = table.find(&Request { method: method.as_bytes(), target: target.as_bytes(), facts });
        for caller in [Caller::Known(&user), Caller::Anonymous, Caller::Unknown] {
            let decision = decide(&found, caller, &facts);
            assert_eq!(decision.deny_reason(), Some(DenyReason::NoRule), "{method} {target}");
            assert_eq!(decision.rule(), None);
        }
    }
}

#[test]
fn decision_table_row_07_userinfo_says_no() {
    // A refusal by userinfo is no user: rows 1, 3 and 5.
    assert_eq!(outcome("true", true, Caller::Anonymous, ""), None);
    assert_eq!(outcome("true", false, Caller::Anonymous, ""), Some(DenyReason::Unauthenticated));
    assert_eq!(outcome("false", true, Caller::Anonymous, ""), Some(DenyReason::Unauthenticated));
    assert_eq!(outcome("!groups.banned", true, Caller::Anonymous, ""), None, "an empty user is a fact here");
}

#[test]
fn decision_table_row_08_and_09_userinfo_cannot_answer() {
    for (expression, public, expected) in [
        ("true", true, None),
        ("clientType == \"k\"", true, None),
        ("groups.a || clientType == \"k\"", true, None),
        ("!isBackoffice", true, None),
        ("true", false, Some(DenyReason::CannotKnow)),
        ("false", false, Some(DenyReason::CannotKnow)),
        ("groups.a", true, Some(DenyReason::CannotKnow)),
        ("clientType == \"other\"", true, Some(DenyReason::Unauthenticated)),
    ] {
        assert_eq!(outcome(expression, public, Caller::Unknown, "k"), expected, "{expression} {public}");
    }
}

#[test]
fn decision_table_row_10_empty_answer_is_no_user() {
    assert_eq!(outcome("true", false, Caller::Anonymous, ""), Some(DenyReason::Unauthenticated));
}

#[test]
fn decision_table_row_11_trusted_headers_without_id_are_no_user() {
    assert_eq!(outcome("groups.a", false, Caller::Anonymous, ""), Some(DenyReason::Unauthenticated));
}

#[test]
fn decision_table_row_12_expression_fails() {
    let user = member_of("a");
    let error = EvaluationError::Incomparable;
    for public in [true, false] {
        let reason = outcome("clientType == isBackoffice || true", public, Caller::Known(&user), "");
        assert_eq!(reason, Some(DenyReason::ExpressionError { error, authenticated: true }));
    }
    for caller in [Caller::Anonymous, Caller::Unknown] {
        let reason = outcome("clientType == isBackoffice || true", true, caller, "");
        assert_eq!(reason, Some(DenyReason::ExpressionError { error, authenticated: false }));
    }
}

#[test]
fn decision_table_row_13_no_original_request() {
    let table = table("true", true);
    for (method, target, reason) in [
        ("GET", "", DenyReason::PathRefused(PathRefusal::NoLeadingSlash)),
        ("", "/r", DenyReason::NoRule),
        ("", "", DenyReason::PathRefused(PathRefusal::NoLeadingSlash)),
    ] {
        let facts = Facts::default();
        let found = table.find(&Request { method: method.as_bytes(), target: target.as_bytes(), facts });
        assert_eq!(decide(&found, Caller::Anonymous, &facts).deny_reason(), Some(reason));
    }
}

#[test]
fn k_12_and_k_14_negation_is_not_trusted_when_the_caller_is_unknown() {
    for expression in [
        "!groups.banned",
        "clientType == \"k\" || !groups.banned",
        "groups.a != true",
        "!(\"x\" in permissions)",
    ] {
        assert_eq!(
            outcome(expression, true, Caller::Unknown, "k"),
            Some(DenyReason::CannotKnow),
            "{expression}"
        );
        assert_eq!(outcome(expression, true, Caller::Anonymous, "k"), None, "{expression}");
    }
    assert_eq!(outcome("!(clientType == \"x\")", true, Caller::Unknown, "k"), None);
}

#[test]
fn k_10_the_stricter_reading_wins() {
    let file = r#"{
        "/test": {"ALL": {"authorization": {"expression": "true", "public": true}}},
        "/test/management": {"DELETE": {"authorization": {"expression": "groups.admin", "public": false}}},
        "/closed": {"ALL": {"authorization": {"expression": "groups.admin", "public": false}}},
        "/closed/open": {"GET": {"authorization": {"expression": "true", "public": true}}}
    }"#;
    let admin = member_of("admin");
    let denied = |key: &'static str| {
        move |decision: Decision<'_>| {
            decision.deny_reason() == Some(DenyReason::Unauthenticated)
                && decision.rule().is_some_and(|rule| rule.key() == key)
        }
    };
    let table = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Merge).unwrap().table;
    let answer = |method: &str, target: &str, caller| {
        let facts = Facts::default();
        let found = table.find(&Request { method: method.as_bytes(), target: target.as_bytes(), facts });
        decide(&found, caller, &facts)
    };
    assert!(denied("/test/management")(answer("DELETE", "/test//management", Caller::Anonymous)));
    assert!(answer("DELETE", "/test//management", Caller::Known(&admin)).is_allow());
    assert!(denied("/test/management")(answer("DELETE", "/test/MANAGEMENT", Caller::Anonymous)), "G-PATH-27");
    // The unmerged reading is governed by the closed parent.
    assert!(answer("GET", "/closed/open", Caller::Anonymous).is_allow());
    assert!(denied("/closed")(answer("GET", "/closed//open", Caller::Anonymous)));
    assert!(answer("GET", "/test//x", Caller::Anonymous).is_allow());

    let standard = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap().table;
    let facts = Facts::default();
    let found = standard.find(&Request { method: b"DELETE", target: b"/test//management", facts });
    let reason = decide(&found, Caller::Known(&admin), &facts).deny_reason();
    assert_eq!(reason, Some(DenyReason::PathRefused(PathRefusal::RepeatedSlashes)));
}

#[test]
fn g_exp_16_and_g_path_23_what_cannot_be_matched_is_denied() {
    let table = table("true", true);
    let user = member_of("a");
    for target in ["/r%", "/%2e%2e/r", "r", "/r\\", "/nothing"] {
        let facts = Facts::default();
        let found = table.find(&Request { method: b"GET", target: target.as_bytes(), facts });
        assert!(!decide(&found, Caller::Known(&user), &facts).is_allow(), "{target}");
    }
}

#[test]
fn a_decision_names_its_rule_for_the_log() {
    let table = table("clientType == \"k\"", true);
    let facts = Facts { client_type: "k", is_backoffice: true };
    let found = table.find(&Request { method: b"PATCH", target: b"/r/", facts });
    let decision = decide(&found, Caller::Anonymous, &facts);
    let rule = decision.rule().expect("a rule");
    assert_eq!(rule.key(), "/r");
    assert_eq!(rule.verb().to_string(), "ALL");
    assert_eq!(rule.section().as_str(), "authorization");
    assert_eq!(rule.expression_text(), "clientType == \"k\"");
    assert!(rule.is_public() && decision.is_allow());
}

#[test]
fn an_explained_rule_names_its_place_and_its_clause() {
    let file = "{\n  \"/orders\": {\n    \"ALL\": {\"authorization\": {\"expression\": \"true\", \"public\": true}},\n    \
                \"POST\": {\"authorization\": {\"public\": false,\n      \"expression\": \"groups.staff && permissions['w']\"}}\n  }\n}";
    let table = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap().table;
    let places: Vec<_> = table.rules().map(|rule| format!("{} {rule}", rule.position())).collect();
    assert_eq!(places, ["3:45 /orders → ALL → authorization", "5:21 /orders → POST → authorization"]);
    let facts = Facts::default();
    let found = table.find(&Request { method: b"POST", target: b"/orders/", facts }).unwrap();
    let explained = explain(found.rule(), Caller::Known(&member_of("staff")), &facts);
    assert_eq!(explained.outcome, Err(DenyReason::Forbidden));
    assert_eq!(explained.expression.needs.as_deref(), Some("permissions.w"));
    let explained = explain(found.rule(), Caller::Anonymous, &facts);
    assert_eq!(explained.outcome, Err(DenyReason::Unauthenticated));
    assert_eq!(explained.expression.needs.as_deref(), Some("groups.staff && permissions.w"));
}

proptest! {
    #[test]
    fn what_is_explained_is_what_was_decided(
        rules in (expression(), expression()),
        public in any::<(bool, bool)>(),
        caller in caller(),
        looked_up in any::<bool>(),
    ) {
        let rule = |expression: &crate::Expression, public| serde_json::json!({
            "ALL": {"authorization": {"expression": expression.to_string(), "public": public}},
        });
        // Type mistakes over constants are refused at load: such a file has no decisions.
        let file = serde_json::json!({"/r": rule(&rules.0, public.0), "/R": rule(&rules.1, public.1)});
        let Ok(loaded) = load_rules("auth.json", file.to_string().as_bytes(), RepeatedSlashes::Refuse) else {
            return Ok(());
        };
        let facts = caller.facts();
        let seen = match &caller.principal {
            Some(principal) => Caller::Known(principal),
            None if looked_up => Caller::Anonymous,
            None => Caller::Unknown,
        };
        let found = loaded.table.find(&Request { method: b"GET", target: b"/r", facts });
        let decision = decide(&found, seen, &facts);
        let explained = found.unwrap().rules().find_map(|rule| explain(rule, seen, &facts).outcome.err());
        prop_assert_eq!(decision.deny_reason(), explained);
    }

    #[test]
    fn a_shadow_changes_no_decision_and_says_what_it_would_decide(
        rules in (expression(), expression()),
        public in any::<bool>(),
        caller in caller(),
        looked_up in any::<bool>(),
    ) {
        let load = |expression: &crate::Expression, shadow: Option<&crate::Expression>| {
            let mut rule = serde_json::json!({"expression": expression.to_string(), "public": public});
            if let Some(shadow) = shadow {
                rule["shadowExpression"] = shadow.to_string().into();
            }
            let file = serde_json::json!({"/r": {"ALL": {"authorization": rule}}}).to_string();
            load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).map(|loaded| loaded.table)
        };
        let tables = (load(&rules.0, Some(&rules.1)), load(&rules.0, None), load(&rules.1, None));
        // Type mistakes over constants are refused at load, in a shadow too.
        let (Ok(shadowed), Ok(live), Ok(tried)) = &tables else {
            prop_assert!(tables.0.is_err());
            return Ok(());
        };
        let facts = caller.facts();
        let seen = match &caller.principal {
            Some(principal) => Caller::Known(principal),
            None if looked_up => Caller::Anonymous,
            None => Caller::Unknown,
        };
        let request = Request { method: b"GET", target: b"/r", facts };
        let reason = |table: &RouteTable| decide(&table.find(&request), seen, &facts).deny_reason();
        prop_assert_eq!(reason(shadowed), reason(live));
        let rule = shadowed.find(&request).unwrap().rule();
        let expected = Compared { live_allows: reason(live).is_none(), shadow_allows: reason(tried).is_none() };
        prop_assert_eq!(compare_shadow(rule, seen, &facts), Some(expected));
        prop_assert_eq!(explain_shadow(rule, seen, &facts).unwrap().outcome.err(), reason(tried));
        prop_assert_eq!(compare_shadow(live.find(&request).unwrap().rule(), seen, &facts), None);
    }
}
