//! `POST /oauth/revoke`, and what every replica knows of it.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::service::{Answer, BasicClient, FORM, GRANT, Service, call, form_with};

const PATH: &str = "/oauth/revoke";

fn both_profiles() -> [Service; 2] {
    [Service::standard(&[]), Service::drop_in(&[])]
}

fn revoke(service: &Service, client: &BasicClient, token: &str) -> Answer {
    service.about(PATH, client, &format!("token={token}"))
}

/// Waits until a question is answered so. What a replica knows reaches the others within a second.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn c_7009_02_t_tok_04_a_revoked_token_is_refused_at_once() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let (token, other) = (service.token_of(&client), service.token_of(&client));
        let answer = revoke(&service, &client, &token);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let refusal = service.tokeninfo(&token);
        assert_eq!(refusal.refusal(), (401, "invalid_token".to_owned()));
        assert!(refusal.header("www-authenticate").unwrap().contains("invalid_token"));
        assert!(!service.active(&client, &token));
        assert_eq!(service.tokeninfo(&other).status, 200, "another token of the client is as good as before");
        assert_eq!(service.token(&[("Authorization", &client.basic())], GRANT).status, 200);
        assert_eq!(revoke(&service, &client, &token), answer, "again");
    }
}

#[test]
fn t_tok_04_what_is_revoked_while_a_token_is_on_its_way_takes_it_along() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let before = service.stores.secrets.calls();
    let gate = service.stores.secrets.hold();
    let (address, basic) = (service.public, client.basic());
    let asking = std::thread::spawn(move || {
        call(address, "POST", "/oauth/token", &[FORM, ("Authorization", &*basic)], GRANT)
    });
    eventually("the client is looked up", || service.stores.secrets.calls() > before);
    let path = format!("/clients/{}/revoke-tokens", client.id);
    assert_eq!(service.manage("POST", &path, None).status, 204);
    drop(gate);
    let answer = asking.join().unwrap().json();
    assert_eq!(service.tokeninfo(answer["access_token"].as_str().unwrap()).status, 401);
    assert_eq!(service.tokeninfo(&service.token_of(&client)).status, 200, "later ones are good");
}

#[test]
fn c_7009_03_c_7009_04_c_7009_13_hints_and_callbacks_change_nothing() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    for extra in
        ["token_type_hint=refresh_token", "token_type_hint=access_token", "token_type_hint=foo", "callback=x"]
    {
        let token = service.token_of(&client);
        let answer = service.about(PATH, &client, &format!("token={token}&{extra}"));
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{extra}");
        assert_eq!(service.tokeninfo(&token).status, 401, "{extra}");
    }
}

#[test]
fn c_7009_05_what_is_no_valid_token_is_as_good_as_revoked() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let expired = service.token_of(&client);
        service.clock.advance_seconds(3600);
        for token in ["garbage", "a.b.c", &expired, &"x".repeat(20_000)] {
            let answer = revoke(&service, &client, token);
            assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        }
    }
}

#[test]
fn c_7009_06_t_rev_01_a_token_of_another_client_is_not_revoked() {
    for service in both_profiles() {
        let (owner, other) = (service.basic_client(&json!({})), service.basic_client(&json!({})));
        let token = service.token_of(&owner);
        assert_eq!(revoke(&service, &other, &token).refusal(), (400, "unauthorized_client".to_owned()));
        let near = service.basic_client(&json!({"permissions": ["gettone:tokens:introspect"]}));
        assert_eq!(revoke(&service, &near, &token).refusal(), (400, "unauthorized_client".to_owned()));
        assert_eq!(service.tokeninfo(&token).status, 200);
        let with_right = service.basic_client(&json!({"permissions": ["gettone:tokens:revoke"]}));
        assert_eq!(revoke(&service, &with_right, &token).status, 200);
        assert_eq!(service.tokeninfo(&token).status, 401);
    }
}

#[test]
fn c_7009_01_c_7009_08_c_7009_12_t_rev_02_malformed_requests_are_refused() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    let form = format!("token={token}");
    assert_eq!(service.call("POST", PATH, &[FORM], &form).refusal(), (401, "invalid_client".to_owned()));
    for form in ["", "token=", &format!("{form}&{form}")] {
        assert_eq!(
            service.about(PATH, &client, form).refusal(),
            (400, "invalid_request".to_owned()),
            "{form}"
        );
    }
    let huge = format!("token={}", "x".repeat(70_000));
    assert_eq!(service.about(PATH, &client, &huge).refusal(), (413, "invalid_request".to_owned()));
    let get = service.call("GET", PATH, &[], "");
    assert_eq!((get.refusal(), get.header("allow")), ((405, "method_not_allowed".to_owned()), Some("POST")));
    assert_eq!(service.tokeninfo(&token).status, 200, "nothing was revoked");
}

#[test]
fn c_7523_20_assertions_are_spent_here_too() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let token = service.present(&service.assertion(&client, &json!({}))).json()["access_token"].clone();
    let token = token.as_str().unwrap();
    let assertion = service.assertion(&client, &json!({}));
    let form = format!("{}&token={token}", form_with(&assertion));
    assert_eq!(service.call("POST", PATH, &[FORM], &form).status, 200);
    assert_eq!(service.call("POST", PATH, &[FORM], &form).refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(service.present(&assertion).status, 401);
    assert_eq!(service.tokeninfo(token).status, 401);
}

/// RFC 7515 has one spelling of a token, but decoders that others use have several; and an ECDSA signature has a twin.
#[test]
fn t_tok_04_no_other_spelling_of_a_revoked_token_is_good() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    assert_eq!(revoke(&service, &client, &token).status, 200);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let last = signature.chars().last().unwrap();
    let other_last = if last == 'B' { 'C' } else { 'B' };
    for spelling in [
        token.clone(),
        format!("{token}="),
        format!("{token}=="),
        format!("{signed}.{}{other_last}", &signature[..signature.len() - 1]),
        format!("{signed}.{}", base64::engine::general_purpose::STANDARD.encode(&bytes)),
    ] {
        assert_eq!(service.tokeninfo(&spelling).status, 401, "{spelling}");
        assert!(!service.active(&client, &spelling.replace('+', "%2B")), "{spelling}");
    }
}

#[test]
fn c_7009_09_every_replica_refuses_what_one_revoked() {
    let first = Service::standard(&[]);
    let second = first.replica(&[("PRIVATE_RSA_KEY_ID", "second")]);
    let client = first.basic_client(&json!({}));
    let token = first.token_of(&client);
    first.clock.advance_seconds(1);
    assert_eq!(second.tokeninfo(&token).status, 200);
    assert_eq!(revoke(&first, &client, &token).status, 200);
    eventually("the other replica knows", || second.tokeninfo(&token).status == 401);
    assert!(!second.active(&client, &token));
}

#[test]
fn r_09_what_was_revoked_stays_so_after_a_restart() {
    let first = Service::standard(&[]);
    let client = first.basic_client(&json!({}));
    let token = first.token_of(&client);
    assert_eq!(revoke(&first, &client, &token).status, 200);
    let again = Service::start(std::sync::Arc::clone(&first.folder), &[], 1);
    assert_eq!(again.tokeninfo(&token).status, 401);
    assert_eq!(again.tokeninfo(&again.token_of(&client)).status, 200);
}

/// The clock of the tests stands still: tokens before and after are of the same second, and of the same millisecond.
#[test]
fn c_7592_08_of_one_second_tokens_before_a_revocation_are_refused_and_those_after_are_good() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let path = format!("/clients/{}", client.id);
        let before = service.token_of(&client);
        for state in ["DRAFT", "PUBLIC"] {
            let answer = service.manage("PATCH", &path, Some(&json!({ "__STATE__": state })));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let after = service.token_of(&client);
        assert_eq!(service.tokeninfo(&before).status, 401);
        assert_eq!(service.tokeninfo(&after).status, 200);
        assert_eq!(service.tokeninfo(&after).json()["iat"], service.clock_seconds());
    }
}

#[test]
fn c_7009_11_t_rt_06_a_store_that_fails_is_503_and_the_token_is_still_good() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let token = service.token_of(&client);
        service.stores.revocations.fail();
        let answer = revoke(&service, &client, &token);
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
        let path = format!("/clients/{}", client.id);
        let disabled = service.manage("PATCH", &path, Some(&json!({"__STATE__": "DRAFT"})));
        assert_eq!(
            disabled.refusal(),
            (503, "temporarily_unavailable".to_owned()),
            "not half done in silence"
        );
        service.stores.revocations.work();
        let disabled = service.manage("PATCH", &path, Some(&json!({"__STATE__": "DRAFT"})));
        assert_eq!(disabled.status, 200, "{disabled:?}");
        assert_eq!(service.tokeninfo(&token).status, 401);
    }
}

#[test]
fn r_06_a_replica_that_cannot_follow_stops_calling_tokens_good_and_recovers() {
    let bounded = Service::standard(&[("REVOCATION_MAX_STALENESS_SECONDS", "2")]);
    let unbounded =
        bounded.replica(&[("REVOCATION_MAX_STALENESS_SECONDS", "0"), ("PRIVATE_RSA_KEY_ID", "second")]);
    let client = bounded.basic_client(&json!({}));
    let (token, revoked) = (bounded.token_of(&client), bounded.token_of(&client));
    bounded.clock.advance_seconds(1);
    assert_eq!(unbounded.tokeninfo(&token).status, 200);
    assert_eq!(revoke(&bounded, &client, &revoked).status, 200);
    bounded.stores.revocations.fail();
    eventually("it knows that it does not know", || bounded.tokeninfo(&token).status == 503);
    assert_eq!(bounded.tokeninfo(&token).refusal(), (503, "temporarily_unavailable".to_owned()));
    let asked = bounded.about("/oauth/introspect", &client, &format!("token={token}"));
    assert_eq!(asked.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(bounded.tokeninfo(&revoked).status, 401, "revoked is revoked");
    assert_eq!(bounded.tokeninfo("garbage").status, 401);
    assert_eq!(unbounded.tokeninfo(&token).status, 200, "as it was told to");
    bounded.stores.revocations.work();
    eventually("it follows again", || bounded.tokeninfo(&token).status == 200);
    assert_eq!(bounded.tokeninfo(&revoked).status, 401);
}
