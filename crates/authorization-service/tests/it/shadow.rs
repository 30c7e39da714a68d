//! A second expression beside the one in force: evaluated, counted, sampled, and without any say.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::openmetrics::Page;

use crate::service::Service;
use crate::stub::{Reply, Seen, Stub};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// `Bearer a,b` is in the groups a and b; without a token, nobody.
fn userinfo(seen: &Seen) -> Reply {
    match seen.all("authorization").concat().strip_prefix("Bearer ") {
        Some("failing") => Reply::status(500),
        Some(groups) => {
            Reply::json(&json!({"sub": "user-1", "groups": groups.split(',').collect::<Vec<_>>()}))
        }
        None => Reply::status(401),
    }
}

fn start() -> (Stub, Service) {
    let rules = json!({
        "/shadowed": {"GET": {"authorization":
            {"expression": "groups.a", "public": false, "shadowExpression": "groups.b && !groups.c"}}},
        "/live": {"GET": {"authorization": {"expression": "groups.a", "public": false}}},
        "/broken": {"GET": {"authorization":
            {"expression": "true", "public": true, "shadowExpression": "clientType == isBackoffice"}}},
    });
    let stub = Stub::start(userinfo);
    let url = stub.url();
    let variables = [("USERINFO_URL", url.as_str()), ("MANAGEMENT_PORT", "0"), ("MANAGEMENT_TOKEN", TOKEN)];
    let service = Service::start(&rules, &variables);
    (stub, service)
}

#[test]
fn the_counters_are_what_an_oracle_counts_and_no_decision_is_another() {
    let (_stub, service) = start();
    let mut expected: BTreeMap<(bool, bool), f64> = BTreeMap::new();
    let callers = ["a", "b", "a,b", "a,b,c", "b,c", "x", "failing", ""];
    for round in 0..200 {
        let groups = callers[(round * 7 + round / 5) % callers.len()];
        let bearer = format!("Bearer {groups}");
        let headers: &[(&str, &str)] = if groups.is_empty() { &[] } else { &[("Authorization", &bearer)] };
        let has = |group: &str| groups.split(',').any(|held| held == group);
        let live = has("a");
        let shadow = has("b") && !has("c");
        *expected.entry((live, shadow)).or_default() += 1.0;
        for path in ["/shadowed", "/live"] {
            assert_eq!(service.ask("GET", path, headers).allowed(), live, "{path} {groups}");
        }
    }
    let page = Page::parse(&service.manage("GET", "/-/metrics").body);
    let word = |allows| if allows { "allow" } else { "deny" };
    for ((live, shadow), count) in &expected {
        let (live, shadow) = (word(*live), word(*shadow));
        let rule = "/shadowed → GET → authorization";
        let series = format!(r#"decision_shadows_total{{rule="{rule}",live="{live}",shadow="{shadow}"}}"#);
        assert_eq!(page.value(&series), *count, "{series}");
    }
    assert_eq!((expected.len(), page.sum("decision_shadows_total")), (4, 200.0), "and of no other rule");
}

#[test]
fn differences_are_sampled_with_what_explains_them() {
    let (_stub, service) = start();
    let ask = |path: &str, groups: &str| {
        service.ask("GET", path, &[("Authorization", &format!("Bearer {groups}"))]).status
    };
    assert_eq!(
        (ask("/shadowed?canary", "a,b"), ask("/shadowed", "b,canary"), ask("/shadowed", "a,c")),
        (200, 403, 200)
    );
    assert_eq!(ask("/broken", "a"), 200);
    let look = |token: &str| service.manage_with("GET", "/shadows", &[("Authorization", token)]);
    assert_eq!((look("").status, look("Bearer x").status), (401, 401));
    let answer = look(&format!("Bearer {TOKEN}"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(!answer.body.contains("canary"), "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let seen: Vec<_> = body["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| {
            let text = |name: &str| difference[name].as_str().unwrap();
            format!("{} {} {}", difference["request"]["path"].as_str().unwrap(), text("live"), text("shadow"))
        })
        .collect();
    assert_eq!(
        seen,
        ["/broken allow deny", "/shadowed allow deny", "/shadowed deny allow"],
        "the newest first"
    );
    let [broken, lost, won] = [0, 1, 2].map(|index| &body["differences"][index]);
    assert!(broken["shadowEvaluation"]["error"].as_str().unwrap().contains("cannot be compared"));
    assert_eq!(lost["shadowEvaluation"]["needs"], "groups.b && !groups.c");
    assert_eq!(won["evaluation"]["needs"], "groups.a");
    assert_eq!(won["caller"], json!({"is": "known", "id": "user-1", "groups": ["b"], "permissions": []}));
    assert_eq!(won["rule"]["shadowExpression"], "groups.b && !groups.c");
}

/// Found from outside: 9 MB, for which the management listener answered nobody else for two seconds.
#[test]
fn long_expressions_do_not_make_an_answer_without_end() {
    let names: Vec<String> = (0..400).map(|name| format!("groups.g{name}")).collect();
    let rules = json!({"/long": {"GET": {"authorization":
        {"expression": "groups.a", "public": false, "shadowExpression": names.join(" || ")}}}});
    let stub = Stub::start(userinfo);
    let url = stub.url();
    let variables = [("USERINFO_URL", url.as_str()), ("MANAGEMENT_PORT", "0"), ("MANAGEMENT_TOKEN", TOKEN)];
    let service = Service::start(&rules, &variables);
    for _ in 0..60 {
        assert_eq!(service.ask("GET", "/long", &[("Authorization", "Bearer a")]).status, 200);
    }
    let answer = service.manage_with("GET", "/shadows", &[("Authorization", &format!("Bearer {TOKEN}"))]);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let shown = body["differences"].as_array().unwrap().len();
    assert!(answer.body.len() < 1_200_000, "{}", answer.body.len());
    assert!(shown > 10 && body["leftOut"] == 60 - shown, "{shown} {}", body["leftOut"]);
}

#[test]
fn a_denial_tells_what_the_expression_that_is_tried_would_have_said_of_this_caller() {
    let (_stub, service) = start();
    let denied = service.ask("GET", "/shadowed", &[("Authorization", "Bearer b,canary")]);
    let path = format!("/decisions/{}", denied.header("x-decision-id").unwrap());
    let answer = service.manage_with("GET", &path, &[("Authorization", &format!("Bearer {TOKEN}"))]);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&body["evaluation"]["allows"], &body["shadowEvaluation"]["allows"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(body["caller"]["groups"], json!(["b"]));
}

#[test]
fn a_shadow_that_is_no_expression_is_refused_with_its_place() {
    let rules = r#"{"/a": {"GET": {"authorization": {"expression": "true", "public": true, "shadowExpression": "groups."}}}}"#;
    let problem = Service::try_start(rules, &[("USERINFO_URL", "http://127.0.0.1:1/")]).err().unwrap();
    assert!(problem.contains("/a → GET → authorization.shadowExpression, column 8"), "{problem}");
}
