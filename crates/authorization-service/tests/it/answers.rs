//! What the answers carry, and the facts that expressions see (upstream contract §3.3, §6.2; G-GRP, G-HDR-14,
//! G-HDR-18).

use serde_json::{Value, json};

use crate::service::Service;
use crate::stub::{Reply, Stub};

const TOKEN: (&str, &str) = ("Authorization", "Bearer t");

fn rule(expression: &str, public: bool) -> Value {
    json!({"expression": expression, "public": public})
}

fn service(userinfo: Value, variables: &[(&str, &str)]) -> (Service, Stub) {
    let rules = json!({
        "/any": {"GET": {"authorization": rule("true", true)}},
        "/user": {"GET": {"authorization": rule("true", false)}},
        "/admin": {"GET": {"authorization": rule("groups.admin", false)}},
        "/reserved": {"GET": {"authorization": rule("groups.constructor || groups.__proto__", false)}},
        "/machine": {"GET": {"authorization": rule("clientType == \"machine\"", true)}},
        "/no-machine": {"GET": {"authorization": rule("clientType == \"\"", true)}},
        "/office": {"GET": {"authorization": rule("false", true), "backofficeAuthorization": rule("isBackoffice", true)}},
    });
    let stub = Stub::json(userinfo);
    let url = stub.url();
    let variables: Vec<_> = [("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect();
    (Service::start(&rules, &variables), stub)
}

#[test]
fn an_allow_names_the_user_also_on_a_public_rule() {
    let user = json!({"sub":"u1","groups":["users","admin"],"name":"Zoë","mail":"x@y","secret":"s"});
    let (service, _stub) = service(user, &[("USER_PROPERTIES_TO_PROXY", "name, mail,missing")]);
    for target in ["/any", "/user", "/admin"] {
        let answer = service.ask("GET", target, &[TOKEN]);
        assert!(answer.allowed());
        assert_eq!(answer.header("mia-userid"), Some("u1"));
        assert_eq!(answer.header("mia-groups"), Some("users,admin"));
        assert_eq!(answer.header("mia-userproperties"), Some(r#"{"name":"Zo\u00eb","mail":"x@y"}"#));
        assert_eq!(answer.body, "");
    }
}

#[test]
fn g_hdr_02_unknown_values_are_empty_and_never_missing() {
    let (service, _stub) = service(json!({"sub":"u1"}), &[]);
    let answer = service.ask("GET", "/user", &[TOKEN, ("mia-groups", "admin"), ("miausergroups", "admin")]);
    assert!(answer.allowed());
    assert_eq!(answer.header("mia-groups"), Some(""));
    assert_eq!(answer.header("mia-userproperties"), Some("{}"));
}

#[test]
fn denials_tell_the_client_nothing_about_the_user() {
    let (service, _stub) = service(json!({"sub":"u1","groups":["users"]}), &[]);
    let answer = service.ask("GET", "/admin", &[TOKEN]);
    assert!(!answer.allowed());
    assert_eq!((answer.header("mia-userid"), answer.header("mia-groups")), (Some(""), Some("")));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&body["statusCode"], &body["error"]), (&json!(403), &json!("access_denied")));
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="gettone", error="insufficient_scope""#)
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn k_13_outside_strict_mode_a_denial_names_the_user_to_the_gateway() {
    let (service, _stub) =
        service(json!({"sub":"u1","groups":["users"]}), &[("AUTHORIZATION_STRICT_MODE_ENABLED", "false")]);
    let answer = service.ask("GET", "/admin", &[TOKEN]);
    assert!(!answer.allowed());
    assert_eq!((answer.status, answer.header("mia-userid")), (200, Some("u1")));
    assert_eq!(answer.body, "");
}

#[test]
fn rfc_6750_3_1_invalid_token_only_for_a_token_that_userinfo_refused() {
    let stub = Stub::start(|_| Reply::status(401));
    let rules = json!({"/user": {"GET": {"authorization": rule("true", false)}}});
    let service = Service::start(
        &rules,
        &[("USERINFO_URL", &stub.url()), ("AUTHORIZATION_HEADERS_TO_PROXY", "authorization")],
    );
    let challenge = |headers: &[(&str, &str)]| {
        let answer = service.ask("GET", "/user", headers);
        assert_eq!(answer.status, 401);
        answer.header("www-authenticate").unwrap().to_owned()
    };
    assert_eq!(challenge(&[TOKEN]), r#"Bearer realm="gettone", error="invalid_token""#);
    assert_eq!(challenge(&[]), r#"Bearer realm="gettone""#);
}

#[test]
fn g_grp_01_expressions_see_the_true_names_and_the_header_only_what_it_can_carry() {
    let groups = json!(["users", "a,admin", "admin\r\nX: y", "é", "", " admin", "\""]);
    let (service, _stub) = service(json!({"sub":"u1","groups":groups}), &[]);
    let answer = service.ask("GET", "/user", &[TOKEN]);
    assert!(answer.allowed());
    assert_eq!(answer.header("mia-groups"), Some("users,\""));
    assert_eq!(answer.header("x"), None);
    assert_eq!(service.ask("GET", "/admin", &[TOKEN]).status, 403, "no group is called admin");
}

#[test]
fn g_grp_01_too_many_groups_are_a_denial_and_not_cut() {
    let groups = |count: usize| (0..count).map(|number| format!("group-{number:05}")).collect::<Vec<_>>();
    let (service_300, _stub) = service(json!({"sub":"u1","groups":groups(300)}), &[]);
    assert_eq!(
        service_300.ask("GET", "/any", &[TOKEN]).header("mia-groups"),
        Some(groups(300).join(",").as_str())
    );
    for profile in ["standard", "drop-in"] {
        let (service_900, _stub) = service(json!({"sub":"u1","groups":groups(900)}), &[("PROFILE", profile)]);
        let answer = service_900.ask("GET", "/any", &[TOKEN]);
        assert!(!answer.allowed());
        assert_eq!(answer.status, 403);
    }
}

#[test]
fn g_grp_02_reserved_words_are_ordinary_groups() {
    let (reserved, _stub) = service(json!({"sub":"u1","groups":["constructor"]}), &[]);
    assert!(reserved.ask("GET", "/reserved", &[TOKEN]).allowed());
    let (ordinary, _stub) = service(json!({"sub":"u1","groups":["users"]}), &[]);
    assert_eq!(ordinary.ask("GET", "/reserved", &[TOKEN]).status, 403);
}

#[test]
fn g_grp_03_large_properties_and_unsendable_ids_are_a_denial() {
    for user in [
        json!({"sub":"u1","name":"é".repeat(3000)}),
        json!({"sub":"u1\r\nmia-groups: admin"}),
        json!({"sub":"josé"}),
    ] {
        let (service, _stub) = service(user, &[("USER_PROPERTIES_TO_PROXY", "name")]);
        let answer = service.ask("GET", "/any", &[TOKEN]);
        assert!(!answer.allowed());
        assert_eq!((answer.status, answer.header("mia-groups")), (403, Some("")));
    }
}

#[test]
fn g_hdr_14_g_hdr_18_the_client_type_is_one_value_of_one_header() {
    let (service, _stub) = service(json!({}), &[]);
    let status = |target: &str, headers: &[(&str, &str)]| service.ask("GET", target, headers).status;
    assert_eq!(status("/machine", &[("client-type", "machine")]), 200);
    assert_eq!(status("/machine", &[("Client-Type", "machine")]), 200);
    for headers in [
        &[("client-type", "machine"), ("client-type", "machine")][..],
        &[("client-type", "machine"), ("client-type", "other")],
        &[("client-type", "machine,other")],
    ] {
        assert_eq!(status("/machine", headers), 403, "{headers:?}");
        assert_eq!(status("/no-machine", headers), 403, "{headers:?}");
    }
    for headers in [&[][..], &[("client-type", "-")], &[("client-type", "")], &[("client_type", "machine")]] {
        assert_eq!(status("/no-machine", headers), 200, "{headers:?}");
        assert_eq!(status("/machine", headers), 401, "{headers:?}");
    }
}

#[test]
fn g_hdr_18_backoffice_is_true_for_1_and_any_0_is_false() {
    let (service, _stub) = service(json!({}), &[]);
    for (headers, expected) in [
        (&[("isbackoffice", "1")][..], 200),
        (&[("IsBackoffice", "True")], 200),
        (&[], 401),
        (&[("isbackoffice", "0")], 401),
        (&[("isbackoffice", "1"), ("isbackoffice", "0")], 401),
        (&[("isbackoffice", "0"), ("isbackoffice", "1")], 401),
        (&[("is_backoffice", "1")], 401),
    ] {
        assert_eq!(service.ask("GET", "/office", headers).status, expected, "{headers:?}");
    }
}

#[test]
fn other_header_names_can_be_chosen() {
    let (service, _stub) =
        service(json!({}), &[("CLIENT_TYPE_HEADER_KEY", "X-Kind"), ("BACKOFFICE_HEADER_KEY", "X-Office")]);
    assert_eq!(service.ask("GET", "/machine", &[("x-kind", "machine")]).status, 200);
    assert_eq!(service.ask("GET", "/machine", &[("client-type", "machine")]).status, 401);
    assert_eq!(service.ask("GET", "/office", &[("x-office", "1")]).status, 200);
    assert_eq!(service.ask("GET", "/office", &[("isbackoffice", "1")]).status, 401);
}
