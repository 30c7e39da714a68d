//! What strangers may do how often (T-BRU, T-REG-01), and that nobody else is locked out by it.

use serde_json::json;

use crate::service::{Answer, BasicClient, GRANT, JSON, Service, basic, call};

fn with_secret(service: &Service, id: &str, secret: &str, from: &str) -> Answer {
    service.token(&[("Authorization", &basic(id, secret)), ("X-Forwarded-For", from)], GRANT)
}

fn named(service: &Service, from: &str) -> Answer {
    let headers = [JSON, ("X-Forwarded-For", from)];
    service.call("POST", "/register", &headers, &json!({"client_name": "c"}).to_string())
}

fn metric(service: &Service, limit: &str) -> String {
    let page = call(service.management, "GET", "/-/metrics", &[], "").body;
    let name = format!("rate_limited_total{{limit=\"{limit}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default().to_owned()
}

#[test]
fn c_6749_06_t_bru_01_t_bru_02_wrong_secrets_are_limited_and_the_right_one_is_good_at_any_time() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let BasicClient { id, secret } = service.basic_client(&json!({}));
        let nobody = "x".repeat(id.len());
        let mut last = Vec::new();
        for client in [&id, &nobody] {
            for _ in 0..10 {
                assert_eq!(with_secret(&service, client, "wrong", "1.1.1.1").refusal().0, 401);
            }
            let answer = with_secret(&service, client, "wrong", "2.2.2.2");
            assert_eq!(answer.refusal(), (429, "too_many_requests".to_owned()), "no gateway is trusted");
            assert_eq!(answer.header("retry-after"), Some("6"));
            last.push(answer);
        }
        assert_eq!(last[0], last[1], "it does not tell whether there is such a client");
        // Another way of sending it is no way around (T-BRU-04).
        let form = format!("{GRANT}&client_id={id}&client_secret=wrong");
        assert_eq!(service.token(&[], &form).refusal().0, 429);
        assert_eq!(with_secret(&service, &id, &secret, "1.1.1.1").status, 200);
        service.clock.advance_seconds(6);
        let statuses = [(); 2].map(|()| with_secret(&service, &id, "wrong", "1.1.1.1").status);
        assert_eq!(statuses, [401, 429]);
        assert_eq!(metric(&service, "wrong_secrets_per_client"), "4");
    }
}

/// Each replacement leaves an audit event behind, and each removal a revocation too.
#[test]
fn t_reg_01_replacements_count_as_registrations() {
    let service = Service::standard(&[("REGISTRATIONS_PER_MINUTE_PER_SOURCE", "3")]);
    let client = service.register(&json!({"client_name": "c"})).json();
    let path = format!("/register/{}", client["client_id"].as_str().unwrap());
    let token = format!("Bearer {}", client["registration_access_token"].as_str().unwrap());
    let body = json!({"client_id": client["client_id"], "client_name": "c"}).to_string();
    let ask = |method: &str, token: &str| {
        let body = if method == "PUT" { &*body } else { "" };
        service.call(method, &path, &[JSON, ("Authorization", token)], body)
    };
    assert_eq!([(); 3].map(|()| ask("PUT", "Bearer wrong").status), [401; 3], "they count for nobody");
    assert_eq!([(); 3].map(|()| ask("PUT", &token).status), [200, 200, 429]);
    assert_eq!(ask("PUT", &token).refusal(), (429, "too_many_requests".to_owned()));
    assert_eq!((ask("GET", &token).status, named(&service, "1.1.1.1").status), (200, 429));
    service.clock.advance_seconds(20);
    assert_eq!([(); 2].map(|()| ask("PUT", &token).status), [200, 429]);
    assert_eq!(ask("DELETE", &token).refusal(), (429, "too_many_requests".to_owned()));
    service.clock.advance_seconds(20);
    assert_eq!((ask("DELETE", &token).status, named(&service, "1.1.1.1").status), (204, 429));
}

#[test]
fn t_bru_01_a_flood_of_wrong_secrets_has_one_event_a_minute() {
    let service = Service::standard(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let BasicClient { id, .. } = service.basic_client(&json!({}));
    let events = |action: &str| {
        let page = service.manage("GET", &format!("/audit?client={id}&action={action}"), None).json();
        page["events"].as_array().unwrap().clone()
    };
    for _ in 0..30 {
        with_secret(&service, &id, "wrong", "6.6.6.6");
    }
    // Another endpoint is the same flood, another source is not.
    let authorization = basic(&id, "wrong");
    let headers = [crate::service::FORM, ("Authorization", &*authorization), ("X-Forwarded-For", "6.6.6.6")];
    assert_eq!(service.call("POST", "/oauth/introspect", &headers, "token=x").status, 429);
    with_secret(&service, &id, "wrong", "7.7.7.7");
    let limited = events("wrong_secrets.limited");
    assert_eq!(limited.len(), 1, "{limited:?}");
    assert_eq!(
        (&limited[0]["subject"], &limited[0]["source"], &limited[0]["actor"]),
        (&json!("wrong_secrets_per_client"), &json!("6.6.6.6"), &json!({"kind": "anybody"}))
    );
    let refused = events("token.refused");
    assert_eq!(refused.len(), 11, "those within the budget");
    assert!(refused.iter().all(|event| event["source"] == "6.6.6.6" || event["source"] == "7.7.7.7"));
    service.clock.advance_seconds(60);
    for _ in 0..20 {
        with_secret(&service, &id, "wrong", "6.6.6.6");
    }
    assert_eq!(events("wrong_secrets.limited").len(), 2);
}

#[test]
fn t_bru_03_guesses_at_many_clients_are_limited_by_their_source() {
    let service = Service::standard(&[("TRUSTED_PROXIES", "127.0.0.0/8")]);
    let BasicClient { id, secret } = service.basic_client(&json!({}));
    for number in 0..100 {
        let answer = with_secret(&service, &format!("nobody{number}"), "wrong", "6.6.6.6, 1.1.1.1");
        assert_eq!(answer.refusal().0, 401, "{number}");
    }
    assert_eq!(with_secret(&service, &id, "wrong", "7.7.7.7, 1.1.1.1").refusal().0, 429);
    assert_eq!(metric(&service, "wrong_secrets_per_source"), "1");
    assert_eq!(with_secret(&service, &id, &secret, "1.1.1.1").status, 200);
    assert_eq!(with_secret(&service, &id, "wrong", "1.1.1.2").refusal().0, 401);
}

#[test]
fn assertions_and_what_is_no_secret_use_nothing_up() {
    let service = Service::standard(&[("WRONG_SECRETS_PER_MINUTE_PER_CLIENT", "1")]);
    let client = service.key_client(&json!({}));
    let expired = service.assertion(&client, &json!({"exp": 1}));
    for _ in 0..3 {
        assert_eq!(service.present(&expired).refusal().0, 401);
        assert_eq!(service.token(&[], GRANT).refusal().0, 401);
    }
    // A secret for a client with a key is as wrong as any other.
    let statuses = [(); 2].map(|()| with_secret(&service, &client.id, "wrong", "").status);
    assert_eq!(statuses, [401, 429]);
}

#[test]
fn t_reg_01_registrations_are_limited_by_source_and_altogether() {
    let service = Service::standard(&[
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("REGISTRATIONS_PER_MINUTE_PER_SOURCE", "2"),
        ("REGISTRATIONS_PER_MINUTE", "3"),
    ]);
    let statuses =
        ["1.1.1.1", "1.1.1.1", "1.1.1.1", "2001:db8::1", "3.3.3.3"].map(|from| named(&service, from));
    assert_eq!(statuses.each_ref().map(|answer| answer.status), [201, 201, 429, 201, 429]);
    assert_eq!(statuses[2].refusal(), (429, "too_many_requests".to_owned()));
    assert_eq!(statuses[2].header("retry-after"), Some("30"));
    assert_eq!(statuses[4].header("retry-after"), Some("20"));
    assert_eq!(metric(&service, "registrations_per_source"), "1");
    assert_eq!(metric(&service, "registrations"), "1");
    // Operators are not limited.
    service.basic_client(&json!({}));
    service.clock.advance_seconds(60);
    assert_eq!(named(&service, "1.1.1.1").status, 201);
}

#[test]
fn in_drop_in_callers_behind_one_gateway_are_not_one_source() {
    let service = Service::drop_in(&[]);
    assert!((0..301).all(|_| named(&service, "1.1.1.1").status == 201));
}
