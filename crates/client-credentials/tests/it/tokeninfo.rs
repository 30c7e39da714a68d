//! `GET /tokeninfo`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::openssl_key::OpensslKey;
use crate::service::{BasicClient, ISSUER, Service, call, jwt_part};

#[test]
fn contract_1_4_the_answer_is_the_claims_of_the_token() {
    let service = Service::standard(&[]);
    let token = service.token_of(&service.basic_client(&json!({"permissions": ["read:orders"]})));
    let answer = service.tokeninfo(&token);
    assert_eq!(answer.json(), jwt_part(&token, 1));
    insta::assert_snapshot!(answer.text());
}

#[test]
fn c_6750_01_the_scheme_is_compared_without_case() {
    let service = Service::standard(&[]);
    let token = service.token_of(&service.basic_client(&json!({})));
    for scheme in ["bearer", "BEARER"] {
        let answer =
            service.call("GET", "/tokeninfo", &[("Authorization", &format!("{scheme} {token}"))], "");
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn c_6750_02_no_token_gets_a_challenge_without_an_error() {
    let service = Service::standard(&[]);
    insta::assert_snapshot!(service.get("/tokeninfo").text());
}

#[test]
fn c_6750_03_a_bad_token_gets_a_challenge_with_an_error() {
    let service = Service::standard(&[]);
    insta::assert_snapshot!(service.tokeninfo("garbage").text());
}

#[test]
fn c_6750_04_two_authorization_headers_are_a_bad_request() {
    let service = Service::standard(&[]);
    let headers = [("Authorization", "Bearer x"), ("Authorization", "Bearer x")];
    let answer = service.call("GET", "/tokeninfo", &headers, "");
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"client-credentials\", error=\"invalid_request\"")
    );
}

#[test]
fn c_6750_07_t_tok_05_tokens_elsewhere_are_not_looked_at() {
    let service = Service::standard(&[]);
    let token = service.token_of(&service.basic_client(&json!({})));
    let none = service.get("/tokeninfo");
    assert_eq!(service.get(&format!("/tokeninfo?access_token={token}")), none);
    assert_eq!(service.call("GET", "/tokeninfo", &[("Cookie", &format!("access_token={token}"))], ""), none);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(service.call("GET", "/tokeninfo", &form, &format!("access_token={token}")), none);
}

#[test]
fn t_tok_bad_tokens_are_refused_alike() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.key_client(&json!({}));
        let basic = service.basic_client(&json!({}));
        let token = service.token_of(&basic);
        let other = Service::standard(&[]);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = head.split_once('.').unwrap();
        let bad = service.tokeninfo("garbage");
        assert_eq!(bad.refusal(), (401, "invalid_token".to_owned()));
        let mut flipped = signature.to_owned();
        flipped.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
        for (row, token) in [
            ("T-TOK-01 assertion", service.assertion(&client, &json!({}))),
            ("T-TOK-02 another deployment", other.token_of(&other.basic_client(&json!({})))),
            ("C-6749-25", format!("{head}.{flipped}")),
            ("T-JWS-08", token[..token.len() - 1].to_owned()),
            ("T-JWE-01", format!("{token}.AA.AA")),
            ("T-ALG-01", format!("eyJhbGciOiJub25lIiwia2lkIjoia2V5SUQifQ.{claims}.AA")),
            ("no signature", format!("{header}.{claims}.")),
            ("more than 8 KiB", format!("{token}{}", "A".repeat(8_192))),
            ("T-TOK-06", format!("{token} extra")),
            ("T-TOK-06 list", format!("{token},{token}")),
        ] {
            assert_eq!(service.tokeninfo(&token), bad, "{row}");
        }
        assert_eq!(service.tokeninfo(&token).status, 200);
    }
}

#[test]
fn a_token_ends_with_its_last_second() {
    let service = Service::standard(&[("MIA_JWT_EXPIRES_IN", "60"), ("CLOCK_SKEW_SECONDS", "300")]);
    let token = service.token_of(&service.basic_client(&json!({})));
    service.clock.advance_seconds(59);
    assert_eq!(service.tokeninfo(&token).status, 200);
    service.clock.advance_seconds(1);
    assert_eq!(service.tokeninfo(&token).refusal(), (401, "invalid_token".to_owned()));
}

#[test]
fn contract_10_2_an_audience_must_be_accepted() {
    let service = Service::drop_in(&[("ACCEPTED_AUDIENCES", "orders, invoices")]);
    let client = service.basic_client(&json!({"audience": ["invoices", "other"]}));
    let with = |audience: &str| {
        let form = format!("grant_type=client_credentials{audience}");
        let answer = service.token(&[("Authorization", &client.basic())], &form);
        service.tokeninfo(answer.json()["access_token"].as_str().unwrap()).status
    };
    assert_eq!((with(""), with("&audience=invoices"), with("&audience=other")), (200, 200, 401));
}

#[test]
fn t_tok_07_the_path_is_exact_and_the_answer_is_not_kept() {
    let service = Service::standard(&[]);
    let token = service.token_of(&service.basic_client(&json!({})));
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str())];
    for path in [
        "/tokeninfo/x.css",
        "/tokeninfo;x.js",
        "/TOKENINFO",
        "/tokeninfo/",
        "//tokeninfo",
        "/%74okeninfo",
        "/a/../tokeninfo",
    ] {
        let answer = call(service.public, "GET", path, &headers, "");
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{path}");
    }
    let head = service.call("HEAD", "/tokeninfo", &headers, "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn t_tok_08_known_keys_need_no_store_and_unknown_ones_at_most_one_look_a_second() {
    let service = Service::standard(&[("UNUSED_CLIENT_DAYS", "0")]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    // What a token leaves behind is written a moment later.
    let path = format!("/clients/{}", client.id);
    while service.manage("GET", &path, None).json().get("lastLogin").is_none() {}
    service.manage("GET", "/audit", None);
    let asked = || service.stores.switches().map(crate::failing_stores::Switch::calls);
    let before = asked();
    for _ in 0..20 {
        assert_eq!(service.tokeninfo(&token).status, 200);
    }
    assert_eq!(asked(), before, "no store is asked for a token whose key is known");

    let forged = |kid: usize| {
        let header = json!({"alg": "RS256", "kid": format!("k{kid}"), "typ": "at+jwt"});
        testkit::ClientKey::generate("x").sign_with_header(&header, &jwt_part(&token, 1))
    };
    let looks = |count: usize| {
        let before = service.stores.keys.calls();
        for kid in 0..count {
            assert_eq!(service.tokeninfo(&forged(kid)).status, 401);
        }
        service.stores.keys.calls() - before
    };
    assert_eq!(looks(20), 1);
    assert_eq!(looks(20), 0);
    service.clock.advance_seconds(1);
    assert_eq!(looks(20), 1);
}

/// A token in the form of the sample in contract §1.3, as the service that we replace signed it.
fn token_of_before(service: &Service, client: &BasicClient, typ: &str, changes: &Value) -> String {
    let now = service.clock_seconds();
    let mut claims =
        json!({"exp": now + 60, "iat": now, "iss": ISSUER, "sub": client.id, "permissions": ["read:orders"]});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let header = json!({"alg": "RS256", "kid": "keyID", "typ": typ});
    OpensslKey::of_service(&service.folder.path().join("key.pem")).sign_with_header(&header, &claims)
}

#[test]
fn contract_1_3_tokens_of_before_the_swap_are_good_in_drop_in() {
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({}));
    let token = token_of_before(&service, &client, "JWT", &json!({}));
    let answer = service.tokeninfo(&token);
    assert_eq!((answer.status, answer.json()), (200, jwt_part(&token, 1)), "and no jti is made up");
    assert!(service.active(&client, &token));
    let refused = (401, "invalid_token".to_owned());
    for (typ, changes) in [
        ("at+jwt", json!({})),
        ("JWT", json!({"jti": null})),
        ("JWT", json!({"jti": ""})),
        // So long ago that a revocation of it would be forgotten.
        ("JWT", json!({"iat": service.clock_seconds() - 86_400})),
        ("JWT", json!({"exp": service.clock_seconds()})),
    ] {
        let bad = token_of_before(&service, &client, typ, &changes);
        assert_eq!(service.tokeninfo(&bad).refusal(), refused, "{typ} {changes}");
    }
    let revoked = service.about("/oauth/revoke", &client, &format!("token={token}"));
    assert_eq!(revoked.status, 200);
    assert_eq!(service.tokeninfo(&token).refusal(), refused);
    let other = token_of_before(&service, &client, "JWT", &json!({"exp": service.clock_seconds() + 61}));
    assert_eq!(service.tokeninfo(&other).status, 200);
    let revoked = service.manage("POST", &format!("/clients/{}/revoke-tokens", client.id), None);
    assert_eq!(revoked.status, 204, "{revoked:?}");
    assert_eq!(service.tokeninfo(&other).refusal(), refused);
}

#[test]
fn t_tok_tokens_without_jti_are_refused_in_standard() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let key = folder.path().join("key.pem");
    let pem = jose::SigningKey::generate(jose::Algorithm::Rs256, None).unwrap().to_pem().unwrap();
    std::fs::write(&key, pem.as_bytes()).unwrap();
    let service = Service::start(folder, &[("PRIVATE_RSA_KEY_FILE_PATH", key.to_str().unwrap())], 1);
    let client = service.basic_client(&json!({}));
    let with_jti = token_of_before(&service, &client, "JWT", &json!({"jti": "j"}));
    assert_eq!(service.tokeninfo(&with_jti).status, 200);
    let without = token_of_before(&service, &client, "JWT", &json!({}));
    assert_eq!(service.tokeninfo(&without).refusal(), (401, "invalid_token".to_owned()));
}
