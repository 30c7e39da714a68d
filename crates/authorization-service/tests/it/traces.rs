//! Traces through the service: the caller's place, ours, and what userinfo is told of it.

use serde_json::{Value, json};
use testkit::collector::{Collector, Span};

use crate::service::Service;
use crate::stub::{Reply, Stub};

const CALLERS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn rules() -> Value {
    json!({"/private": {"GET": {"authorization": {"expression": "true", "public": false}}}})
}

fn ask(service: &Service) {
    let headers = [("Authorization", "Bearer canary"), ("traceparent", CALLERS), ("tracestate", "a=b")];
    assert_eq!(service.ask("GET", "/private?key=canary", &headers).status, 200);
}

fn stub() -> Stub {
    Stub::start(|_| Reply::json(&json!({"sub": "u"})))
}

fn named<'spans>(spans: &'spans [Span], name: &str) -> Option<&'spans Span> {
    spans.iter().find(|span| span.name == name)
}

#[test]
fn userinfo_is_told_our_place_in_the_trace_if_it_may_be_told_at_all() {
    let collector = Collector::answering(200);
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "1")]
        .map(|(name, value)| (name, value.to_owned()));
    let start = |stub: &Stub, traced: &[(&str, String)], headers: &str| {
        let url = stub.url();
        let ours = [("USERINFO_URL", url.as_str()), ("HEADERS_TO_PROXY", headers)];
        let traced = traced.iter().map(|(name, value)| (*name, value.as_str()));
        Service::start(&rules(), &ours.into_iter().chain(traced).collect::<Vec<_>>())
    };
    let stub_of = |traced: &[(&str, String)], headers: &str| {
        let stub = stub();
        ask(&start(&stub, traced, headers));
        let seen = stub.seen().remove(0);
        let [parent, state] =
            ["traceparent", "tracestate"].map(|name| seen.all(name).first().map(|value| (*value).to_owned()));
        (parent, state)
    };
    // Nobody said that userinfo may be told.
    assert_eq!(stub_of(&traced, "authorization"), (None, None));
    let told = stub_of(&traced, "authorization,traceparent,tracestate");
    let spans = collector.spans_when(|spans| spans.iter().filter(|span| span.name == "GET").count() == 2);
    let call = spans.iter().rfind(|span| span.name == "GET").unwrap();
    assert_eq!(told, (Some(format!("00-{}-{}-01", call.trace, call.id)), None));
    assert_eq!((call.kind, call.trace.as_str()), (3, &CALLERS[3..35]));
    assert_eq!(call.attributes["server.address"], "127.0.0.1");
    // Without traces the headers are copied like any other.
    let copied = stub_of(&[], "authorization,traceparent,tracestate");
    assert_eq!(copied, (Some(CALLERS.to_owned()), Some("a=b".to_owned())));
}

#[test]
fn a_decision_is_a_span_with_its_reasons_and_no_token() {
    let (collector, stub) = (Collector::answering(200), stub());
    let (endpoint, userinfo) = (collector.url(), stub.url());
    let service = Service::start(
        &rules(),
        &[
            ("USERINFO_URL", &userinfo),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ],
    );
    ask(&service);
    let spans = collector.spans_when(|spans| named(spans, "GET /auth").is_some());
    let request = named(&spans, "GET /auth").unwrap();
    assert_eq!(
        (request.service.as_str(), request.parent.as_str()),
        ("authorization-service", "b7ad6b7169203331")
    );
    assert_eq!(request.attributes["decision.outcome"], "allow");
    assert_eq!(request.attributes["decision.request"], "GET /private");
    assert!(request.attributes.contains_key("decision.rule"), "{request:#?}");
    let call = named(&spans, "GET").unwrap();
    assert_eq!((&call.trace, &call.parent), (&request.trace, &request.id));
    assert!(!format!("{spans:?}").contains("canary"), "{spans:#?}");
}

#[test]
fn a_userinfo_that_fails_is_a_failed_call() {
    let (collector, stub) = (Collector::answering(200), Stub::start(|_| Reply::status(500)));
    let (endpoint, userinfo) = (collector.url(), stub.url());
    let variables = [
        ("USERINFO_URL", &*userinfo),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ];
    let service = Service::start(&rules(), &variables);
    assert_eq!(service.ask("GET", "/private", &[("Authorization", "Bearer x")]).status, 503);
    let spans = collector.spans_when(|spans| named(spans, "GET /auth").is_some());
    let call = named(&spans, "GET").unwrap();
    assert!(call.is_error && named(&spans, "GET /auth").unwrap().is_error);
    assert_eq!(call.attributes["error.type"], "status");
}
