//! `POST /oauth/token` with `client_secret_post`: id and secret in the body, for clients that registered it.

use serde_json::json;

use crate::service::{BasicClient, FORM, GRANT, Service, basic, form_with, jwt_part};

/// A token request with these credentials in its body.
fn form_of(client_id: &str, secret: &str) -> String {
    format!("{GRANT}&client_id={client_id}&client_secret={secret}")
}

fn post_client(service: &Service, powers: &serde_json::Value) -> BasicClient {
    let mut client = powers.clone();
    client["token_endpoint_auth_method"] = json!("client_secret_post");
    service.basic_client(&client)
}

#[test]
fn c_21_01_a_client_registers_for_it_and_gets_tokens() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let wanted = json!({"client_name": "c", "token_endpoint_auth_method": "client_secret_post"});
        let answer = service.register(&wanted);
        assert_eq!(answer.status, 201, "{answer:?}");
        let registered = answer.json();
        let with_basic = service.register(&json!({"client_name": "c"})).json();
        let members =
            |client: &serde_json::Value| client.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&registered), members(&with_basic));
        let [id, secret] = ["client_id", "client_secret"].map(|name| registered[name].as_str().unwrap());
        let stored = service.manage("GET", &format!("/clients/{id}"), None).json();
        assert_eq!(stored["authMethod"], "client_secret_post");

        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        for form in [form_of(id, secret), form_of(&encoded(id), &encoded(secret))] {
            let answer = service.token(&[], &form);
            assert_eq!(answer.status, 200, "{answer:?}");
            let token = answer.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(jwt_part(&token, 1)["sub"], id);
            assert_eq!(service.tokeninfo(&token).status, 200);
        }
    }
}

#[test]
fn c_6749_07_t_bas_09_a_client_uses_the_method_it_registered_and_all_failures_look_alike() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = post_client(&service, &json!({}));
        let with_basic = service.basic_client(&json!({}));
        let with_key = service.key_client(&json!({}));
        let draft = post_client(&service, &json!({"__STATE__": "DRAFT"}));
        let post = |id: &str, secret: &str| service.token(&[], &form_of(id, secret));
        let first = service.token(&[("Authorization", &basic("nobody", "s"))], GRANT);
        for (what, answer) in [
            ("registered for post, sends Basic", service.token(&[("Authorization", &client.basic())], GRANT)),
            ("registered for Basic, sends post", post(&with_basic.id, &with_basic.secret)),
            ("registered for a key, sends post", post(&with_key.id, "s")),
            ("wrong secret", post(&client.id, "wrong")),
            ("secret of another client", post(&client.id, &with_basic.secret)),
            ("long secret", post(&client.id, &"s".repeat(5_000))),
            ("unknown client", post("nobody", &client.secret)),
            ("id of another case", post(&client.id.to_lowercase(), &client.secret)),
            ("not PUBLIC", post(&draft.id, &draft.secret)),
            ("no client_id", service.token(&[], &format!("{GRANT}&client_secret={}", client.secret))),
            ("empty client_id", post("", &client.secret)),
            ("empty secret", post(&client.id, "")),
            ("T-BAS-04 NUL", post(&format!("{}%00", client.id), &client.secret)),
            ("T-BAS-03 not ASCII", post(&client.id, "%c3%a9")),
        ] {
            assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{what}");
            assert_eq!(answer, first, "{what}");
        }
        assert_eq!(post(&client.id, &client.secret).status, 200, "the right one");
    }
}

#[test]
fn t_bas_08_c_6749_04_a_secret_in_the_body_is_the_only_credential() {
    let service = Service::standard(&[]);
    let client = post_client(&service, &json!({}));
    let with_key = service.key_client(&json!({}));
    let form = form_of(&client.id, &client.secret);
    let assertion = service.assertion(&with_key, &json!({}));
    for (row, answer) in [
        ("Basic+post", service.token(&[("Authorization", &client.basic())], &form)),
        ("Bearer+post", service.token(&[("Authorization", "Bearer x")], &form)),
        (
            "post+assertion",
            service
                .token(&[], &format!("{}&client_id={}&client_secret=s", form_with(&assertion), with_key.id)),
        ),
        ("C-6749-12", service.token(&[], &format!("{form}&client_secret={}", client.secret))),
    ] {
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{row}");
    }
    assert_eq!(service.present(&assertion).status, 200, "the assertion was not used up");
}

#[test]
fn c_6749_05_a_secret_in_the_query_is_refused_wherever_the_rest_is() {
    let service = Service::standard(&[]);
    let client = post_client(&service, &json!({}));
    let (id, secret) = (&client.id, &client.secret);
    for (query, body) in [
        (format!("client_id={id}&client_secret={secret}"), GRANT.to_owned()),
        (format!("client_secret={secret}"), format!("{GRANT}&client_id={id}")),
        (format!("client_id={id}"), format!("{GRANT}&client_secret={secret}")),
        (format!("client_secret={secret}"), form_of(id, secret)),
    ] {
        let answer = service.call("POST", &format!("/oauth/token?{query}"), &[FORM], &body);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{query}");
    }
}
