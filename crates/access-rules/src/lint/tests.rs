//! What the lint says, and where.

use super::{idle_entries, lint};
use crate::path::RepeatedSlashes;
use crate::rules_file::load_rules;

fn told(file: &str) -> String {
    let loaded = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap();
    let findings = lint("auth.json", &loaded);
    let lines = findings
        .iter()
        .map(|finding| format!("{} [{}] {finding}", finding.severity.as_str(), finding.kind.as_str()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kind_of_finding_with_its_place() {
    insta::assert_snapshot!(told(
        r#"{
  "/": {"ALL": {"authorization": {"expression": "groups.staff", "public": false}}},
  "/a": {
    "GET": {"authorization": {"expression": "groups.a && !groups.a", "public": false}},
    "POST": {"authorization": {"expression": "groups.b || permissions.x || groups.b", "public": false}},
    "PUT": {"authorization": {"expression": "!groups.banned", "public": false}},
    "PATCH": {"authorization": {"expression": "!groups.banned", "public": true}},
    "DELETE": {"authorization": {"expression": "clientType == 'x' || clientType != 'x'", "public": true}},
    "HEAD": {"authorization": {"expression": "isBackoffice && groups.a", "public": false},
             "backofficeAuthorization": {"expression": "isBackoffice && groups.a", "public": false}},
    "OPTIONS": {"authorization": {"expression": "groups.a", "public": false},
                "backofficeAuthorization": {"expression": "'a' in groups", "public": false}},
    "ALL": {"authorization": {"expression": "groups.a", "public": false}}
  },
  "/a/b": {"GET": {"authorization": {"expression": "['staff'] in groups", "public": false}}},
  "/c": {"ALL": {"authorization": {"expression": "groups.a || groups", "public": false}}, "GET": {}},
  "/d": {}
}"#
    ));
}

#[test]
fn an_expression_that_is_tried_is_looked_at_and_is_no_error_yet() {
    let tried = |shadow: &str| {
        told(&format!(
            r#"{{"/a": {{"GET": {{"authorization":
                {{"expression": "groups.a || groups.b", "shadowExpression": "{shadow}", "public": true}}}}}}}}"#
        ))
    };
    for (shadow, kinds) in [
        ("groups.a", vec![]),
        ("true", vec![]),
        ("groups.b || groups.a", vec!["warning [duplicate]"]),
        ("groups.a && !groups.a", vec!["warning [always-false]"]),
        ("groups.c || groups.c", vec!["warning [duplicate]"]),
        // Alike for whoever is known, but not while nobody can say who calls.
        ("!(!groups.a && !groups.b)", vec!["warning [duplicate]"]),
    ] {
        let told = tried(shadow);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), kinds.len(), "{shadow}: {told}");
        for (line, kind) in lines.iter().zip(kinds) {
            assert!(line.starts_with(kind) && line.contains("shadowExpression"), "{shadow}: {line}");
        }
    }
}

#[test]
fn all_beside_every_verb_governs_nothing() {
    let rule = |expression: &str| {
        format!(r#"{{"authorization": {{"expression": "{expression}", "public": false}}}}"#)
    };
    let verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let verbs: Vec<String> = verbs.iter().map(|verb| format!(r#""{verb}": {}"#, rule("groups.a"))).collect();
    let file = format!(r#"{{"/a": {{{}, "ALL": {}}}}}"#, verbs.join(", "), rule("groups.b"));
    let told = told(&file);
    assert!(
        told.starts_with("error [unreachable] ") && told.contains("/a → ALL: governs no request"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_rule_that_says_what_it_means_is_left_alone() {
    let clean = r#"{
  "/": {"ALL": {"authorization": {"expression": "false", "public": false}}},
  "/open": {"ALL": {"authorization": {"expression": "true", "public": true}}},
  "/users": {"ALL": {"authorization": {"expression": "true", "public": false}}},
  "/users/:id": {"DELETE": {"authorization": {"expression": "permissions['delete:users']", "public": false},
                 "backofficeAuthorization": {"expression": "isBackoffice && groups.admin", "public": false}}}
}"#;
    assert_eq!(told(clean), "");
}

#[test]
fn a_star_in_a_key_is_no_wildcard() {
    let rule = r#"{"GET": {"authorization": {"expression": "groups.a", "public": false}}}"#;
    let file = format!("{{\n\"/a/*\": {rule},\n\"/b/**/c\": {rule},\n\"/c/x*\": {rule}}}");
    let expected = "\
warning [literal-star] auth.json:2:1: /a/*: `*` is literal, no wildcard: write `:name` for any one segment
warning [literal-star] auth.json:3:1: /b/**/c: `*` is literal, no wildcard: write `:name` for any one segment";
    assert_eq!(told(&file), expected);
}

#[test]
fn what_is_too_much_to_look_at_is_told() {
    let names: Vec<String> = (0..17).map(|name| format!("groups.g{name}")).collect();
    let file = format!(
        r#"{{"/a": {{"GET": {{"authorization": {{"expression": "{}", "public": false}}}}}}}}"#,
        names.join(" || ")
    );
    assert_eq!(
        told(&file),
        "note [not-checked] auth.json:1:49: /a → GET → authorization.expression: not checked: too many names"
    );
    let rule = r#"{"ALL": {"authorization": {"expression": "groups.a", "public": false}}}"#;
    let twins = told(&format!(r#"{{"/A": {rule}, "/a": {rule}}}"#));
    assert!(twins.starts_with("note [not-checked] auth.json:1:") && twins.contains("letter case"), "{twins}");
}

/// Few keys, and each matches most paths: found from outside to take minutes.
#[test]
fn deep_keys_that_overlap_are_told_not_to_be_looked_at() {
    let rule = r#"{"GET": {"authorization": {"expression": "groups.a", "public": false}}}"#;
    let keys = (1..=59).flat_map(|depth| ["/a", "/:p"].map(|segment| segment.repeat(depth)));
    let keys: Vec<String> = keys.map(|key| format!(r#""{key}": {rule}"#)).collect();
    let told = told(&format!("{{{}}}", keys.join(",")));
    assert!(told.starts_with("note [not-checked] ") && told.lines().count() == 1, "{told}");
}

/// Only `GET /a//x` would tell the two apart, and it is refused: found by a property.
#[test]
fn what_only_repeated_slashes_could_reach_is_looked_at_where_they_are_taken() {
    let rule = |public: bool| format!(r#"{{"authorization": {{"expression": "true", "public": {public}}}}}"#);
    let (all, open) = (rule(false), rule(true));
    let file = format!(
        r#"{{"/": {{"ALL": {all}}}, "/:p": {{"ALL": {all}}}, "/a": {{"GET": {open}}}, "/a/:p/": {{"ALL": {all}}}}}"#
    );
    let is_told = |repeated_slashes| {
        let loaded = load_rules("auth.json", file.as_bytes(), repeated_slashes).unwrap();
        lint("auth.json", &loaded).iter().any(|finding| finding.place == "/:p → ALL")
    };
    assert!(is_told(RepeatedSlashes::Refuse));
    assert!(!is_told(RepeatedSlashes::Merge));
}

/// Parameters in the same places of so many keys that one path is looked up at a thousand of them.
#[test]
fn keys_that_make_looking_up_expensive_are_told() {
    let segment =
        |key: usize, at: usize| if key >> at & 1 == 1 { format!("/x{at}") } else { "/:p".to_owned() };
    let keys = (0..1 << 9).map(|key| (0..9).map(|at| segment(key, at)).collect::<String>());
    let rules = keys.map(|key| {
        format!(r#""{key}": {{"GET": {{"authorization": {{"expression": "groups.a", "public": false}}}}}}"#)
    });
    let told = told(&format!("{{{}}}", rules.collect::<Vec<_>>().join(",")));
    let expected = "warning [overlapping] auth.json:1:74: a request for `/x0/x1/x2/x3/x4/x5/x6/x7/x8` is compared with 1023 places \
                    in the keys, because so many overlap there with their parameters: who asks for such paths costs the service \
                    time for each of them";
    assert_eq!(told.lines().find(|line| line.contains("overlapping")), Some(expected));
}

/// A file of rules that each mention as many names as can be looked at. Of the root and a rule below it each set of the names
/// is compared.
fn rules_of_fifteen_names(keys: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = (0..15).map(|name| format!("groups.g{name}")).collect();
    let rule = |operator: &str| {
        format!(
            r#"{{"ALL": {{"authorization": {{"expression": "{}", "public": false}}}}}}"#,
            names.join(operator)
        )
    };
    let rules = keys.map(|key| format!(r#""{key}": {}"#, rule(" || ")));
    format!(r#"{{"/": {}, {}}}"#, rule(" && "), rules.collect::<Vec<_>>().join(", "))
}

/// Found from outside to take twenty seconds.
#[test]
fn rules_of_many_names_are_compared_in_a_time_that_a_person_waits() {
    let file = rules_of_fifteen_names((0..320).map(|number| format!("/a{number}")));
    let start = std::time::Instant::now();
    assert_eq!(told(&file), "");
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn rules_that_cost_too_much_to_compare_are_told() {
    let file = rules_of_fifteen_names((0..10).map(|number| format!("/a{number}")));
    let loaded = load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap();
    let comparing_one = (1 << 15) / 64 * 32;
    let found = |left| idle_entries(&loaded.table, left).map(|idle| idle.len());
    assert_eq!((found(9 * 2 * comparing_one), found(10 * 2 * comparing_one)), (None, Some(0)));
}

/// A file as large as may be is looked at in a time that a person waits.
#[test]
fn ten_thousand_routes_are_looked_at() {
    let routes: Vec<String> = (0..10_000)
        .map(|n| format!(r#""/area{}/thing{n}/:id": {{"GET": {{"authorization": {{"expression": "groups.g{n} && permissions.p", "public": false}}}}}}"#, n % 100))
        .collect();
    assert_eq!(told(&format!("{{{}}}", routes.join(","))), "");
}
