//! What is counted, and that nobody can make it tell or grow.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Map, Value, json};
use testkit::openmetrics::Page;

use crate::service::{Answer, Service};
use crate::stub::{Reply, Seen, Stub, dead_url};

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({
        "/public": rule("true", true),
        "/private": rule("true", false),
        "/admin": rule("groups.admin", false),
        "/error": rule("clientType == isBackoffice", false),
    })
}

/// Answers as the token says.
fn userinfo(seen: &Seen) -> Reply {
    match seen.all("authorization").concat().as_str() {
        "Bearer user" => Reply::json(&json!({"sub": "canary-user", "groups": ["canary-group"]})),
        "Bearer odd" => Reply::json(&json!({"sub": "u", "groups": ["a,b", "é", "c"]})),
        "Bearer nobody" | "" => Reply::status(401),
        // Strangers are no failure of the endpoint, however many of them come.
        token if token.starts_with("Bearer canary") => Reply::status(401),
        "Bearer broken" => Reply::json(&json!({"sub": 1.5})),
        "Bearer silent" => Reply::Silence,
        _ => Reply::status(500),
    }
}

fn start(rules: &Value, url: &str, variables: &[(&str, &str)]) -> Service {
    let ours = [("USERINFO_URL", url), ("MANAGEMENT_PORT", "0")];
    Service::start(rules, &ours.iter().chain(variables).copied().collect::<Vec<_>>())
}

fn read(service: &Service) -> (Answer, Page) {
    let answer = service.manage("GET", "/-/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = Page::parse(&answer.body);
    (answer, page)
}

fn decisions(outcome: &str, reason: &str) -> String {
    format!(r#"decisions_total{{outcome="{outcome}",reason="{reason}"}}"#)
}

fn calls(outcome: &str) -> String {
    format!(r#"userinfo_calls_total{{outcome="{outcome}"}}"#)
}

#[test]
fn every_decision_is_counted_once_and_cannot_know_is_not_no() {
    let stub = Stub::start(userinfo);
    let service = start(&rules(), &stub.url(), &[("USERINFO_TIMEOUT_MS", "200")]);
    let requests = [
        ("/private", "user", 200),
        ("/private", "user", 200),
        ("/public", "nobody", 200),
        // Userinfo failed, and the decision did not need it.
        ("/public", "failing", 200),
        ("/admin", "user", 403),
        ("/admin", "user", 403),
        ("/admin", "nobody", 401),
        ("/error", "user", 403),
        ("/nowhere", "user", 403),
        ("/public/../private", "user", 403),
        ("/private", "failing", 503),
        ("/private", "broken", 503),
        ("/private", "silent", 503),
    ];
    for (target, token, status) in requests {
        let answer = service.ask("GET", target, &[("Authorization", &format!("Bearer {token}"))]);
        assert_eq!(answer.status, status, "{target} {token}");
    }
    assert_eq!(service.call("GET", "/auth", &[]).status, 403);
    let page = read(&service).1;
    let rule = |rule: &str, reason: &str| {
        let rule = format!("{rule} → GET → authorization");
        format!(r#"decision_rule_denials_total{{rule="{rule}",reason="{reason}"}}"#)
    };
    for (series, expected) in [
        (decisions("allow", "none"), 4.0),
        (decisions("deny", "forbidden"), 2.0),
        (decisions("deny", "unauthenticated"), 1.0),
        (decisions("deny", "expression_error"), 1.0),
        (decisions("deny", "no_rule"), 1.0),
        (decisions("deny", "path_refused"), 1.0),
        (decisions("deny", "original_request_unclear"), 1.0),
        (decisions("cannot_know", "cannot_know"), 3.0),
        (rule("/admin", "forbidden"), 2.0),
        (rule("/admin", "unauthenticated"), 1.0),
        (rule("/error", "expression_error"), 1.0),
        (rule("/private", "cannot_know"), 3.0),
        (calls("known"), 5.0),
        (calls("nobody"), 2.0),
        (calls("status"), 2.0),
        (calls("invalid"), 1.0),
        (calls("deadline"), 1.0),
        ("userinfo_call_duration_seconds_count".to_owned(), 11.0),
        ("userinfo_calls_in_flight".to_owned(), 0.0),
        (r#"http_server_requests_total{route="/auth",method="GET",status="403"}"#.to_owned(), 6.0),
        (r#"http_server_requests_total{route="/auth",method="GET",status="503"}"#.to_owned(), 3.0),
        (r#"http_server_request_duration_seconds_count{route="/auth"}"#.to_owned(), 14.0),
    ] {
        assert_eq!(page.value(&series), expected, "{series}");
    }
    assert_eq!(page.sum("decisions_total"), 14.0);
    assert_eq!(page.sum("decision_rule_denials_total"), 7.0);
    assert_eq!(page.sum("userinfo_calls_total"), 11.0);
}

#[test]
fn a_denial_outside_strict_mode_is_a_denial_all_the_same() {
    let service = start(&rules(), &dead_url(), &[("AUTHORIZATION_STRICT_MODE_ENABLED", "false")]);
    assert_eq!(service.ask("GET", "/private", &[]).status, 200);
    let page = read(&service).1;
    assert_eq!(page.value(&decisions("cannot_know", "cannot_know")), 1.0);
    assert_eq!(page.value(&decisions("allow", "none")), 0.0);
    assert_eq!(page.value(&calls("unreachable")), 1.0);
}

#[test]
fn groups_left_out_are_counted() {
    let stub = Stub::start(userinfo);
    let service = start(&rules(), &stub.url(), &[]);
    let answer = service.ask("GET", "/private", &[("Authorization", "Bearer odd")]);
    assert_eq!(answer.header("mia-groups"), Some("c"));
    assert_eq!(read(&service).1.value("groups_left_out_total"), 2.0);
}

#[test]
fn calls_on_their_way_and_those_who_share_them_are_counted() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let stub = Stub::start({
        let gate = Arc::clone(&gate);
        move |seen| {
            let (open, changed) = &*gate;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            userinfo(seen)
        }
    });
    let service = start(&rules(), &stub.url(), &[]);
    let wait_for = |series: &str, expected: f64| {
        while read(&service).1.value(series) < expected {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let ask = || service.ask("GET", "/private", &[("Authorization", "Bearer user")]);
        let callers: Vec<_> = (0..5).map(|_| scope.spawn(ask)).collect();
        wait_for("userinfo_shared_total", 4.0);
        wait_for("userinfo_calls_in_flight", 1.0);
        assert_eq!(read(&service).1.value("userinfo_calls_in_flight"), 1.0);
        let (open, changed) = &*gate;
        *open.lock().unwrap() = true;
        changed.notify_all();
        for caller in callers {
            assert!(caller.join().unwrap().allowed());
        }
    });
    let page = read(&service).1;
    assert_eq!((page.value("userinfo_shared_total"), page.value("userinfo_calls_in_flight")), (4.0, 0.0));
    assert_eq!((page.value(&calls("known")), page.value(&decisions("allow", "none"))), (1.0, 5.0));
}

#[test]
fn t_ops_01_metrics_are_on_the_management_listener_only_and_decisions_are_not() {
    let stub = Stub::start(userinfo);
    let service = start(&rules(), &stub.url(), &[]);
    for path in ["/-/metrics", "/metrics", "/-/metrics/", "/-/%6detrics", "/auth/../-/metrics"] {
        let answer = service.call("GET", path, &[]);
        assert!(!answer.body.contains("decisions_total") && answer.status != 200, "{path} {answer:?}");
    }
    for path in ["/-/healthz", "/-/ready", "/-/check-up", "/-/metrics"] {
        assert_eq!(service.manage("GET", path).status, 200, "{path}");
    }
    for path in ["/auth", "/auth/public", "/", "/metrics"] {
        assert_eq!(service.manage("GET", path).status, 404, "{path}");
    }
    assert_eq!(read(&service).1.sum("decisions_total"), 1.0, "the one of /auth/../-/metrics");
}

#[test]
fn there_is_no_management_listener_unless_its_port_is_set() {
    let url = ("USERINFO_URL", "http://127.0.0.1:1/");
    assert_eq!(Service::start(&rules(), &[url]).management, None);
    let same = Service::try_start("{}", &[url, ("HTTP_PORT", "4000"), ("MANAGEMENT_PORT", "4000")]);
    let problem = same.err().unwrap();
    assert!(problem.contains("MANAGEMENT_PORT\n      must differ from HTTP_PORT"), "{problem}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let problem = Service::try_start("{}", &[url, ("MANAGEMENT_PORT", &port)]).err().unwrap();
    assert!(problem.contains("set MANAGEMENT_PORT to a free port"), "{problem}");
}

#[test]
fn no_caller_makes_the_page_grow_and_none_is_named_on_it() {
    let stub = Stub::start(userinfo);
    let service = start(&rules(), &stub.url(), &[("HEADERS_TO_PROXY", "authorization")]);
    let act = |number: usize| {
        let canary = format!("canary{number}");
        service.ask("GET", &format!("/{canary}"), &[]);
        service.ask(&canary, &format!("/private?{canary}"), &[]);
        service.ask("GET", "/private", &[("Authorization", &format!("Bearer {canary}"))]);
        service.call(&canary, &format!("/{canary}"), &[("X-Request-Id", &canary)]);
        service.ask("GET", "/admin", &[("Authorization", "Bearer user")]);
    };
    act(0);
    let before = read(&service).1;
    for number in 1..1000 {
        act(number);
    }
    let (answer, after) = read(&service);
    assert_eq!(after.starting_with("").count(), before.starting_with("").count(), "{}", answer.body);
    assert!(!answer.body.contains("canary"), "{}", answer.body);
    assert_eq!(after.value(&decisions("deny", "forbidden")), 1000.0);
    let other = r#"http_server_requests_total{route="other",method="other",status="404"}"#;
    assert_eq!(after.value(other), 1000.0);
}

#[test]
fn rules_beyond_the_thousandth_share_a_name() {
    let rule = json!({"GET":{"authorization":{"expression":"false","public":true}}});
    let rules: Map<_, _> = (0..1002).map(|number| (format!("/r{number:04}"), rule.clone())).collect();
    let stub = Stub::start(userinfo);
    let service = start(&rules.into(), &stub.url(), &[]);
    for number in 0..1002 {
        assert_eq!(service.ask("GET", &format!("/r{number:04}"), &[]).status, 401);
    }
    let page = read(&service).1;
    let start = "decision_rule_denials_total";
    assert_eq!((page.starting_with(start).count(), page.sum(start)), (1001, 1002.0));
    assert_eq!(page.value(&format!(r#"{start}{{rule="other",reason="unauthenticated"}}"#)), 2.0);
    let last = format!(r#"{start}{{rule="/r0999 → GET → authorization",reason="unauthenticated"}}"#);
    assert_eq!(page.value(&last), 1.0);
}

#[test]
fn docs_metrics_lists_exactly_what_is_shown() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(file).unwrap();
    let mut rules = rules();
    rules["/private"]["GET"]["authorization"]["shadowExpression"] = "true".into();
    let service = start(&rules, &dead_url(), &[]);
    // Counters that no label is known of appear with their first event.
    service.ask("GET", "/private", &[]);
    let shown = read(&service).1.metrics;
    assert_eq!(testkit::openmetrics::listed(&text, &["both services", "authorization-service"]), shown);
}
