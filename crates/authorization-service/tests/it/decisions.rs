//! Denials have an id, and by it they are explained to those who have the management token.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::issuer::until;
use crate::service::{Answer, Service};
use crate::stub::{Reply, Seen, Stub};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"authorization": {"expression": expression, "public": public}});
    json!({
        "/orders": {
            "GET": rule("permissions['read:orders']", false),
            "POST": rule("groups.staff && permissions['write:orders'] && clientType == 'app'", false),
        },
        "/error": {"ALL": rule("clientType == isBackoffice", true)},
        "/open": {"ALL": rule("true", true)},
    })
}

fn userinfo(seen: &Seen) -> Reply {
    match seen.all("authorization").concat().as_str() {
        "Bearer user" => Reply::json(&json!({
            "sub": "user-1",
            "groups": ["staff", "canary-group"],
            "permissions": ["read:orders", "canary-permission"],
            "mail": "canary-mail",
        })),
        "Bearer odd" => Reply::json(&json!({"sub": "é", "groups": []})),
        "Bearer failing" => Reply::status(500),
        _ => Reply::status(401),
    }
}

fn start(variables: &[(&str, &str)]) -> (Stub, Service) {
    let stub = Stub::start(userinfo);
    let url = stub.url();
    let ours = [
        ("USERINFO_URL", url.as_str()),
        ("MANAGEMENT_PORT", "0"),
        ("CUSTOM_PERMISSIONS_KEY", "permissions"),
        ("MANAGEMENT_TOKEN", TOKEN),
    ];
    let theirs: HashSet<_> = variables.iter().map(|(name, _)| *name).collect();
    let all: Vec<_> = ours
        .into_iter()
        .filter(|(name, _)| !theirs.contains(name))
        .chain(variables.iter().copied())
        .collect();
    let service = Service::start(&rules(), &all);
    (stub, service)
}

fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("Authorization", format!("Bearer {token}"))]
}

fn ask(service: &Service, method: &str, target: &str, token: &str) -> Answer {
    let [(name, value)] = bearer(token);
    let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[(name, value.as_str())] };
    service.ask(method, target, headers)
}

fn look_up(service: &Service, id: &str, token: &str) -> Answer {
    let [(name, value)] = bearer(token);
    service.manage_with("GET", &format!("/decisions/{id}"), &[(name, &value)])
}

fn explained(service: &Service, denied: &Answer) -> Value {
    let answer = look_up(service, denied.header("x-decision-id").unwrap(), TOKEN);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_denial_is_explained_to_the_clause() {
    let (_stub, service) = start(&[]);
    let denied = ask(&service, "POST", "/orders?token=canary-query", "user");
    assert_eq!(denied.status, 403);
    let body: Value = serde_json::from_str(&denied.body).unwrap();
    let id = denied.header("x-decision-id").unwrap();
    assert_eq!((body["decisionId"].as_str(), body["statusCode"].as_u64()), (Some(id), Some(403)));
    assert_eq!((id.len(), id.bytes().all(|byte| byte.is_ascii_hexdigit())), (32, true));

    let explained = explained(&service, &denied);
    assert_eq!(explained["id"], id);
    assert_eq!((&explained["outcome"], &explained["reason"]), (&json!("deny"), &json!("forbidden")));
    assert_eq!(explained["request"], json!({"method": "POST", "path": "/orders"}));
    assert_eq!(explained["rule"]["path"], "/orders");
    assert_eq!(explained["rule"]["verb"], "POST");
    assert!(explained["rule"]["line"].as_u64() == Some(1) && explained["rule"]["column"].as_u64() > Some(1));
    assert!(explained["rules"]["file"].as_str().unwrap().ends_with("/auth.json"));
    let status: Value = serde_json::from_str(&service.manage("GET", "/-/rules").body).unwrap();
    assert_eq!(explained["rules"]["version"], status["version"]);
    assert!(explained["at"].as_i64() >= status["loadedAt"].as_i64());
    assert_eq!(
        explained["caller"],
        json!({"is": "known", "id": "user-1", "groups": ["staff"], "permissions": []})
    );
    assert_eq!(
        explained["evaluation"]["failed"],
        json!([
            {"clause": "permissions[\"write:orders\"]", "value": false},
            {"clause": "clientType == \"app\"", "value": false},
        ])
    );
    assert_eq!(explained["evaluation"]["needs"], "permissions[\"write:orders\"] && clientType == \"app\"");
    let parts = explained["evaluation"]["clauses"]["parts"].as_array().unwrap();
    assert_eq!(parts[0], json!({"clause": "groups.staff", "value": true}));
    assert!(!explained.to_string().contains("canary"), "{explained}");
}

#[test]
fn every_kind_of_denial_has_an_id_and_an_explanation() {
    for profile in ["standard", "drop-in"] {
        let (_stub, service) = start(&[("PROFILE", profile)]);
        let mut ids = HashSet::new();
        for (method, target, token, reason, caller, rule) in [
            ("GET", "/orders", "", "unauthenticated", "nobody", true),
            ("GET", "/orders", "wrong", "unauthenticated", "nobody", true),
            ("GET", "/orders", "failing", "cannot_know", "unknown", true),
            ("GET", "/error", "user", "expression_error", "known", true),
            ("GET", "/nowhere", "user", "no_rule", "not looked up", false),
            ("GET", "/open/../orders", "user", "path_refused", "not looked up", false),
            ("GET", "/open", "odd", "identity_unsendable", "known", true),
        ] {
            let denied = ask(&service, method, target, token);
            assert!(!denied.allowed(), "{target}");
            let explained = explained(&service, &denied);
            assert_eq!(explained["reason"], reason, "{explained}");
            assert_eq!(explained["caller"]["is"], caller, "{explained}");
            assert_eq!((explained["rule"].is_object(), explained["evaluation"].is_object()), (rule, rule));
            assert!(!explained["message"].as_str().unwrap().is_empty());
            assert!(ids.insert(denied.header("x-decision-id").unwrap().to_owned()), "ids differ");
        }
        let unclear = service.call("GET", "/auth", &[]);
        assert_eq!(explained(&service, &unclear)["reason"], "original_request_unclear");
        let allowed = ask(&service, "GET", "/open", "user");
        assert_eq!((allowed.status, allowed.header("x-decision-id")), (200, None));
    }
}

#[test]
fn a_denial_outside_strict_mode_has_an_id_too() {
    let (_stub, service) = start(&[("AUTHORIZATION_STRICT_MODE_ENABLED", "false")]);
    let denied = ask(&service, "POST", "/orders", "user");
    assert_eq!((denied.status, denied.header("mia-allowed"), denied.body.as_str()), (200, Some("0"), ""));
    assert_eq!(explained(&service, &denied)["reason"], "forbidden");
}

#[test]
fn an_explanation_is_that_of_the_rules_that_decided() {
    let (_stub, service) = start(&[]);
    let denied = ask(&service, "POST", "/orders", "user");
    let before = explained(&service, &denied);
    service.replace_rules("{}");
    until(|| service.manage("GET", "/-/rules").body.contains("\"rules\":0"));
    assert_eq!(explained(&service, &denied), before);
}

#[test]
fn only_the_management_token_opens_decisions() {
    let (_stub, service) = start(&[]);
    let denied = ask(&service, "POST", "/orders", "user");
    let id = denied.header("x-decision-id").unwrap();
    let path = format!("/decisions/{id}");
    let longer = format!("Bearer {TOKEN}0");
    let right = format!("Bearer {TOKEN}");
    for headers in [
        &[][..],
        &[("Authorization", "")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", TOKEN)],
        &[("Authorization", &longer)],
        &[("Authorization", &right[..right.len() - 1])],
        &[("Authorization", "Basic MDEyMzQ1Njc4OWFiY2RlZg==")],
        &[("Authorization", &right), ("Authorization", &right)],
        &[("x-gettone-peer", TOKEN)],
    ] {
        let answer = service.manage_with("GET", &path, headers);
        assert_eq!(answer.status, 401, "{headers:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert!(!answer.body.contains("orders"), "{answer:?}");
    }
    assert_eq!(
        service.manage_with("GET", &path, &[("authorization", &right.replace("Bearer", "bearer"))]).status,
        200
    );
    // The public listener knows no such route, and other verbs and ids find nothing.
    assert_eq!(service.call("GET", &path, &[("Authorization", &right)]).status, 404);
    assert_eq!(service.manage_with("DELETE", &path, &[("Authorization", &right)]).status, 405);
    for id in ["0", "", &id.to_uppercase(), "00000000000000000000000000000000", "..%2f-%2frules"] {
        assert_eq!(look_up(&service, id, TOKEN).status, 404, "{id}");
    }
}

#[test]
fn without_a_token_nobody_is_told_and_without_room_nothing_is_remembered() {
    let (_stub, service) = start(&[("MANAGEMENT_TOKEN", "")]);
    let denied = ask(&service, "POST", "/orders", "user");
    let id = denied.header("x-decision-id").unwrap();
    for token in ["", TOKEN] {
        let answer = look_up(&service, id, token);
        assert!(answer.status == 403 && answer.body.contains("MANAGEMENT_TOKEN"), "{answer:?}");
    }
    let (_stub, service) = start(&[("DECISIONS_KEPT", "0")]);
    let denied = ask(&service, "POST", "/orders", "user");
    assert_eq!(look_up(&service, denied.header("x-decision-id").unwrap(), TOKEN).status, 404);
    let problem = Service::try_start("{}", &[("USERINFO_URL", "http://x/"), ("MANAGEMENT_TOKEN", "short")]);
    assert!(problem.err().unwrap().contains("MANAGEMENT_TOKEN\n      must be at least 32"));
}
