//! `POST /register`.

use serde_json::{Value, json};
use testkit::ClientKey;

use crate::service::{Answer, FORM, GRANT, JSON, Service, basic, call, send};

/// The drop-in profile answers these members in this order, whatever else was sent.
#[test]
fn contract_1_1_a_client_with_a_secret() {
    let service = Service::drop_in(&[]);
    let client =
        json!({"client_name": "my client", "contacts": ["a@b"], "grant_types": ["client_credentials"]});
    insta::assert_snapshot!(service.register(&client).text());
}

#[test]
fn contract_1_1_a_client_with_a_key_gets_no_secret() {
    let service = Service::drop_in(&[]);
    let client = json!({"client_name": "my client", "token_endpoint_auth_method": "private_key_jwt",
        "public_key": ClientKey::generate("A1").public_jwk()});
    insta::assert_snapshot!(service.register(&client).text());
}

#[test]
fn c_7591_01_c_7591_02_c_7591_03_everything_registered_is_told() {
    let service = Service::standard(&[]);
    let client = json!({"client_name": "my client", "client_name#it": "il mio", "contacts": ["ops@client.example"],
        "grant_types": ["client_credentials", "refresh_token"], "client_uri": "https://client.example/",
        "software_id": "s", "software_version": "2", "metadata": {"team": "a"}, "foo": 1, "scope": "admin"});
    insta::assert_snapshot!(service.register(&client).text());
}

#[test]
fn c_7591_03_c_7591_06_keys_are_told_and_no_secret_is_made() {
    let service = Service::standard(&[]);
    let jwk = ClientKey::generate("A1").public_jwk();
    for keys in [json!({"public_key": jwk}), json!({"jwks": {"keys": [jwk]}})] {
        let mut client = keys.clone();
        for (name, value) in [
            ("client_name", "c"),
            ("token_endpoint_auth_method", "private_key_jwt"),
            ("token_endpoint_auth_signing_alg", "ES256"),
        ] {
            client[name] = json!(value);
        }
        let told = service.register(&client).json();
        for (name, value) in client.as_object().unwrap() {
            assert_eq!(told[name], *value, "{name}");
        }
        assert!(
            told.get("client_secret").is_none() && told.get("client_secret_expires_at").is_none(),
            "{told}"
        );
        assert_eq!(
            (&told["grant_types"], &told["response_types"]),
            (&json!(["client_credentials"]), &json!([]))
        );
    }
}

#[test]
fn c_7591_09_c_7591_12_t_reg_04_mistakes_with_a_code_of_their_own() {
    let (standard, drop_in) = (Service::standard(&[]), Service::drop_in(&[]));
    for (member, value, code) in [
        ("redirect_uris", json!(["http://evil.example/cb"]), "invalid_redirect_uri"),
        ("software_statement", json!("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."), "invalid_software_statement"),
        (
            "software_statement",
            json!("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AA"),
            "unapproved_software_statement",
        ),
        ("response_types", json!("code"), "invalid_client_metadata"),
    ] {
        let client = json!({"client_name": "c", member: value});
        assert_eq!(standard.register(&client).refusal(), (400, code.to_owned()), "{client}");
        assert_eq!(drop_in.register(&client).refusal(), (401, code.to_owned()), "{client}");
    }
}

#[test]
fn t_reg_03_a_registered_client_is_powerless() {
    let service = Service::standard(&[]);
    let greedy = json!({"client_name": "greedy", "permissions": ["admin"], "audience": ["api"], "groups": ["admin"],
        "allowedCustomClaims": ["tenant"], "__STATE__": "DRAFT", "client_id": "mine", "scope": "admin"});
    let registered = service.register(&greedy).json();
    let id = registered["client_id"].as_str().unwrap();
    assert_ne!(id, "mine");
    let stored = service.manage("GET", &format!("/clients/{id}"), None).json();
    assert_eq!(stored["__STATE__"], "PUBLIC");
    for powerless in ["permissions", "audience", "allowedCustomClaims"] {
        assert_eq!(stored[powerless], json!([]), "{powerless}");
    }
}

#[test]
fn a_new_client_can_be_made_to_wait_for_approval() {
    let service = Service::standard(&[("DEFAULT_CLIENT_STATE", "DRAFT")]);
    let registered = service.register(&json!({"client_name": "c"})).json();
    let [id, secret] = ["client_id", "client_secret"].map(|name| registered[name].as_str().unwrap());
    let token = || service.token(&[("Authorization", &basic(id, secret))], GRANT);
    assert_eq!(token().refusal(), (401, "invalid_client".to_owned()));
    let approved = service.manage("PATCH", &format!("/clients/{id}"), Some(&json!({"__STATE__": "PUBLIC"})));
    assert_eq!(approved.status, 200);
    assert_eq!(token().status, 200);
}

/// What is sent, and the sentence it is refused with.
fn bad_registrations() -> Vec<(Answer, &'static str)> {
    let service = Service::standard(&[]);
    let post = |headers: &[(&str, &str)], body: &str| service.call("POST", "/register", headers, body);
    let key = |changes: Value| {
        let mut jwk = ClientKey::generate("A1").public_jwk();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt", "public_key": jwk})
            .to_string()
    };
    vec![
        (post(&[FORM], "client_name=c"), "application/json"),
        (post(&[], r#"{"client_name":"c"}"#), "application/json"),
        (post(&[JSON], ""), "one JSON object"),
        (post(&[JSON], "[]"), "one JSON object"),
        (post(&[JSON], r#"{"client_name":"c""#), "one JSON object"),
        (post(&[JSON], r#"{"client_name":"c","client_name":"d"}"#), "one JSON object"),
        (post(&[JSON], &"[".repeat(30_000)), "one JSON object"),
        (post(&[JSON], "{}"), "client_name is missing"),
        (post(&[JSON], r#"{"client_name":["c"]}"#), "client_name must be"),
        (
            post(&[JSON], r#"{"client_name":"c","token_endpoint_auth_method":"none"}"#),
            "token_endpoint_auth_method",
        ),
        (post(&[JSON], &key(json!({"d": "AQAB"}))), "private"),
        (post(&[JSON], &key(json!({"kty": "oct", "k": "AQAB"}))), "private"),
        (post(&[JSON], &key(json!({"x": "AQAB"}))), "exact length"),
        (post(&[JSON], &key(json!({"use": "enc"}))), "public_key.use"),
        (post(&[JSON], &key(json!({"alg": "HS256"}))), "public_key.alg"),
        (
            post(
                &[JSON],
                r#"{"client_name":"c","grant_types":["client_credentials"],"response_types":["code"]}"#,
            ),
            "response_types",
        ),
        (
            post(&[JSON], &key(json!({})).replacen('{', r#"{"jwks_uri":"https://c.example/k","#, 1)),
            "exclude each other",
        ),
        (
            post(&[JSON], &key(json!({})).replacen('{', r#"{"token_endpoint_auth_signing_alg":"ES384","#, 1)),
            "no key is for the algorithm",
        ),
    ]
}

#[test]
fn c_7591_09_t_frm_13_t_frm_14_t_key_08_bad_metadata_is_refused_and_explained() {
    for (answer, sentence) in bad_registrations() {
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{answer:?}");
        assert!(answer.body.contains(sentence), "{sentence} is missing in {answer:?}");
    }
}

#[test]
fn t_key_10_our_own_key_is_nobody_elses() {
    let service = Service::standard(&[]);
    let mut ours = service.get("/.well-known/jwks.json").json()["keys"][0].clone();
    // Under another name it is the same key.
    ours["kid"] = json!("theirs");
    let theirs = ClientKey::generate("A1").public_jwk();
    for (member, value) in [("public_key", ours.clone()), ("jwks", json!({"keys": [theirs, ours]}))] {
        let client =
            json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt", member: value});
        let answer = service.register(&client);
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()));
        assert!(answer.body.contains("signing key of this service"), "{answer:?}");
    }
}

#[test]
fn t_frm_06_a_large_body_is_refused_before_it_is_read() {
    let service = Service::standard(&[]);
    let declared = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n{";
    let answer = send(service.public, declared.as_bytes());
    assert_eq!(answer.refusal(), (413, "invalid_request".to_owned()));
    let chunk = format!("ffff\r\n{}\r\n", "x".repeat(0xffff));
    let chunked = format!(
        "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"
    );
    // `send` reads until the server closes, although the body has not ended.
    let started = std::time::Instant::now();
    for target in ["/register", "/nothing"] {
        let answer = send(service.public, chunked.replace("/register", target).as_bytes());
        assert_eq!(answer.refusal().0, if target == "/register" { 413 } else { 404 });
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert!(started.elapsed().as_secs() < 15, "the connection was closed");
}

#[test]
fn t_reg_02_a_description_of_a_client_has_at_most_32_kib() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let description = |length: usize| {
            let members =
                |filling: usize| json!({"client_name": "c", "filling": "x".repeat(filling)}).to_string();
            let text = members(length - members(0).len());
            assert_eq!(text.len(), length);
            text
        };
        let holder = service.register(&json!({"client_name": "c"})).json();
        let own = format!("/register/{}", holder["client_id"].as_str().unwrap());
        let token = format!("Bearer {}", holder["registration_access_token"].as_str().unwrap_or_default());
        let bootstrap = format!("Bearer {}", crate::service::BOOTSTRAP_TOKEN);
        for (length, expected) in [(32 * 1024, [201, 201, 400]), (32 * 1024 + 1, [413; 3])] {
            let body = description(length);
            let answers = [
                (service.public, "POST", "/register", &bootstrap),
                (service.management, "POST", "/clients", &bootstrap),
                (service.public, "PUT", &*own, &token),
            ]
            .map(|(address, method, target, token)| {
                call(address, method, target, &[JSON, ("Authorization", token)], &body)
            });
            let has_own = !token.ends_with(' ');
            for (answer, expected) in answers.iter().zip(expected).take(if has_own { 3 } else { 2 }) {
                assert_eq!(answer.status, expected, "{length}: {answer:?}");
                assert!(expected != 413 || answer.body.contains("larger than 32 KiB"), "{answer:?}");
            }
        }
    }
}

#[test]
fn c_7591_17_no_two_registrations_are_equal() {
    let service = Service::standard(&[]);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let client = service.register(&json!({"client_name": "c"})).json();
        for name in ["client_id", "client_secret"] {
            let text = client[name].as_str().unwrap().to_owned();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphabetic()));
            assert!(seen.insert(text), "{name} was given twice");
        }
    }
}
