//! Rows of standards that concern several endpoints or none in particular (docs/conformance.md).

use serde_json::{Value, json};

use crate::service::{
    Answer, BasicClient, GRANT, ISSUER, JSON, KeyClient, Service, call, form_with, jwt_part,
};

fn both() -> [Service; 2] {
    [Service::standard(&[]), Service::drop_in(&[])]
}

fn claims_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    jwt_part(answer.json()["access_token"].as_str().unwrap(), 1)
}

#[test]
fn c_6749_16_a_client_without_authentication_is_not_made() {
    for service in both() {
        let public = json!({"client_name": "c", "token_endpoint_auth_method": "none"});
        let refused = service.register(&public);
        assert_eq!(refused.refusal().1, "invalid_client_metadata");
        let refused = service.manage("POST", "/clients", Some(&public));
        assert_eq!(refused.refusal().1, "invalid_client_metadata");
    }
}

#[test]
fn c_6749_40_what_is_issued_has_the_documented_sizes() {
    for service in both() {
        let longest: Vec<String> = (0..1_000).map(|number| format!("{number:x}")).collect();
        let mut powers = json!({"permissions": longest});
        while serde_json::to_vec(&powers["permissions"]).unwrap().len() > 4_096 {
            powers["permissions"].as_array_mut().unwrap().pop();
        }
        let BasicClient { id, secret } = service.basic_client(&powers);
        assert_eq!((id.len() <= 64, secret.len()), (true, 48));
        let token = service.token_of(&BasicClient { id, secret });
        assert!(token.len() <= 8_192, "{}", token.len());
        assert_eq!(service.tokeninfo(&token).status, 200);
    }
}

#[test]
fn c_6750_06_t_hdr_20_a_challenge_is_ours_alone() {
    for service in both() {
        let challenge = |error: &str| format!("Bearer realm=\"client-credentials\", error=\"{error}\"");
        for (token, error) in [
            ("x", "invalid_token"),
            ("\"", "invalid_token"),
            ("a\\b", "invalid_token"),
            ("a%0d%0aX-Injected:1", "invalid_token"),
            ("<script>", "invalid_token"),
            ("x\", scope=\"admin", "invalid_token"),
        ] {
            let answer = service.tokeninfo(token);
            assert_eq!(answer.header("www-authenticate"), Some(&*challenge(error)), "{token}");
            assert_eq!(answer.header("x-injected"), None);
            assert!(!answer.body.contains("<script"), "{token} came back");
        }
        for scope in ["a%22b", "a%0d%0aX-Injected:%201", "%5C", "%3Cscript%3E%22"] {
            let client = service.basic_client(&json!({}));
            let form = format!("{GRANT}&scope={scope}");
            let answer = service.token(&[("Authorization", &client.basic())], &form);
            assert_eq!((answer.status, answer.header("x-injected")), (400, None), "{scope}");
            assert!(!answer.body.contains("<script"), "{scope} came back");
        }
    }
}

#[test]
fn c_6750_08_a_token_lives_an_hour_at_most_and_names_its_audience() {
    let service = Service::standard(&[]);
    let claims = jwt_part(&service.token_of(&service.basic_client(&json!({}))), 1);
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=3_600).contains(&lifetime), "{lifetime}");
    assert_eq!(claims["aud"], json!(["urn:gettone:api"]));
}

#[test]
fn c_7517_07_the_key_set_has_no_private_member() {
    for service in both() {
        let answer = service.get("/.well-known/jwks.json");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert!(!keys.is_empty());
        for key in keys {
            let public = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y", "key_ops"];
            assert!(key.as_object().unwrap().keys().all(|name| public.contains(&name.as_str())), "{key}");
        }
    }
}

#[test]
fn c_7518_02_client_secret_jwt_is_not_offered() {
    let service = Service::standard(&[]);
    for document in ["oauth-authorization-server", "openid-configuration"] {
        let text = service.get(&format!("/.well-known/{document}")).body;
        assert!(text.contains("private_key_jwt"), "{text}");
        assert!(!text.contains("client_secret_jwt") && !text.contains("HS256"), "{text}");
    }
    let symmetric = json!({"client_name": "c", "token_endpoint_auth_method": "client_secret_jwt"});
    assert_eq!(service.register(&symmetric).refusal(), (400, "invalid_client_metadata".to_owned()));
}

#[test]
fn c_7523_06_no_endpoint_is_an_audience_of_assertions() {
    for service in both() {
        let client = service.key_client(&json!({}));
        for path in
            ["/register", "/revoke", "/introspect", "/tokeninfo", "/par", "/.well-known/openid-configuration"]
        {
            let aud = format!("{ISSUER}{path}");
            for aud in [json!(aud), json!([aud])] {
                let answer = service.present(&service.assertion(&client, &json!({ "aud": aud })));
                assert_eq!(answer.refusal().1, "invalid_client", "{aud}");
            }
        }
        assert_eq!(service.present(&service.assertion(&client, &json!({}))).status, 200);
    }
}

/// OAuth 2.1 §3.1: a browser of another site gets no answer it may read, whatever it asks first.
#[test]
fn c_21_07_no_other_origin_may_read_an_answer() {
    let service = Service::standard(&[]);
    let origin = ("Origin", "https://elsewhere.example");
    let preflight = ("Access-Control-Request-Method", "POST");
    for path in ["/oauth/token", "/register", "/tokeninfo", "/.well-known/jwks.json", "/nothing"] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = service.call(method, path, &[origin, preflight], "");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
            assert!(
                method != "OPTIONS" || answer.status == 405 || answer.status == 404,
                "{path}: {answer:?}"
            );
        }
    }
}

#[test]
fn c_oidc_08_scope_openid_yields_no_id_token() {
    for (service, status) in both().into_iter().zip([400, 200]) {
        let client = service.basic_client(&json!({}));
        let answer = service.token(&[("Authorization", &client.basic())], &format!("{GRANT}&scope=openid"));
        assert_eq!((answer.status, answer.json().get("id_token")), (status, None));
    }
}

#[test]
fn t_key_09_the_key_of_another_client_opens_nothing() {
    for service in both() {
        let victim = service.key_client(&json!({}));
        let thief = json!({"client_name": "thief", "token_endpoint_auth_method": "private_key_jwt",
            "public_key": victim.key.public_jwk()});
        let answer = service.register(&thief);
        assert_eq!(answer.status, 201, "a public key is public");
        let thief = answer.json()["client_id"].as_str().unwrap().to_owned();
        // What the victim signs is the victim's, whoever else is registered with the key.
        let assertion = service.assertion(&victim, &json!({}));
        let as_thief = service.token(&[], &format!("{}&client_id={thief}", form_with(&assertion)));
        assert_eq!(as_thief.refusal().1, "invalid_client");
        assert_eq!(claims_of(&service.present(&assertion))["sub"], json!(victim.id));
        // And the thief, who has no private key, cannot sign for either.
        for id in [&thief, &victim.id] {
            let forger = KeyClient { id: id.clone(), key: testkit::ClientKey::generate("A1") };
            let forged = service.present(&service.assertion(&forger, &json!({})));
            assert_eq!(forged.refusal().1, "invalid_client");
        }
    }
}

#[test]
fn t_frm_10_no_header_overrides_the_method() {
    let service = Service::standard(&[]);
    let id = service.basic_client(&json!({})).id;
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let registered =
            service.call("POST", "/register", &[JSON, (header, "DELETE")], r#"{"client_name":"c"}"#);
        assert_eq!(registered.status, 201, "{header}");
        assert_eq!(service.call("GET", "/oauth/token", &[(header, "POST")], "").status, 405, "{header}");
        let bearer = format!("Bearer {}", crate::service::BOOTSTRAP_TOKEN);
        let headers = [("Authorization", bearer.as_str()), (header, "DELETE")];
        assert_eq!(call(service.management, "GET", &format!("/clients/{id}"), &headers, "").status, 200);
        assert_eq!(service.manage("GET", &format!("/clients/{id}"), None).status, 200, "{header}");
    }
}

/// X-JSON: no answer is taken for a page, even one that is not ours to refuse (T-HDR-21).
#[test]
fn t_hdr_21_every_answer_says_what_it_is() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    for answer in [
        service.register(&json!({"client_name": "<script>alert(1)</script>"})),
        service.register(&json!({"client_name": 1})),
        service.token(&[("Authorization", &client.basic())], GRANT),
        service.token(&[], "grant_type=<script>"),
        service.tokeninfo("<script>"),
        service.tokeninfo(&service.token_of(&client)),
        service.get("/.well-known/jwks.json"),
        service.get("/.well-known/oauth-authorization-server"),
        service.get("/%3Cscript%3E"),
        service.get("/-/healthz"),
    ] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        let content_type = answer.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("application/json"), "{answer:?}");
    }
}
