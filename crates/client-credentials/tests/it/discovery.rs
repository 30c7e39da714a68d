//! The discovery documents: where they are, what they say, and that it is true.

use serde_json::{Value, json};

use crate::openssl_key::OpensslKey;
use crate::service::{Answer, BasicClient, GRANT, ISSUER, JSON, KeyClient, Service, call, form_with, send};

const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

#[test]
fn c_8414_02_c_8414_04_the_generated_documents() {
    let service = Service::standard(&[]);
    insta::assert_snapshot!(service.get(AUTHORIZATION_SERVER).text());
    for path in [AUTHORIZATION_SERVER, OPENID_CONFIGURATION] {
        let document = service.get(path).json();
        for (name, value) in document.as_object().unwrap() {
            assert_ne!(value, &json!([]), "{name}");
        }
        for required in ["issuer", "token_endpoint", "jwks_uri", "response_types_supported"] {
            assert!(document.get(required).is_some(), "{required}");
        }
    }
}

#[test]
fn c_8414_05_both_documents_say_the_same_and_openid_more() {
    let service = Service::standard(&[]);
    let oauth = service.get(AUTHORIZATION_SERVER).json();
    let mut openid = service.get(OPENID_CONFIGURATION).json();
    let members = openid.as_object_mut().unwrap();
    assert_eq!(members.remove("subject_types_supported"), Some(json!(["public"])));
    let algorithms = members.remove("id_token_signing_alg_values_supported");
    assert_eq!(algorithms, Some(json!(["RS256"])), "a service with one key signs with that alone");
    assert_eq!(openid, oauth);
    let keys = service.get("/.well-known/jwks.json").json();
    assert_eq!(keys["keys"][0]["alg"], "RS256", "as the last member says");
}

#[test]
fn c_8414_08_the_algorithms_we_sign_with_are_those_there_may_be_keys_of() {
    let shared = ("SIGNING_KEYS_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let es256 = ("SIGNING_ALGORITHM", "ES256");
    for (variables, expected) in
        [(&[es256][..], json!(["ES256"])), (&[es256, shared], json!(["RS256", "PS256", "ES256", "EdDSA"]))]
    {
        let document = Service::standard(variables).get(OPENID_CONFIGURATION).json();
        assert_eq!(document["id_token_signing_alg_values_supported"], expected);
    }
}

#[test]
fn c_8725_13_the_younger_name_of_ed25519_comes_first() {
    let document = Service::standard(&[]).get(AUTHORIZATION_SERVER).json();
    for endpoint in ["token", "introspection", "revocation"] {
        let listed = listed(&document, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        let place = |name: &str| listed.iter().position(|other| other == name).unwrap();
        assert!(place("Ed25519") < place("EdDSA"), "{listed:?}");
    }
}

#[test]
fn c_8414_03_t_reg_09_no_header_changes_what_they_say() {
    let service = Service::standard(&[]);
    for path in [AUTHORIZATION_SERVER, OPENID_CONFIGURATION] {
        let plain = service.get(path);
        assert_eq!(plain.json()["issuer"], ISSUER);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n\
             X-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 1\r\nForwarded: host=evil.example;proto=http\r\n\
             X-Original-Url: /evil\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(send(service.public, request.as_bytes()), plain, "{path}");
        let absolute = format!(
            "GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(send(service.public, absolute.as_bytes()), plain, "{path}");
        assert_eq!(service.get(&format!("{path}?issuer=https://evil.example")), plain, "{path}");
    }
}

#[test]
fn c_8414_01_an_issuer_with_a_path_is_found_in_every_spelling() {
    for issuer in ["https://auth.example/t1", "https://auth.example/t1/"] {
        let service = Service::standard(&[("MIA_JWT_ISSUER", issuer), ("SERVICE_PREFIX", "/cc")]);
        for path in [
            "/.well-known/oauth-authorization-server/t1",
            "/.well-known/openid-configuration/t1",
            "/t1/.well-known/openid-configuration",
            "/cc/.well-known/oauth-authorization-server",
            "/cc/.well-known/openid-configuration",
        ] {
            let answer = service.get(path);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.json()["issuer"], issuer, "{path}");
            assert_eq!(answer.json()["token_endpoint"], "https://auth.example/cc/oauth/token", "{path}");
            let openid = answer.json().get("subject_types_supported").is_some();
            assert_eq!(openid, path.contains("openid"), "{path}");
            assert_eq!(service.call("POST", path, &[], "").refusal(), (405, "method_not_allowed".to_owned()));
        }
        for path in [
            AUTHORIZATION_SERVER,
            OPENID_CONFIGURATION,
            "/.well-known/oauth-authorization-server/t1/",
            "/.well-known/oauth-authorization-server/t2",
            "/.well-known/oauth-authorization-server/%741",
            "/.well-known/oauth-authorization-server//t1",
            "/t1/.well-known/jwks.json",
            "/t2/.well-known/openid-configuration",
            "/T1/.well-known/openid-configuration",
        ] {
            assert_eq!(service.get(path).refusal(), (404, "not_found".to_owned()), "{path}");
        }
    }
}

#[test]
fn c_8414_01_an_issuer_without_a_path_is_found_beside_the_prefix() {
    let service = Service::standard(&[("SERVICE_PREFIX", "/cc")]);
    for path in [AUTHORIZATION_SERVER, OPENID_CONFIGURATION] {
        assert_eq!(service.get(path).json()["jwks_uri"], "https://auth.example/cc/.well-known/jwks.json");
        assert_eq!(service.get(path), service.get(&format!("/cc{path}")));
    }
    assert_eq!(service.get("/cc/.well-known/jwks.json").status, 200);
}

#[test]
fn c_8414_10_get_alone() {
    let service = Service::standard(&[]);
    for path in [AUTHORIZATION_SERVER, OPENID_CONFIGURATION] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let answer = service.call(method, path, &[], "");
            assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
        let head = service.call("HEAD", path, &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(service.get(path).header("cache-control"), Some("public, max-age=300"));
    }
}

#[test]
fn contract_1_6_in_drop_in_a_url_is_described_and_any_other_issuer_is_not() {
    let service = Service::drop_in(&[("MIA_JWT_ISSUER", "http://auth.internal/t1")]);
    assert_eq!(
        service.get("/t1/.well-known/openid-configuration").json()["issuer"],
        "http://auth.internal/t1"
    );

    for issuer in
        ["mia-issuer", "urn:mia", "{", "/{x:[}", "https://", "https://h/{x}*", "https://h/\\", "%zz", "è 💥"]
    {
        let service = Service::drop_in(&[("MIA_JWT_ISSUER", issuer)]);
        for path in [AUTHORIZATION_SERVER, OPENID_CONFIGURATION] {
            assert_eq!(service.get(path).refusal(), (404, "not_found".to_owned()), "{issuer} {path}");
        }
        let client = service.basic_client(&json!({}));
        let token = service.token_of(&client);
        assert_eq!(service.tokeninfo(&token).json()["iss"], issuer);
    }
    // Characters that mean something to a router, in a path that URLs may have.
    let issuer = "https://h/a*/[b]/:c/%7Bd%7D/(e+)?".trim_end_matches('?');
    let service = Service::drop_in(&[("MIA_JWT_ISSUER", issuer)]);
    let path = &issuer["https://h".len()..];
    assert_eq!(service.get(&format!("{AUTHORIZATION_SERVER}{path}")).json()["issuer"], issuer);
    assert_eq!(service.get(&format!("{AUTHORIZATION_SERVER}/aa/b/x/d/e")).status, 404);
}

/// The listed values of a member.
fn listed(document: &Value, member: &str) -> Vec<String> {
    let values = document[member].as_array().unwrap_or_else(|| panic!("{member} is missing"));
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// The path of a URL in the document: gateways hand it on as it is.
fn path_of<'document>(document: &'document Value, member: &str) -> &'document str {
    document[member].as_str().unwrap().strip_prefix("https://auth.example").unwrap()
}

/// Registers a client where the document says, with these members beside its name.
fn register(service: &Service, document: &Value, members: Value) -> Answer {
    let mut client = json!({"client_name": "c"});
    client.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let path = path_of(document, "registration_endpoint");
    call(service.public, "POST", path, &[JSON], &client.to_string())
}

/// Registers a client for `method` and `alg`, and asks for a token with both.
fn use_of(service: &Service, document: &Value, method: &str, alg: &str) -> Answer {
    let token = |headers: &[(&str, &str)], form: &str| {
        let form_type = ("Content-Type", "application/x-www-form-urlencoded");
        let headers: Vec<_> = [form_type].iter().chain(headers).copied().collect();
        call(service.public, "POST", path_of(document, "token_endpoint"), &headers, form)
    };
    let member = |answer: &Answer, name: &str| {
        assert_eq!(answer.status, 201, "{method} {alg}: {answer:?}");
        answer.json()[name].as_str().unwrap().to_owned()
    };
    if method == "private_key_jwt" {
        let key = OpensslKey::generate(alg);
        let wanted = json!({"token_endpoint_auth_method": method, "public_key": key.public_jwk()});
        let id = member(&register(service, document, wanted), "client_id");
        let now = service.clock_seconds();
        let claims = json!({"iss": id, "sub": id, "aud": document["issuer"], "exp": now + 60, "jti": "j"});
        return token(&[], &form_with(&key.sign(&claims)));
    }
    let registered = register(service, document, json!({ "token_endpoint_auth_method": method }));
    let client =
        BasicClient { id: member(&registered, "client_id"), secret: member(&registered, "client_secret") };
    match method {
        "client_secret_basic" => token(&[("Authorization", &client.basic())], GRANT),
        "client_secret_post" => {
            token(&[], &format!("{GRANT}&client_id={}&client_secret={}", client.id, client.secret))
        }
        other => panic!("{other} is listed, and not known here"),
    }
}

#[test]
fn c_8414_08_c_8414_06_what_is_listed_works() {
    for service in
        [Service::standard(&[("SERVICE_PREFIX", "/cc")]), Service::drop_in(&[("SERVICE_PREFIX", "/cc")])]
    {
        let document = service.get(AUTHORIZATION_SERVER).json();
        assert_eq!(listed(&document, "grant_types_supported"), ["client_credentials"]);
        let methods = listed(&document, "token_endpoint_auth_methods_supported");
        let algs = listed(&document, "token_endpoint_auth_signing_alg_values_supported");
        assert!(methods.contains(&"private_key_jwt".to_owned()) && algs.contains(&"RS256".to_owned()));
        for method in &methods {
            let algs = if method == "private_key_jwt" { &algs[..] } else { &[String::new()] };
            for alg in algs {
                let answer = use_of(&service, &document, method, alg);
                assert_eq!(answer.status, 200, "{method} {alg}: {answer:?}");
            }
        }
        let keys = service.get(path_of(&document, "jwks_uri")).json();
        assert_eq!(keys["keys"][0]["kid"], "keyID");
    }
}

#[test]
fn c_8414_08_what_is_not_listed_does_not_work() {
    let service = Service::standard(&[]);
    let document = service.get(AUTHORIZATION_SERVER).json();
    let not_listed = |member: &str, values: &[&'static str]| {
        let listed = listed(&document, member);
        let rest: Vec<_> =
            values.iter().copied().filter(|value| !listed.contains(&(*value).to_owned())).collect();
        assert!(!rest.is_empty());
        rest
    };
    let refused = (400, "invalid_client_metadata".to_owned());

    let registered = [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "none",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ];
    for method in not_listed("token_endpoint_auth_methods_supported", &registered) {
        let answer = register(&service, &document, json!({ "token_endpoint_auth_method": method }));
        assert_eq!(answer.refusal(), refused, "{method}");
    }

    let registered = [
        "none",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS1",
        "ES256",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ML-DSA-44",
    ];
    let with_key = service.key_client(&json!({}));
    for alg in not_listed("token_endpoint_auth_signing_alg_values_supported", &registered) {
        let mut jwk = with_key.key.public_jwk();
        jwk["alg"] = json!(alg);
        let wanted = json!({"token_endpoint_auth_method": "private_key_jwt", "public_key": jwk});
        assert_eq!(register(&service, &document, wanted).refusal(), refused, "{alg}");
        assert_eq!(
            present_as(&service, &with_key, alg).refusal(),
            (401, "invalid_client".to_owned()),
            "{alg}"
        );
    }
    assert_eq!(present_as(&service, &with_key, "ES256").status, 200, "the listed one");

    let client = service.basic_client(&json!({}));
    let registered = [
        "authorization_code",
        "implicit",
        "password",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:device_code",
    ];
    for grant in not_listed("grant_types_supported", &registered) {
        let answer = service.token(&[("Authorization", &client.basic())], &format!("grant_type={grant}"));
        assert_eq!(answer.refusal(), (400, "unsupported_grant_type".to_owned()), "{grant}");
    }
    assert!(document.get("authorization_endpoint").is_none());
}

/// Presents a good ES256 assertion whose header says `alg`.
fn present_as(service: &Service, client: &KeyClient, alg: &str) -> Answer {
    let now = service.clock_seconds();
    let claims = json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "exp": now + 60, "jti": testkit::unique_name("jti")});
    service.present(&client.key.sign_with_header(&json!({"alg": alg, "kid": "A1"}), &claims))
}
