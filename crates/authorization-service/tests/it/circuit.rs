//! The circuit breaker in front of userinfo (G-UI-16): a back end that fails half of the time is left alone, nobody passes
//! meanwhile who needs it, and it is asked again once it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::openmetrics::Page;

use crate::service::{Answer, Service};
use crate::stub::{Reply, Stub};

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({
        "/public": rule("true", true),
        "/private": rule("true", false),
        "/unless-banned": rule("!groups.banned", true),
    })
}

fn start(variables: &[(&str, &str)]) -> Service {
    let all: Vec<_> = [("MANAGEMENT_PORT", "0")].iter().chain(variables).copied().collect();
    Service::start(&rules(), &all)
}

/// Different tokens, so that no call is shared.
fn ask(service: &Service, target: &str, number: usize) -> Answer {
    service.ask("GET", target, &[("authorization", &format!("Bearer u{number}"))])
}

fn metric(service: &Service, series: &str) -> f64 {
    Page::parse(&service.manage("GET", "/-/metrics").body).value(series)
}

const OPEN: &str = r#"userinfo_circuit_open{endpoint="userinfo"}"#;

/// A back end that fails every second call until it is mended.
fn flapping() -> (Stub, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let (calls, is_well) = (AtomicUsize::new(0), Arc::clone(&mended));
    let stub = Stub::start(move |_| {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        let well = is_well.load(Ordering::SeqCst) || number.is_multiple_of(2);
        if well { Reply::json(&json!({"sub": "u"})) } else { Reply::status(503) }
    });
    (stub, mended)
}

#[test]
fn g_ui_16_a_back_end_that_flaps_is_left_alone_and_asked_again_once_it_answers() {
    let (stub, mended) = flapping();
    let service = start(&[("USERINFO_URL", &stub.url())]);
    for number in 0..20 {
        let expected = if number % 2 == 0 { 200 } else { 503 };
        assert_eq!(ask(&service, "/private", number).status, expected);
    }
    let opened = Instant::now();
    assert_eq!(metric(&service, OPEN), 1.0);
    let answer = ask(&service, "/private", 20);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(!answer.allowed());
    assert!(!ask(&service, "/unless-banned", 20).allowed(), "K-14: nobody can say who is banned");
    assert!(ask(&service, "/public", 20).allowed(), "nobody needs to know");
    if opened.elapsed() < Duration::from_secs(2) {
        assert_eq!(stub.seen().len(), 20, "nobody was asked");
    }
    assert_eq!(metric(&service, r#"userinfo_calls_total{outcome="circuit_open"}"#), 3.0);
    mended.store(true, Ordering::SeqCst);
    let mut number = 21;
    while metric(&service, OPEN) > 0.0 {
        assert!(opened.elapsed() < Duration::from_secs(20), "it never closed");
        ask(&service, "/private", number);
        number += 1;
    }
    assert!(opened.elapsed() >= Duration::from_secs(2), "it was left alone for a while");
    assert_eq!(stub.seen().len(), 23, "three probes");
    assert!(ask(&service, "/private", number).allowed());
}

#[test]
fn g_ui_16_while_it_fails_only_probes_are_made() {
    let stub = Stub::start(|_| Reply::status(500));
    let service = start(&[("USERINFO_URL", &stub.url())]);
    for number in 0..20 {
        assert_eq!(ask(&service, "/private", number).status, 503);
    }
    let opened = Instant::now();
    thread::scope(|scope| {
        for worker in 1..=8 {
            let service = &service;
            scope.spawn(move || {
                for number in 0..100 {
                    assert_eq!(ask(service, "/private", 1000 * worker + number).status, 503);
                }
            });
        }
    });
    // Three may be on their way when the first of them fails.
    let rounds = opened.elapsed().as_secs() as usize / 2;
    let probes = stub.seen().len() - 20;
    assert!(probes <= 3 * rounds, "{probes} in {rounds} rounds");
    assert_eq!(metric(&service, OPEN), 1.0);
}

#[test]
fn what_the_endpoint_says_about_a_caller_never_shuts_out_the_others() {
    let stub = Stub::start(|seen| match seen.all("authorization").concat().as_str() {
        "Bearer good" => Reply::json(&json!({"sub": "u"})),
        "Bearer refused" => Reply::status(401),
        "Bearer hurried" => Reply::status(429),
        _ => Reply::json(&json!({"sub": 1.5})),
    });
    let service = start(&[("USERINFO_URL", &stub.url())]);
    for token in ["refused", "hurried", "odd"] {
        for _ in 0..40 {
            let answer = service.ask("GET", "/private", &[("authorization", &format!("Bearer {token}"))]);
            assert!(!answer.allowed());
        }
    }
    assert!(service.ask("GET", "/private", &[("authorization", "Bearer good")]).allowed());
    assert_eq!(metric(&service, OPEN), 0.0);
}

#[test]
fn g_ui_16_the_backoffice_endpoint_has_a_circuit_of_its_own() {
    let (broken, well) = (Stub::start(|_| Reply::status(500)), Stub::json(json!({"sub": "u"})));
    let service = start(&[("USERINFO_URL", &well.url()), ("BACKOFFICE_USERINFO_URL", &broken.url())]);
    for _ in 0..25 {
        let office = service.ask("GET", "/private", &[("authorization", "Bearer u"), ("isbackoffice", "1")]);
        assert_eq!(office.status, 503);
        assert!(ask(&service, "/private", 1).allowed());
    }
    assert_eq!(metric(&service, OPEN), 0.0);
    assert_eq!(metric(&service, r#"userinfo_circuit_open{endpoint="backoffice"}"#), 1.0);
}
