//! Trust mode and the shared secret of the gateway (upstream contract §3.2, G-HDR-10, G-HDR-19).

use serde_json::json;

use crate::service::Service;
use crate::stub::Stub;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn rules() -> serde_json::Value {
    json!({
        "/orders": {"GET": {"authorization": {"expression": "permissions[\"read:orders\"]", "public": false}}},
        "/public": {"GET": {"authorization": {"expression": "true", "public": true}}},
    })
}

fn trusting(more: &[(&str, &str)]) -> Service {
    let variables = [
        ("TRUST_MIA_USER_HEADERS", "true"),
        ("TRUSTED_PEER_SECRET", SECRET),
        ("CUSTOM_PERMISSIONS_KEY", "permissions"),
        ("USER_PROPERTIES_TO_PROXY", "permissions"),
    ];
    Service::start(&rules(), &variables.iter().chain(more).copied().collect::<Vec<_>>())
}

const IDENTITY: [(&str, &str); 3] = [
    ("miauserid", "u1"),
    ("miausergroups", "users, admin"),
    ("miauserproperties", r#"{"permissions":["read:orders"],"mail":"x@y"}"#),
];

#[test]
fn g_hdr_19_the_gateway_says_who_the_caller_is() {
    let service = trusting(&[]);
    let headers: Vec<_> = IDENTITY.into_iter().chain([("x-gettone-peer", SECRET)]).collect();
    let answer = service.ask("GET", "/orders", &headers);
    assert!(answer.allowed());
    assert_eq!(answer.header("mia-userid"), Some("u1"));
    assert_eq!(answer.header("mia-groups"), Some("users,admin"));
    assert_eq!(answer.header("mia-userproperties"), Some(r#"{"permissions":["read:orders"]}"#));
}

#[test]
fn g_hdr_19_forged_headers_without_the_secret_are_401() {
    let service = trusting(&[]);
    for peer in [None, Some("wrong"), Some("0123456789abcdef0123456789abcdee")] {
        let peer = peer.map(|secret| ("x-gettone-peer", secret));
        let headers: Vec<_> = IDENTITY.into_iter().chain(peer).collect();
        for target in ["/orders", "/public", "/nowhere"] {
            let answer = service.ask("GET", target, &headers);
            assert!(!answer.allowed());
            assert_eq!(answer.status, 401, "{target}");
            assert_eq!(answer.header("mia-userid"), Some(""));
        }
    }
}

#[test]
fn decision_table_row_11_an_empty_user_id_is_no_user() {
    let service = trusting(&[]);
    for id in ["", "-"] {
        let headers = [("miauserid", id), ("miausergroups", "admin"), ("x-gettone-peer", SECRET)];
        assert_eq!(service.ask("GET", "/orders", &headers).status, 401);
        let public = service.ask("GET", "/public", &headers);
        assert!(public.allowed());
        assert_eq!(public.header("mia-groups"), Some(""));
    }
}

#[test]
fn g_hdr_19_two_ids_are_no_identity() {
    let service = trusting(&[]);
    let headers: Vec<_> =
        IDENTITY.into_iter().chain([("miauserid", "admin"), ("x-gettone-peer", SECRET)]).collect();
    assert_eq!(service.ask("GET", "/orders", &headers).status, 503);
}

#[test]
fn other_header_names_can_be_chosen() {
    let service = trusting(&[("USERID_HEADER_KEY", "X-User")]);
    let peer = ("x-gettone-peer", SECRET);
    let properties = IDENTITY[2];
    assert!(service.ask("GET", "/orders", &[("x-user", "u2"), properties, peer]).allowed());
    assert_eq!(service.ask("GET", "/orders", &[("miauserid", "u2"), properties, peer]).status, 401);
}

#[test]
fn g_hdr_10_the_secret_guards_the_other_mode_too() {
    let stub = Stub::json(json!({"sub":"u1","permissions":["read:orders"]}));
    let service = Service::start(
        &rules(),
        &[
            ("USERINFO_URL", &stub.url()),
            ("TRUSTED_PEER_SECRET", SECRET),
            ("CUSTOM_PERMISSIONS_KEY", "permissions"),
        ],
    );
    let token = ("Authorization", "Bearer t");
    assert_eq!(service.ask("GET", "/orders", &[token]).status, 401);
    assert!(stub.seen().is_empty(), "nobody was asked");
    assert!(service.ask("GET", "/orders", &[token, ("X-Gettone-Peer", SECRET)]).allowed());
}

#[test]
fn without_trust_mode_identity_headers_of_the_caller_mean_nothing() {
    let stub = Stub::json(json!({}));
    let service =
        Service::start(&rules(), &[("USERINFO_URL", &stub.url()), ("CUSTOM_PERMISSIONS_KEY", "permissions")]);
    let forged: Vec<_> =
        IDENTITY.into_iter().chain([("mia-userid", "admin"), ("mia-allowed", "1")]).collect();
    assert_eq!(service.ask("GET", "/orders", &forged).status, 401);
    let public = service.ask("GET", "/public", &forged);
    assert!(public.allowed());
    assert_eq!(
        public.header("mia-userid"),
        Some(""),
        "G-MODE-02, G-HDR-01: the answer overwrites what was sent"
    );
}
