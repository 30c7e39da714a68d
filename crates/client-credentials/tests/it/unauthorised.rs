//! Every route of the management listener wants the bootstrap token or its permission, but for one. The routes come from the tables the
//! router is built from, so that a new one cannot be forgotten.

use client_credentials::http::{Endpoint, MANAGEMENT, MANAGEMENT_WITHOUT_TOKEN};
use serde_json::json;

use crate::service::{Answer, BOOTSTRAP_TOKEN, JSON, Service, call};

/// All but the one whose answer never ends, which `revocation_feed` asks with the right token.
fn answering() -> impl Iterator<Item = &'static Endpoint> {
    MANAGEMENT.iter().filter(|endpoint| endpoint.path != "/revocations")
}

fn ask(service: &Service, endpoint: &Endpoint, id: &str, authorization: &[&str]) -> Answer {
    let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
    call(
        service.management,
        endpoint.method.as_str(),
        &endpoint
            .path
            .replace("{client_id}", id)
            .replace("{secret_id}", "x")
            .replace("{token_id}", "token")
            .replace("{kid}", id),
        &headers,
        "",
    )
}

#[test]
fn every_management_route_wants_the_management_token() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let before = service.manage("GET", &format!("/clients/{}", client.id), None);
    let longer = format!("Bearer {BOOTSTRAP_TOKEN}x");
    let shorter = format!("Bearer {}", &BOOTSTRAP_TOKEN[1..]);
    let upper = format!("Bearer {}", BOOTSTRAP_TOKEN.to_uppercase());
    let right = format!("Bearer {BOOTSTRAP_TOKEN}");
    let basic = client.basic();
    assert!(!MANAGEMENT.is_empty());
    for endpoint in MANAGEMENT {
        let no_token = Some("Bearer realm=\"client-credentials\"");
        for none in [&[][..], &[""], &[&basic], &[BOOTSTRAP_TOKEN]] {
            let answer = ask(&service, endpoint, &client.id, none);
            assert_eq!(answer.status, 401, "{endpoint:?} {none:?}");
            assert_eq!(answer.header("www-authenticate"), no_token, "{endpoint:?} {none:?}");
        }
        for wrong in [&longer, &shorter, &upper, "Bearer", "Bearer a b", "Bearer a.b.c"] {
            let answer = ask(&service, endpoint, &client.id, &[wrong]);
            assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{endpoint:?} {wrong:?}");
        }
        let twice = ask(&service, endpoint, &client.id, &[&right, &right]);
        assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()), "{endpoint:?}");
    }
    assert_eq!(
        service.manage("GET", &format!("/clients/{}", client.id), None),
        before,
        "nothing was changed"
    );
    for endpoint in answering() {
        // With the token each one answers something else. The body is missing, so that POST and PATCH change nothing.
        let answer = ask(&service, endpoint, &client.id, &[&right]);
        assert_ne!(answer.status, 401, "{endpoint:?}");
    }
}

#[test]
fn c_6750_05_an_access_token_opens_the_routes_of_its_permission_and_no_other() {
    let service = Service::standard(&[]);
    let victim = service.basic_client(&json!({}));
    let mut permissions: Vec<_> = MANAGEMENT.iter().map(|endpoint| endpoint.permission).collect();
    permissions.sort_unstable();
    permissions.dedup();
    assert!(permissions.iter().all(|permission| permission.starts_with("gettone:")), "{permissions:?}");
    let token = |permissions: &[&str]| {
        let client = service.basic_client(&json!({ "permissions": permissions }));
        format!("Bearer {}", service.token_of(&client))
    };
    for endpoint in MANAGEMENT {
        let others: Vec<_> =
            permissions.iter().copied().filter(|permission| *permission != endpoint.permission).collect();
        for wrong in [token(&[]), token(&others), token(&["gettone:", "gettone:*"])] {
            let answer = ask(&service, endpoint, &victim.id, &[&wrong]);
            assert_eq!(answer.refusal(), (403, "insufficient_scope".to_owned()), "{endpoint:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            let expected = format!("error=\"insufficient_scope\", scope=\"{}\"", endpoint.permission);
            assert!(challenge.starts_with("Bearer ") && challenge.ends_with(&expected), "{challenge}");
        }
    }
    for endpoint in answering() {
        let right = token(&[endpoint.permission]);
        let answer = ask(&service, endpoint, &victim.id, &[&right]);
        assert!(![401, 403].contains(&answer.status), "{endpoint:?} {answer:?}");
        service.clock.advance_seconds(3600);
        let answer = ask(&service, endpoint, &victim.id, &[&right]);
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{endpoint:?}");
    }
}

#[test]
fn c_21_11_a_permission_to_write_clients_is_no_way_to_the_others() {
    let service = Service::standard(&[]);
    let writer = service.basic_client(&json!({"permissions": ["gettone:clients:write"]}));
    let reader = service.basic_client(&json!({"permissions": ["gettone:audit:read"]}));
    let plain = service.basic_client(&json!({}));
    let token = format!("Bearer {}", service.token_of(&writer));
    let write = |method: &str, path: &str, body: &serde_json::Value| {
        let headers = [("Authorization", token.as_str()), JSON];
        call(service.management, method, path, &headers, &body.to_string())
    };
    let secrets = format!("/clients/{}/secrets", reader.id);
    let path = |id: &str| format!("/clients/{id}");
    let more = json!({"permissions": ["gettone:audit:read"]});
    for (what, answer) in [
        ("give it to itself", write("PATCH", &path(&writer.id), &more)),
        ("give it to another", write("PATCH", &path(&plain.id), &more)),
        (
            "make such a client",
            write("POST", "/clients", &json!({"client_name": "c", "permissions": ["gettone:x"]})),
        ),
        ("change one", write("PATCH", &path(&reader.id), &json!({"name": "n"}))),
        ("take one's powers", write("PATCH", &path(&reader.id), &json!({"permissions": []}))),
        ("get one's secret", write("POST", &secrets, &json!({}))),
        ("cancel one's secret", write("DELETE", &format!("{secrets}/x"), &json!({}))),
        ("remove one", write("DELETE", &path(&reader.id), &json!({}))),
    ] {
        assert_eq!(answer.refusal(), (403, "access_denied".to_owned()), "{what}");
    }
    let own = json!({"permissions": ["gettone:clients:write", "read:orders"]});
    assert_eq!(write("PATCH", &path(&plain.id), &own).status, 200, "what it has it may give");
    let events = service.manage("GET", &format!("/audit?client={}&action=client.changed", plain.id), None);
    let actor = json!({"kind": "client", "clientId": writer.id});
    assert_eq!(events.json()["events"][0]["actor"], actor);
    // Without any token, as in the drop-in profile on the public listener, nobody gets such a permission.
    let service = Service::drop_in(&[]);
    let body = json!({"client_name": "c", "permissions": ["gettone:clients:write"]}).to_string();
    assert_eq!(service.call("POST", "/clients", &[JSON], &body).status, 403);
}

#[test]
fn metrics_and_the_openapi_document_are_the_exceptions() {
    let service = Service::standard(&[]);
    let exceptions: Vec<_> =
        MANAGEMENT_WITHOUT_TOKEN.iter().map(|endpoint| (endpoint.method.as_str(), endpoint.path)).collect();
    assert_eq!(exceptions, [("GET", "/-/metrics"), ("GET", "/-/openapi.json")]);
    for endpoint in MANAGEMENT_WITHOUT_TOKEN {
        for authorization in [&[][..], &["Bearer wrong"]] {
            assert_eq!(ask(&service, endpoint, "", authorization).status, 200, "{endpoint:?}");
        }
    }
}

#[test]
fn t_tok_05_the_management_token_counts_in_its_header_only() {
    let service = Service::standard(&[]);
    let target = format!("/clients?access_token={BOOTSTRAP_TOKEN}");
    assert_eq!(call(service.management, "GET", &target, &[], "").status, 401);
}
