//! `credentials::assertion` on a header and a payload, as texts with a line break between them: what is accepted is
//! re-checked claim by claim, the profiles agree, and a used `jti` is remembered until its assertion is dead.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{AccessTokenClaims, Profile, Timestamp};
use credentials::assertion::{Assertion, AssertionDefect, AssertionPolicy};
use credentials::client::{Client, ClientId, ClientState, NewClient, RegisteredKeys};
use credentials::jws::Jws;
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://auth.example";
const CLIENT: &str = "orders";
const NOW: i64 = 1_800_000_000;
const SKEW: i64 = 10;
const MAX_LIFETIME: i64 = 300;

pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let mut part = || URL_SAFE_NO_PAD.encode(lines.next().unwrap_or_default());
    let token = format!("{}.{}.c2lnbmF0dXJl", part(), part());
    let Ok(jws) = Jws::parse(&token) else { return };
    let client = client();
    let at = |profile, now| credentials::assertion::check(&jws, &client, &policy(profile), now);
    let now = Timestamp::from_unix_seconds(NOW);
    let (standard, drop_in) = (at(Profile::Standard, now), at(Profile::DropIn, now));
    for (profile, outcome) in [(Profile::Standard, &standard), (Profile::DropIn, &drop_in)] {
        let Ok(assertion) = outcome else { continue };
        assert_valid(&jws, assertion, profile);
        // T-CLM-16, T-CLM-19: when the guard forgets the jti, nobody can use the assertion any more.
        for later in [assertion.keep_until, assertion.keep_until.plus_seconds(1_000_000)] {
            assert!(at(profile, later).is_err());
        }
    }
    match (&standard, &drop_in) {
        (Ok(standard), Ok(drop_in)) => assert_eq!(standard, drop_in),
        (Ok(_), Err(defect)) => assert_eq!(*defect, AssertionDefect::CustomClaimNotAllowed),
        (Err(defect), Ok(_)) => assert_eq!(*defect, AssertionDefect::TimeType, "only K-03 is more lenient"),
        (Err(_), Err(_)) => {}
    }
}

fn assert_valid(jws: &Jws, assertion: &Assertion, profile: Profile) {
    let claims = jws.payload();
    assert!(matches!(jws.token_type(), None | Some("jwt" | "client-authentication+jwt")));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT), &json!(CLIENT)));
    assert!([json!(ISSUER), json!([ISSUER])].contains(&claims["aud"]), "the issuer alone (C-7523-04)");
    let expires_at = seconds(claims, "exp", profile).expect("an exp");
    assert!(expires_at > (NOW - SKEW) as f64 && expires_at < (NOW + MAX_LIFETIME + SKEW + 1) as f64);
    for name in ["iat", "nbf"] {
        let in_time = |time| time < (NOW + SKEW + 1) as f64;
        assert!(claims.get(name).is_none() || seconds(claims, name, profile).is_some_and(in_time), "{name}");
    }
    assert_eq!(claims["jti"], assertion.jti);
    assert!((1..=256).contains(&assertion.jti.len()));
    assert!(assertion.keep_until.unix_seconds() as f64 > expires_at + SKEW as f64 - 1.0);
    for (name, value) in &assertion.custom_claims {
        assert!(["tenant", "plan"].contains(&name.as_str()), "only what the client is allowed (T-CC-03)");
        assert!(!AccessTokenClaims::RESERVED.contains(&name.as_str()));
        assert_eq!(claims.get(name), Some(value));
    }
}

/// A time claim, read in another way than the code does.
fn seconds(claims: &Map<String, Value>, name: &str, profile: Profile) -> Option<f64> {
    match claims.get(name)? {
        Value::Number(number) => number.as_f64().filter(|seconds| *seconds >= 0.0),
        Value::String(text) if profile == Profile::DropIn => {
            text.parse::<u64>().ok().map(|seconds| seconds as f64)
        }
        _ => None,
    }
}

fn policy(profile: Profile) -> AssertionPolicy {
    AssertionPolicy {
        issuer: ISSUER.to_owned(),
        max_lifetime_seconds: MAX_LIFETIME,
        clock_skew_seconds: SKEW,
        profile,
    }
}

fn client() -> Client {
    let members = json!({"client_name": "Orders", "allowedCustomClaims": ["tenant", "plan"]});
    let new = NewClient::by_operator(members.as_object().expect("an object"), ISSUER).expect("a client");
    let id = ClientId::parse(CLIENT).expect("an id");
    new.into_client(id, RegisteredKeys::default(), ClientState::Public, Timestamp::from_unix_seconds(NOW))
}
