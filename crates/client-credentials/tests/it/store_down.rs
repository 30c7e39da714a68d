//! What happens when the store does not answer: 503, nothing acknowledged, never a token.

use credentials::client::ClientId;
use credentials::secret::{Pepper, SecretStore};
use serde_json::json;
use testkit::ClientKey;

use crate::service::{Answer, GRANT, SALT, Service};

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()), "{what}");
    assert_eq!(answer.header("retry-after"), Some("5"), "{what}");
    assert!(!answer.body.contains("hunter2"), "{what}: internal detail stays inside");
}

#[test]
fn t_clm_15_without_the_replay_guard_there_is_no_token() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.key_client(&json!({}));
        let assertion = service.assertion(&client, &json!({}));
        service.stores.replay.fail();
        for _ in 0..3 {
            assert_unavailable(&service.present(&assertion), "replay guard down");
        }
        service.stores.replay.work();
        assert_eq!(service.present(&assertion).status, 200, "nothing was used up");
    }
}

#[test]
fn no_store_no_token_in_both_profiles() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let (basic, keyed) = (service.basic_client(&json!({})), service.key_client(&json!({})));
        for (name, switch) in [("clients", &service.stores.clients), ("secrets", &service.stores.secrets)] {
            switch.fail();
            assert_unavailable(&service.token(&[("Authorization", &basic.basic())], GRANT), name);
            switch.work();
        }
        service.stores.clients.fail();
        assert_unavailable(&service.present(&service.assertion(&keyed, &json!({}))), "clients");
    }
}

#[test]
fn contract_8_check_up_tells_of_the_store_and_the_probes_do_not() {
    let service = Service::standard(&[]);
    assert_eq!(service.get("/-/check-up").status, 200);
    service.stores.clients.fail();
    let answer = service.get("/-/check-up");
    assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("KO")));
    for probe in ["/-/healthz", "/-/ready"] {
        assert_eq!(service.get(probe).status, 200, "{probe}");
    }
}

#[test]
fn a_registration_that_fails_half_way_leaves_no_client() {
    let service = Service::standard(&[]);
    for (name, switch) in [("clients", &service.stores.clients), ("secrets", &service.stores.secrets)] {
        switch.fail();
        assert_unavailable(&service.register(&json!({"client_name": "c"})), name);
        assert_unavailable(&service.manage("POST", "/clients", Some(&json!({"client_name": "c"}))), name);
        switch.work();
        assert_eq!(service.manage("GET", "/clients", None).json()["clients"], json!([]), "{name}");
    }
    // A secret that was stored before its client could not be is taken back.
    let before = service.stores.secrets.calls();
    service.stores.clients.fail();
    assert_unavailable(&service.register(&json!({"client_name": "c"})), "clients");
    assert_eq!(service.stores.secrets.calls() - before, 4, "secret and token are added and forgotten");
}

#[test]
fn a_key_is_not_taken_while_ours_cannot_be_read() {
    let service = Service::standard(&[]);
    let client = json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt",
        "public_key": ClientKey::generate("A1").public_jwk()});
    service.stores.keys.fail();
    assert_unavailable(&service.register(&client), "keys");
    service.stores.keys.work();
    service.clock.advance_seconds(1);
    assert_eq!(service.register(&client).status, 201);
}

#[test]
fn management_answers_503_and_changes_nothing() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    service.stores.clients.fail();
    for (what, answer) in [
        ("list", service.manage("GET", "/clients", None)),
        ("find", service.manage("GET", &path, None)),
        ("change", service.manage("PATCH", &path, Some(&json!({"name": "x"})))),
        ("remove", service.manage("DELETE", &path, None)),
    ] {
        assert_unavailable(&answer, what);
    }
    service.stores.clients.work();
    assert_eq!(service.manage("GET", &path, None).json()["name"], "basic");
    assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 200);
}

#[test]
fn a_removal_takes_the_client_first_and_is_completed_by_the_next() {
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let pepper = Pepper::new(SALT.as_bytes().to_vec());
    let owner = pepper.lookup(&ClientId::parse(&client.id).unwrap());
    let secrets = || actix_web::rt::System::new().block_on(service.stores.find(&owner)).unwrap().len();
    service.stores.secrets.fail();
    assert_unavailable(&service.manage("DELETE", &path, None), "half-way");
    service.stores.secrets.work();
    assert_eq!(service.manage("GET", &path, None).status, 404);
    assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 401);
    assert_eq!(secrets(), 1);
    assert_eq!(service.manage("DELETE", &path, None).status, 404, "there is no client any more");
    assert_eq!(secrets(), 0);
}

#[test]
fn tokens_are_described_and_keys_are_served_without_the_store() {
    let service = Service::standard(&[]);
    let token = service.token_of(&service.basic_client(&json!({})));
    for switch in service.stores.switches() {
        switch.fail();
    }
    assert_eq!(service.tokeninfo(&token).status, 200);
    assert_eq!(service.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 1);
    // Whether another replica has this key cannot be known: that is not a no.
    let unknown = ClientKey::generate("unknown").sign(&json!({"iss": crate::service::ISSUER}));
    service.clock.advance_seconds(1);
    let before = service.stores.keys.calls();
    assert_unavailable(&service.tokeninfo(&unknown), "first");
    assert_unavailable(&service.tokeninfo(&unknown), "within the same second");
    assert_eq!(
        service.stores.keys.calls() - before,
        1,
        "T-TOK-08: a store that is down is not asked more often"
    );
    for switch in service.stores.switches() {
        switch.work();
    }
    service.clock.advance_seconds(1);
    assert_eq!(service.tokeninfo(&unknown).refusal(), (401, "invalid_token".to_owned()));
}
