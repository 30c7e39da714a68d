//! `POST /oauth/token` with `client_secret_basic`, and what holds for every token request.

use common::{Clock as _, Timestamp};
use credentials::client::ClientId;
use credentials::secret::{Pepper, SecretStore as _, StoredSecret};
use serde_json::json;

use crate::service::{Answer, BasicClient, FORM, GRANT, ISSUER, SALT, Service, basic, jwt_part, send};

#[test]
fn c_6749_20_contract_1_3_the_answer_and_the_token_in_it() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"permissions": ["read:orders", "write:orders"]}));
    let answer = service.token(&[("Authorization", &client.basic())], GRANT);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let header = jwt_part(&token, 0).to_string();
    let claims = jwt_part(&token, 1).to_string();
    let shown = answer.text().replace(&token, "<token>");
    insta::assert_snapshot!(format!("{shown}\n\n{header}\n{claims}"));
}

#[test]
fn k_06_k_07_the_token_of_the_drop_in_profile() {
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({"permissions": ["read:orders"]}));
    let token = service.token_of(&client);
    insta::assert_snapshot!(format!("{}\n{}", jwt_part(&token, 0), jwt_part(&token, 1)));
}

fn invalid(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn x_401c_t_tim_03_every_failed_authentication_gets_the_same_bytes() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let keyed = service.key_client(&json!({}));
    let draft = service.basic_client(&json!({"__STATE__": "DRAFT"}));
    let with = |authorization: &str| service.token(&[("Authorization", authorization)], GRANT);
    let long = "s".repeat(5_000);
    let answers = [
        ("wrong secret", with(&basic(&client.id, "wrong"))),
        ("empty secret", with(&basic(&client.id, ""))),
        ("long secret", with(&basic(&client.id, &long))),
        ("secret of another client", with(&basic(&client.id, &draft.secret))),
        ("unknown client", with(&basic("nobody", &client.secret))),
        ("no client id", with(&basic("", &client.secret))),
        ("id that cannot be one", with(&basic("a b", &client.secret))),
        ("id of another case", with(&basic(&client.id.to_lowercase(), &client.secret))),
        ("not PUBLIC", with(&draft.basic())),
        ("T-BAS-09 registered for a key", with(&basic(&keyed.id, ""))),
        ("T-BAS-02 broken escape", with(&basic("%z1", "s"))),
        ("T-BAS-04 NUL", with(&basic(&format!("{}%00", client.id), &client.secret))),
        ("T-BAS-05 not base64", with("Basic !")),
        ("another scheme", with("Bearer abc")),
        ("C-6749-08 id alone", service.token(&[], &format!("{GRANT}&client_id={}", client.id))),
        ("nothing", service.token(&[], GRANT)),
        (
            "secret in the body",
            service.token(&[], &format!("{GRANT}&client_id={}&client_secret={}", client.id, client.secret)),
        ),
        (
            "T-BAS-07 other client_id",
            service.token(&[("Authorization", &client.basic())], &format!("{GRANT}&client_id=B")),
        ),
        ("T-FRM-03 operators", service.token(&[], &format!("{GRANT}&client_id[$ne]=x&client_secret[$ne]=x"))),
        ("bad assertion", service.present("e30.e30.AA")),
    ];
    let (_, first) = &answers[0];
    insta::assert_snapshot!(first.text());
    for (what, answer) in &answers {
        assert_eq!(answer.refusal(), invalid(401, "invalid_client"), "{what}");
        assert_eq!(answer, first, "{what}");
    }
    assert_eq!(with(&client.basic()).status, 200, "the right one");
}

#[test]
fn c_6749_malformed_requests_are_told_what_is_wrong() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let basic = client.basic();
    let authorization = ("Authorization", &*basic);
    let post = |body: &str| service.token(&[authorization], body);
    let query =
        |query: &str| service.call("POST", &format!("/oauth/token?{query}"), &[FORM, authorization], GRANT);
    let typed = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = [authorization].iter().chain(headers).copied().collect();
        service.call("POST", "/oauth/token", &headers, GRANT)
    };
    let many = (0..65).map(|number| format!("p{number}=x")).collect::<Vec<_>>().join("&");
    let assertion =
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=a.b.c";
    for (row, answer, expected) in [
        ("C-6749-13", post("a=b"), invalid(400, "invalid_request")),
        ("C-6749-10", post("grant_type="), invalid(400, "invalid_request")),
        ("T-FRM-01 case", post("Grant_Type=client_credentials"), invalid(400, "invalid_request")),
        ("C-6749-14", post("grant_type=foo"), invalid(400, "unsupported_grant_type")),
        (
            "C-7523-19",
            post("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"),
            invalid(400, "unsupported_grant_type"),
        ),
        ("C-6749-12", post(&format!("{GRANT}&{GRANT}")), invalid(400, "invalid_request")),
        ("C-6749-12 scope", post(&format!("{GRANT}&scope=a&scope=a")), invalid(400, "invalid_request")),
        ("C-6749-18", post(&format!("{GRANT}&scope=a+%22b")), invalid(400, "invalid_scope")),
        ("C-6749-18 blanks", post(&format!("{GRANT}&scope=a++b")), invalid(400, "invalid_scope")),
        ("T-FRM-07", post(&format!("{GRANT}&{many}")), invalid(400, "invalid_request")),
        ("broken escape", post(&format!("{GRANT}&a=%zz")), invalid(400, "invalid_request")),
        ("C-6749-04", post(&format!("{GRANT}&client_secret=s")), invalid(400, "invalid_request")),
        ("T-BAS-08", post(&format!("{GRANT}&{assertion}")), invalid(400, "invalid_request")),
        ("T-BAS-06", typed(&[FORM, ("Authorization", "Bearer x")]), invalid(400, "invalid_request")),
        (
            "C-7523-14 half",
            service.token(&[], &format!("{GRANT}&client_assertion=a.b.c")),
            invalid(400, "invalid_request"),
        ),
        ("C-6749-05", query(&format!("client_id={}", client.id)), invalid(400, "invalid_request")),
        ("C-6749-05 encoded", query("client%5Fsecret=s"), invalid(400, "invalid_request")),
        ("T-FRM-05 none", typed(&[]), invalid(400, "invalid_request")),
        ("T-FRM-04 JSON", typed(&[("Content-Type", "application/json")]), invalid(400, "invalid_request")),
        (
            "T-FRM-05 multipart",
            typed(&[("Content-Type", "multipart/form-data; boundary=x")]),
            invalid(400, "invalid_request"),
        ),
        (
            "T-FRM-05 charset",
            typed(&[("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")]),
            invalid(400, "invalid_request"),
        ),
        ("T-FRM-05 gzip", typed(&[FORM, ("Content-Encoding", "gzip")]), invalid(415, "invalid_request")),
        ("T-FRM-06", post(&"a".repeat(65_537)), invalid(413, "invalid_request")),
    ] {
        assert_eq!(answer.refusal(), expected, "{row}: {answer:?}");
    }
}

#[test]
fn c_6749_what_does_not_matter_is_ignored() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let basic = client.basic();
    for (row, body) in [
        ("C-6749-01", GRANT.to_owned()),
        ("C-6749-10", format!("{GRANT}&scope=&client_assertion=&audience=&resource=")),
        ("C-6749-11", format!("{GRANT}&foo=bar&grant_types=x")),
        ("T-BAS-07", format!("{GRANT}&client_id={}", client.id)),
        ("contract 1.3", format!("{GRANT}&token_endpoint_auth_method=client_secret_basic")),
    ] {
        let answer = service.token(&[("Authorization", &basic)], &body);
        assert_eq!(answer.status, 200, "{row}: {answer:?}");
        assert!(answer.json().get("refresh_token").is_none(), "C-6749-17");
    }
    let answer = service.call(
        "POST",
        "/oauth/token?grant_type=password&foo=bar",
        &[("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8"), ("Authorization", &basic)],
        GRANT,
    );
    assert_eq!(answer.status, 200, "T-FRM-02: {answer:?}");
}

#[test]
fn c_6749_18_c_6749_19_a_scope_narrows_the_permissions_and_is_told() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"permissions": ["read:orders", "write:orders"]}));
    let basic = client.basic();
    let ask = |form: &str| service.token(&[("Authorization", &basic)], &format!("{GRANT}{form}"));
    let told = |answer: &Answer| {
        let body = answer.json();
        let claims = jwt_part(body["access_token"].as_str().unwrap(), 1);
        assert_eq!(claims.get("scope"), body.get("scope"), "{answer:?}");
        (claims["permissions"].clone(), body.get("scope").cloned())
    };
    let all = json!(["read:orders", "write:orders"]);
    assert_eq!(told(&ask("")), (all.clone(), None), "C-6749-19");
    assert_eq!(told(&ask("&scope=")), (all, None), "C-6749-10");
    assert_eq!(
        told(&ask("&scope=write:orders+write:orders")),
        (json!(["write:orders"]), Some(json!("write:orders")))
    );
    let answer = ask("&scope=read:orders");
    assert_eq!(told(&answer).0, json!(["read:orders"]));
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(service.tokeninfo(&token).json()["scope"], "read:orders");
    for scope in ["admin", "read:orders+admin", "openid", "READ:ORDERS"] {
        assert_eq!(ask(&format!("&scope={scope}")).refusal(), invalid(400, "invalid_scope"), "{scope}");
    }
    // The service we replace takes no notice of it.
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({"permissions": ["read:orders"]}));
    let answer = service.token(&[("Authorization", &client.basic())], &format!("{GRANT}&scope=admin"));
    assert_eq!(told(&answer), (json!(["read:orders"]), None));
}

#[test]
fn a_client_has_a_lifetime_and_claims_of_its_own() {
    let service = Service::standard(&[("MAX_TOKEN_LIFETIME_SECONDS", "7200")]);
    let powers = json!({"staticClaims": {"tenant": "acme"}, "tokenLifetimeSeconds": 60});
    let client = service.basic_client(&powers);
    let path = format!("/clients/{}", client.id);
    let lifetime = || {
        let answer = service.token(&[("Authorization", &client.basic())], GRANT);
        let claims = jwt_part(answer.json()["access_token"].as_str().unwrap(), 1);
        let seconds = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(answer.json()["expires_in"], seconds);
        (seconds, claims["tenant"].clone())
    };
    assert_eq!(lifetime(), (60, json!("acme")));
    service.manage(
        "PATCH",
        &path,
        Some(&json!({"tokenLifetimeSeconds": 7200, "staticClaims": {"tenant": 1}})),
    );
    assert_eq!(lifetime(), (7200, json!(1)));
    service.manage("PATCH", &path, Some(&json!({"tokenLifetimeSeconds": null, "staticClaims": null})));
    assert_eq!(lifetime(), (3600, json!(null)));
    for bad in [json!({"tokenLifetimeSeconds": 7201}), json!({"staticClaims": {"permissions": ["admin"]}})] {
        let refused = service.manage("PATCH", &path, Some(&bad)).refusal();
        assert_eq!(refused, (400, "invalid_client_metadata".to_owned()), "{bad}");
        let mut new = bad.clone();
        new["client_name"] = json!("c");
        assert_eq!(service.manage("POST", "/clients", Some(&new)).status, 400, "{new}");
    }
    assert_eq!(lifetime(), (3600, json!(null)));
}

#[test]
fn c_6749_02_an_encoded_credential_is_the_same_credential() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let answer =
        service.token(&[("Authorization", &basic(&encoded(&client.id), &encoded(&client.secret)))], GRANT);
    assert_eq!(answer.status, 200);
}

fn audience_of(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    jwt_part(answer.json()["access_token"].as_str().unwrap(), 1)["aud"].clone()
}

#[test]
fn t_cc_04_only_audiences_of_the_client_are_granted() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"audience": ["a", "b"]}));
    let basic = client.basic();
    let ask = |audiences: &str| service.token(&[("Authorization", &basic)], &format!("{GRANT}{audiences}"));
    assert_eq!(audience_of(&ask("")), json!(["urn:gettone:api"]));
    assert_eq!(audience_of(&ask("&audience=b")), json!(["b"]));
    assert_eq!(audience_of(&ask("&audience=b&audience=a&audience=b")), json!(["b", "a"]));
    for audience in ["c", "A", "a+b", "urn:gettone:api", ISSUER] {
        let answer = ask(&format!("&audience=a&audience={audience}"));
        assert_eq!(answer.refusal(), invalid(400, "invalid_target"), "{audience}");
    }
}

#[test]
fn c_8707_01_c_8693_03_a_resource_is_an_absolute_uri_without_a_fragment() {
    for service in [Service::standard(&[]), Service::drop_in(&[])] {
        let client = service.basic_client(&json!({"audience": ["https://api1", "foo", "foo#x"]}));
        let basic = client.basic();
        let ask = |form: &str| service.token(&[("Authorization", &basic)], &format!("{GRANT}&{form}"));
        for resource in ["foo", "foo%23x", "https://api1%23", "//api1", "/path", "https://api1%2F+x"] {
            for form in [format!("resource={resource}"), format!("resource=https://api1&resource={resource}")]
            {
                assert_eq!(ask(&form).refusal(), invalid(400, "invalid_target"), "{form}");
            }
        }
        assert_eq!(audience_of(&ask("audience=foo%23x")), json!(["foo#x"]), "an audience is any text");
    }
}

#[test]
fn c_8707_02_a_token_is_for_the_resources_that_were_asked_for() {
    for (service, not_granted) in [(Service::standard(&[]), 400), (Service::drop_in(&[]), 403)] {
        let many: Vec<_> = (0..20).map(|number| format!("urn:many:{number}")).collect();
        let mut audience = vec!["https://api1", "https://api2/v1?x=y", "plain"];
        audience.extend(many.iter().map(String::as_str));
        let client = service.basic_client(&json!({ "audience": audience }));
        let basic = client.basic();
        let ask = |form: &str| service.token(&[("Authorization", &basic)], &format!("{GRANT}&{form}"));
        for (form, aud) in [
            ("resource=https://api1", json!(["https://api1"])),
            ("resource=https%3A%2F%2Fapi2%2Fv1%3Fx%3Dy", json!(["https://api2/v1?x=y"])),
            ("resource=https://api1&resource=urn:many:0", json!(["https://api1", "urn:many:0"])),
            ("resource=https://api1&audience=plain", json!(["plain", "https://api1"])),
            ("audience=https://api1&resource=https://api1", json!(["https://api1"])),
        ] {
            assert_eq!(audience_of(&ask(form)), aud, "{form}");
        }
        let twenty = many.iter().map(|name| format!("resource={name}")).collect::<Vec<_>>().join("&");
        assert_eq!(audience_of(&ask(&twenty)), json!(many));
        for form in [
            "resource=https://api3",
            "resource=https://api1/",
            "resource=https://api1&resource=https://api3",
            "audience=https://api1&resource=https://api3",
            "resource=https://auth.example",
            &format!("{twenty}&audience=plain"),
        ] {
            assert_eq!(ask(form).refusal(), invalid(not_granted, "invalid_target"), "{form}");
        }
    }
}

#[test]
fn an_audience_can_be_made_required() {
    let service = Service::standard(&[("REQUIRED_AUDIENCE_IN_TOKEN_REQUEST", "true")]);
    let client = service.basic_client(&json!({"audience": ["a", "urn:a"]}));
    let ask = |form: &str| service.token(&[("Authorization", &client.basic())], form);
    assert_eq!(ask(GRANT).refusal(), invalid(400, "invalid_request"));
    assert_eq!(audience_of(&ask(&format!("{GRANT}&audience=a"))), json!(["a"]));
    assert_eq!(audience_of(&ask(&format!("{GRANT}&resource=urn:a"))), json!(["urn:a"]));
}

#[test]
fn permissions_and_states_count_from_the_next_token_on() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let path = format!("/clients/{}", client.id);
    let permissions = |client: &BasicClient| jwt_part(&service.token_of(client), 1)["permissions"].clone();
    assert_eq!(permissions(&client), json!([]));
    service.manage("PATCH", &path, Some(&json!({"permissions": ["read:orders"]})));
    assert_eq!(permissions(&client), json!(["read:orders"]));
    for state in ["DRAFT", "TRASH", "DELETED"] {
        assert_eq!(service.manage("PATCH", &path, Some(&json!({"__STATE__": state}))).status, 200);
        let answer = service.token(&[("Authorization", &client.basic())], GRANT);
        assert_eq!(answer.refusal(), invalid(401, "invalid_client"), "{state}");
    }
}

#[test]
fn t_frm_11_two_lengths_are_refused() {
    let service = Service::standard(&[]);
    let smuggled = "POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /tokeninfo HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(send(service.public, smuggled.as_bytes()).status, 400);
}

#[test]
fn each_live_secret_of_a_client_is_good_until_it_expires() {
    let service = Service::drop_in(&[]);
    let client = service.basic_client(&json!({}));
    let pepper = Pepper::new(SALT.as_bytes().to_vec());
    let owner = pepper.lookup(&ClientId::parse(&client.id).unwrap());
    let now = service.clock.now();
    let add = |secret: &str, expires_at: Option<Timestamp>| {
        let stored = StoredSecret { expires_at, ..StoredSecret::new(secret, &pepper, now) };
        actix_web::rt::System::new().block_on(service.stores.add(&owner, &stored)).unwrap();
    };
    add("second", None);
    add("third", Some(now.plus_seconds(60)));
    let statuses = || {
        [&client.secret, "second", "third", "fourth"]
            .map(|secret| service.token(&[("Authorization", &basic(&client.id, secret))], GRANT).status)
    };
    service.clock.advance_seconds(59);
    assert_eq!(statuses(), [200, 200, 200, 401]);
    service.clock.advance_seconds(1);
    assert_eq!(statuses(), [200, 200, 401, 401]);
}
