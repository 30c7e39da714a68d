//! `POST /oauth/introspect`.

use serde_json::json;

use crate::service::{BasicClient, FORM, Service, form_with, jwt_part};

const PATH: &str = "/oauth/introspect";

fn both_profiles() -> [Service; 2] {
    let accepted = [("ACCEPTED_AUDIENCES", "orders")];
    [Service::standard(&accepted), Service::drop_in(&accepted)]
}

/// A client that may ask about the tokens of others.
fn resource_server(service: &Service, audience: &[&str]) -> BasicClient {
    service.basic_client(&json!({"permissions": ["gettone:tokens:introspect"], "audience": audience}))
}

#[test]
fn c_7662_01_clients_authenticate_as_for_a_token() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let token = service.token_of(&client);
        let form = format!("token={token}");
        let wrong = BasicClient { id: client.id.clone(), secret: "wrong".to_owned() };
        let unknown = BasicClient { id: "nobody".to_owned(), secret: "wrong".to_owned() };
        let expected = service.token(&[("Authorization", &wrong.basic())], "grant_type=client_credentials");
        assert_eq!(expected.refusal(), (401, "invalid_client".to_owned()));
        for answer in [
            service.call("POST", PATH, &[FORM], &form),
            service.about(PATH, &wrong, &form),
            service.about(PATH, &unknown, &form),
            service.call("POST", PATH, &[FORM, ("Authorization", &format!("Bearer {token}"))], &form),
        ] {
            assert_eq!(answer, expected, "the same bytes");
        }
        assert!(service.active(&client, &token));
    }
}

#[test]
fn c_7523_20_c_7523_06_assertions_are_spent_here_too() {
    let service = Service::standard(&[]);
    let client = service.key_client(&json!({}));
    let token = service.present(&service.assertion(&client, &json!({}))).json()["access_token"].clone();
    let ask = |assertion: &str| {
        let form = format!("{}&token={}", form_with(assertion), token.as_str().unwrap());
        service.call("POST", PATH, &[FORM], &form)
    };
    let assertion = service.assertion(&client, &json!({}));
    assert_eq!(ask(&assertion).json()["active"], true);
    assert_eq!(ask(&assertion).refusal(), (401, "invalid_client".to_owned()), "used here");
    assert_eq!(
        service.present(&assertion).refusal(),
        (401, "invalid_client".to_owned()),
        "and not elsewhere"
    );
    let elsewhere = service.assertion(&client, &json!({}));
    assert_eq!(service.present(&elsewhere).status, 200);
    assert_eq!(ask(&elsewhere).refusal(), (401, "invalid_client".to_owned()), "used elsewhere");
    let audience = service.assertion(&client, &json!({"aud": "https://auth.example/oauth/introspect"}));
    assert_eq!(ask(&audience).refusal(), (401, "invalid_client".to_owned()));
}

#[test]
fn c_7662_06_an_active_token_is_described() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({"permissions": ["read:orders"]}));
        let token = service.token_of(&client);
        let answer = service.about(PATH, &client, &format!("token={token}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let mut expected = jwt_part(&token, 1);
        expected["active"] = json!(true);
        expected["token_type"] = json!("Bearer");
        expected["client_id"] = json!(client.id);
        assert_eq!(answer.json(), expected);
        for member in ["exp", "iat"] {
            assert!(answer.json()[member].is_i64());
        }
    }
}

#[test]
fn c_7662_05_hints_change_nothing() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    for hint in ["access_token", "refresh_token", "foo", ""] {
        let answer = service.about(PATH, &client, &format!("token={token}&token_type_hint={hint}"));
        assert_eq!(answer.json()["active"], true, "{hint}");
    }
}

#[test]
fn c_7662_02_t_int_01_t_int_02_tokens_of_others_need_a_right() {
    for service in both_profiles() {
        let (owner, other) = (service.basic_client(&json!({})), service.basic_client(&json!({})));
        let token = service.token_of(&owner);
        assert!(service.active(&owner, &token));
        assert!(!service.active(&other, &token));
        for near in
            ["gettone:tokens", "gettone:tokens:revoke", "GETTONE:TOKENS:INTROSPECT", "gettone:tokens:*"]
        {
            let near = service.basic_client(&json!({ "permissions": [near] }));
            assert!(!service.active(&near, &token));
        }
        assert!(service.active(&resource_server(&service, &[]), &token));
    }
}

#[test]
fn c_7662_04_a_resource_server_learns_of_tokens_for_it() {
    let service = Service::standard(&[("ACCEPTED_AUDIENCES", "orders")]);
    let server = resource_server(&service, &["billing"]);
    let owner = service.basic_client(&json!({"audience": ["orders", "billing", "other", server.id]}));
    let token = |audience: &str| {
        let form = format!("grant_type=client_credentials&audience={audience}");
        let answer = service.token(&[("Authorization", &owner.basic())], &form);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    for (audience, expected) in
        [("orders", true), ("billing", true), (server.id.as_str(), true), ("other", false)]
    {
        let token = token(audience);
        assert_eq!(service.active(&server, &token), expected, "{audience}");
        assert!(service.active(&owner, &token), "{audience}: the owner always learns");
    }
    assert!(service.active(&server, &service.token_of(&owner)), "the default audience is for every API here");
}

#[test]
fn c_7662_03_c_7662_04_what_is_not_active_looks_the_same() {
    for service in both_profiles() {
        let client = service.basic_client(&json!({}));
        let token = service.token_of(&client);
        let ask = |token: &str| service.about(PATH, &client, &format!("token={token}"));
        let expected = ask("garbage");
        assert_eq!((expected.status, expected.body.as_str()), (200, r#"{"active":false}"#));

        let elsewhere = Service::standard(&[("MIA_JWT_ISSUER", "https://other.example")]);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for bad in [
            elsewhere.token_of(&elsewhere.basic_client(&json!({}))),
            signed.to_owned(),
            format!("{signed}.AAAA"),
            format!("{signed}.{}", &signature[1..]),
            "a.b.c".to_owned(),
            "x".repeat(20_000),
            client.secret.clone(),
        ] {
            assert_eq!(ask(&bad), expected, "{bad}");
        }
        let keyed = service.key_client(&json!({}));
        assert_eq!(ask(&service.assertion(&keyed, &json!({}))), expected, "an assertion is no access token");
        assert!(service.active(&client, &token));
        service.clock.advance_seconds(3600);
        assert_eq!(ask(&token), expected, "expired");
    }
}

#[test]
fn c_7662_03_tokens_of_a_client_that_is_not_public_are_not_active() {
    for service in both_profiles() {
        let server = resource_server(&service, &[]);
        let ways: [(&str, Option<serde_json::Value>); 3] = [
            ("PATCH", Some(json!({"__STATE__": "DRAFT"}))),
            ("PATCH", Some(json!({"__STATE__": "TRASH"}))),
            ("DELETE", None),
        ];
        for (method, body) in ways {
            let owner = service.basic_client(&json!({}));
            let token = service.token_of(&owner);
            assert!(service.active(&server, &token));
            let answer = service.manage(method, &format!("/clients/{}", owner.id), body.as_ref());
            assert!(answer.status < 300, "{answer:?}");
            assert!(!service.active(&server, &token), "{method} {body:?}");
            assert_eq!(service.tokeninfo(&token).refusal(), (401, "invalid_token".to_owned()), "C-7592-08");
        }
    }
}

#[test]
fn c_7662_07_malformed_questions_are_refused_and_use_nothing_up() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let token = service.token_of(&client);
    for (form, what) in
        [("", "no token"), ("token=", "an empty one"), ("token=a&token=a", "two"), ("token=%ff", "no UTF-8")]
    {
        let refusal = service.about(PATH, &client, form).refusal();
        assert_eq!(refusal, (400, "invalid_request".to_owned()), "{what}");
    }
    let in_query = format!("{PATH}?token={token}");
    assert_eq!(service.call("GET", &in_query, &[], "").refusal(), (405, "method_not_allowed".to_owned()));
    assert_eq!(service.about(&in_query, &client, "token=x").refusal(), (400, "invalid_request".to_owned()));

    let keyed = service.key_client(&json!({}));
    let assertion = service.assertion(&keyed, &json!({}));
    let answer = service.call("POST", PATH, &[FORM], &form_with(&assertion));
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(service.present(&assertion).status, 200, "the assertion was not used up");
}

#[test]
fn c_7662_09_answers_are_json_whatever_is_accepted() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let accept = ("Accept", "application/token-introspection+jwt");
    let answer = service.call("POST", PATH, &[FORM, accept, ("Authorization", &client.basic())], "token=x");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
