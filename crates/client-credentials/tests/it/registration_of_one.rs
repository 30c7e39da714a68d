//! `/register/{client_id}` (RFC 7592): what a client may do with its own registration.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::ClientKey;

use crate::service::{Answer, BasicClient, GRANT, ISSUER, JSON, KeyClient, Service, call};

/// A client that registered itself, with the token it got.
struct Holder {
    id: String,
    secret: String,
    token: String,
}

fn registered(service: &Service, members: &Value) -> Holder {
    let answer = service.register(members);
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = answer.json();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    Holder { id: text("client_id"), secret: text("client_secret"), token: text("registration_access_token") }
}

fn ask(service: &Service, method: &str, id: &str, token: &str, body: Option<&Value>) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", &*authorization), JSON];
    let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
    service.call(method, &format!("/register/{id}"), headers, &body.map(Value::to_string).unwrap_or_default())
}

fn put(service: &Service, holder: &Holder, changes: &Value) -> Answer {
    let mut members = json!({"client_id": holder.id, "client_name": "after"});
    for (name, value) in changes.as_object().unwrap() {
        members[name] = value.clone();
    }
    ask(service, "PUT", &holder.id, &holder.token, Some(&members))
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::yield_now();
    }
}

fn gets_tokens(service: &Service, holder: &Holder) -> bool {
    let client = BasicClient { id: holder.id.clone(), secret: holder.secret.clone() };
    service.token(&[("Authorization", &client.basic())], GRANT).status == 200
}

#[test]
fn c_7592_02_c_7592_03_the_registration_as_it_is_told() {
    let service = Service::standard(&[]);
    let members = json!({"client_name": "c", "contacts": ["a@b"], "client_name#it": "x"});
    let answer = service.register(&members).json();
    let uri = format!("{ISSUER}/register/{}", answer["client_id"].as_str().unwrap());
    assert_eq!(answer["registration_client_uri"], json!(uri));
    let token = answer["registration_access_token"].as_str().unwrap();
    assert_eq!(token.len(), 48, "C-7592-12: 48 letters are 273 bits");
    let read = ask(&service, "GET", answer["client_id"].as_str().unwrap(), token, None);
    assert_eq!((read.status, read.header("cache-control")), (200, Some("no-store")));
    let mut expected = answer.clone();
    for hidden in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().unwrap().remove(hidden);
    }
    assert_eq!(read.json(), expected);
}

#[test]
fn c_7592_02_t_reg_09_no_header_says_where_we_are() {
    let service = Service::standard(&[("SERVICE_PREFIX", "/auth")]);
    for name in
        ["X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Proto", "Forwarded", "X-Original-Host"]
    {
        let value = if name == "Forwarded" { "host=evil.example;proto=http" } else { "evil.example" };
        let answer = service.call("POST", "/auth/register", &[JSON, (name, value)], r#"{"client_name":"c"}"#);
        let uri = answer.json()["registration_client_uri"].as_str().unwrap().to_owned();
        assert!(uri.starts_with(&format!("{ISSUER}/auth/register/")), "{name} {uri}");
    }
}

#[test]
fn c_7592_04_what_is_left_out_is_gone_and_powers_stay() {
    let service = Service::standard(&[]);
    let holder =
        registered(&service, &json!({"client_name": "before", "contacts": ["a@b"], "metadata": {"a": 1}}));
    let path = format!("/clients/{}", holder.id);
    let powers =
        json!({"permissions": ["read:orders"], "audience": ["api"], "allowedCustomClaims": ["tenant"]});
    assert_eq!(service.manage("PATCH", &path, Some(&powers)).status, 200);
    let greedy = json!({"permissions": ["admin"], "audience": ["all"], "__STATE__": "DRAFT", "client_uri": "https://c.example/"});
    let answer = put(&service, &holder, &greedy);
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!((&told["client_name"], &told["client_uri"]), (&json!("after"), &json!("https://c.example/")));
    assert!(told.get("contacts").is_none() && told.get("metadata").is_none(), "{told}");
    assert_eq!(told, ask(&service, "GET", &holder.id, &holder.token, None).json());
    let stored = service.manage("GET", &path, None).json();
    for (name, value) in powers.as_object().unwrap() {
        assert_eq!(stored[name], *value, "{name}");
    }
    assert_eq!((&stored["__STATE__"], &stored["version"]), (&json!("PUBLIC"), &json!(3)));
    assert!(gets_tokens(&service, &holder), "the secret stays");
}

#[test]
fn c_7592_05_c_7592_06_t_reg_07_t_reg_08_what_a_client_cannot_choose() {
    let service = Service::standard(&[]);
    let holder = registered(&service, &json!({"client_name": "before"}));
    for (changes, sentence) in [
        (json!({"client_id": "other"}), "client_id"),
        (json!({"client_id": null}), "client_id"),
        (json!({"registration_access_token": holder.token}), "registration_access_token"),
        (json!({"registration_client_uri": "https://evil.example"}), "registration_client_uri"),
        (json!({"client_secret_expires_at": 0}), "client_secret_expires_at"),
        (json!({"client_id_issued_at": 0}), "client_id_issued_at"),
        (json!({"client_secret": "mine"}), "client_secret"),
        (json!({"client_secret": ""}), "client_secret"),
        (json!({"client_secret": null}), "client_secret"),
        (json!({"token_endpoint_auth_method": "none"}), "token_endpoint_auth_method"),
        (json!({"client_name": null}), "client_name"),
        (json!({"redirect_uris": 1}), "redirect_uris"),
    ] {
        let answer = put(&service, &holder, &changes);
        assert_eq!(answer.status, 400, "{changes} {answer:?}");
        assert!(answer.refusal().1.starts_with("invalid_") && answer.body.contains(sentence), "{answer:?}");
    }
    assert_eq!(ask(&service, "GET", &holder.id, &holder.token, None).json()["client_name"], "before");
    assert!(gets_tokens(&service, &holder));
    // The secret it has may be shown.
    assert_eq!(put(&service, &holder, &json!({"client_secret": holder.secret})).status, 200);
}

#[test]
fn t_reg_08_from_a_secret_to_keys_and_not_back() {
    let service = Service::standard(&[]);
    let holder = registered(&service, &json!({"client_name": "c"}));
    let (old, new) = (ClientKey::generate("old"), ClientKey::generate("new"));
    let with = |key: &ClientKey| json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}});
    assert_eq!(put(&service, &holder, &with(&old)).status, 200);
    assert!(!gets_tokens(&service, &holder), "the secret is gone");
    let signs = |key| {
        let client = KeyClient { id: holder.id.clone(), key };
        service.present(&service.assertion(&client, &json!({}))).status
    };
    assert_eq!(signs(old), 200);
    assert_eq!(put(&service, &holder, &with(&new)).status, 200);
    assert_eq!((signs(ClientKey::generate("old")), signs(new)), (401, 200));
    for back in [json!({}), json!({"token_endpoint_auth_method": "client_secret_post"})] {
        assert_eq!(put(&service, &holder, &back).refusal(), (400, "invalid_client_metadata".to_owned()));
    }
    let mut ours = service.get("/.well-known/jwks.json").json()["keys"][0].clone();
    ours["kid"] = json!("theirs");
    let answer =
        put(&service, &holder, &json!({"token_endpoint_auth_method": "private_key_jwt", "public_key": ours}));
    assert!(
        answer.status == 400 && answer.body.contains("signing key of this service"),
        "T-KEY-10: {answer:?}"
    );
}

#[test]
fn c_7592_07_c_7592_08_a_removed_client_is_gone_with_its_token_and_secret() {
    let service = Service::standard(&[]);
    let holder = registered(&service, &json!({"client_name": "c"}));
    assert!(gets_tokens(&service, &holder));
    let answer = ask(&service, "DELETE", &holder.id, &holder.token, None);
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    for method in ["GET", "DELETE"] {
        let answer = ask(&service, method, &holder.id, &holder.token, None);
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()));
    }
    assert!(!gets_tokens(&service, &holder));
    assert_eq!(service.manage("GET", &format!("/clients/{}", holder.id), None).status, 404);
}

/// Whoever ends a client, by whichever way, ends its tokens on every replica.
#[test]
fn c_7592_08_every_replica_refuses_the_tokens_of_a_client_that_is_gone() {
    let service = Service::standard(&[]);
    let replica = service.replica(&[("PRIVATE_RSA_KEY_ID", "second")]);
    type End = fn(&Service, &Holder) -> Answer;
    let put_aside: End = |service, holder| {
        let path = format!("/clients/{}", holder.id);
        let trash = service.manage("PATCH", &path, Some(&json!({"__STATE__": "TRASH"})));
        assert_eq!(trash.status, 200);
        service.manage("PATCH", &path, Some(&json!({"__STATE__": "DELETED"})))
    };
    let ends: [(&str, u16, End); 4] = [
        ("by itself", 204, |service, holder| ask(service, "DELETE", &holder.id, &holder.token, None)),
        ("by an operator", 204, |service, holder| {
            service.manage("DELETE", &format!("/clients/{}", holder.id), None)
        }),
        ("to TRASH", 200, |service, holder| {
            service.manage("PATCH", &format!("/clients/{}", holder.id), Some(&json!({"__STATE__": "TRASH"})))
        }),
        ("to DELETED", 200, put_aside),
    ];
    for (what, status, end) in ends {
        let holder = registered(&service, &json!({"client_name": "c"}));
        let client = BasicClient { id: holder.id.clone(), secret: holder.secret.clone() };
        let token = service.token_of(&client);
        // Clients of this replica learn of the key of the other one a second later at most.
        service.clock.advance_seconds(1);
        assert_eq!(
            (service.tokeninfo(&token).status, replica.tokeninfo(&token).status),
            (200, 200),
            "{what}"
        );
        assert_eq!(end(&service, &holder).status, status, "{what}");
        assert_eq!(service.tokeninfo(&token).status, 401, "{what}: at once");
        eventually(what, || replica.tokeninfo(&token).status == 401);
        assert!(!gets_tokens(&service, &holder) && !gets_tokens(&replica, &holder), "{what}");
    }
}

#[test]
fn c_7592_08_a_removal_that_failed_half_way_is_completed_by_the_next() {
    let service = Service::standard(&[]);
    for switch in [&service.stores.revocations, &service.stores.audit] {
        let holder = registered(&service, &json!({"client_name": "c"}));
        let client = BasicClient { id: holder.id.clone(), secret: holder.secret.clone() };
        let access_token = service.token_of(&client);
        let remove = || ask(&service, "DELETE", &holder.id, &holder.token, None);
        switch.fail();
        assert_eq!(remove().refusal(), (503, "temporarily_unavailable".to_owned()));
        switch.work();
        let again = remove().status;
        // What is not in the audit log is done nevertheless.
        assert!([204, 401].contains(&again), "{again}");
        assert_eq!(service.tokeninfo(&access_token).status, 401);
        assert_eq!(remove().status, 401, "the token went last");
    }
}

#[test]
fn an_operator_ends_the_token_of_a_client() {
    let service = Service::standard(&[]);
    let [holder, other] = ["one", "other"].map(|name| registered(&service, &json!({"client_name": name})));
    let path = format!("/clients/{}/registration-token", holder.id);
    for _ in 0..2 {
        assert_eq!(service.manage("DELETE", &path, None).status, 204, "one that is not there has ended");
    }
    for (method, body) in [("GET", None), ("PUT", Some(&json!({}))), ("DELETE", None)] {
        let answer = ask(&service, method, &holder.id, &holder.token, body);
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{method}");
    }
    assert!(gets_tokens(&service, &holder));
    assert_eq!(ask(&service, "GET", &other.id, &other.token, None).status, 200);
    let query = format!("/audit?client={}&action=registration_token.retired", holder.id);
    let events = service.manage("GET", &query, None).json()["events"].clone();
    assert_eq!((&events[0]["actor"], events.as_array().unwrap().len()), (&json!({"kind": "bootstrap"}), 2));
    let nobody = service.manage("DELETE", "/clients/nobody/registration-token", None);
    assert_eq!(nobody.refusal(), (404, "not_found".to_owned()));
    // Whose permissions the operator lacks is left alone.
    let operator = service.basic_client(&json!({"permissions": ["gettone:clients:write"]}));
    let powers = json!({"permissions": ["gettone:keys:write"]});
    assert_eq!(service.manage("PATCH", &format!("/clients/{}", other.id), Some(&powers)).status, 200);
    let authorization = format!("Bearer {}", service.token_of(&operator));
    let path = format!("/clients/{}/registration-token", other.id);
    let refused = call(service.management, "DELETE", &path, &[("Authorization", authorization.as_str())], "");
    assert_eq!(refused.refusal(), (403, "access_denied".to_owned()));
    assert_eq!(ask(&service, "GET", &other.id, &other.token, None).status, 200);
}

/// Secret and token are in one answer: with the token, whoever has that answer could put a key of theirs in the place of
/// the secret.
#[test]
fn a_rotation_without_grace_ends_the_token_as_well() {
    let service = Service::standard(&[]);
    for (grace, status) in [(60, 200), (0, 401)] {
        let holder = registered(&service, &json!({"client_name": "c"}));
        let path = format!("/clients/{}/secrets", holder.id);
        assert_eq!(service.manage("POST", &path, Some(&json!({ "graceSeconds": grace }))).status, 201);
        let key = json!({"token_endpoint_auth_method": "private_key_jwt",
            "public_key": ClientKey::generate("theirs").public_jwk()});
        assert_eq!(put(&service, &holder, &key).status, status, "{grace}");
    }
}

#[test]
fn c_7591_03_t_reg_03_the_scope_that_is_told_is_what_was_granted() {
    let service = Service::standard(&[]);
    let asked = json!({"client_name": "c", "scope": "admin read:orders"});
    let answer = service.register(&asked).json();
    assert_eq!(answer["scope"], "");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let holder = Holder {
        id: text("client_id"),
        secret: text("client_secret"),
        token: text("registration_access_token"),
    };
    let path = format!("/clients/{}", holder.id);
    let powers = json!({"permissions": ["read:orders", "write:orders"]});
    assert_eq!(service.manage("PATCH", &path, Some(&powers)).status, 200);
    assert_eq!(put(&service, &holder, &asked).json()["scope"], "read:orders write:orders");
    assert_eq!(
        ask(&service, "GET", &holder.id, &holder.token, None).json()["scope"],
        "read:orders write:orders"
    );
    let token = |scope: &str| {
        let client = BasicClient { id: holder.id.clone(), secret: holder.secret.clone() };
        let form = format!("{GRANT}&scope={scope}");
        service.token(&[("Authorization", &client.basic())], &form).status
    };
    assert_eq!(
        (token("read:orders+write:orders"), token("admin")),
        (200, 400),
        "what is told is what is had"
    );
}

#[test]
fn t_reg_08_what_an_operator_pinned_stays() {
    let service = Service::standard(&[]);
    let (one, other) = (ClientKey::generate("one"), ClientKey::generate("other"));
    let members = |key: &ClientKey, algorithm: Value| {
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]},
            "token_endpoint_auth_signing_alg": algorithm})
    };
    let mut first = members(&one, Value::Null);
    first["client_name"] = json!("c");
    let holder = registered(&service, &first);
    let path = format!("/clients/{}", holder.id);
    let algorithm = one.public_jwk()["alg"].clone();
    let pins = json!({"assertionAlgorithm": algorithm, "tokenLifetimeSeconds": 60, "staticClaims": {"tenant": "a"},
        "permissions": ["read:orders"], "audience": ["api"], "allowedCustomClaims": ["region"]});
    assert_eq!(service.manage("PATCH", &path, Some(&pins)).status, 200);
    let refused = put(&service, &holder, &members(&other, json!("RS256")));
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata".to_owned()));
    assert!(refused.body.contains("an operator chose"), "{refused:?}");
    let mut greedy = members(&other, Value::Null);
    for (name, value) in pins.as_object().unwrap() {
        greedy[name] = if value.is_array() { json!(["admin"]) } else { Value::Null };
    }
    let told = put(&service, &holder, &greedy).json();
    assert_eq!(told["token_endpoint_auth_signing_alg"], algorithm, "what is left out is what is pinned");
    let stored = service.manage("GET", &path, None).json();
    for (name, value) in pins.as_object().unwrap() {
        assert_eq!(stored[name], *value, "{name}");
    }
}

#[test]
fn c_7592_01_c_7592_09_t_reg_05_only_the_holder_and_only_here() {
    let service = Service::standard(&[]);
    let [one, other] = ["one", "other"].map(|name| registered(&service, &json!({"client_name": name})));
    let made_by_operator = service.basic_client(&json!({}));
    let access_token = service.token_of(&made_by_operator);
    let expected = ask(&service, "GET", &one.id, &other.token, None);
    assert_eq!(expected.refusal(), (401, "invalid_token".to_owned()));
    assert_eq!(
        expected.header("www-authenticate"),
        Some(r#"Bearer realm="client-credentials", error="invalid_token""#)
    );
    let body = json!({"client_id": one.id, "client_name": "taken"});
    for (id, token) in [
        (&one.id, &other.token),
        (&"nobody".to_owned(), &one.token),
        (&made_by_operator.id, &one.token),
        (&one.id, &one.secret),
        (&one.id, &access_token),
        (&one.id, &one.token[1..].to_owned()),
        (&one.id, &"x".to_owned()),
        (&"%00".to_owned(), &one.token),
    ] {
        for (method, body) in [("GET", None), ("PUT", Some(&body)), ("DELETE", None)] {
            assert_eq!(ask(&service, method, id, token, body), expected, "{method} {id} {token}");
        }
    }
    let in_query = format!("/register/{}?access_token={}", one.id, one.token);
    assert_eq!(service.get(&in_query).status, 401);
    assert_eq!(service.tokeninfo(&one.token).status, 401);
    let as_secret = BasicClient { id: one.id.clone(), secret: one.token.clone() };
    assert_eq!(service.token(&[("Authorization", &as_secret.basic())], GRANT).status, 401);
    assert_eq!(ask(&service, "GET", &one.id, &one.token, None).status, 200, "nothing was changed");
    // Who was removed by an operator is nobody any more, and who was put aside neither.
    assert_eq!(
        service.manage("PATCH", &format!("/clients/{}", one.id), Some(&json!({"__STATE__": "TRASH"}))).status,
        200
    );
    assert_eq!(ask(&service, "GET", &one.id, &one.token, None), expected);
    assert_eq!(service.manage("DELETE", &format!("/clients/{}", other.id), None).status, 204);
    assert_eq!(ask(&service, "GET", &other.id, &other.token, None), expected);
}

#[test]
fn c_7592_10_t_frm_10_other_methods() {
    let service = Service::standard(&[]);
    let holder = registered(&service, &json!({"client_name": "c"}));
    for method in ["PATCH", "POST"] {
        let answer = ask(&service, method, &holder.id, &holder.token, Some(&json!({})));
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD, PUT, DELETE")),
            "{method}"
        );
    }
    let overriding =
        [("X-HTTP-Method-Override", "DELETE"), ("Authorization", &*format!("Bearer {}", holder.token))];
    assert_eq!(service.call("GET", &format!("/register/{}", holder.id), &overriding, "").status, 200);
    assert!(gets_tokens(&service, &holder));
}

#[test]
fn t_reg_06_of_parallel_replacements_none_is_mixed() {
    let service = Service::standard(&[]);
    let holder = registered(&service, &json!({"client_name": "c"}));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|n| {
                let (service, holder) = (&service, &holder);
                let changes = json!({"client_name": n.to_string(), "software_id": n.to_string()});
                scope.spawn(move || put(service, holder, &changes).status)
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let won = statuses.iter().filter(|status| **status == 200).count();
    let stored = service.manage("GET", &format!("/clients/{}", holder.id), None).json();
    assert_eq!(stored["version"], json!(1 + won), "each one that was confirmed is a version");
    assert_eq!(stored["name"], stored["registration"]["software_id"]);
}

#[test]
fn contract_1_1_in_drop_in_nobody_has_such_a_token_and_there_is_no_such_path() {
    let service = Service::drop_in(&[]);
    let holder = registered(&service, &json!({"client_name": "c"}));
    assert_eq!(holder.token, "");
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = ask(&service, method, &holder.id, &holder.secret, None);
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{method}");
    }
}
