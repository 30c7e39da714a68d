//! Local mode (ADR 13) over sockets: which tokens are believed here, who is asked about the others, and what is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::Timestamp;
use common::revocation::Revocation;
use serde_json::{Value, json};
use testkit::ClientKey;

use crate::issuer::{Issuer, ask, claims, metric, now, signed, tokens, until, until_ready};
use crate::service::Service;
use crate::stub::Reply;

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({
        "/any": rule("true", true),
        "/user": rule("true", false),
        "/orders": rule("\"read:orders\" in permissions", false),
        "/group": rule("groups.g1", false),
        "/office": rule("isBackoffice", false),
    })
}

fn good(issuer: &Issuer) -> String {
    signed(&issuer.key, "k1", &claims(&json!({})))
}

#[test]
fn a_good_token_is_believed_and_nobody_is_asked() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[("USER_PROPERTIES_TO_PROXY", "permissions,tenant")]);
    until_ready(&service);
    let token = signed(
        &issuer.key,
        "k1",
        &claims(&json!({"tenant": "t1", "groups": ["g1"], "scope": "read:orders"})),
    );
    for target in ["/orders", "/group", "/user", "/any"] {
        let answer = ask(&service, target, &token);
        assert!(answer.allowed(), "{target}");
        assert_eq!(answer.header("mia-userid"), Some("client-1"));
        assert_eq!(answer.header("mia-groups"), Some("g1"));
        let properties = answer.header("mia-userproperties").unwrap();
        assert_eq!(properties, r#"{"permissions":["read:orders"],"tenant":"t1"}"#);
    }
    assert_eq!(issuer.asked("/tokeninfo"), 0);
    assert_eq!((tokens(&service, "verified"), tokens(&service, "known")), (1.0, 3.0));
    assert_eq!(metric(&service, "verified_tokens"), 1.0);
    assert!(!ask(&service, "/office", &token).allowed(), "who it is, and not what it may, is kept");
}

/// Each with what is wrong with it.
fn refused(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let (ours, stranger) = (&issuer.key, ClientKey::generate("k1"));
    let with = |changes: Value| signed(ours, "k1", &claims(&changes));
    let headed = |header: Value| ours.sign_with_header(&header, &claims(&json!({})));
    let good = good(issuer);
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed_part.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(claims(&json!({"sub": "admin"})).to_string());
    let changed = format!("{head}.{other}.{signature}");
    let half = format!("{signed_part}.{}", URL_SAFE_NO_PAD.encode([1; 32]));
    vec![
        ("another key", signed(&stranger, "k1", &claims(&json!({})))),
        ("changed claims", changed),
        ("a short signature", half),
        ("alg none", headed(json!({"alg": "none", "kid": "k1", "typ": "at+jwt"}))),
        ("a symmetric alg", headed(json!({"alg": "HS256", "kid": "k1", "typ": "at+jwt"}))),
        ("the alg of another key", headed(json!({"alg": "ES384", "kid": "k1", "typ": "at+jwt"}))),
        ("no kid", headed(json!({"alg": "ES256", "typ": "at+jwt"}))),
        ("an unknown kid", headed(json!({"alg": "ES256", "kid": "k2", "typ": "at+jwt"}))),
        ("expired", with(json!({"exp": now() - 1, "iat": now() - 600}))),
        ("not valid yet", with(json!({"nbf": now() + 300}))),
        ("issued later", with(json!({"iat": now() + 300, "exp": now() + 900}))),
        ("exp as text", with(json!({"exp": (now() + 600).to_string()}))),
        ("no exp", with(json!({"exp": null}))),
        ("no jti", with(json!({"jti": null}))),
        ("another audience", with(json!({"aud": ["urn:other"]}))),
        ("no permissions: an ID token", with(json!({"permissions": null, "nonce": "n"}))),
        ("inactive", with(json!({"active": false}))),
    ]
}

#[test]
fn t_alg_01_t_tok_02_a_bad_token_of_ours_is_refused_here_and_not_asked_about() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[]);
    until_ready(&service);
    for (what, token) in refused(&issuer) {
        let answer = ask(&service, "/user", &token);
        assert_eq!(answer.status, 401, "{what}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{what}");
        assert!(!answer.allowed());
    }
    assert_eq!(issuer.asked("/tokeninfo"), 0);
    assert!(ask(&service, "/user", &good(&issuer)).allowed(), "and the good one passes still");
    assert_eq!(metric(&service, "verified_tokens"), 1.0);
}

#[test]
fn t_hdr_01_t_hdr_02_keys_and_addresses_in_a_token_are_never_used() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    let attacker = ClientKey::generate("evil");
    let evil = issuer.stub.url_of("/evil");
    for header in [
        json!({"alg": "ES256", "kid": "evil", "typ": "at+jwt", "jku": evil, "x5u": evil}),
        json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt", "jwk": attacker.public_jwk()}),
        json!({"alg": "ES256", "kid": "../../evil", "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt", "crit": ["exp"]}),
    ] {
        let answer = ask(&service, "/user", &attacker.sign_with_header(&header, &claims(&json!({}))));
        assert_eq!(answer.status, 401, "{header}");
    }
    assert_eq!(issuer.asked("/evil"), 0);
}

#[test]
fn what_cannot_be_verified_here_is_asked_at_userinfo() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[("HEADERS_TO_PROXY", "authorization,cookie")]);
    until_ready(&service);
    let other_issuer = signed(&issuer.key, "k1", &claims(&json!({"iss": "https://auth.example/"})));
    let id_token = issuer.key.sign(&claims(&json!({})));
    let bearer = |token: &str| ("authorization".to_owned(), format!("Bearer {token}"));
    let cases = [
        vec![bearer("opaque")],
        vec![bearer(&other_issuer)],
        vec![bearer(&id_token)],
        vec![("authorization".to_owned(), "Basic dTpw".to_owned())],
        vec![("cookie".to_owned(), "sid=1".to_owned())],
        vec![bearer(&good(&issuer)), bearer(&good(&issuer))],
    ];
    for (number, headers) in (1..).zip(&cases) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = service.ask("GET", "/user", &headers);
        assert_eq!(answer.header("mia-userid"), Some("from-userinfo"), "{headers:?}");
        assert_eq!(issuer.asked("/tokeninfo"), number);
    }
    assert_eq!(service.ask("GET", "/user", &[]).status, 401);
    assert_eq!(issuer.asked("/tokeninfo"), cases.len(), "nothing to show");
    assert_eq!(tokens(&service, "elsewhere"), 3.0);
}

#[test]
fn without_userinfo_what_is_not_ours_is_nobody() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    let other_issuer = signed(&issuer.key, "k1", &claims(&json!({"iss": "https://other.example"})));
    let id_token = issuer.key.sign(&claims(&json!({})));
    for token in ["opaque", "a.b.c", &other_issuer, &id_token] {
        let answer = ask(&service, "/user", token);
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
        assert!(ask(&service, "/any", token).allowed(), "a public route");
    }
    let answer = service.ask("GET", "/user", &[("cookie", "sid=1")]);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="gettone""#));
    assert_eq!(issuer.asked("/tokeninfo"), 0);
    assert!(ask(&service, "/user", &good(&issuer)).allowed());
}

#[test]
fn k_06_in_drop_in_a_plain_jwt_may_be_an_access_token() {
    let issuer = Issuer::start();
    let drop_in = issuer.service_alone(&rules(), &[("PROFILE", "drop-in")]);
    until_ready(&drop_in);
    let plain = |changes: Value| issuer.key.sign(&claims(&changes));
    assert!(ask(&drop_in, "/user", &plain(json!({"aud": null, "client_id": null}))).allowed());
    // The claims of an assertion, and of an ID token.
    for changes in [json!({"iss": "client-1"}), json!({"permissions": null, "nonce": "n"})] {
        assert_eq!(ask(&drop_in, "/user", &plain(changes.clone())).status, 401, "{changes}");
    }
}

#[test]
fn contract_1_3_tokens_of_before_the_swap_are_good_in_drop_in() {
    let issuer = Issuer::start();
    let before = json!({"aud": null, "client_id": null, "jti": null});
    let token = issuer.key.sign(&claims(&before));
    let standard = issuer.service_alone(&rules(), &[]);
    let drop_in = issuer.service_alone(&rules(), &[("PROFILE", "drop-in")]);
    until_ready(&standard);
    until_ready(&drop_in);
    assert_eq!(ask(&standard, "/user", &token).status, 401);
    let without_jti = signed(&issuer.key, "k1", &claims(&before));
    assert_eq!(ask(&standard, "/user", &without_jti).status, 401);
    assert!(ask(&drop_in, "/user", &token).allowed());
    issuer.revoke(Revocation::Client {
        client_id: "client-1".to_owned(),
        issued_until: Timestamp::from_unix_seconds(now()),
        forget_at: Timestamp::from_unix_seconds(now() + 86_400),
    });
    until(|| !ask(&drop_in, "/user", &token).allowed());
}

#[test]
fn g_ui_14_a_token_in_the_header_decides_whatever_the_cookie_says() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[("HEADERS_TO_PROXY", "authorization,cookie")]);
    until_ready(&service);
    let bad = signed(&issuer.key, "k1", &claims(&json!({"exp": 1})));
    let with = |token: &str| {
        let authorization = format!("Bearer {token}");
        service.ask("GET", "/user", &[("authorization", &authorization), ("cookie", "sid=admin")])
    };
    assert_eq!(with(&good(&issuer)).header("mia-userid"), Some("client-1"));
    assert_eq!(with(&bad).status, 401);
    assert_eq!(issuer.asked("/tokeninfo"), 0);
}

#[test]
fn backoffice_users_are_asked_about_where_they_are() {
    let issuer = Issuer::start();
    let office = issuer.stub.url_of("/office");
    let service = issuer.service(&rules(), &[("BACKOFFICE_USERINFO_URL", &office)]);
    until_ready(&service);
    let authorization = format!("Bearer {}", good(&issuer));
    let answer = service.ask("GET", "/office", &[("authorization", &authorization), ("isbackoffice", "1")]);
    assert_eq!(answer.header("mia-userid"), Some("from-userinfo"));
    assert_eq!((issuer.asked("/office"), issuer.asked("/tokeninfo")), (1, 0));
    assert_eq!(ask(&service, "/user", &good(&issuer)).header("mia-userid"), Some("client-1"));
}

#[test]
fn without_the_named_credentials_a_request_is_anonymous_here_too() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[("AUTHORIZATION_HEADERS_TO_PROXY", "cookie")]);
    until_ready(&service);
    assert_eq!(ask(&service, "/user", &good(&issuer)).status, 401);
    assert_eq!(issuer.asked("/tokeninfo"), 0);
}

#[test]
fn g_cache_05_a_revoked_token_is_denied_at_once_and_the_clients_next_one_is_not() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[]);
    until_ready(&service);
    let exp = now() + 600;
    let of = |jti: &str, iat: i64| {
        signed(&issuer.key, "k1", &claims(&json!({"jti": jti, "iat": iat, "exp": exp})))
    };
    let (first, second) = (of("j1", now() - 10), of("j2", now() - 10));
    assert!(ask(&service, "/user", &first).allowed() && ask(&service, "/user", &second).allowed());
    issuer.revoke(Revocation::Token { jti: "j1".into(), client_id: "client-1".into(), exp });
    until(|| !ask(&service, "/user", &first).allowed());
    let answer = ask(&service, "/user", &first);
    assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
    assert!(ask(&service, "/user", &second).allowed());
    issuer.revoke(Revocation::Client {
        client_id: "client-1".into(),
        issued_until: Timestamp::from_unix_seconds(now() - 5),
        forget_at: Timestamp::from_unix_seconds(now() + 600),
    });
    until(|| !ask(&service, "/user", &second).allowed());
    assert!(ask(&service, "/user", &of("j3", now())).allowed());
    assert_eq!(issuer.asked("/tokeninfo"), 0, "userinfo is not asked about what is known here");
    assert_eq!((metric(&service, "revoked_tokens"), metric(&service, "revoked_clients")), (1.0, 1.0));
}

#[test]
fn g_cache_05_a_token_that_is_kept_ends_when_it_expires() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[]);
    until_ready(&service);
    let exp = now() + 2;
    let short = signed(&issuer.key, "k1", &claims(&json!({ "exp": exp })));
    assert!(ask(&service, "/user", &short).allowed());
    until(|| !ask(&service, "/user", &short).allowed());
    assert!(now() >= exp);
    assert!(tokens(&service, "known") >= 1.0, "it was kept");
    assert_eq!(ask(&service, "/user", &short).status, 401);
}

#[test]
fn g_cache_01_the_whole_token_is_the_key() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    let token = good(&issuer);
    assert!(ask(&service, "/user", &token).allowed());
    let (head, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{head}."),
        head.to_owned(),
        format!("{token}A"),
        format!("{head}.{}", signature.to_ascii_lowercase()),
        format!("{token}.{token}"),
    ] {
        assert_eq!(ask(&service, "/user", &other).status, 401, "{other}");
    }
}

#[test]
fn keys_are_rotated_without_a_wait_and_what_the_old_one_signed_ends_with_it() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[]);
    until_ready(&service);
    let old = good(&issuer);
    assert!(ask(&service, "/user", &old).allowed());
    let new = ClientKey::generate("k2");
    issuer.show_keys(&[&issuer.key, &new]);
    let fetches = issuer.asked("/.well-known/jwks.json");
    assert!(ask(&service, "/user", &signed(&new, "k2", &claims(&json!({})))).allowed());
    assert_eq!(issuer.asked("/.well-known/jwks.json"), fetches + 1);
    assert!(ask(&service, "/user", &old).allowed(), "it is there still");
    // A stolen key: the operator takes it out of the set.
    issuer.show_keys(&[&new]);
    let unknown = signed(&new, "k3", &claims(&json!({})));
    assert_eq!(ask(&service, "/user", &unknown).status, 401, "which makes the set known");
    assert_eq!(ask(&service, "/user", &old).status, 401);
    assert_eq!(issuer.asked("/tokeninfo"), 0);
}

#[test]
fn t_tok_08_a_flood_of_unknown_keys_costs_the_issuer_one_call_a_second() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..20 {
            let (service, issuer) = (&service, &issuer);
            scope.spawn(move || {
                let token = signed(&issuer.key, &format!("unknown-{worker}"), &claims(&json!({})));
                assert_eq!(ask(service, "/user", &token).status, 401);
            });
        }
    });
    let fetches = issuer.asked("/.well-known/jwks.json") as u64;
    assert!(fetches <= 2 + began.elapsed().as_secs(), "{fetches} in {:?}", began.elapsed());
}

#[test]
fn when_the_key_set_is_lost_known_keys_count_and_about_others_nobody_knows() {
    let issuer = Issuer::start();
    let service = issuer.service_alone(&rules(), &[]);
    until_ready(&service);
    issuer.lose_keys();
    assert!(ask(&service, "/user", &good(&issuer)).allowed());
    let new = signed(&ClientKey::generate("k2"), "k2", &claims(&json!({})));
    let answer = ask(&service, "/user", &new);
    assert_eq!(answer.status, 503, "it may be good, so it is not a 401");
    assert!(!answer.allowed());
    assert_eq!(tokens(&service, "cannot_know"), 1.0);
    assert!(metric(&service, r#"issuer_key_set_fetches_total{outcome="failed"}"#) >= 1.0);
}

#[test]
fn g_ui_03_claims_that_describe_nobody_properly_are_no_identity() {
    let issuer = Issuer::start();
    let service = issuer.service(&rules(), &[("CUSTOM_USER_ID_KEY", "user")]);
    until_ready(&service);
    let with = |changes: Value| ask(&service, "/user", &signed(&issuer.key, "k1", &claims(&changes)));
    assert!(with(json!({"user": "u1"})).allowed());
    assert_eq!(with(json!({})).status, 401, "no user id");
    assert_eq!(with(json!({"user": 1.5})).status, 503);
    assert_eq!(with(json!({"user": "u1", "groups": "admin"})).status, 503);
}

/// Headers and bodies, but for the id that each denial has of its own.
#[test]
fn local_mode_answers_as_proxy_mode_does() {
    let issuer = Issuer::with_tokeninfo(|seen| {
        // What a `/tokeninfo` that believes everything would say.
        let token = seen.all("authorization").concat().replace("Bearer ", "");
        let payload = token.split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        payload.map_or_else(
            || Reply::status(401),
            |payload| Reply::new(200, "application/json", std::str::from_utf8(&payload).unwrap()),
        )
    });
    let shared = [("USER_PROPERTIES_TO_PROXY", "sub,aud,exp,tenant,odd,scope,client_id,permissions,groups")];
    let local = issuer.service_alone(&rules(), &shared);
    let userinfo = issuer.stub.url();
    let variables = [shared[0], ("USERINFO_URL", &userinfo), ("CUSTOM_PERMISSIONS_KEY", "permissions")];
    let proxy = Service::start(&rules(), &variables);
    until_ready(&local);
    for changes in [
        json!({}),
        json!({"permissions": [], "aud": null}),
        json!({"groups": ["g1", "g,2", "é"], "tenant": {"a": [1, 2.50, null, true]}}),
        json!({"groups": "admin"}),
        json!({"odd": 1e300, "scope": "read:orders"}),
        json!({"odd": 18446744073709551615_u64, "tenant": "Zoë\r\n"}),
        json!({"sub": "josé"}),
        json!({"active": false}),
        json!({"sub": ""}),
    ] {
        let token = signed(&issuer.key, "k1", &claims(&changes));
        for target in ["/user", "/orders", "/group", "/any"] {
            let [here, there] = [&local, &proxy].map(|service| {
                let answer = ask(service, target, &token);
                let header = |name: &str| answer.header(name).map(str::to_owned);
                let names =
                    ["mia-userid", "mia-groups", "mia-userproperties", "www-authenticate", "retry-after"];
                let mut body = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
                if let Some(body) = body.as_object_mut() {
                    body.remove("decisionId");
                }
                (answer.status, names.map(header), body)
            });
            assert_eq!(here, there, "{target} {changes}");
        }
    }
}
