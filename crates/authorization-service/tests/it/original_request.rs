//! Which request is decided about: sources, the decision route, verbs (upstream contract §3.1, conformance §3.2, §3.3).

use std::io::Write;

use serde_json::{Value, json};

use crate::service::{Answer, Service};
use crate::stub::Stub;

fn rules() -> Value {
    let rule = |public: bool| json!({"authorization":{"expression":"true","public":public}});
    json!({
        "/public": {"GET": rule(true), "POST": rule(true)},
        "/admin": {"ALL": rule(false)},
        "/only-get": {"GET": rule(true)},
    })
}

/// Nobody is logged in.
fn service(variables: &[(&str, &str)]) -> (Service, Stub) {
    let stub = Stub::json(json!({}));
    let url = stub.url();
    let variables: Vec<_> = [("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect();
    (Service::start(&rules(), &variables), stub)
}

const URI: &str = "Original-Request-Uri";
const METHOD: &str = "Original-Request-Method";

#[test]
fn g_mode_03_the_decision_route_is_auth_and_every_path_below_it_with_any_verb() {
    let (service, _stub) = service(&[]);
    let asked = [(URI, "/public"), (METHOD, "GET")];
    let below = [
        "/auth",
        "/auth/",
        "/auth?x=1",
        "/auth/public",
        "/auth//x",
        "/auth/%2F%2Fx",
        "/auth%2F%2Fx",
        "/auth/../metrics",
        "/auth/-/healthz",
        "http://other/auth/x",
    ];
    for target in below {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = service.call(method, target, &asked);
            assert!(answer.allowed(), "{method} {target} {answer:?}");
        }
    }
    for target in ["/authx", "/authx/auth", "/", "//auth", "/Auth", "/a%75th", "/metrics", "/auth.json"] {
        let answer = service.call("GET", target, &asked);
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(answer.header("mia-allowed"), None);
    }
}

#[test]
fn g_mode_03_with_a_prefix_the_route_is_below_it_and_status_routes_are_not() {
    let (service, _stub) = service(&[("SERVICE_PREFIX", "/authz")]);
    let asked = [(URI, "/public"), (METHOD, "GET")];
    assert!(service.call("GET", "/authz/auth/x", &asked).allowed());
    assert_eq!(service.call("GET", "/auth", &asked).status, 404);
    let status = service.call("GET", "/-/healthz", &[]);
    assert_eq!(status.status, 200);
    assert!(status.body.contains(r#""name":"authorization-service""#), "{status:?}");
}

#[test]
fn g_meth_06_g_meth_07_g_hdr_08_an_unclear_original_request_is_denied() {
    for (profile, expected) in [("standard", 403), ("drop-in", 401)] {
        let (service, _stub) = service(&[("PROFILE", profile)]);
        let unclear: &[&[(&str, &str)]] = &[
            &[],
            &[(URI, "/public")],
            &[(METHOD, "GET")],
            &[(URI, ""), (METHOD, "GET")],
            &[(URI, "/public"), (METHOD, "")],
            &[(URI, "/public"), (METHOD, "GET, GET")],
            &[(URI, "/public"), (METHOD, "GET POST")],
            &[(URI, "/public"), (METHOD, "GET"), (METHOD, "GET")],
            &[(URI, "/public"), (URI, "/public"), (METHOD, "GET")],
            &[(URI, "/public"), (URI, "/admin"), (METHOD, "GET")],
            &[(URI, "/public,/admin"), (METHOD, "GET")],
            &[(URI, "/public, /admin"), (METHOD, "GET")],
            &[("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "GET")],
        ];
        for headers in unclear {
            let answer = service.call("GET", "/auth/public", headers);
            assert!(!answer.allowed(), "{headers:?}");
            assert_eq!(answer.status, expected, "{headers:?}");
        }
    }
}

#[test]
fn g_meth_01_g_meth_02_g_meth_03_verbs_without_a_rule_are_denied() {
    let (service, _stub) = service(&[]);
    assert!(service.ask("GET", "/only-get", &[]).allowed());
    for method in ["HEAD", "get", "GeT", "POST", "FOO", "PROPFIND", "TRACE", "TRACK", "CONNECT"] {
        assert_eq!(service.ask(method, "/only-get", &[]).status, 403, "{method}");
    }
    assert_eq!(service.ask("TRACE", "/admin", &[]).status, 403, "ALL does not cover it");
}

#[test]
fn g_meth_04_override_headers_have_no_effect() {
    let (service, _stub) = service(&[]);
    let overridden = [("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET")];
    assert_eq!(service.ask("DELETE", "/only-get", &overridden).status, 403);
}

#[test]
fn g_hdr_07_g_hdr_09_headers_of_other_sources_have_no_effect() {
    let spoofed = [
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Original-URL", "/public"),
        ("X-Rewrite-URL", "/public"),
        ("x-envoy-original-path", "/public"),
    ];
    let (by_headers, _stub) = service(&[]);
    assert_eq!(by_headers.ask("GET", "/admin", &spoofed).status, 401);
    let (by_path, _stub) = service(&[("ORIGINAL_REQUEST_FROM", "path")]);
    let client = [(URI, "/public"), (METHOD, "GET")];
    assert_eq!(by_path.call("GET", "/auth/admin", &client).status, 401);
}

#[test]
fn k_15_the_path_is_taken_raw_with_its_own_verb() {
    let (service, _stub) = service(&[("ORIGINAL_REQUEST_FROM", "path")]);
    let status = |method: &str, target: &str| service.call(method, target, &[]).status;
    assert_eq!(status("GET", "/auth/public?x=/admin"), 200);
    assert_eq!(status("DELETE", "/auth/public"), 403);
    assert_eq!(status("GET", "/auth/admin?/public"), 401);
    for target in [
        "/auth",
        "/auth?x",
        "/auth/",
        "/auth//public",
        "/auth/%2e/public",
        "/auth/x/../public",
        "/auth%2Fpublic",
    ] {
        assert_eq!(status("GET", target), 403, "{target}");
    }
}

#[test]
fn x_forwarded_headers_count_where_they_are_the_source() {
    let (service, _stub) = service(&[("ORIGINAL_REQUEST_FROM", "x-forwarded")]);
    let ask = |headers: &[(&str, &str)]| service.call("GET", "/auth", headers).status;
    let (uri, method) = ("X-Forwarded-Uri", "X-Forwarded-Method");
    assert_eq!(ask(&[(uri, "/public?x"), (method, "POST")]), 200);
    assert_eq!(ask(&[(uri, "/public"), (method, "DELETE")]), 403);
    assert_eq!(ask(&[(uri, "/admin"), (uri, "/public"), (method, "GET")]), 403);
    assert_eq!(ask(&[(URI, "/public"), (METHOD, "GET")]), 403);
}

#[test]
fn g_hdr_12_user_agents_and_status_paths_are_decided_like_any_other() {
    let (service, _stub) = service(&[]);
    for agent in ["kube-probe/1.30", "GoogleHC/1.0"] {
        assert_eq!(service.ask("GET", "/admin", &[("User-Agent", agent)]).status, 401);
    }
    assert_eq!(service.ask("GET", "/-/healthz", &[]).status, 403);
}

#[test]
fn g_path_examples_reach_the_rules_undecoded() {
    let (service, _stub) = service(&[]);
    for target in
        ["/public/..%2fadmin", "/public/%2e%2e/admin", "/public;/../admin", "/public%23", "/public%", "admin"]
    {
        assert_eq!(service.ask("GET", target, &[]).status, 403, "{target}");
    }
}

#[test]
fn g_smug_02_a_body_is_not_read_and_ends_the_connection() {
    let (service, _stub) = service(&[]);
    let second = "GET /-/healthz HTTP/1.1\r\nHost: authz\r\n\r\n";
    let head = format!("POST /auth HTTP/1.1\r\nHost: authz\r\n{URI}: /public\r\n{METHOD}: POST\r\n");
    for framing in [
        format!("Content-Length: {}\r\n\r\n{second}", second.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len()),
        format!("Content-Length: 1000000\r\n\r\n{second}"),
    ] {
        let mut connection = service.connect();
        connection.write_all(format!("{head}{framing}").as_bytes()).unwrap();
        let answer = Answer::read(connection);
        assert!(answer.allowed(), "{answer:?}");
        assert_eq!(answer.body, "", "nothing of the body was taken for a request");
    }
}

#[test]
fn g_ws_02_g_h2c_01_an_upgrade_is_decided_like_any_request_and_never_happens() {
    let (service, _stub) = service(&[]);
    for upgrade in ["websocket", "h2c"] {
        for (target, expected) in [("/public", 200), ("/admin", 401)] {
            let head = format!("GET /auth HTTP/1.1\r\nHost: authz\r\n{URI}: {target}\r\n{METHOD}: GET\r\n");
            let upgrade = format!(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAM\r\n\r\n"
            );
            let mut connection = service.connect();
            connection.write_all(format!("{head}{upgrade}").as_bytes()).unwrap();
            let answer = Answer::read(connection);
            assert_eq!(answer.status, expected, "{answer:?}");
            assert_eq!((answer.header("connection"), answer.header("upgrade")), (Some("close"), None));
        }
    }
}
