//! `/clients/{client_id}/secrets` on the management listener.

use std::thread;

use credentials::client::ClientId;
use credentials::secret::{Pepper, SecretStore as _};
use serde_json::{Value, json};

use crate::service::{BasicClient, GRANT, SALT, Service, basic};

fn path(client: &BasicClient) -> String {
    format!("/clients/{}/secrets", client.id)
}

fn live(service: &Service, client: &BasicClient) -> Vec<Value> {
    service.manage("GET", &path(client), None).json()["secrets"].as_array().unwrap().clone()
}

/// The status of a token request with each of these secrets.
fn statuses(service: &Service, client: &BasicClient, secrets: &[&str]) -> Vec<u16> {
    let ask = |secret: &&str| service.token(&[("Authorization", &basic(&client.id, secret))], GRANT).status;
    secrets.iter().map(ask).collect()
}

#[test]
fn the_next_secret_is_good_beside_the_current_one_until_its_grace_is_over() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.basic_client(&json!({}));
        let before = live(&service, &client);
        assert_eq!(before.len(), 1);
        assert_eq!(before[0]["lastFour"], client.secret[44..]);
        assert!(before[0].get("expiresAt").is_none());

        let answer = service.manage("POST", &path(&client), Some(&json!({"graceSeconds": 60})));
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let next = answer.json()["clientSecret"].as_str().unwrap().to_owned();
        let end = service.clock_seconds() * 1000 + 60_000;
        assert_eq!(answer.json()["othersEndAt"].as_i64().unwrap() / 1000, end / 1000);
        let both = live(&service, &client);
        assert_eq!(
            (&both[0]["id"], &both[0]["expiresAt"]),
            (&before[0]["id"], &answer.json()["othersEndAt"])
        );
        assert_eq!((&both[1]["id"], &both[1]["lastFour"]), (&answer.json()["id"], &json!(next[44..])));

        let (old, new) = (client.secret.as_str(), next.as_str());
        service.clock.advance_seconds(59);
        assert_eq!(statuses(&service, &client, &[old, new]), [200, 200]);
        service.clock.advance_seconds(1);
        assert_eq!(statuses(&service, &client, &[old, new]), [401, 200]);
        assert_eq!(live(&service, &client).len(), 1);
    }
}

#[test]
fn a_secret_can_be_cancelled_but_not_the_last_one_by_accident() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let first = live(&service, &client)[0]["id"].as_str().unwrap().to_owned();
    let one = |id: &str, query: &str| format!("{}/{id}{query}", path(&client));
    let refused = service.manage("DELETE", &one(&first, ""), None);
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    let next = service.manage("POST", &path(&client), Some(&json!({}))).json();
    let (next_id, next) = (next["id"].as_str().unwrap(), next["clientSecret"].as_str().unwrap());
    assert_eq!(service.manage("DELETE", &one(&first, ""), None).status, 204);
    assert_eq!(service.manage("DELETE", &one(&first, ""), None).status, 404);
    assert_eq!(statuses(&service, &client, &[&client.secret, next]), [401, 200]);
    for odd in ["?force=yes", "?forced=true"] {
        assert_eq!(service.manage("DELETE", &one(next_id, odd), None).status, 400, "{odd}");
    }
    assert_eq!(service.manage("DELETE", &one(next_id, "?force=true"), None).status, 204);
    assert_eq!(statuses(&service, &client, &[next]), [401]);
    let events = service.manage("GET", &format!("/audit?client={}", client.id), None).json();
    let told = |action: &str, id: &str| {
        let events = events["events"].as_array().unwrap();
        events.iter().filter(|event| event["action"] == action && event["subject"] == id).count()
    };
    assert_eq!((told("secret.added", next_id), told("secret.retired", next_id)), (1, 1));
    assert_eq!(told("secret.retired", &first), 1);
}

#[test]
fn a_client_has_five_live_secrets_at_most() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let rotate = |grace: i64| service.manage("POST", &path(&client), Some(&json!({ "graceSeconds": grace })));
    for _ in 0..4 {
        assert_eq!(rotate(60).status, 201);
    }
    assert_eq!(rotate(60).refusal(), (409, "conflict".to_owned()));
    assert_eq!(rotate(0).status, 201, "a leak cannot wait");
    assert_eq!(live(&service, &client).len(), 1);
    service.clock.advance_seconds(60);
    assert_eq!(rotate(60).status, 201);
}

#[test]
fn no_secret_is_given_to_a_client_that_is_removed_meanwhile() {
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({}));
    let calls = service.stores.secrets.calls();
    let gate = service.stores.secrets.hold();
    let late = thread::scope(|scope| {
        let late = scope.spawn(|| service.manage("POST", &path(&client), Some(&json!({}))));
        while service.stores.secrets.calls() == calls {
            thread::yield_now();
        }
        assert_eq!(service.manage("DELETE", &format!("/clients/{}", client.id), None).status, 204);
        drop(gate);
        late.join().unwrap()
    });
    assert_eq!(late.status, 404);
    let owner = Pepper::new(SALT.into()).lookup(&ClientId::parse(&client.id).unwrap());
    let left = actix_web::rt::System::new().block_on(service.stores.find(&owner)).unwrap();
    assert_eq!(left, []);
}

#[test]
fn what_is_refused_changes_nothing() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let keyed = service.key_client(&json!({}));
    for body in [
        json!({"graceSeconds": -1}),
        json!({"graceSeconds": 7_776_001}),
        json!({"graceSeconds": "60"}),
        json!({"grace": 60}),
    ] {
        let answer = service.manage("POST", &path(&client), Some(&body));
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{body}");
    }
    let of_keyed = format!("/clients/{}/secrets", keyed.id);
    assert_eq!(service.manage("POST", &of_keyed, Some(&json!({}))).status, 400);
    assert_eq!(service.manage("GET", &of_keyed, None).json(), json!({"secrets": []}));
    for (method, body) in [("GET", None), ("POST", Some(json!({})))] {
        assert_eq!(service.manage(method, "/clients/nobody/secrets", body.as_ref()).status, 404);
    }
    for odd in ["/clients//secrets", "/clients/a/b/secrets", "/clients/a/secrets/", "/clients/a/secrets/b/c"]
    {
        assert_eq!(service.manage("GET", odd, None).status, 404, "{odd}");
    }
    assert_eq!(live(&service, &client).len(), 1);
    service.stores.secrets.fail();
    assert_eq!(service.manage("POST", &path(&client), Some(&json!({}))).status, 503);
    service.stores.secrets.work();
    assert_eq!(statuses(&service, &client, &[&client.secret]), [200]);
}
