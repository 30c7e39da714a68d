//! Traces, as a real collector receives them over a real socket.

use serde_json::json;
use testkit::collector::{Collector, Span};
use testkit::openmetrics::Page;

use crate::service::{FORM, Service, basic, call, form_with};

const CALLERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flags}")
}

/// Traces go to `url`, at once.
fn start(url: &str, variables: &[(&str, &str)]) -> Service {
    let ours = [("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
    Service::standard(&ours.iter().chain(variables).copied().collect::<Vec<_>>())
}

fn named<'spans>(spans: &'spans [Span], name: &str) -> Option<&'spans Span> {
    spans.iter().find(|span| span.name == name)
}

#[test]
fn a_token_request_is_a_span_with_its_steps_and_no_secret() {
    let collector = Collector::answering(200);
    let service = start(&collector.url(), &[]);
    let client = service.key_client(&json!({}));
    let assertion = service.assertion(&client, &json!({}));
    let parent = traceparent("00");
    let headers = [FORM, ("traceparent", &*parent), ("tracestate", "canary=1"), ("x-request-id", "r1")];
    let answer = service.call("POST", "/oauth/token?client_secret=canary", &headers, &form_with(&assertion));
    assert_eq!(answer.status, 400, "a secret in the query is refused: {answer:?}");
    let answer = service.call("POST", "/oauth/token", &headers, &form_with(&assertion));
    assert_eq!(answer.status, 200, "{answer:?}");

    let spans = collector.spans_when(|spans| {
        spans.iter().filter(|span| span.name == "POST /oauth/token").count() == 2
            && named(spans, "sign_token").is_some()
    });
    let request = spans
        .iter()
        .find(|span| span.attributes.get("http.response.status_code").is_some_and(|code| code == "200"))
        .unwrap();
    assert_eq!((request.service.as_str(), request.kind), ("client-credentials", 2));
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (CALLERS_TRACE, CALLERS_SPAN));
    let expected = [
        ("http.request.method", "POST"),
        ("http.route", "/oauth/token"),
        ("url.path", "/oauth/token"),
        ("url.scheme", "http"),
        ("server.address", "auth"),
        ("client.id", &client.id),
        ("request.id", "r1"),
    ];
    for (name, value) in expected {
        assert_eq!(request.attributes.get(name).map(String::as_str), Some(value), "{name}: {request:#?}");
    }
    for step in ["find_client", "verify_assertion", "first_use", "sign_token"] {
        let step = named(&spans, step).unwrap_or_else(|| panic!("{step} is missing: {spans:#?}"));
        assert_eq!((&step.trace, &step.parent, step.kind), (&request.trace, &request.id, 1));
        assert!(!step.is_error);
    }
    let text = format!("{spans:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    for secret in [assertion.as_str(), token.as_str(), "canary"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn a_refusal_tells_its_reason_and_a_failed_step_that_it_failed() {
    let collector = Collector::answering(200);
    let service = start(&collector.url(), &[("OTEL_SERVICE_NAME", "tokens")]);
    let answer =
        service.token(&[("Authorization", &basic("nobody", "hunter2"))], "grant_type=client_credentials");
    assert_eq!(answer.status, 401);
    let spans = collector.spans_when(|spans| named(spans, "POST /oauth/token").is_some());
    let request = named(&spans, "POST /oauth/token").unwrap();
    assert_eq!(request.service, "tokens");
    assert!(request.parent.is_empty() && !request.is_error, "{request:?}");
    assert_eq!(request.attributes["decision.reason"], "unknown_client");
    assert!(!format!("{spans:?}").contains("hunter2"));

    service.stores.clients.fail();
    let client = basic("nobody", "hunter2");
    assert_eq!(service.token(&[("Authorization", &client)], "grant_type=client_credentials").status, 503);
    let failed = |spans: &[Span]| spans.iter().filter(|span| span.is_error).count() == 2;
    let spans = collector.spans_when(failed);
    let names: Vec<_> = spans.iter().filter(|span| span.is_error).map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["find_client", "POST /oauth/token"]);
}

#[test]
fn a_caller_neither_forces_a_recording_nor_prevents_one() {
    let collector = Collector::answering(200);
    let off = [("OTEL_TRACES_SAMPLER", "parentbased_always_off")];
    let (forced, prevented) = (start(&collector.url(), &off), start(&collector.url(), &[]));
    let ask = |service: &Service, path: &str, flags: &str| {
        service.call("GET", path, &[("traceparent", &traceparent(flags))], "").status
    };
    assert_eq!(ask(&forced, "/.well-known/jwks.json", "01"), 200);
    assert_eq!(ask(&prevented, "/tokeninfo", "00"), 401);
    // The other way round with trust.
    let trust = ("TRUST_TRACEPARENT", "true");
    let (forced, prevented) = (start(&collector.url(), &[off[0], trust]), start(&collector.url(), &[trust]));
    assert_eq!(ask(&prevented, "/.well-known/jwks.json", "00"), 200);
    assert_eq!(ask(&forced, "/.well-known/openid-configuration", "01"), 200);
    let wanted = ["GET /tokeninfo", "GET /.well-known/openid-configuration"];
    let spans = collector.spans_when(|spans| wanted.iter().all(|name| named(spans, name).is_some()));
    assert!(named(&spans, "GET /.well-known/jwks.json").is_none(), "{spans:#?}");
}

#[test]
fn a_dead_collector_costs_a_counter() {
    for collector in ["http://127.0.0.1:1".to_owned(), Collector::answering(503).url()] {
        let service = start(&collector, &[]);
        assert_eq!(service.get("/.well-known/jwks.json").status, 200);
        let lost = || {
            let page = call(service.management, "GET", "/-/metrics", &[], "").body;
            Page::parse(&page).value(r#"trace_spans_total{outcome="failed"}"#)
        };
        let mut asked = 0;
        while lost() < 1.0 {
            asked += 1;
            assert!(asked < 5_000, "the loss is not counted");
        }
    }
}

#[test]
fn a_status_route_has_no_span() {
    let collector = Collector::answering(200);
    let service = start(&collector.url(), &[]);
    assert_eq!(service.get("/-/healthz").status, 200);
    assert_eq!(service.get("/tokeninfo").status, 401);
    let spans = collector.spans_when(|spans| !spans.is_empty());
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /tokeninfo"]);
}
