//! `GET /audit`, and what gets there.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use client_credentials::http::MANAGEMENT;
use common::Clock;
use serde_json::{Value, json};

use crate::failing_stores::Switch;
use crate::service::{BOOTSTRAP_TOKEN, FORM, GRANT, JSON, Service, basic, call, jwt_part};

fn events(service: &Service, query: &str) -> Vec<Value> {
    let answer = service.manage("GET", &format!("/audit{query}"), None);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()["events"].as_array().unwrap().clone()
}

/// Actions, newest first.
fn actions(service: &Service, query: &str) -> Vec<String> {
    events(service, query).iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn r_22_each_change_and_each_token_has_one_event() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let stranger = service.register(&json!({"client_name": "c"})).json()["client_id"].clone();
    service.manage("PATCH", &path, Some(&json!({"name": "n", "permissions": ["p"]})));
    let token = service.token_of(&client);
    service.token(&[("Authorization", &basic(&client.id, "wrong"))], GRANT);
    service.token(&[], GRANT);
    service.manage("DELETE", &path, None);
    let now = service.clock.now().unix_millis();
    let id = client.id.as_str();
    let (bootstrap, anybody) = (json!({"kind": "bootstrap"}), json!({"kind": "anybody"}));
    let expected = [
        json!({"action": "client.deleted", "actor": bootstrap, "clientId": id}),
        json!({"action": "token.refused", "actor": anybody, "reason": "credential_missing"}),
        json!({"action": "token.refused", "actor": anybody, "clientId": id, "reason": "wrong_secret"}),
        json!({"action": "token.issued", "actor": {"kind": "client", "clientId": id}, "clientId": id,
            "subject": jwt_part(&token, 1)["jti"]}),
        json!({"action": "client.changed", "actor": bootstrap, "clientId": id, "subject": "name,permissions"}),
        json!({"action": "client.registered", "actor": anybody, "clientId": stranger}),
        json!({"action": "client.created", "actor": bootstrap, "clientId": id}),
    ];
    let mut found = events(&service, "");
    for event in &mut found {
        let members = event.as_object_mut().unwrap();
        assert_eq!(members.remove("at"), Some(json!(now)));
        assert_eq!(members.remove("source"), Some(json!("127.0.0.1")));
        assert!(members.remove("requestId").unwrap().is_string());
        assert!(members.remove("id").unwrap().is_string());
    }
    // Within one millisecond the order is not told.
    assert_eq!(found.len(), expected.len());
    for event in expected {
        assert!(found.contains(&event), "{event} is not in {found:#?}");
    }
}

#[test]
fn r_22_what_a_client_changes_about_itself_has_an_event() {
    let service = Service::standard(&[]);
    let client = service.register(&json!({"client_name": "before"})).json();
    let id = &client["client_id"];
    let path = format!("/register/{}", id.as_str().unwrap());
    let token = format!("Bearer {}", client["registration_access_token"].as_str().unwrap());
    let replacement = json!({"client_id": id, "client_name": "after", "no member of ours": 1}).to_string();
    for authorization in ["Bearer wrong", &token] {
        service.call("PUT", &path, &[("Authorization", authorization), JSON], &replacement);
    }
    for authorization in ["Bearer wrong", &token] {
        service.call("DELETE", &path, &[("Authorization", authorization)], "");
    }
    assert_eq!(actions(&service, "").len(), 3);
    for action in ["client.changed", "client.deleted"] {
        let found = events(&service, &format!("?action={action}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["actor"], json!({"kind": "client", "clientId": id}));
        assert_eq!(found[0]["clientId"], *id);
    }
    let changed = &events(&service, "?action=client.changed")[0]["subject"];
    let names: Vec<&str> = changed.as_str().unwrap().split(',').collect();
    assert!(names.contains(&"client_name") && !names.contains(&"no member of ours"), "{names:?}");
}

#[test]
fn r_22_an_initial_access_token_has_an_event_when_it_is_made_used_and_ended() {
    let service = Service::standard(&[("REGISTRATION", "token")]);
    let made = service.manage("POST", "/registration-tokens", Some(&json!({"uses": 2}))).json();
    let (id, token) = (&made["id"], format!("Bearer {}", made["initial_access_token"].as_str().unwrap()));
    for (body, status) in [(r#"{"client_name":"c"}"#, 201), ("{}", 400)] {
        assert_eq!(
            service.call("POST", "/register", &[JSON, ("Authorization", &token)], body).status,
            status
        );
    }
    let path = format!("/registration-tokens/{}", id.as_str().unwrap());
    assert_eq!(service.manage("DELETE", &path, None).status, 204);
    let (bootstrap, anybody) = (json!({"kind": "bootstrap"}), json!({"kind": "anybody"}));
    let found = events(&service, "");
    assert_eq!(found.len(), 3, "{found:?}");
    for (action, actor) in [
        ("registration_token.added", &bootstrap),
        ("client.registered", &anybody),
        ("registration_token.retired", &bootstrap),
    ] {
        let event = &events(&service, &format!("?action={action}"))[0];
        assert_eq!((&event["actor"], &event["subject"]), (actor, id), "{action}");
    }
}

/// Sends a request, and resets the connection when the store was asked once more. The store answers when the guard is
/// dropped.
fn leave_before_the_answer(address: SocketAddr, request: &str, store: &Switch) {
    let before = store.calls();
    let gate = store.hold();
    let mut connection = TcpStream::connect(address).unwrap();
    // What is closed while there is something to read on it is reset, and the server drops what it was doing.
    connection.write_all(b"GET /-/healthz HTTP/1.1\r\nHost: auth\r\n\r\n").unwrap();
    connection.peek(&mut [0]).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    while store.calls() == before {
        thread::yield_now();
    }
    drop(connection);
    // Every worker takes some of these, and so has seen the reset.
    for _ in 0..64 {
        assert_eq!(call(address, "GET", "/-/healthz", &[], "").status, 200);
    }
    drop(gate);
}

fn request(head: &str, authorization: &str, form: &str) -> String {
    let length = form.len();
    format!(
        "{head} HTTP/1.1\r\nHost: auth\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::yield_now();
    }
}

#[test]
fn r_22_t_reg_11_who_leaves_before_the_answer_keeps_nothing_out_of_the_log() {
    let service = Service::standard(&[]);
    let registered = service.register(&json!({"client_name": "c"})).json();
    let id = registered["client_id"].as_str().unwrap();
    let registration = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let made = service.basic_client(&json!({}));
    let form = format!("token={}", service.token_of(&made));
    actions(&service, "");
    for (address, head, authorization, form, action, client) in [
        (service.public, format!("DELETE /register/{id}"), registration, "", "client.deleted", id),
        (service.public, "POST /oauth/revoke".to_owned(), made.basic(), &*form, "token.revoked", &*made.id),
        (
            service.management,
            format!("DELETE /clients/{}", made.id),
            format!("Bearer {BOOTSTRAP_TOKEN}"),
            "",
            "client.deleted",
            &*made.id,
        ),
    ] {
        leave_before_the_answer(address, &request(&head, &authorization, form), &service.stores.audit);
        let query = format!("?action={action}&client={client}");
        eventually(&head, || !events(&service, &query).is_empty());
    }
}

/// Else a guess would cost nothing but a connection.
#[test]
fn c_6749_06_t_bru_01_who_leaves_before_the_answer_has_guessed_all_the_same() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let guess = request("POST /oauth/token", &basic(&client.id, "guess"), GRANT);
    for _ in 0..10 {
        leave_before_the_answer(service.public, &guess, &service.stores.secrets);
    }
    let query = format!("?action=token.refused&client={}", client.id);
    eventually("all of them are told of", || events(&service, &query).len() == 10);
    let next = service.token(&[("Authorization", &basic(&client.id, "guess"))], GRANT);
    assert_eq!(next.status, 429, "the budget is used up");
}

#[test]
fn a_request_that_changes_nothing_has_no_event() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    service.manage("PATCH", &path, Some(&json!({"permissions": "no list"})));
    service.manage("PATCH", "/clients/nobody", Some(&json!({"name": "n"})));
    service.manage("DELETE", "/clients/nobody", None);
    service.manage("POST", "/clients", Some(&json!({})));
    service.register(&json!({}));
    service.manage("GET", &path, None);
    assert_eq!(actions(&service, ""), ["client.created"]);
}

#[test]
fn conditions_and_pages() {
    let service = Service::standard(&[]);
    let start = service.clock.now();
    let (one, other) = (service.basic_client(&json!({})), service.basic_client(&json!({})));
    for client in [&one, &other, &one] {
        service.clock.advance_seconds(1);
        service.token_of(client);
    }
    let at = |seconds| start.plus_seconds(seconds).unix_millis();
    for (query, count) in [
        ("", 5),
        ("?action=token.issued", 3),
        (&format!("?client={}", one.id), 3),
        (&format!("?client={}&action=token.issued", one.id), 2),
        (&format!("?since={}", at(2)), 2),
        (&format!("?since={}&until={}", at(1), at(3)), 2),
        ("?client=nobody", 0),
    ] {
        assert_eq!(events(&service, query).len(), count, "{query}");
    }
    let mut seconds = Vec::new();
    let mut after = String::new();
    loop {
        let page = service.manage("GET", &format!("/audit?limit=2{after}"), None).json();
        let events = page["events"].as_array().unwrap();
        seconds.extend(events.iter().map(|event| event["at"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seconds, [at(3), at(2), at(1), at(0), at(0)], "newest first");
    for (query, sentence) in [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?action=token", "action"),
        ("?since=yesterday", "since"),
        ("?client=a%20b", "client"),
        ("?after=x", "after"),
        ("?after=01A20081-967B-7001-8203-040506070809", "after"),
        ("?clients=x", "parameter"),
        ("?since=1&since=2", "repeated"),
    ] {
        let answer = service.manage("GET", &format!("/audit{query}"), None);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{query}");
        assert!(answer.body.contains(sentence), "{query}: {answer:?}");
    }
}

#[test]
fn an_event_is_kept_for_its_time() {
    for (variables, tokens, changes) in [
        (&[][..], 7, 365),
        (&[("AUDIT_RETENTION_DAYS", "2"), ("AUDIT_TOKEN_RETENTION_DAYS", "1")], 1, 2),
        (&[("AUDIT_TOKEN_RETENTION_DAYS", "0")], 0, 365),
    ] {
        let service = Service::standard(variables);
        let client = service.basic_client(&json!({}));
        let day = 86_400;
        service.token_of(&client);
        let present = if tokens == 0 { 1 } else { 2 };
        assert_eq!(events(&service, "").len(), present);
        service.clock.advance_seconds(tokens * day);
        service.register(&json!({"client_name": "a write, which cleans up"}));
        assert!(actions(&service, "").contains(&"token.issued".to_owned()) || tokens == 0);
        service.clock.advance_seconds(1);
        service.register(&json!({"client_name": "a write, which cleans up"}));
        assert!(!actions(&service, "").contains(&"token.issued".to_owned()), "{variables:?}");
        service.clock.advance_seconds((changes - tokens) * day);
        service.register(&json!({"client_name": "a write, which cleans up"}));
        assert!(!actions(&service, "").contains(&"client.created".to_owned()), "{variables:?}");
    }
}

#[test]
fn r_22_a_change_that_is_not_in_the_log_is_not_confirmed() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    service.stores.audit.fail();
    let patch = json!({"name": "changed"});
    for answer in [
        service.manage("PATCH", &path, Some(&patch)),
        service.manage("POST", "/clients", Some(&json!({"client_name": "c"}))),
        service.manage("GET", "/audit", None),
        service.register(&json!({"client_name": "c"})),
    ] {
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
    }
    let clients = service.manage("GET", "/clients", None).json()["clients"].clone();
    assert_eq!(clients.as_array().unwrap().len(), 1, "and not made");
    assert_eq!(clients[0]["name"], "basic");
    // Tokens do not wait for it, and their events wait for the store.
    service.token_of(&client);
    service.stores.audit.work();
    assert_eq!(actions(&service, "?action=token.issued"), ["token.issued"]);
}

#[test]
fn r_22_a_change_is_in_the_log_before_it_is_made() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let reasons = |action: &str| -> Vec<Option<String>> {
        let events = events(&service, &format!("?action={action}"));
        events.iter().map(|event| event["reason"].as_str().map(str::to_owned)).collect()
    };
    let secrets = format!("/clients/{}/secrets", client.id);
    // A failure of the store, like a kill, leaves it open whether the change was made.
    service.stores.secrets.fail();
    assert_eq!(service.manage("POST", &secrets, Some(&json!({}))).status, 503);
    assert_eq!(service.register(&json!({"client_name": "c"})).status, 503);
    service.stores.secrets.work();
    let unfinished = vec![Some("unfinished".to_owned())];
    assert_eq!((reasons("secret.added"), reasons("client.registered")), (unfinished.clone(), unfinished));
    // What was done is told as done, with what was made.
    service.clock.advance_seconds(1);
    let made = service.manage("POST", &secrets, Some(&json!({}))).json();
    assert_eq!(service.register(&json!({"client_name": "c"})).status, 201);
    assert_eq!((reasons("secret.added").len(), &reasons("secret.added")[0]), (2, &None));
    assert_eq!(events(&service, "?action=secret.added")[0]["subject"], made["id"]);
    assert_eq!(reasons("client.registered")[0], None);
    // What was refused was not done.
    let path = format!("/clients/{}", client.id);
    for answer in [
        service.manage("PATCH", &path, Some(&json!({"name": 1}))),
        service.manage("PATCH", "/clients/nobody", Some(&json!({"name": "n"}))),
        service.manage("DELETE", "/clients/nobody", None),
        service.manage("DELETE", &format!("{secrets}/none"), None),
    ] {
        assert!((400..=404).contains(&answer.status), "{answer:?}");
    }
    for action in ["client.changed", "client.deleted", "secret.retired"] {
        assert_eq!(reasons(action), [], "{action}");
    }
}

#[test]
fn t_log_03_what_a_caller_sends_is_cut_and_no_secret_is_kept() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let authorization = client.basic();
    let id = "r".repeat(128);
    let headers = [FORM, ("Authorization", &authorization), ("X-Request-Id", &id)];
    assert_eq!(service.call("POST", "/oauth/token", &headers, GRANT).status, 200);
    let management = format!("Bearer {BOOTSTRAP_TOKEN}");
    let path = format!("/clients/{}", client.id);
    let names: serde_json::Map<_, _> =
        (0..100).map(|number| (format!("name-{number}"), json!("value"))).collect();
    let patch = json!({"metadata": {"hunter2": "hunter2"}, "name": "hunter2"}).to_string();
    call(service.management, "PATCH", &path, &[JSON, ("Authorization", &management)], &patch);
    service.manage("PATCH", &path, Some(&Value::Object(names)));
    let events = events(&service, "");
    assert!(events.iter().any(|event| event["requestId"] == *id));
    assert!(events.iter().any(|event| event["subject"] == "metadata,name"));
    let text = json!(events).to_string();
    for secret in ["hunter2", &client.secret, BOOTSTRAP_TOKEN] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn the_documentation_names_every_action() {
    let documentation = include_str!("../../../../docs/http-api.md");
    for action in credentials::audit::AuditAction::ALL {
        assert!(documentation.contains(&format!("`{}`", action.as_str())), "{action:?}");
    }
    assert!(MANAGEMENT.iter().any(|endpoint| endpoint.path == "/audit"));
}
