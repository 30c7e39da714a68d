//! `POST /oauth/token` with `private_key_jwt`: what the rules of `credentials` and the verifier of `jose` say when they
//! are put together, and the single use of an assertion.

use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use testkit::ClientKey;

use crate::service::{Answer, ISSUER, KeyClient, Service, form_with, jwt_part};

fn claims_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    jwt_part(answer.json()["access_token"].as_str().unwrap(), 1)
}

/// The answer to every bad assertion: one for all, in each profile.
fn assert_refused(service: &Service, answer: &Answer, what: &str) {
    let expected = service.present("e30.e30.AA");
    assert_eq!(answer.refusal().1, "invalid_client", "{what}");
    assert_eq!(*answer, expected, "{what}");
}

#[test]
fn contract_1_3_the_five_parameters_of_known_clients() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.key_client(&json!({"permissions": ["read:orders"]}));
        let form = format!(
            "{}&client_id={}&token_endpoint_auth_method=private_key_jwt",
            form_with(&service.assertion(&client, &json!({}))),
            client.id
        );
        let claims = claims_of(&service.token(&[], &form));
        assert_eq!((&claims["sub"], &claims["permissions"]), (&json!(client.id), &json!(["read:orders"])));
    }
}

/// Changes to a good assertion that make it bad, by row.
fn bad_claims(now: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("C-7523-01", json!({"sub": "other"})),
        ("C-7523-02", json!({"sub": null})),
        ("T-CLM-10", json!({"iss": ["x"]})),
        ("C-7523-05", json!({"aud": format!("{ISSUER}/oauth/token")})),
        ("C-7523-07", json!({"aud": [ISSUER, "https://other.example"]})),
        ("C-7523-09", json!({"aud": format!("{ISSUER}/")})),
        ("T-CLM-04", json!({"aud": [[ISSUER]]})),
        ("C-7523-10 none", json!({"exp": null})),
        ("C-7523-10 past", json!({"exp": now - 61})),
        ("C-7523-11", json!({"exp": now + 3_700})),
        ("C-7523-12", json!({"nbf": now + 62})),
        ("T-CLM-05", json!({"exp": true})),
        ("T-CLM-06 jti", json!({"jti": null})),
        ("T-CLM-06 aud", json!({"aud": null})),
        ("T-CLM-17", json!({"jti": "x".repeat(257)})),
        ("requested_audiences", json!({"requested_audiences": 7})),
    ]
}

#[test]
fn c_7523_bad_assertions_are_refused_alike_in_both_profiles() {
    for (service, status) in [(Service::standard(&[]), 401), (Service::drop_in(&[]), 403)] {
        let client = service.key_client(&json!({}));
        let now = service.clock_seconds();
        for (row, changes) in bad_claims(now) {
            let answer = service.present(&service.assertion(&client, &changes));
            assert_eq!(answer.status, status, "{row}");
            assert_refused(&service, &answer, row);
        }
        let claims = json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "exp": now + 60, "jti": "j"});
        let signed = |header: Value| service.present(&client.key.sign_with_header(&header, &claims));
        for (row, answer) in [
            ("T-ALG-01", signed(json!({"alg": "none", "kid": "A1"}))),
            ("T-ALG-05", signed(json!({"alg": "ES384", "kid": "A1"}))),
            ("T-HDR-05", signed(json!({"alg": "ES256", "kid": "other"}))),
            ("T-HDR-07", signed(json!({"alg": "ES256", "kid": "A1", "crit": ["b64"], "b64": false}))),
            ("C-7523-17", signed(json!({"alg": "ES256", "kid": "A1", "typ": "at+jwt"}))),
            ("C-7523-13", service.present(&ClientKey::generate("A1").sign(&claims))),
            ("T-HDR-10", service.present(&"a".repeat(9_000))),
        ] {
            assert_refused(&service, &answer, row);
        }
        // None of them used up the jti.
        assert_eq!(signed(json!({"alg": "ES256", "kid": "A1"})).status, 200);
    }
}

#[test]
fn t_tok_01_our_access_token_is_no_assertion() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let token = service.token_of(&service.basic_client(&json!({})));
        assert_refused(&service, &service.present(&token), "K-06");
    }
}

#[test]
fn who_the_client_is_must_be_said_the_same_way_everywhere() {
    let service = Service::standard(&[]);
    let (client, other) = (service.key_client(&json!({})), service.key_client(&json!({})));
    let assertion = || service.assertion(&client, &json!({}));
    let with_id = |id: &str| service.token(&[], &format!("{}&client_id={id}", form_with(&assertion())));
    for (row, answer) in [
        ("C-7523-03", with_id(&other.id)),
        ("T-BAS-04", with_id(&format!("{}%00", client.id))),
        ("unknown client", {
            let nobody = KeyClient { id: "nobody".to_owned(), key: ClientKey::generate("A1") };
            service.present(&service.assertion(&nobody, &json!({})))
        }),
        ("registered for a secret", {
            let id = service.basic_client(&json!({})).id;
            service.present(&service.assertion(&KeyClient { id, key: ClientKey::generate("A1") }, &json!({})))
        }),
        ("not PUBLIC", {
            let draft = service.key_client(&json!({"__STATE__": "DRAFT"}));
            service.present(&service.assertion(&draft, &json!({})))
        }),
    ] {
        assert_refused(&service, &answer, row);
    }
    assert_eq!(with_id(&client.id).status, 200);
}

#[test]
fn c_7523_14_the_type_is_the_known_one() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let assertion = service.assertion(&client, &json!({}));
    let typed = |name: &str| {
        let form = form_with(&assertion).replace("jwt-bearer", name);
        service.token(&[], &form)
    };
    assert_refused(&service, &typed("saml2-bearer"), "C-7523-18");
    assert_eq!(
        service.present(&format!("{assertion}+{assertion}")).refusal(),
        (400, "invalid_request".to_owned())
    );
    assert_eq!(typed("jwt-bearer").status, 200);
}

#[test]
fn contract_1_3_audiences_and_custom_claims_of_an_assertion() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({"audience": ["a", "b"], "allowedCustomClaims": ["tenant"]}));
    let wishes =
        json!({"requested_audiences": ["b"], "tenant": {"id": 7}, "colour": "red", "permissions": ["admin"]});
    let assertion = service.assertion(&client, &wishes);
    let claims = claims_of(&service.token(&[], &format!("{}&audience=a", form_with(&assertion))));
    assert_eq!((&claims["aud"], &claims["tenant"]), (&json!(["a", "b"]), &json!({"id": 7})));
    assert_eq!((&claims["permissions"], claims.get("colour")), (&json!([]), None));

    let refused =
        service.token(&[], &format!("{}&resource=urn:c", form_with(&service.assertion(&client, &wishes))));
    assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()));
    let refused = service.present(&service.assertion(&client, &json!({"requested_audiences": ["c"]})));
    assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()));
}

#[test]
fn contract_1_3_a_claim_that_is_not_allowed_is_forbidden_in_drop_in() {
    let service = Service::drop_in(&[]);
    let client = service.key_client(&json!({"allowedCustomClaims": ["tenant"]}));
    assert_eq!(
        claims_of(&service.present(&service.assertion(&client, &json!({"tenant": "t"}))))["tenant"],
        "t"
    );
    let refused = service.present(&service.assertion(&client, &json!({"colour": "red"})));
    assert_refused(&service, &refused, "unlisted custom claim");
}

#[test]
fn k_02_k_03_lifetimes_and_spellings_of_old_clients() {
    let hour = |service: &Service| {
        let now = service.clock_seconds();
        json!({"iat": now - 10, "exp": now - 10 + 3_600})
    };
    let text = |service: &Service| json!({"exp": (service.clock_seconds() + 60).to_string()});
    let answer = |service: &Service, changes: Value| {
        let client = service.key_client(&json!({}));
        service.present(&service.assertion(&client, &changes)).status
    };
    let (standard, drop_in) = (Service::standard(&[]), Service::drop_in(&[]));
    assert_eq!((answer(&standard, hour(&standard)), answer(&drop_in, hour(&drop_in))), (401, 200));
    assert_eq!((answer(&standard, text(&standard)), answer(&drop_in, text(&drop_in))), (401, 200));
}

#[test]
fn t_clm_12_an_assertion_is_used_once() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.key_client(&json!({}));
        let assertion = service.assertion(&client, &json!({}));
        assert_eq!(service.present(&assertion).status, 200);
        assert_refused(&service, &service.present(&assertion), "again");
        // Signed anew, its jti is still used (T-JWS-04).
        let resigned = client.key.sign(&jwt_part(&assertion, 1));
        assert_ne!(resigned, assertion);
        assert_refused(&service, &service.present(&resigned), "another signature");
    }
}

#[test]
fn t_clm_13_parallel_replay_has_one_winner() {
    let service = Arc::new(Service::standard(&[]));
    let client = service.key_client(&json!({}));
    for _ in 0..3 {
        let assertion = service.assertion(&client, &json!({}));
        let statuses: Vec<u16> = thread::scope(|scope| {
            let posts: Vec<_> = (0..50).map(|_| scope.spawn(|| service.present(&assertion).status)).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 49, "{statuses:?}");
    }
}

#[test]
fn t_clm_18_two_clients_may_use_the_same_jti() {
    let service = Service::standard(&[]);
    for client in [service.key_client(&json!({})), service.key_client(&json!({}))] {
        assert_eq!(service.present(&service.assertion(&client, &json!({"jti": "1"}))).status, 200);
    }
}

#[test]
fn t_clm_19_a_used_assertion_is_refused_for_as_long_as_it_is_valid() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let assertion = service.assertion(&client, &json!({}));
    assert_eq!(service.present(&assertion).status, 200);
    // exp is 60 s ahead, the skew 10 s.
    for _ in 0..14 {
        service.clock.advance_seconds(5);
        assert_refused(&service, &service.present(&assertion), "later");
    }
}

#[test]
fn a_refused_request_uses_nothing_up() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({"audience": ["a"]}));
    let assertion = service.assertion(&client, &json!({}));
    let refused = service.token(&[], &format!("{}&audience=other", form_with(&assertion)));
    assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()));
    let refused = service.token(&[("Authorization", "Basic Yzpz")], &form_with(&assertion));
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(service.present(&assertion).status, 200);
}
