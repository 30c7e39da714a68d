//! Clients that registered themselves and were never used (T-REG-11). The sweep is driven by hand.

use client_credentials::remove_unused_clients;
use common::Clock;
use credentials::secret::Pepper;
use serde_json::json;

use crate::service::{BasicClient, GRANT, JSON, SALT, Service};

const DAY: i64 = 86_400;

fn registered(service: &Service) -> BasicClient {
    let client = service.register(&json!({"client_name": "c"})).json();
    let member = |name: &str| client[name].as_str().unwrap().to_owned();
    BasicClient { id: member("client_id"), secret: member("client_secret") }
}

fn sweep(service: &Service) -> u64 {
    let (stores, pepper) = (service.stores.ports(), Pepper::new(SALT.as_bytes().to_vec()));
    let mut told = 0;
    let swept = remove_unused_clients::run(&stores, &pepper, service.clock.now(), 30, |_| told += 1);
    let removed = actix_web::rt::System::new().block_on(swept).unwrap();
    assert_eq!(removed, told, "each is told of");
    removed
}

#[test]
fn t_reg_11_who_was_never_used_is_forgotten_and_nobody_else() {
    let service = Service::drop_in(&[]);
    let clients = [(); 4].map(|()| registered(&service));
    let [unused, granted, used, _] = &clients;
    let made = service.basic_client(&json!({}));
    let path = format!("/clients/{}", granted.id);
    assert_eq!(service.manage("PATCH", &path, Some(&json!({"permissions": ["a"]}))).status, 200);
    service.token_of(used);
    // It is noted after the answer.
    while service.manage("GET", &format!("/clients/{}", used.id), None).json()["lastLogin"].is_null() {
        std::thread::yield_now();
    }
    service.clock.advance_seconds(30 * DAY);
    let late = registered(&service);
    assert_eq!(sweep(&service), 0, "30 days are not over");
    service.clock.advance_seconds(1);
    assert_eq!(sweep(&service), 2);
    assert_eq!(sweep(&service), 0);
    let answer = service.token(&[("Authorization", &unused.basic())], GRANT);
    assert_eq!(answer.refusal().0, 401);
    for client in [granted, used, &made, &late] {
        service.token_of(client);
    }
}

/// The sweep of the service itself, which it begins with.
#[test]
fn r_22_a_removal_by_the_service_itself_has_an_event() {
    let service = Service::standard(&[]);
    let client = registered(&service);
    service.clock.advance_seconds(30 * DAY + 1);
    let replica = service.replica(&[]);
    let query = format!("/audit?client={}&action=client.deleted", client.id);
    let event = loop {
        let events = replica.manage("GET", &query, None).json()["events"].clone();
        match events.get(0) {
            Some(event) => break event.clone(),
            None => std::thread::yield_now(),
        }
    };
    assert_eq!((&event["actor"], &event["subject"]), (&json!({"kind": "service"}), &json!("unused")));
}

/// A PUT is a new version, as what an operator changes is.
#[test]
fn t_reg_11_what_a_client_changes_itself_does_not_keep_it() {
    let service = Service::standard(&[]);
    let changed_by = |operators: &[&str]| {
        let client = service.register(&json!({"client_name": "c"})).json();
        let (id, token) = (&client["client_id"], &client["registration_access_token"]);
        let [on_public, on_management] =
            ["register", "clients"].map(|path| format!("/{path}/{}", id.as_str().unwrap()));
        let authorization = format!("Bearer {}", token.as_str().unwrap());
        let replacement = json!({"client_id": id, "client_name": "mine"}).to_string();
        for name in operators {
            let answer = match *name {
                "client" => {
                    service.call("PUT", &on_public, &[JSON, ("Authorization", &authorization)], &replacement)
                }
                name => service.manage("PATCH", &on_management, Some(&json!({ "name": name }))),
            };
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        on_management
    };
    let gone = [&["client"][..], &["client", "client"]].map(changed_by);
    let kept = [
        &["operator"][..],
        &["client", "operator"],
        &["operator", "client"],
        &["operator", "client", "client"],
    ]
    .map(changed_by);
    service.clock.advance_seconds(30 * DAY + 1);
    assert_eq!(sweep(&service), 2);
    let status = |path: &String| service.manage("GET", path, None).status;
    assert_eq!(gone.each_ref().map(status), [404; 2]);
    assert_eq!(kept.each_ref().map(status), [200; 4]);
}

#[test]
fn t_reg_11_more_than_a_page_of_them_is_forgotten() {
    let service = Service::drop_in(&[]);
    for _ in 0..101 {
        registered(&service);
    }
    service.clock.advance_seconds(30 * DAY + 1);
    assert_eq!(sweep(&service), 101);
}
