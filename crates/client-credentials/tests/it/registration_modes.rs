//! `REGISTRATION`: who may register, and initial access tokens.

use std::time::{Duration, Instant};

use credentials::secret::{Pepper, SecretStore, TokenKind};
use serde_json::{Value, json};

use crate::service::{Answer, JSON, SALT, Service};

fn register(service: &Service, token: Option<&str>) -> Answer {
    let authorization = format!("Bearer {}", token.unwrap_or_default());
    let headers = [JSON, ("Authorization", &*authorization)];
    let headers = if token.is_some() { &headers[..] } else { &headers[..1] };
    service.call("POST", "/register", headers, r#"{"client_name":"c"}"#)
}

fn made(service: &Service, members: &Value) -> (String, String) {
    let answer = service.manage("POST", "/registration-tokens", Some(members));
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{answer:?}");
    let made = answer.json();
    ["id", "initial_access_token"].map(|name| made[name].as_str().unwrap().to_owned()).into()
}

#[test]
fn closed_means_403_and_discovery_does_not_name_it() {
    for service in
        [Service::standard(&[("REGISTRATION", "closed")]), Service::drop_in(&[("REGISTRATION", "closed")])]
    {
        for token in [None, Some("x")] {
            assert_eq!(register(&service, token).refusal(), (403, "access_denied".to_owned()));
        }
        let document = service.get("/.well-known/oauth-authorization-server").json();
        assert!(document.get("registration_endpoint").is_none(), "{document}");
        assert_eq!(service.manage("POST", "/clients", Some(&json!({"client_name": "c"}))).status, 201);
    }
    let open = Service::standard(&[]).get("/.well-known/oauth-authorization-server").json();
    assert!(open.get("registration_endpoint").is_some());
}

#[test]
fn c_7591_10_c_7591_11_t_reg_01_without_a_good_token_nobody_registers() {
    for service in
        [Service::standard(&[("REGISTRATION", "token")]), Service::drop_in(&[("REGISTRATION", "token")])]
    {
        let challenge = "Bearer realm=\"client-credentials\"";
        let none = register(&service, None);
        assert_eq!((none.status, none.header("www-authenticate")), (401, Some(challenge)));
        let (_, good) = made(&service, &json!({"uses": 2}));
        let (id, rest) = good.split_once('.').unwrap();
        let more = format!("{id}.100.{}", rest.split_once('.').unwrap().1);
        for wrong in [
            "x",
            "a.1.b",
            &good[..good.len() - 1],
            &more,
            &format!("{good}x"),
            crate::service::BOOTSTRAP_TOKEN,
        ] {
            let answer = register(&service, Some(wrong));
            assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{wrong}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(&*format!("{challenge}, error=\"invalid_token\""))
            );
        }
        // A registration that is refused uses nothing up.
        let authorization = format!("Bearer {good}");
        let bad = service.call("POST", "/register", &[JSON, ("Authorization", &authorization)], "{}");
        assert_eq!(bad.refusal().1, "invalid_client_metadata");
        assert_eq!([0; 3].map(|_| register(&service, Some(&good)).status), [201, 201, 401]);
    }
}

#[test]
fn an_initial_access_token_ends_with_its_time_or_when_an_operator_says_so() {
    let service = Service::standard(&[("REGISTRATION", "token")]);
    let (_, short) = made(&service, &json!({"uses": 100, "expires_in": 60}));
    service.clock.advance_seconds(59);
    assert_eq!(register(&service, Some(&short)).status, 201);
    service.clock.advance_seconds(1);
    assert_eq!(register(&service, Some(&short)).status, 401);
    let (id, ended) = made(&service, &json!({}));
    assert_eq!(service.manage("DELETE", &format!("/registration-tokens/{id}"), None).status, 204);
    assert_eq!(register(&service, Some(&ended)).status, 401);
}

#[test]
fn an_initial_access_token_is_used_once_on_all_replicas() {
    let service = Service::standard(&[("REGISTRATION", "token")]);
    let replica = service.replica(&[("REGISTRATION", "token")]);
    let (_, token) = made(&service, &json!({}));
    let statuses = std::thread::scope(|scope| {
        let calls: Vec<_> = [&service, &replica, &service, &replica]
            .map(|service| scope.spawn(|| register(service, Some(&token)).status))
            .into();
        let mut statuses: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        statuses.sort_unstable();
        statuses
    });
    assert_eq!(statuses, [201, 401, 401, 401]);
}

#[test]
fn what_an_operator_may_say_about_a_token() {
    let service = Service::standard(&[]);
    for bad in [
        json!({"uses": 0}),
        json!({"uses": 101}),
        json!({"uses": "1"}),
        json!({"uses": null}),
        json!({"expires_in": 0}),
        json!({"expires_in": 7_776_001}),
        json!({"expires_in": 1.5}),
        json!({"expiresIn": 60}),
    ] {
        let answer = service.manage("POST", "/registration-tokens", Some(&bad));
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{bad}");
    }
}

/// The sweep of the service itself, which it begins with.
#[test]
fn a_token_that_has_ended_is_forgotten_after_a_day() {
    let service = Service::drop_in(&[("REGISTRATION", "token"), ("UNUSED_CLIENT_DAYS", "0")]);
    let pepper = Pepper::new(SALT.as_bytes().to_vec());
    let left = |id: &str| {
        let owner = pepper.token_owner(TokenKind::InitialAccess, id);
        actix_web::rt::System::new().block_on(service.stores.find(&owner)).unwrap().len()
    };
    let (ended, _) = made(&service, &json!({"expires_in": 1}));
    let (good, _) = made(&service, &json!({"expires_in": 10 * 86_400}));
    service.clock.advance_seconds(86_402);
    let key = service.folder.path().join("key.pem");
    let _replica = service.replica(&[
        ("PROFILE", "drop-in"),
        ("CLIENT_ID_HASH_SALT", SALT),
        ("PRIVATE_RSA_KEY_FILE_PATH", key.to_str().unwrap()),
        ("MIA_JWT_EXPIRES_IN", "3600"),
    ]);
    let start = Instant::now();
    while left(&ended) > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "it is there for ever");
    }
    assert_eq!(left(&good), 1);
}
