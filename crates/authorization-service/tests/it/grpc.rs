//! The gRPC face, called as Envoy calls it: the decisions and answers of the HTTP face, and nothing that a client could
//! say instead of the gateway.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{
    CheckRequest, CheckResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse,
};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::google::protobuf::value::Kind;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::openmetrics::Page;
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};
use tonic::Code;
use tonic::transport::Channel;

use crate::service::Service;
use crate::stub::{Closed, Reply, Seen, Stub};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({
        "/public": rule("true", true),
        "/admin": rule("groups.admin", false),
        "/machine": rule("clientType == \"machine\"", true),
        "/backoffice": {"GET": {
            "authorization": {"expression": "false", "public": true},
            "backofficeAuthorization": {"expression": "true", "public": true},
        }},
        "/error": rule("clientType == isBackoffice", false),
    })
}

/// Answers as the token says.
pub(crate) fn userinfo(seen: &Seen) -> Reply {
    match seen.all("authorization").concat().as_str() {
        "Bearer admin" => Reply::json(&json!({"sub": "u1", "groups": ["admin", "users"], "mail": "x@y"})),
        "Bearer user" => Reply::json(&json!({"sub": "u2", "groups": []})),
        "Bearer unsendable" => Reply::json(&json!({"sub": "é", "groups": ["admin"]})),
        "Bearer broken" => Reply::status(500),
        "Bearer busy" => {
            Reply::Bytes(b"HTTP/1.1 429 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".to_vec())
        }
        _ => Reply::status(401),
    }
}

/// A service, and its userinfo.
pub(crate) fn start(variables: &[(&str, &str)]) -> (Service, Stub) {
    let stub = Stub::start(userinfo);
    let url = stub.url();
    let ours = [("USERINFO_URL", url.as_str()), ("GRPC_PORT", "0"), ("USER_PROPERTIES_TO_PROXY", "mail")];
    let service = Service::start(&rules(), &ours.iter().chain(variables).copied().collect::<Vec<_>>());
    (service, stub)
}

pub(crate) async fn connect(address: SocketAddr) -> AuthorizationClient<Channel> {
    AuthorizationClient::connect(format!("http://{address}")).await.unwrap()
}

/// What Envoy sends with `encode_raw_headers`.
pub(crate) fn raw(method: &str, path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let headers = headers.iter().map(|(name, value)| HeaderValue {
        key: (*name).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    });
    about(HttpRequest { header_map: Some(HeaderMap { headers: headers.collect() }), ..request(method, path) })
}

/// What Envoy sends without.
fn joined(method: &str, path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let headers: HashMap<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    about(HttpRequest { headers, ..request(method, path) })
}

pub(crate) fn request(method: &str, path: &str) -> HttpRequest {
    HttpRequest {
        id: "1".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        host: "api.example".to_owned(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        ..HttpRequest::default()
    }
}

pub(crate) fn about(http: HttpRequest) -> CheckRequest {
    let request = Request { http: Some(http), ..Request::default() };
    CheckRequest {
        attributes: Some(AttributeContext { request: Some(request), ..AttributeContext::default() }),
    }
}

/// A call, and what Envoy would do: the status that the caller sees, or 200.
pub(crate) async fn status(service: &Service, check: CheckRequest) -> u16 {
    verdict(&call(service, check).await)
}

async fn call(service: &Service, check: CheckRequest) -> CheckResponse {
    connect(service.grpc.unwrap()).await.check(check).await.unwrap().into_inner()
}

pub(crate) fn verdict(response: &CheckResponse) -> u16 {
    let code = Code::from(response.status.as_ref().unwrap().code);
    match response.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => {
            assert_eq!(code, Code::Ok);
            200
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(code, Code::Ok);
            let status = u16::try_from(denied.status.as_ref().unwrap().code).unwrap();
            assert!(matches!(status, 401 | 403 | 503), "{status}");
            status
        }
        HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
    }
}

fn pairs(headers: &[HeaderValueOption]) -> Vec<(String, String)> {
    let overwrites = i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd);
    assert!(headers.iter().all(|header| header.append_action == overwrites));
    let headers = headers.iter().map(|option| option.header.clone().unwrap());
    let mut pairs: Vec<_> = headers.map(|header| (header.key, header.value)).collect();
    pairs.sort();
    pairs
}

fn metadata(response: &CheckResponse) -> Vec<(String, String)> {
    let fields = &response.dynamic_metadata.as_ref().unwrap().fields;
    let mut texts: Vec<_> = fields
        .iter()
        .map(|(name, value)| match value.kind.as_ref().unwrap() {
            Kind::StringValue(text) => (name.clone(), text.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    texts.sort();
    texts
}

/// Headers and body of a denial without what is never twice the same, after checking that both tell it.
fn without_id(mut headers: Vec<(String, String)>, body: &str) -> (Vec<(String, String)>, Value) {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let id = body.as_object_mut().unwrap().remove("decisionId").unwrap();
    let told = headers.iter().position(|(name, _)| name == "x-decision-id").unwrap();
    assert_eq!(id, headers.remove(told).1);
    (headers, body)
}

/// Requests that meet every row of the decision table: method, path, token.
const REQUESTS: [(&str, &str, &str); 16] = [
    ("GET", "/public", ""),
    ("GET", "/public", "admin"),
    ("GET", "/public", "rubbish"),
    ("GET", "/public?x=/admin", "user"),
    ("GET", "/admin", "admin"),
    ("GET", "/admin", "user"),
    ("GET", "/admin", ""),
    ("GET", "/admin", "rubbish"),
    ("GET", "/admin", "broken"),
    ("GET", "/admin", "busy"),
    ("GET", "/admin", "unsendable"),
    ("GET", "/error", "user"),
    ("GET", "/nowhere", "admin"),
    ("DELETE", "/admin", "admin"),
    ("GET", "/public/../admin", "admin"),
    ("GE T", "/public", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_that_of_the_http_face_word_for_word() {
    for profile in ["standard", "drop-in"] {
        let (service, _stub) = start(&[("PROFILE", profile), ("ORIGINAL_REQUEST_FROM", "headers")]);
        let mut client = connect(service.grpc.unwrap()).await;
        for (method, path, token) in REQUESTS {
            let bearer = format!("Bearer {token}");
            let headers: &[_] = if token.is_empty() { &[] } else { &[("authorization", bearer.as_str())] };
            let http = service.ask(method, path, headers);
            for check in [raw(method, path, headers), joined(method, path, headers)] {
                let response = client.check(check).await.unwrap().into_inner();
                let what = format!("{profile} {method} {path} {token}: {response:?}");
                assert_eq!(verdict(&response), http.status, "{what}");
                match response.http_response.unwrap() {
                    HttpResponse::OkResponse(allowed) => {
                        let mut told = http.told();
                        told.retain(|(name, _)| name.starts_with("mia-"));
                        assert_eq!(told.len(), 4);
                        assert_eq!(pairs(&allowed.headers), told, "{what}");
                        assert_eq!(allowed.headers_to_remove, [""; 0], "{what}");
                    }
                    HttpResponse::DeniedResponse(denied) => {
                        assert_eq!(
                            without_id(pairs(&denied.headers), &denied.body),
                            without_id(http.told(), &http.body),
                            "{what}"
                        );
                    }
                    HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_after_ours_are_told_what_was_decided_and_nothing_of_the_request() {
    let (service, _stub) = start(&[]);
    let bearer = [("authorization", "Bearer admin")];
    let rule = ("rule", "/admin → GET → authorization");
    for (check, expected) in [
        (raw("GET", "/admin?q=canary", &bearer), vec![("decision", "allow"), rule, ("user_id", "u1")]),
        (raw("GET", "/admin", &[]), vec![("decision", "deny"), ("reason", "unauthenticated"), rule]),
        (raw("GET", "/canary", &bearer), vec![("decision", "deny"), ("reason", "no_rule")]),
    ] {
        let mut told = metadata(&call(&service, check).await);
        let is_denial = told.contains(&("decision".to_owned(), "deny".to_owned()));
        let before = told.len();
        told.retain(|(name, _)| name != "decision_id");
        assert_eq!(told.len() < before, is_denial);
        let told: Vec<_> = told.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(told, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_hdr_07_g_hdr_09_what_a_client_says_of_path_and_verb_has_no_effect() {
    // The source of the HTTP face is not that of this one.
    for source in ["headers", "path", "x-forwarded"] {
        let (service, _stub) = start(&[("ORIGINAL_REQUEST_FROM", source)]);
        let headers = [
            (":path", "/public"),
            (":method", "GET"),
            ("original-request-uri", "/public"),
            ("original-request-method", "GET"),
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-method", "GET"),
            ("x-original-url", "/public"),
            ("x-rewrite-url", "/public"),
            ("x-envoy-original-path", "/public"),
            ("x-http-method-override", "GET"),
        ];
        for check in [raw("GET", "/admin", &headers), joined("GET", "/admin", &headers)] {
            assert_eq!(status(&service, check).await, 401, "{source}");
        }
        assert_eq!(status(&service, raw("POST", "/public", &headers)).await, 403, "{source}");
        let public = [("original-request-uri", "/admin"), ("original-request-method", "DELETE")];
        assert_eq!(status(&service, raw("GET", "/public", &public)).await, 200, "{source}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_meth_06_g_path_16_an_incomplete_request_is_denied() {
    let (service, _stub) = start(&[]);
    let nothing = CheckRequest::default();
    let no_request = CheckRequest { attributes: Some(AttributeContext::default()) };
    let no_http = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request::default()),
            ..AttributeContext::default()
        }),
    };
    for check in [nothing, no_request, no_http] {
        assert_eq!(status(&service, check).await, 403);
    }
    for (method, path) in [
        ("", "/public"),
        ("GET", ""),
        ("get", "/public"),
        ("GET,POST", "/public"),
        ("CONNECT", "host:443"),
        ("GET", "public"),
        ("GET", "*"),
        ("GET", "http://other/public"),
        ("GET", "/public#/x"),
        ("GET", "/public%2f..%2fadmin"),
        ("GET", "//public"),
        ("GET", "/public;x"),
        ("GET", "/%zz"),
        ("GET", "/public\u{e9}"),
    ] {
        assert_eq!(status(&service, raw(method, path, &[])).await, 403, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_hdr_14_g_hdr_18_facts_that_came_twice_are_no_facts() {
    let (service, _stub) = start(&[]);
    let twice = [("client-type", "machine"), ("client-type", "other")];
    for (check, expected) in [
        (raw("GET", "/machine", &[("client-type", "machine")]), 200),
        (joined("GET", "/machine", &[("client-type", "machine")]), 200),
        (raw("GET", "/machine", &[]), 401),
        (raw("GET", "/machine", &twice), 403),
        (joined("GET", "/machine", &[("client-type", "machine,other")]), 403),
        (raw("GET", "/machine", &[("Client-Type", "machine")]), 200),
        (raw("GET", "/machine", &[("client_type", "machine")]), 401),
        (raw("GET", "/backoffice", &[("isbackoffice", "1")]), 200),
        (joined("GET", "/backoffice", &[("isbackoffice", "1")]), 200),
        (raw("GET", "/backoffice", &[("isbackoffice", "1"), ("isbackoffice", "0")]), 401),
        (joined("GET", "/backoffice", &[("isbackoffice", "1,0")]), 401),
        (joined("GET", "/backoffice", &[("isbackoffice", "0,1")]), 401),
    ] {
        let what = format!("{check:?}");
        assert_eq!(status(&service, check).await, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_hdr_01_to_04_what_a_client_smuggles_is_overwritten_or_removed() {
    let (service, _stub) = start(&[]);
    let names = [
        "mia-userid",
        "mia-allowed",
        "client-type",
        "isbackoffice",
        "miauserid",
        "miausergroups",
        "miauserproperties",
        "mia_userid",
        "mia_user_groups",
        "Mia.UserProperties",
        "mia_allowed",
        "client_type",
        "is_backoffice",
        "acl_rows",
        "original-request-uri",
        "original_request_method",
        "x-gettone-peer",
        "x_gettone_peer",
        "x-kept",
        "authorization",
        ":path",
    ];
    let headers: Vec<_> = names.iter().map(|name| (*name, "x")).collect();
    for check in [raw("GET", "/public", &headers), joined("GET", "/public", &headers)] {
        let response = call(&service, check).await;
        let Some(HttpResponse::OkResponse(allowed)) = response.http_response else { panic!() };
        let overwritten: Vec<_> = pairs(&allowed.headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(overwritten, ["mia-allowed", "mia-groups", "mia-userid", "mia-userproperties"]);
        assert_eq!(
            allowed.headers_to_remove,
            [
                "acl_rows",
                "client_type",
                "is_backoffice",
                "mia.userproperties",
                "mia_allowed",
                "mia_user_groups",
                "mia_userid",
                "miausergroups",
                "miauserid",
                "miauserproperties",
                "original-request-uri",
                "original_request_method",
                "x-gettone-peer",
                "x_gettone_peer",
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_hdr_10_the_gateway_proves_itself_in_the_metadata_of_the_call() {
    let (service, _stub) = start(&[("TRUSTED_PEER_SECRET", SECRET)]);
    let mut client = connect(service.grpc.unwrap()).await;
    for (sent, expected) in [
        (&[][..], 401),
        (&[SECRET], 200),
        (&["wrong"], 401),
        (&[SECRET, SECRET], 401),
        (&[SECRET, "wrong"], 401),
    ] {
        // In the headers of the client it proves nothing.
        let mut call = tonic::Request::new(raw("GET", "/public", &[("x-gettone-peer", SECRET)]));
        for value in sent {
            call.metadata_mut().append("x-gettone-peer", value.parse().unwrap());
        }
        let response = client.check(call).await.unwrap().into_inner();
        assert_eq!(verdict(&response), expected, "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_hdr_19_trust_mode_needs_headers_that_nobody_joined() {
    let (service, _stub) =
        start(&[("TRUST_MIA_USER_HEADERS", "true"), ("TRUSTED_PEER_SECRET", SECRET), ("GRPC_PORT", "0")]);
    let mut client = connect(service.grpc.unwrap()).await;
    let who = [("miauserid", "u1"), ("miausergroups", "users,admin")];
    let twice = [("miauserid", "u1"), ("miausergroups", "users"), ("miausergroups", "admin")];
    for (check, expected) in [
        (raw("GET", "/admin", &who), 200),
        (raw("GET", "/admin", &[]), 401),
        (raw("GET", "/admin", &twice), 503),
        (joined("GET", "/admin", &who), 503),
    ] {
        let what = format!("{check:?}");
        let mut call = tonic::Request::new(check);
        call.metadata_mut().insert("x-gettone-peer", SECRET.parse().unwrap());
        let response = client.check(call).await.unwrap().into_inner();
        assert_eq!(verdict(&response), expected, "{what}");
        if let Some(HttpResponse::OkResponse(allowed)) = response.http_response {
            assert_eq!(allowed.headers_to_remove, [""; 0], "the gateway said these");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_none_are_errors_and_never_a_yes() {
    let (service, _stub) = start(&[]);
    let address = service.grpc.unwrap();
    let large = "x".repeat(200 * 1024);
    let refused = connect(address).await.check(raw("GET", "/public", &[("x", &large)])).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");

    for bytes in [
        &b"GET /auth/public HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        &[0; 4096],
    ] {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("200") && !text.contains("grpc-status"), "{text}");
    }

    // None of these took the service with it.
    assert_eq!(status(&service, raw("GET", "/public", &[])).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_on_one_connection_do_not_wait_for_each_other() {
    let Closed { stub, open, .. } = Stub::closed(json!({"sub": "u1", "groups": ["admin"]}));
    let service = Service::start(&rules(), &[("USERINFO_URL", &stub.url()), ("GRPC_PORT", "0")]);
    let client = connect(service.grpc.unwrap()).await;
    let mut slow = client.clone();
    let waiting = tokio::spawn(async move { slow.check(raw("GET", "/admin", &[])).await });
    let no_rule = client.clone().check(raw("GET", "/nowhere", &[])).await.unwrap().into_inner();
    assert_eq!(verdict(&no_rule), 403);
    assert!(!waiting.is_finished());
    drop(open);
    assert_eq!(verdict(&waiting.await.unwrap().unwrap().into_inner()), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_like_requests_and_decisions() {
    let (service, _stub) = start(&[("MANAGEMENT_PORT", "0")]);
    for (check, expected) in [
        (raw("GET", "/public", &[]), 200),
        (raw("GET", "/admin", &[("authorization", "Bearer user")]), 403),
        (raw("GET", "/nowhere", &[]), 403),
    ] {
        assert_eq!(status(&service, check).await, expected);
    }
    let page = Page::parse(&service.manage("GET", "/-/metrics").body);
    let route = r#"route="/envoy.service.auth.v3.Authorization/Check",method="POST""#;
    for (name, expected) in [
        (format!(r#"http_server_requests_total{{{route},status="200"}}"#), 1.0),
        (format!(r#"http_server_requests_total{{{route},status="403"}}"#), 2.0),
        (r#"decisions_total{outcome="allow",reason="none"}"#.to_owned(), 1.0),
        (r#"decisions_total{outcome="deny",reason="forbidden"}"#.to_owned(), 1.0),
        (r#"decisions_total{outcome="deny",reason="no_rule"}"#.to_owned(), 1.0),
    ] {
        assert_eq!(page.value(&name), expected, "{name}");
    }
}

#[test]
fn without_a_port_there_is_no_listener() {
    let service = Service::start(&rules(), &[("USERINFO_URL", "http://127.0.0.1:9/")]);
    assert!(service.grpc.is_none());
}

/// The program, with a port for calls: both are free. Told to stop, it goes on for `delay` seconds.
pub(crate) async fn program(
    url: &str,
    folder: &TempDir,
    delay: &str,
) -> (ReservedPort, ReservedPort, Process) {
    let grpc = ReservedPort::new();
    let (port, process) = Process::start_on_free_port(|port| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authorization-service"));
        command.env_clear().envs([
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", port.number().to_string().as_str()),
            ("GRPC_HOST", "127.0.0.1"),
            ("GRPC_PORT", grpc.number().to_string().as_str()),
            ("DELAY_SHUTDOWN_SECONDS", delay),
            ("CONFIGURATION_PATH", folder.path().to_str().unwrap()),
            ("USERINFO_URL", url),
        ]);
        (command, Ready::Listens(grpc.address()))
    })
    .await;
    (port, grpc, process)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_calls_end_and_the_log_has_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("auth.json"), rules().to_string()).unwrap();
    let Closed { stub, open, asked } = Stub::closed(json!({"sub": "u1", "groups": ["admin"]}));
    let (_port, grpc, mut process) = program(&stub.url(), &folder, "0").await;
    let mut client = connect(grpc.address()).await;
    let headers = [
        ("authorization", "Bearer canary-token"),
        ("x-request-id", "r-1"),
        ("user-agent", "curl/8"),
        ("x-forwarded-for", "192.0.2.7"),
    ];
    let mut slow = client.clone();
    let check = raw("GET", "/admin?canary=canary", &headers);
    let waiting = tokio::spawn(async move { slow.check(check).await });
    tokio::task::spawn_blocking(move || asked.recv().unwrap()).await.unwrap();

    let ended = tokio::spawn(async move { (process.terminate().await, process.stdout()) });
    // Told to go, the client opens another connection, which nobody takes any more.
    while client.check(raw("GET", "/nowhere", &[])).await.is_ok() {}
    assert!(!waiting.is_finished() && !ended.is_finished());
    drop(open);
    assert_eq!(verdict(&waiting.await.unwrap().unwrap().into_inner()), 200);
    let (status, log) = ended.await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains("canary"), "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["reqId"] == "r-1").unwrap();
    assert_eq!(line["msg"], "request completed");
    assert_eq!(line["url"]["path"], "/envoy.service.auth.v3.Authorization/Check");
    assert_eq!(line["http"]["response"]["statusCode"], 200);
    assert_eq!(line["http"]["request"]["userAgent"]["original"], "curl/8");
    assert_eq!(line["host"], json!({"hostname": "api.example", "ip": "192.0.2.7"}));
    assert_eq!(line["decision"]["request"], "GET /admin");
    assert_eq!(line["decision"]["outcome"], "allow");
}
