//! Who is sent away from the management listener: whose power is gone, who guesses, and the trace that they leave.

use serde_json::{Value, json};

use crate::service::{Answer, BOOTSTRAP_TOKEN, BasicClient, JSON, Service, call};

fn with_token(service: &Service, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str()), JSON];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(service.management, method, path, &headers, &body)
}

fn operator(service: &Service, permissions: &[&str]) -> (BasicClient, String) {
    let client = service.basic_client(&json!({ "permissions": permissions }));
    let token = service.token_of(&client);
    (client, token)
}

fn path(client: &BasicClient) -> String {
    format!("/clients/{}", client.id)
}

#[test]
fn t_api_03_who_was_demoted_cannot_give_the_power_back_to_themselves() {
    let service = Service::standard(&[]);
    let (client, token) = operator(&service, &["gettone:clients:write", "gettone:keys:write"]);
    let own = path(&client);
    let demoted = json!({"permissions": ["gettone:clients:write"]});
    assert_eq!(service.manage("PATCH", &own, Some(&demoted)).status, 200);
    let both = json!({"client_name": "c", "permissions": ["gettone:clients:write", "gettone:keys:write"]});
    let patch = json!({ "permissions": both["permissions"] });
    for (method, path, body) in [("PATCH", own.as_str(), &patch), ("POST", "/clients", &both)] {
        let answer = with_token(&service, &token, method, path, body);
        assert_eq!(answer.refusal(), (403, "access_denied".to_owned()), "{method}: it lacks one by now");
    }
    let keys = with_token(&service, &token, "POST", "/keys", &json!({"algorithm": "RS256"}));
    assert_eq!(keys.refusal(), (403, "insufficient_scope".to_owned()));
    assert_eq!(
        with_token(&service, &token, "PATCH", &own, &json!({"name": "n"})).status,
        200,
        "what is left"
    );

    service.manage("PATCH", &own, Some(&json!({"permissions": []})));
    for (method, path, body) in [
        ("PATCH", own.as_str(), json!({"permissions": ["gettone:clients:write"]})),
        ("POST", "/clients", both),
    ] {
        let answer = with_token(&service, &token, method, path, &body);
        assert_eq!(answer.refusal(), (403, "insufficient_scope".to_owned()), "{method}");
    }
    // What the client has got since is not in the token: it must get a new one.
    service.manage("PATCH", &own, Some(&json!({"permissions": ["gettone:audit:read"]})));
    let audit = with_token(&service, &token, "GET", "/audit", &Value::Null);
    assert_eq!(audit.refusal(), (403, "insufficient_scope".to_owned()));
    let renewed = service.token_of(&client);
    assert_eq!(with_token(&service, &renewed, "GET", "/audit", &Value::Null).status, 200);
}

#[test]
fn rights_that_cannot_be_looked_up_are_none() {
    let service = Service::standard(&[]);
    let (_, token) = operator(&service, &["gettone:audit:read"]);
    service.stores.clients.fail();
    let answer = with_token(&service, &token, "GET", "/audit", &Value::Null);
    assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(service.manage("GET", "/audit", None).status, 200, "the bootstrap token needs no client");
}

#[test]
fn r_22_a_denied_call_has_one_event_a_minute_that_names_who_tried() {
    let service = Service::standard(&[]);
    let (reader, token) = operator(&service, &["gettone:clients:read"]);
    let (writer, write_token) = operator(&service, &["gettone:clients:write"]);
    let (victim, _) = operator(&service, &["gettone:keys:write"]);
    for _ in 0..3 {
        with_token(&service, &token, "PATCH", &path(&victim), &json!({"name": "n"}));
        with_token(&service, &write_token, "DELETE", &path(&victim), &Value::Null);
        with_token(&service, "guess", "GET", "/keys", &Value::Null);
        call(service.management, "GET", &path(&victim), &[], "");
    }
    let found = || {
        let events = service.manage("GET", "/audit?action=management.refused", None).json()["events"].clone();
        let mut events: Vec<Value> = events.as_array().unwrap().clone();
        for event in &mut events {
            let members = event.as_object_mut().unwrap();
            for name in ["id", "at", "source", "requestId"] {
                assert!(members.remove(name).is_some(), "{name}");
            }
            assert_eq!(members.remove("action"), Some(json!("management.refused")));
        }
        events
    };
    let client = |client: &BasicClient| json!({"kind": "client", "clientId": client.id});
    let (anybody, route, id) = (json!({"kind": "anybody"}), "/clients/{client_id}", victim.id.as_str());
    let expected = [
        json!({"actor": client(&reader), "clientId": id, "subject": format!("PATCH {route}"),
            "reason": "permission_missing"}),
        json!({"actor": client(&writer), "clientId": id, "subject": format!("DELETE {route}"),
            "reason": "privileged_client"}),
        json!({"actor": anybody, "subject": "GET /keys", "reason": "token_invalid"}),
        json!({"actor": anybody, "clientId": id, "subject": format!("GET {route}"), "reason": "token_missing"}),
    ];
    let events = found();
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for event in expected {
        assert!(events.contains(&event), "{event} is not in {events:#?}");
    }
    service.clock.advance_seconds(60);
    with_token(&service, "guess", "GET", "/keys", &Value::Null);
    assert_eq!(found().len(), events.len() + 1);
}

#[test]
fn t_bru_01_guesses_at_the_management_token_are_limited_and_the_right_one_is_good_at_any_time() {
    let service = Service::standard(&[("WRONG_SECRETS_PER_MINUTE_PER_SOURCE", "3")]);
    let (_, token) = operator(&service, &["gettone:clients:read"]);
    let guess = || with_token(&service, &BOOTSTRAP_TOKEN.to_uppercase(), "GET", "/clients", &Value::Null);
    for _ in 0..3 {
        assert_eq!(guess().refusal(), (401, "invalid_token".to_owned()));
    }
    let answer = guess();
    assert_eq!(answer.refusal(), (429, "too_many_requests".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("20"));
    for right in [BOOTSTRAP_TOKEN, &token] {
        assert_eq!(with_token(&service, right, "GET", "/clients", &Value::Null).status, 200);
    }
    let page = call(service.management, "GET", "/-/metrics", &[], "").body;
    assert!(page.contains("rate_limited_total{limit=\"wrong_management_tokens_per_source\"} 1\n"), "{page}");
    service.clock.advance_seconds(20);
    assert_eq!([(); 2].map(|()| guess().status), [401, 429]);
}
