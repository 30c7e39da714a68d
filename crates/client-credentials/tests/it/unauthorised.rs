//! Every route of the management listener wants the management token, but for one. The routes come from the tables the
//! router is built from, so that a new one cannot be forgotten.

use client_credentials::http::{Endpoint, MANAGEMENT, MANAGEMENT_WITHOUT_TOKEN};
use serde_json::json;

use crate::service::{Answer, BOOTSTRAP_TOKEN, Service, call};

fn ask(service: &Service, endpoint: &Endpoint, id: &str, authorization: &[&str]) -> Answer {
    let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
    call(
        service.management,
        endpoint.method.as_str(),
        &endpoint.path.replace("{client_id}", id).replace("{token_id}", "token").replace("{kid}", id),
        &headers,
        "",
    )
}

#[test]
fn every_management_route_wants_the_management_token() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    // Of another client: that one's login is noted in its record.
    let access_token = format!("Bearer {}", service.token_of(&service.basic_client(&json!({}))));
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
        for wrong in [&longer, &shorter, &upper, &access_token, "Bearer", "Bearer a b"] {
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
    for endpoint in MANAGEMENT {
        // With the token each one answers something else. The body is missing, so that POST and PATCH change nothing.
        let answer = ask(&service, endpoint, &client.id, &[&right]);
        assert_ne!(answer.status, 401, "{endpoint:?}");
    }
}

#[test]
fn metrics_are_the_one_exception() {
    let service = Service::standard(&[]);
    let exceptions: Vec<_> =
        MANAGEMENT_WITHOUT_TOKEN.iter().map(|endpoint| (endpoint.method.as_str(), endpoint.path)).collect();
    assert_eq!(exceptions, [("GET", "/-/metrics")]);
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
