//! What is counted, and that nobody can make it tell or grow.

use std::path::Path;

use client_credentials::http::{MANAGEMENT_WITHOUT_TOKEN, PUBLIC, PUBLIC_IN_STANDARD};
use serde_json::json;
use testkit::openmetrics::Page;

use crate::service::{Answer, BOOTSTRAP_TOKEN, BasicClient, FORM, GRANT, JSON, SALT, Service, basic, call};

fn read(service: &Service) -> (Answer, Page) {
    let answer = call(service.management, "GET", "/-/metrics", &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = Page::parse(&answer.body);
    (answer, page)
}

/// How much each of these series grows while something is done.
fn growth(service: &Service, series: &[&str], act: impl FnOnce()) -> Vec<f64> {
    let before = read(service).1;
    act();
    let after = read(service).1;
    series.iter().map(|series| after.value(series) - before.value(series)).collect()
}

#[test]
fn the_page_is_openmetrics_text() {
    let service = Service::standard(&[("SERVICE_VERSION", "1\"2\\3")]);
    let (answer, page) = read(&service);
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        page.value(r#"gettone_build_info{service="client-credentials",version="1\"2\\3"}"#),
        1.0,
        "{}",
        answer.body
    );
    assert_eq!(page.value("process_start_time_seconds"), service.clock_seconds() as f64);
    // Known labels are there before they are needed.
    assert!(answer.body.contains("tokens_issued_total{method=\"private_key_jwt\"} 0\n"), "{}", answer.body);
}

#[test]
fn t_ops_01_metrics_are_on_the_management_listener_only() {
    let service = Service::standard(&[]);
    let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
    for path in ["/-/metrics", "/metrics", "/-/metrics/", "/-//metrics", "/-/%6detrics", "/-/metrics?x"] {
        let answer = service.call("GET", path, &[("Authorization", &authorization)], "");
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{path}");
    }
    assert_eq!(call(service.management, "HEAD", "/-/metrics", &[], "").status, 200);
    for path in MANAGEMENT_WITHOUT_TOKEN.iter().map(|endpoint| endpoint.path) {
        assert_eq!(call(service.management, "POST", path, &[], "").status, 405, "{path}");
    }
}

#[test]
fn tokens_are_counted_by_method_and_refusals_by_the_reason_of_the_log() {
    let service = Service::standard(&[]);
    let (secret, key) = (service.basic_client(&json!({})), service.key_client(&json!({})));
    let once = service.assertion(&key, &json!({}));
    let authorization = secret.basic();
    let right = [FORM, ("Authorization", &*authorization)];
    let wrong = basic(&secret.id, "wrong");
    let series = [
        r#"tokens_issued_total{method="client_secret_basic"}"#,
        r#"tokens_issued_total{method="private_key_jwt"}"#,
        r#"tokens_refused_total{reason="wrong_secret"}"#,
        r#"tokens_refused_total{reason="unknown_client"}"#,
        r#"tokens_refused_total{reason="assertion_used_before"}"#,
        r#"tokens_refused_total{reason="assertion_invalid"}"#,
        r#"tokens_refused_total{reason="grant_type_missing"}"#,
        r#"tokens_refused_total{reason="content_type"}"#,
        r#"tokens_refused_total{reason="body_too_large"}"#,
        r#"tokens_refused_total{reason="audience_not_granted"}"#,
        "store_errors_total",
        r#"http_server_requests_total{route="/oauth/token",method="POST",status="200"}"#,
        r#"http_server_requests_total{route="/oauth/token",method="POST",status="401"}"#,
        r#"http_server_requests_total{route="/oauth/token",method="POST",status="400"}"#,
        r#"http_server_requests_total{route="/oauth/token",method="POST",status="413"}"#,
        r#"http_server_request_duration_seconds_count{route="/oauth/token"}"#,
    ];
    let grown = growth(&service, &series, || {
        for _ in 0..3 {
            service.token_of(&secret);
        }
        assert_eq!(service.present(&once).status, 200);
        assert_eq!(service.present(&once).status, 401);
        assert_eq!(service.present(&service.assertion(&key, &json!({"exp": 1}))).status, 401);
        for _ in 0..2 {
            assert_eq!(service.token(&[("Authorization", &wrong)], GRANT).status, 401);
        }
        let unknown = service.assertion(&key, &json!({"iss": "nobody", "sub": "nobody"}));
        assert_eq!(service.present(&unknown).status, 401);
        assert_eq!(service.token(&right[1..], "x=y").status, 400);
        assert_eq!(service.call("POST", "/oauth/token", &right[1..], GRANT).status, 400);
        assert_eq!(service.token(&right[1..], &format!("{GRANT}&x={}", "x".repeat(66_000))).status, 413);
        assert_eq!(service.token(&right[1..], &format!("{GRANT}&audience=urn:other")).status, 400);
    });
    assert_eq!(grown, [3., 1., 2., 1., 1., 1., 1., 1., 1., 1., 0., 4., 5., 3., 1., 13.]);
    // Every refusal has one reason.
    assert_eq!(read(&service).1.sum("tokens_refused_total"), 9.0);
}

#[test]
fn clients_tokeninfo_and_the_store_are_counted_and_cannot_know_is_not_no() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    // A token of a replica whose key this one has not seen.
    let replica = service.replica(&[("PRIVATE_RSA_KEY_ID", "other")]);
    let foreign = replica.token_of(&client);
    let series = [
        "clients_registered_total",
        r#"tokeninfo_total{outcome="valid"}"#,
        r#"tokeninfo_total{outcome="refused"}"#,
        r#"tokeninfo_total{outcome="cannot_know"}"#,
        r#"tokens_refused_total{reason="store_unavailable"}"#,
        "store_errors_total",
        r#"http_server_requests_total{route="/clients/{client_id}",method="GET",status="200"}"#,
        r#"http_server_requests_total{route="/clients/{client_id}",method="PUT",status="405"}"#,
    ];
    let grown = growth(&service, &series, || {
        assert_eq!(service.register(&json!({"client_name": "c"})).status, 201);
        assert_eq!(service.manage("POST", "/clients", Some(&json!({"client_name": "c"}))).status, 201);
        assert_eq!(service.register(&json!({"client_name": 7})).status, 400);
        assert_eq!(service.tokeninfo(&token).status, 200);
        assert_eq!(service.tokeninfo("a.b.c").status, 401);
        assert_eq!(service.get("/tokeninfo").status, 401);
        for method in ["GET", "PUT"] {
            service.manage(method, &format!("/clients/{}", client.id), None);
        }
        for switch in service.stores.switches() {
            switch.fail();
        }
        assert_eq!(service.tokeninfo(&foreign).status, 503);
        assert_eq!(service.tokeninfo(&token).status, 200);
        assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 503);
        assert_eq!(service.register(&json!({"client_name": "c"})).status, 503);
        // Answers what it knows; the failure is counted all the same.
        service.clock.advance_seconds(60);
        assert_eq!(service.get("/.well-known/jwks.json").status, 200);
    });
    assert_eq!(grown, [2., 2., 2., 1., 1., 4., 1., 1.]);
}

#[test]
fn signing_keys_are_counted_by_state_with_their_age_and_their_next_rotation() {
    let shared = ("SIGNING_KEYS_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let series = [
        r#"signing_keys{state="next"}"#,
        r#"signing_keys{state="active"}"#,
        r#"signing_keys{state="retiring"}"#,
        "signing_key_age_seconds",
        "signing_key_next_rotation_timestamp_seconds",
    ];
    let values = |service: &Service| {
        let page = read(service).1;
        series.map(|name| page.value(name) as i64)
    };
    let service = Service::standard(&[shared, ("SIGNING_KEY_ROTATION_DAYS", "30")]);
    let rotation = service.clock_seconds() + 30 * 86_400;
    assert_eq!(values(&service), [0, 1, 0, 0, rotation]);
    let made = service.manage("POST", "/keys", Some(&json!({"algorithm": "RS256"}))).json();
    service.clock.advance_seconds(700);
    assert_eq!(values(&service)[..4], [1, 1, 0, 700]);
    let path = format!("/keys/{}/activate", made["kid"].as_str().unwrap());
    assert_eq!(service.manage("POST", &path, None).status, 200);
    assert_eq!(values(&service), [0, 1, 1, 0, rotation + 700]);
    // The page asks no store.
    for switch in service.stores.switches() {
        switch.fail();
    }
    service.clock.advance_seconds(5);
    assert_eq!(values(&service), [0, 1, 1, 5, rotation + 700]);

    let own = Service::standard(&[]);
    let replica = own.replica(&[("PRIVATE_RSA_KEY_ID", "other")]);
    own.clock.advance_seconds(10);
    assert_eq!(values(&replica), [0, 2, 0, 10, 0]);
}

#[test]
fn no_caller_makes_the_page_grow_and_none_is_named_on_it() {
    let service = Service::standard(&[
        ("WRONG_SECRETS_PER_MINUTE_PER_CLIENT", "0"),
        ("WRONG_SECRETS_PER_MINUTE_PER_SOURCE", "0"),
    ]);
    let client = service.basic_client(&json!({}));
    let series = |page: &Page| page.starting_with("").count();
    let act = |number: usize| {
        let canary = format!("canary-{number}");
        let verb = format!("CANARY{number}");
        service.get(&format!("/{canary}"));
        service.call(&verb, &format!("/oauth/token?{canary}"), &[], "");
        service.manage("GET", &format!("/clients/{canary}"), None);
        let authorization = basic(&canary, &canary);
        service.token(&[("Authorization", &authorization)], &format!("{GRANT}&audience={canary}"));
        service.tokeninfo(&canary);
        service.present(&canary);
    };
    act(0);
    service.token_of(&client);
    let before = read(&service).1;
    for number in 1..1000 {
        act(number);
    }
    let (answer, after) = read(&service);
    assert_eq!(series(&after), series(&before), "{}", answer.body);
    let other = r#"http_server_requests_total{route="other",method="GET",status="404"}"#;
    assert_eq!(after.value(other), 1000.0);
    let verbs = r#"http_server_requests_total{route="/oauth/token",method="other",status="405"}"#;
    assert_eq!(after.value(verbs), 1000.0);
    let BasicClient { id, secret } = client;
    for never in ["canary", "CANARY", BOOTSTRAP_TOKEN, SALT, &id, &secret] {
        assert!(!answer.body.contains(never), "{never} is on the page");
    }
}

#[test]
fn routes_are_named_without_the_prefix() {
    let service = Service::standard(&[("SERVICE_PREFIX", "/auth/v1")]);
    let endpoints = || PUBLIC.iter().chain(PUBLIC_IN_STANDARD);
    for endpoint in endpoints() {
        let target = format!("/auth/v1{}", endpoint.path.replace("{client_id}", "x"));
        service.call(endpoint.method.as_str(), &target, &[JSON], "{}");
    }
    let (answer, page) = read(&service);
    for endpoint in endpoints() {
        let start = format!("http_server_requests_total{{route=\"{}\"", endpoint.path);
        let methods = endpoints().filter(|other| other.path == endpoint.path).count();
        assert_eq!(page.sum(&start), methods as f64, "{start} {}", answer.body);
    }
    assert_eq!(page.sum("http_server_requests_total{route=\"other\""), 0.0);
}

#[test]
fn docs_metrics_lists_exactly_what_is_shown() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(file).unwrap();
    let service = Service::standard(&[]);
    // Counters that no label is known of appear with their first event.
    service.token(&[], "");
    let shown = read(&service).1.metrics;
    assert_eq!(testkit::openmetrics::listed(&text, &["both services", "client-credentials"]), shown);
}
