//! `/clients/{client_id}/keys` on the management listener.

use common::Clock;
use serde_json::{Value, json};
use testkit::ClientKey;

use crate::service::{Answer, KeyClient, Service};

fn path(client: &KeyClient) -> String {
    format!("/clients/{}/keys", client.id)
}

fn live(service: &Service, client: &KeyClient) -> Vec<Value> {
    let answer = service.manage("GET", &path(client), None);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["keys"].as_array().unwrap().clone()
}

fn add(service: &Service, client: &KeyClient, key: &ClientKey, further: &Value) -> Answer {
    let mut body = further.clone();
    body["public_key"] = key.public_jwk();
    service.manage("POST", &path(client), Some(&body))
}

/// The status of a token request with an assertion signed by this key of the client.
fn status(service: &Service, client: &KeyClient, key: &ClientKey) -> u16 {
    let now = service.clock_seconds();
    let claims = json!({"iss": client.id, "sub": client.id, "aud": crate::service::ISSUER, "exp": now + 60,
        "jti": testkit::unique_name("jti")});
    service.present(&key.sign(&claims)).status
}

#[test]
fn t_hdr_06_a_key_is_replaced_without_a_gap() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.key_client(&json!({}));
        let first = live(&service, &client);
        assert_eq!(first.len(), 1);
        assert_eq!(first[0]["kid"], "A1");
        let record = service.manage("GET", &format!("/clients/{}", client.id), None).json();
        assert_eq!((&first[0]["addedAt"], &first[0]["state"]), (&record["createdAt"], &json!("active")));

        let second = ClientKey::generate("A2");
        service.clock.advance_seconds(1);
        let added = add(&service, &client, &second, &json!({"graceSeconds": 60}));
        assert_eq!((added.status, added.header("cache-control")), (201, Some("no-store")), "{added:?}");
        let keys = live(&service, &client);
        assert_eq!(keys[1], added.json());
        assert_eq!((&keys[0]["state"], &keys[1]["state"]), (&json!("retiring"), &json!("active")));
        let thumbprint = keys[1]["thumbprint"].as_str().unwrap();
        assert!(thumbprint.len() == 43 && thumbprint != keys[0]["thumbprint"], "{keys:?}");
        assert_eq!((&keys[1]["kty"], &keys[1]["alg"]), (&json!("EC"), &json!("ES256")));

        assert_eq!([&client.key, &second].map(|key| status(&service, &client, key)), [200, 200]);
        service.clock.advance_seconds(60);
        let after = [&client.key, &second].map(|key| status(&service, &client, key) == 200);
        assert_eq!(after, [false, true]);
        assert_eq!(live(&service, &client).len(), 1);
    }
}

#[test]
fn a_key_is_retired_at_once_or_later_but_never_the_last_one() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let one = |kid: &str| format!("{}/{kid}", path(&client));
    let refused = service.manage("DELETE", &one("A1"), None);
    assert_eq!(refused.refusal(), (409, "conflict".to_owned()));
    assert!(refused.body.contains("add one first"), "{refused:?}");
    let second = ClientKey::generate("a/b c");
    assert_eq!(add(&service, &client, &second, &json!({})).status, 201);
    assert_eq!(live(&service, &client)[0]["state"], "active", "without a grace the others go on");
    assert_eq!(service.manage("DELETE", &one("A1?graceSeconds=60"), None).status, 204);
    assert_eq!(status(&service, &client, &client.key), 200);
    assert_eq!(service.manage("DELETE", &one("A1"), None).status, 204);
    assert_eq!(status(&service, &client, &client.key), 401);
    assert_eq!(status(&service, &client, &second), 200);
    assert_eq!(service.manage("DELETE", &one("A1"), None).refusal().0, 404);
    assert_eq!(service.manage("DELETE", &one("a%2Fb%20c"), None).refusal().0, 409);
    for odd in ["A1?graceSeconds=-1", "A1?graceSeconds=x", "A1?force=true", "A1?graceSeconds=7776001"] {
        assert_eq!(service.manage("DELETE", &one(odd), None).refusal().0, 400, "{odd}");
    }
    let events = service.manage("GET", &format!("/audit?client={}", client.id), None).json();
    let told = |action: &str, kid: &str| {
        let events = events["events"].as_array().unwrap();
        events.iter().filter(|event| event["action"] == action && event["subject"] == kid).count()
    };
    assert_eq!((told("client_key.added", "a/b c"), told("client_key.retired", "A1")), (1, 2));
}

#[test]
fn t_hdr_06_t_key_01_a_bad_key_changes_nothing() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let before = service.manage("GET", &format!("/clients/{}", client.id), None);
    let changed = |name: &str, value: Value| {
        let mut jwk = ClientKey::generate("A2").public_jwk();
        jwk[name] = value;
        json!({ "public_key": jwk })
    };
    let ours = service.get("/.well-known/jwks.json").json()["keys"][0].clone();
    for (body, status, sentence) in [
        (changed("d", json!("AQAB")), 400, "private"),
        (changed("use", json!("enc")), 400, "use must be sig"),
        (json!({"public_key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}), 400, "2048"),
        (json!({ "public_key": ours }), 400, "signing key of this service"),
        (changed("kid", json!("A1")), 409, "kid"),
        (json!({"public_key": "x"}), 400, "public_key"),
        (json!({}), 400, "public_key"),
        (
            json!({"public_key": ClientKey::generate("A2").public_jwk(), "graceSeconds": "x"}),
            400,
            "graceSeconds",
        ),
        (
            json!({"public_key": ClientKey::generate("A2").public_jwk(), "grace": 1}),
            400,
            "it takes public_key",
        ),
    ] {
        let answer = service.manage("POST", &path(&client), Some(&body));
        assert_eq!(answer.refusal().0, status, "{body} {answer:?}");
        assert!(answer.body.contains(sentence), "{body} {answer:?}");
    }
    assert_eq!(service.manage("GET", &format!("/clients/{}", client.id), None), before);
    for number in 2..=10 {
        let key = ClientKey::generate(&format!("A{number}"));
        assert_eq!(add(&service, &client, &key, &json!({})).status, 201, "{number}");
    }
    assert_eq!(add(&service, &client, &ClientKey::generate("A11"), &json!({})).refusal().0, 409);
}

#[test]
fn clients_without_keys_of_their_own_are_told_so() {
    let service = Service::standard(&[]);
    let basic = service.basic_client(&json!({}));
    let key = || ClientKey::generate("A1");
    let with_secret = KeyClient { id: basic.id, key: key() };
    assert_eq!(service.manage("GET", &path(&with_secret), None).json(), json!({"keys": []}));
    assert_eq!(add(&service, &with_secret, &key(), &json!({})).refusal().0, 400);
    let uri = "https://keys.example/jwks.json";
    let members =
        json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri});
    let made = service.manage("POST", "/clients", Some(&members)).json();
    let elsewhere = KeyClient { id: made["client_id"].as_str().unwrap().to_owned(), key: key() };
    assert_eq!(service.manage("GET", &path(&elsewhere), None).json(), json!({"keys": [], "jwksUri": uri}));
    assert_eq!(add(&service, &elsewhere, &key(), &json!({})).refusal(), (409, "conflict".to_owned()));
    for method in ["GET", "POST"] {
        let body = (method == "POST").then(|| json!({"public_key": key().public_jwk()}));
        assert_eq!(service.manage(method, "/clients/nobody/keys", body.as_ref()).refusal().0, 404);
    }
    // A key for another algorithm than the client's would never verify anything.
    let es256 = service.key_client(&json!({"token_endpoint_auth_signing_alg": "ES256"}));
    let rsa = jose::SigningKey::generate(jose::Algorithm::Rs256, None).unwrap();
    let body = json!({ "public_key": rsa.public() });
    assert_eq!(service.manage("POST", &path(&es256), Some(&body)).refusal().0, 400);
}

#[test]
fn it_is_told_when_each_key_was_last_used() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let second = ClientKey::generate("A2");
    let noted = |place: usize, at: i64| {
        while live(&service, &client)[place]["lastUsedAt"].as_i64() != Some(at) {
            std::thread::yield_now();
        }
    };
    let now = || service.clock.now().unix_millis();
    let first = now();
    status(&service, &client, &client.key);
    noted(0, first);
    add(&service, &client, &second, &json!({}));
    assert!(live(&service, &client)[1].get("lastUsedAt").is_none());
    service.clock.advance_seconds(300);
    status(&service, &client, &second);
    noted(1, now());
    assert_eq!(live(&service, &client)[0]["lastUsedAt"], first);
    status(&service, &client, &client.key);
    noted(0, now());
    let record = service.manage("GET", &format!("/clients/{}", client.id), None).json();
    assert_eq!(record["keys"][1]["lastUsedAt"], now());
    assert_eq!(record["version"], 2, "a note is no change");
}
