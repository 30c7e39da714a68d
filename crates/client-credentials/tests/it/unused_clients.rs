//! Clients that registered themselves and were never used (T-REG-11). The sweep is driven by hand.

use std::sync::Arc;

use client_credentials::audit::{Audit, AuditRetention};
use client_credentials::remove_unused_clients::{Sweep, SweepError};
use common::Clock;
use credentials::client::ClientId;
use credentials::secret::{Pepper, SecretStore};
use serde_json::json;
use testkit::SeededRandom;

use crate::service::{BasicClient, GRANT, JSON, SALT, Service};

const DAY: i64 = 86_400;

fn registered(service: &Service) -> BasicClient {
    let client = service.register(&json!({"client_name": "c"})).json();
    let member = |name: &str| client[name].as_str().unwrap().to_owned();
    BasicClient { id: member("client_id"), secret: member("client_secret") }
}

fn sweep(service: &Service) -> u64 {
    sweep_after(service, &mut None).unwrap()
}

/// A sweep after one that left this client half gone.
fn sweep_after(service: &Service, half_gone: &mut Option<ClientId>) -> Result<u64, SweepError> {
    let (stores, pepper) = (service.stores.ports(), pepper());
    actix_web::rt::System::new().block_on(async {
        let clock = Arc::clone(&service.clock) as Arc<dyn Clock>;
        let retention = AuditRetention { changes: 1, tokens: 1 };
        let audit = Audit::start(Arc::clone(&stores.audit), clock, retention, Default::default());
        let random = SeededRandom::new(service.stores.audit.calls() as u64);
        let mut sweep = Sweep {
            stores: &stores,
            pepper: &pepper,
            audit: &audit,
            random: &random,
            half_gone: half_gone.take(),
        };
        let swept = sweep.run(service.clock.now(), 30).await;
        *half_gone = sweep.half_gone;
        audit.flush().await;
        swept
    })
}

fn pepper() -> Pepper {
    Pepper::new(SALT.as_bytes().to_vec())
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

/// What happened to one client, by the service itself.
fn removals(service: &Service, id: &str) -> serde_json::Value {
    let query = format!("/audit?client={id}&action=client.deleted");
    service.manage("GET", &query, None).json()["events"].clone()
}

#[test]
fn a_removal_that_fails_half_way_is_told_of_and_completed_by_the_next_sweep() {
    let service = Service::drop_in(&[]);
    let client = registered(&service);
    let owner = pepper().lookup(&ClientId::parse(&client.id).unwrap());
    let secrets = || actix_web::rt::System::new().block_on(service.stores.find(&owner)).unwrap().len();
    service.clock.advance_seconds(30 * DAY + 1);
    service.stores.secrets.fail();
    let mut half_gone = None;
    assert!(sweep_after(&service, &mut half_gone).is_err());
    service.stores.secrets.work();
    assert_eq!(service.manage("GET", &format!("/clients/{}", client.id), None).status, 404);
    assert_eq!(secrets(), 1);
    let told = removals(&service, &client.id);
    assert_eq!((&told[0]["subject"], told[0].get("reason")), (&json!("unused"), None), "{told}");
    assert_eq!(sweep_after(&service, &mut half_gone).unwrap(), 0);
    assert_eq!((secrets(), half_gone), (0, None));
    assert_eq!(removals(&service, &client.id), told);
}

#[test]
fn what_cannot_be_told_of_is_not_removed() {
    let service = Service::drop_in(&[]);
    let path = format!("/clients/{}", registered(&service).id);
    service.clock.advance_seconds(30 * DAY + 1);
    service.stores.audit.fail();
    assert!(sweep_after(&service, &mut None).is_err());
    service.stores.audit.work();
    assert_eq!(service.manage("GET", &path, None).status, 200);
    assert_eq!(sweep(&service), 1);
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
