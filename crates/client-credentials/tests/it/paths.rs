//! Which paths exist on which listener, and which methods they have.

use client_credentials::http::{Endpoint, MANAGEMENT, PUBLIC, PUBLIC_IN_DROP_IN, PUBLIC_IN_STANDARD};
use serde_json::json;

use crate::service::{BOOTSTRAP_TOKEN, JSON, Service, call};

#[test]
fn c_6749_09_other_methods_are_405_and_named() {
    let service = Service::standard(&[]);
    let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    let listeners =
        [(service.public, PUBLIC), (service.public, PUBLIC_IN_STANDARD), (service.management, MANAGEMENT)];
    for (address, endpoints) in listeners {
        for Endpoint { path, .. } in endpoints {
            let has = |method: &str| {
                let get = if method == "HEAD" { "GET" } else { method };
                endpoints.iter().any(|endpoint| endpoint.path == *path && endpoint.method.as_str() == get)
            };
            let target = path.replace("{client_id}", "x").replace("{token_id}", "x");
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
                if has(method) {
                    continue;
                }
                let answer = call(address, method, &target, &headers, "");
                assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()), "{method} {path}");
                let mut allowed: Vec<_> = answer.header("allow").unwrap().split(", ").collect();
                allowed.sort_unstable();
                let mut expected = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"].to_vec();
                expected.retain(|method| has(method));
                assert_eq!(allowed, expected, "{path}");
            }
        }
    }
}

#[test]
fn t_reg_12_clients_are_not_made_on_the_public_listener() {
    let service = Service::standard(&[]);
    let client = json!({"client_name": "c", "permissions": ["admin"]}).to_string();
    let authorization = format!("Bearer {BOOTSTRAP_TOKEN}");
    let headers = [JSON, ("Authorization", authorization.as_str()), ("X-HTTP-Method-Override", "POST")];
    for path in [
        "/clients",
        "//clients",
        "/clients/",
        "/CLIENTS",
        "/%63lients",
        "/register/../clients",
        "/register/%2e%2e/clients",
        "/clients/x",
    ] {
        for method in ["POST", "GET", "PATCH", "DELETE"] {
            let answer = call(service.public, method, path, &headers, &client);
            assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{method} {path}");
        }
    }
    assert_eq!(service.manage("GET", "/clients", None).json()["clients"], json!([]));
}

#[test]
fn t_reg_12_in_drop_in_they_are_by_exactly_one_path() {
    let service = Service::drop_in(&[("SERVICE_PREFIX", "/cc")]);
    let client = json!({"client_name": "c", "permissions": ["read:orders"]}).to_string();
    let paths: Vec<_> = PUBLIC_IN_DROP_IN.iter().map(|endpoint| endpoint.path).collect();
    assert_eq!(paths, ["/clients"]);
    assert_eq!(call(service.public, "POST", "/cc/clients", &[JSON], &client).status, 201);
    for path in ["/clients", "/cc//clients", "/cc/%63lients", "/cc/clients/x"] {
        assert_eq!(call(service.public, "POST", path, &[JSON], &client).status, 404, "{path}");
    }
    assert_eq!(call(service.public, "GET", "/cc/clients", &[], "").status, 405);
    let clients = service.manage("GET", "/clients", None).json();
    assert_eq!(clients["clients"][0]["permissions"], json!(["read:orders"]));
}

#[test]
fn t_ops_01_neither_listener_serves_what_is_the_others_or_nobodys() {
    let service = Service::standard(&[]);
    for path in ["/register", "/oauth/token", "/tokeninfo", "/.well-known/jwks.json", "/metrics", "/", "/-/"]
    {
        assert_eq!(call(service.management, "POST", path, &[], "").status, 404, "{path}");
    }
    for path in ["/metrics", "/debug", "/actuator", "/-/", "/-/metrics", "/", "/x", "/clients"] {
        assert_eq!(service.get(path).refusal(), (404, "not_found".to_owned()), "{path}");
    }
}

#[test]
fn c_9110_head_is_answered_where_get_is() {
    let service = Service::standard(&[]);
    for path in ["/-/healthz", "/-/ready", "/-/check-up", "/.well-known/jwks.json"] {
        let answer = service.call("HEAD", path, &[], "");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}
