//! Other rules while the service runs.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::openmetrics::Page;

use crate::service::Service;
use crate::stub::{Reply, Stub};

fn rules(expression: &str) -> Value {
    json!({"/r": {"GET": {"authorization": {"expression": expression, "public": false}}}})
}

fn start(url: &str, rules: &Value) -> Service {
    Service::start(rules, &[("USERINFO_URL", url), ("MANAGEMENT_PORT", "0")])
}

fn status(service: &Service) -> Value {
    let answer = service.manage("GET", "/-/rules");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits, within a time that is far above what is promised.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} never happens");
        thread::yield_now();
    }
}

#[test]
fn g_cache_10_old_rules_are_gone_within_a_second_and_old_identities_help_nobody() {
    let stub = Stub::json(json!({"sub": "u", "groups": ["a", "b"]}));
    let service = start(&stub.url(), &rules("groups.a"));
    let ask = || service.ask("GET", "/r", &[("Authorization", "Bearer t")]).allowed();
    assert!(ask());
    let before = status(&service);
    for (expression, expected) in [("groups.c", false), ("groups.b", true), ("false", false)] {
        let swapped = Instant::now();
        service.replace_rules(&rules(expression).to_string());
        eventually(expression, || ask() == expected);
        // The promise, and what a busy machine adds to it.
        assert!(swapped.elapsed() < Duration::from_secs(3), "{expression}: {:?}", swapped.elapsed());
    }
    let after = status(&service);
    assert!(
        before["version"].as_str().unwrap().len() == 12 && before["version"] != after["version"],
        "{after}"
    );
    assert!(after["loadedAt"].as_i64() > before["loadedAt"].as_i64());
    assert_eq!((&after["rules"], &after["error"]), (&json!(1), &Value::Null));
    assert!((0..60).contains(&after["ageSeconds"].as_i64().unwrap()));
}

#[test]
fn g_cache_10_a_request_on_its_way_is_decided_by_the_rules_it_began_with() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let stub = Stub::start({
        let gate = Arc::clone(&gate);
        move |_| {
            let (open, changed) = &*gate;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            Reply::json(&json!({"sub": "u", "groups": ["a"]}))
        }
    });
    let service = start(&stub.url(), &rules("groups.a"));
    let before = status(&service)["version"].clone();
    thread::scope(|scope| {
        let on_its_way = scope.spawn(|| service.ask("GET", "/r", &[("Authorization", "Bearer t")]));
        eventually("the userinfo call", || !stub.seen().is_empty());
        service.replace_rules(&json!({}).to_string());
        eventually("the reload", || status(&service)["version"] != before);
        let (open, changed) = &*gate;
        *open.lock().unwrap() = true;
        changed.notify_all();
        assert!(on_its_way.join().unwrap().allowed());
    });
    assert!(!service.ask("GET", "/r", &[("Authorization", "Bearer t")]).allowed());
}

#[test]
fn g_cache_11_a_bad_file_is_refused_the_service_stays_ready_and_says_so() {
    let stub = Stub::json(json!({"sub": "u", "groups": ["a"]}));
    let service = start(&stub.url(), &rules("groups.a"));
    let version = status(&service)["version"].clone();
    service.replace_rules(r#"{"/r": {"GET": {"authorization": {"expression": "groups.", "public": 1}}}}"#);
    eventually("the refusal", || status(&service)["error"].is_object());
    let refused = status(&service);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("/r → GET → authorization.expression") && message.contains("public"),
        "{message}"
    );
    assert_eq!(refused["version"], version);
    assert!(service.ask("GET", "/r", &[("Authorization", "Bearer t")]).allowed());
    assert_eq!(service.call("GET", "/-/ready", &[]).status, 200);
    let page = Page::parse(&service.manage("GET", "/-/metrics").body);
    assert_eq!((page.value("rules_file_refused"), page.value("rules")), (1.0, 1.0));
    assert_eq!(page.value(r#"rules_reloads_total{outcome="refused"}"#), 1.0);
    assert!(
        page.value("rules_file_checked_timestamp_seconds") >= page.value("rules_loaded_timestamp_seconds")
    );
    let info = format!(r#"rules_version{{version="{}"}}"#, version.as_str().unwrap());
    assert_eq!(page.value(&info), 1.0);

    service.replace_rules(&rules("groups.z").to_string());
    eventually("the reload", || status(&service)["error"].is_null());
    let page = Page::parse(&service.manage("GET", "/-/metrics").body);
    assert_eq!((page.value("rules_file_refused"), page.starting_with("rules_version").count()), (0.0, 1));
}

#[test]
fn denials_are_counted_under_the_names_of_the_rules_in_force() {
    let stub = Stub::start(|_| Reply::status(401));
    let service = start(&stub.url(), &rules("groups.a"));
    let series = |path: &str| {
        format!(
            r#"decision_rule_denials_total{{rule="{path} → GET → authorization",reason="unauthenticated"}}"#
        )
    };
    let page = || Page::parse(&service.manage("GET", "/-/metrics").body);
    service.ask("GET", "/r", &[]);
    assert_eq!(page().value(&series("/r")), 1.0);
    let before = status(&service)["version"].clone();
    service.replace_rules(
        &json!({"/other": {"GET": {"authorization": {"expression": "true", "public": false}}}}).to_string(),
    );
    eventually("the reload", || status(&service)["version"] != before);
    service.ask("GET", "/other", &[]);
    let page = page();
    assert_eq!(page.value(&series("/other")), 1.0);
    assert_eq!(page.starting_with("decision_rule_denials_total").count(), 1, "the page does not grow");
}
