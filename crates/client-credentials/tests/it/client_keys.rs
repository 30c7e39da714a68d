//! Keys of clients: several of them in a `jwks`, chosen by `kid`, and what an assertion costs whoever it is from.

use serde_json::{Value, json};
use testkit::ClientKey;
use testkit::openmetrics::Page;

use crate::service::{Answer, KeyClient, Service, call};

fn with_set(keys: &[&ClientKey]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    with_jwks(&keys.iter().collect::<Vec<_>>())
}

fn with_jwks(keys: &[&Value]) -> Value {
    json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}})
}

/// A key that is good but for this member.
fn changed(name: &str, value: Value) -> Value {
    let mut jwk = ClientKey::generate("changed").public_jwk();
    jwk[name] = value;
    jwk
}

fn registered(service: &Service, members: &Value, key: ClientKey) -> KeyClient {
    let answer = service.register(members);
    assert_eq!(answer.status, 201, "{answer:?}");
    KeyClient { id: answer.json()["client_id"].as_str().unwrap().to_owned(), key }
}

/// Presents an assertion of the client signed with its key under this header.
fn signed(service: &Service, client: &KeyClient, header: &Value) -> Answer {
    let now = service.clock_seconds();
    let claims = json!({"iss": client.id, "sub": client.id, "aud": crate::service::ISSUER, "exp": now + 60,
        "jti": testkit::unique_name("jti")});
    service.present(&client.key.sign_with_header(header, &claims))
}

#[test]
fn t_hdr_04_the_kid_says_which_of_several_keys() {
    let service = Service::standard(&[]);
    let (old, new) = (ClientKey::generate("old"), ClientKey::generate("new"));
    let members = with_set(&[&old, &new]);
    let client = registered(&service, &members, new);
    assert_eq!(signed(&service, &client, &json!({"alg": "ES256", "kid": "new"})).status, 200);
    for header in [
        json!({"alg": "ES256", "kid": "old"}),
        json!({"alg": "ES256", "kid": "other"}),
        json!({"alg": "ES256"}),
    ] {
        let answer = signed(&service, &client, &header);
        assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{header}");
    }
    let client = KeyClient { id: client.id, key: old };
    assert_eq!(signed(&service, &client, &json!({"alg": "ES256", "kid": "old"})).status, 200);
}

/// However many keys there are, an assertion costs one verification, and which key it is for is never tried out.
#[test]
fn t_hdr_06_many_keys_cost_no_more_than_one() {
    let service = Service::standard(&[]);
    let keys: Vec<_> = (0..11).map(|n| ClientKey::generate(&format!("k{n}"))).collect();
    let all: Vec<_> = keys.iter().collect();
    assert_eq!(service.register(&with_set(&all)).refusal(), (400, "invalid_client_metadata".to_owned()));
    let members = with_set(&all[..10]);
    let same_kid = json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [keys[0].public_jwk(), ClientKey::generate("k0").public_jwk()]}});
    assert_eq!(service.register(&same_kid).refusal(), (400, "invalid_client_metadata".to_owned()));
    let last = keys.into_iter().nth(9).unwrap();
    let client = registered(&service, &members, last);
    for (header, status) in [
        (json!({"alg": "ES256"}), 401),
        (json!({"alg": "ES256", "kid": "k0"}), 401),
        (json!({"alg": "ES256", "kid": "k9"}), 200),
    ] {
        let cost = verifications(&service, || {
            let answer = signed(&service, &client, &header);
            assert_eq!(answer.status, status, "{header}");
            answer
        });
        assert_eq!(cost, 1.0, "{header}");
    }
}

#[test]
fn t_hdr_04_an_only_key_needs_no_kid() {
    let service = Service::standard(&[]);
    let key = ClientKey::generate("only");
    let client = registered(&service, &with_set(&[&key]), key);
    assert_eq!(signed(&service, &client, &json!({"alg": "ES256"})).status, 200);
}

#[test]
fn t_key_01_t_key_08_every_key_of_a_set_is_checked() {
    let service = Service::standard(&[]);
    let good = ClientKey::generate("good").public_jwk();
    for (bad, sentence) in [
        (changed("d", json!("AQAB")), "key 2 of jwks holds private"),
        (changed("kid", json!("good")), "two keys of jwks have the same kid"),
        (json!("-----BEGIN PUBLIC KEY-----"), "jwks must be an object"),
    ] {
        let answer = service.register(&with_jwks(&[&good, &bad]));
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{bad}");
        assert!(answer.body.contains(sentence), "{sentence} is missing in {answer:?}");
    }
}

#[test]
fn c_7517_03_keys_of_a_set_that_cannot_be_used_are_left_out() {
    let service = Service::standard(&[]);
    for (odd, sentence) in [
        (json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}), "key 1 of jwks.kty must be RSA, EC or OKP"),
        (changed("use", json!("enc")), "key 1 of jwks.use must be sig"),
        (changed("alg", json!("RSA-OAEP")), "key 1 of jwks.alg"),
        (changed("alg", json!("none")), "key 1 of jwks.alg"),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "key 1 of jwks.n must have 2048"),
    ] {
        let good = ClientKey::generate("good");
        let client = registered(&service, &with_jwks(&[&odd, &good.public_jwk()]), good);
        assert_eq!(signed(&service, &client, &json!({"alg": "ES256"})).status, 200, "{odd}");
        let answer = service.register(&with_jwks(&[&odd, &json!({"kty": "AKP"})]));
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{odd}");
        assert!(answer.body.contains(sentence), "{sentence} is missing in {answer:?}");
    }
}

/// How many verifications something costs.
fn verifications(service: &Service, act: impl FnOnce() -> Answer) -> f64 {
    let read = || {
        let answer = call(service.management, "GET", "/-/metrics", &[], "");
        Page::parse(&answer.body).value("assertions_verified_total")
    };
    let before = read();
    act();
    read() - before
}

#[test]
fn t_tim_01_t_tim_03_an_assertion_costs_one_verification_whoever_it_is_from() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let good = service.key_client(&json!({}));
        let disabled = service.key_client(&json!({"__STATE__": "DRAFT"}));
        let allowed = service.key_client(&json!({"allowedCustomClaims": ["tenant"]}));
        let of = |id: &str| KeyClient { id: id.to_owned(), key: ClientKey::generate("A1") };
        let unknown = of("nobody");
        let wrong_method = of(&service.basic_client(&json!({})).id);
        let wrong_key = of(&good.id);
        let everybody = [&good, &disabled, &allowed, &unknown, &wrong_method, &wrong_key];
        for claims in [json!({}), json!({"tenant": "t"})] {
            for client in everybody {
                let assertion = service.assertion(client, &claims);
                assert_eq!(
                    verifications(&service, || service.present(&assertion)),
                    1.0,
                    "{} {claims}",
                    client.id
                );
            }
        }
        for kid in [json!({"alg": "ES256", "kid": "other"}), json!({"alg": "RS256", "kid": "A1"})] {
            assert_eq!(verifications(&service, || signed(&service, &good, &kid)), 1.0, "{kid}");
        }
        // What anybody can see to be bad costs nothing, and tells nothing either.
        for client in everybody {
            let expired = service.assertion(client, &json!({"exp": 1}));
            assert_eq!(verifications(&service, || service.present(&expired)), 0.0, "{}", client.id);
        }
    }
}
