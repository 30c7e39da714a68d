//! The rows of conformance §1.7 and §2.2 that claims and times decide.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Profile, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Assertion, AssertionDefect, AssertionPolicy, check, claimed_client};
use crate::client::{AuthMethod, Client, ClientId};
use crate::jws::Jws;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://auth.example";
const CLIENT: &str = "client-1";

fn client(allowed_custom_claims: &[&str]) -> Client {
    let id = ClientId::parse(CLIENT).unwrap();
    let now = Timestamp::from_unix_seconds(0);
    Client {
        allowed_custom_claims: allowed_custom_claims.iter().map(|name| (*name).to_owned()).collect(),
        ..Client::new(id, "orders".to_owned(), AuthMethod::PrivateKeyJwt, now)
    }
}

fn policy(profile: Profile) -> AssertionPolicy {
    let (max_lifetime_seconds, clock_skew_seconds) = match profile {
        Profile::Standard => (300, 10),
        Profile::DropIn => (3600, 0),
    };
    AssertionPolicy { issuer: ISSUER.to_owned(), max_lifetime_seconds, clock_skew_seconds, profile }
}

/// A valid assertion with `changes` over its claims; the value `"(absent)"` removes a claim.
fn assertion(typ: Option<&str>, changes: &Value) -> Jws {
    let mut claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "jti": "j-1"});
    for (name, value) in changes.as_object().unwrap() {
        if value == "(absent)" {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    jws(typ, &claims.to_string())
}

fn jws(typ: Option<&str>, claims: &str) -> Jws {
    let header = typ.map_or(json!({"alg": "RS256"}), |typ| json!({"alg": "RS256", "typ": typ}));
    let [header, claims] = [header.to_string(), claims.to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part));
    Jws::parse(&format!("{header}.{claims}.AA")).unwrap()
}

fn verdict_in(profile: Profile, allowed: &[&str], changes: &Value) -> Result<Assertion, AssertionDefect> {
    let now = Timestamp::from_unix_seconds(NOW);
    check(&assertion(Some("JWT"), changes), &client(allowed), &policy(profile), now)
}

/// The defect, which must be the same in both profiles: they are equally strict here.
fn defect(changes: Value) -> Option<AssertionDefect> {
    let [standard, drop_in] =
        [Profile::Standard, Profile::DropIn].map(|profile| verdict_in(profile, &[], &changes).err());
    assert_eq!(standard, drop_in, "{changes}");
    standard
}

#[test]
fn c_7523_04_a_valid_assertion_says_what_it_says() {
    for typ in
        [None, Some("JWT"), Some("client-authentication+jwt"), Some("application/Client-Authentication+jwt")]
    {
        let jws = assertion(typ, &json!({"requested_audiences": ["a", "b"], "iat": NOW, "nbf": NOW}));
        let now = Timestamp::from_unix_seconds(NOW);
        let read = check(&jws, &client(&[]), &policy(Profile::Standard), now).unwrap();
        assert_eq!(read.jti, "j-1");
        assert_eq!(read.requested_audiences, ["a", "b"]);
        assert!(read.custom_claims.is_empty());
    }
}

#[test]
fn t_clm_19_a_jti_is_kept_beyond_the_last_moment_its_assertion_passes() {
    let read = verdict_in(Profile::Standard, &[], &json!({})).unwrap();
    assert_eq!(read.keep_until.unix_seconds(), NOW + 60 + 10 + 60);
}

#[test]
fn c_7523_17_t_hdr_09_other_explicit_types_are_refused() {
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "secevent+jwt", "jws", ""] {
        let now = Timestamp::from_unix_seconds(NOW);
        let jws = assertion(Some(typ), &json!({}));
        let verdict = check(&jws, &client(&[]), &policy(Profile::Standard), now);
        assert_eq!(verdict.err(), Some(AssertionDefect::Type), "{typ}");
    }
}

#[test]
fn t_clm_10_iss_and_sub_are_both_the_client() {
    for changes in [
        json!({"iss": "(absent)"}),
        json!({"sub": "(absent)"}),
        json!({"sub": "client-2"}),
        json!({"iss": "client-2"}),
        json!({"iss": "client-2", "sub": "client-2"}),
        json!({"iss": "CLIENT-1", "sub": "CLIENT-1"}),
        json!({"iss": [CLIENT]}),
        json!({"iss": null, "sub": null}),
        json!({"iss": "", "sub": ""}),
        json!({"iss": ISSUER, "sub": CLIENT}),
    ] {
        assert_eq!(defect(changes), Some(AssertionDefect::Client));
    }
}

#[test]
fn the_claimed_client_is_one_well_formed_id() {
    assert_eq!(claimed_client(&assertion(None, &json!({}))).unwrap().as_str(), CLIENT);
    let spaced = assertion(None, &json!({"iss": "a b", "sub": "a b"}));
    assert_eq!(claimed_client(&spaced), Err(AssertionDefect::Client));
}

#[test]
fn c_7523_08_one_audience_may_stand_in_an_array() {
    assert_eq!(defect(json!({"aud": [ISSUER]})), None);
}

#[test]
fn t_clm_01_to_04_the_audience_is_exactly_the_issuer() {
    for audience in [
        json!([ISSUER, "https://evil.example"]),
        json!([ISSUER, format!("{ISSUER}/oauth/token")]),
        json!([ISSUER, ISSUER]),
        json!(format!("{ISSUER}/oauth/token")),
        json!(format!("{ISSUER}/")),
        json!(format!("{ISSUER}.evil.com")),
        json!(format!("{ISSUER}#x")),
        json!(format!("{ISSUER}?x")),
        json!(format!("x{ISSUER}")),
        json!(format!("{ISSUER}:443")),
        json!("HTTPS://AUTH.EXAMPLE"),
        json!("http://auth.example"),
        json!(""),
        json!(1),
        json!({"iss": ISSUER}),
        json!([[ISSUER]]),
        json!([ISSUER, 1]),
        json!([]),
        json!(null),
        json!("(absent)"),
    ] {
        assert_eq!(defect(json!({ "aud": audience })), Some(AssertionDefect::Audience));
    }
}

#[test]
fn t_clm_05_times_of_a_wrong_type_are_never_taken_for_absent() {
    for name in ["exp", "nbf", "iat"] {
        for value in [json!("soon"), json!(true), json!(null), json!([1]), json!({}), json!(-1), json!("-1")]
        {
            assert_eq!(defect(json!({ name: value })), Some(AssertionDefect::TimeType), "{name}");
        }
    }
}

#[test]
fn k_03_times_as_strings_are_enforced_in_drop_in_and_refused_in_standard() {
    for (changes, drop_in) in [
        (json!({"exp": (NOW + 60).to_string()}), None),
        (json!({"exp": (NOW - 60).to_string()}), Some(AssertionDefect::Expired)),
        (json!({"exp": "9999999999"}), Some(AssertionDefect::LifetimeTooLong)),
        (json!({"iat": (NOW + 60).to_string()}), Some(AssertionDefect::IssuedInTheFuture)),
        (json!({"nbf": (NOW + 60).to_string()}), Some(AssertionDefect::NotYetValid)),
    ] {
        assert_eq!(verdict_in(Profile::DropIn, &[], &changes).err(), drop_in, "{changes}");
        let standard = verdict_in(Profile::Standard, &[], &changes).err();
        assert_eq!(standard, Some(AssertionDefect::TimeType), "{changes}");
    }
}

#[test]
fn t_clm_06_required_claims_are_required() {
    for (name, expected) in [
        ("exp", AssertionDefect::ExpiryMissing),
        ("iss", AssertionDefect::Client),
        ("sub", AssertionDefect::Client),
        ("aud", AssertionDefect::Audience),
        ("jti", AssertionDefect::Jti),
    ] {
        assert_eq!(defect(json!({ name: "(absent)" })), Some(expected));
    }
}

/// Offsets from now in seconds → verdict.
fn check_time_table(profile: Profile, table: &[(&str, i64, Option<AssertionDefect>)]) {
    for (name, offset, expected) in table {
        let verdict = verdict_in(profile, &[], &json!({ *name: NOW.saturating_add(*offset) })).err();
        assert_eq!(verdict, *expected, "{name} {offset}");
    }
}

#[test]
fn t_clm_07_t_clm_08_edges_in_standard() {
    use AssertionDefect::{Expired, IssuedInTheFuture, LifetimeTooLong, NotYetValid};
    check_time_table(
        Profile::Standard,
        &[
            ("exp", -9, None),
            ("exp", -10, Some(Expired)),
            ("exp", -11, Some(Expired)),
            ("exp", -61, Some(Expired)),
            ("exp", 310, None),
            ("exp", 311, Some(LifetimeTooLong)),
            ("exp", 3_700, Some(LifetimeTooLong)),
            ("exp", 315_360_000, Some(LifetimeTooLong)),
            ("iat", 8, None),
            ("iat", 11, Some(IssuedInTheFuture)),
            ("iat", 62, Some(IssuedInTheFuture)),
            ("nbf", 8, None),
            ("nbf", 11, Some(NotYetValid)),
            ("nbf", 62, Some(NotYetValid)),
        ],
    );
}

#[test]
fn t_clm_08_k_02_edges_in_drop_in() {
    use AssertionDefect::{Expired, IssuedInTheFuture, LifetimeTooLong, NotYetValid};
    check_time_table(
        Profile::DropIn,
        &[
            ("exp", 1, None),
            ("exp", 0, Some(Expired)),
            ("exp", 3_600, None),
            ("exp", 3_601, Some(LifetimeTooLong)),
            ("iat", 0, None),
            ("iat", 1, Some(IssuedInTheFuture)),
            ("nbf", 0, None),
            ("nbf", 1, Some(NotYetValid)),
        ],
    );
}

#[test]
fn k_02_the_platforms_own_client_passes_in_drop_in() {
    let changes = json!({"iat": NOW - 10, "exp": NOW - 10 + 3_600});
    assert!(verdict_in(Profile::DropIn, &[], &changes).is_ok());
}

#[test]
fn t_clm_09_an_old_iat_makes_the_lifetime_too_long() {
    let old = |age: i64| json!({"iat": NOW - age, "exp": NOW + 60});
    assert_eq!(defect(old(86_400)), Some(AssertionDefect::LifetimeTooLong));
    assert!(verdict_in(Profile::Standard, &[], &old(250)).is_ok());
    assert!(verdict_in(Profile::Standard, &[], &old(251)).is_err());
}

#[test]
fn t_clm_17_jti_is_a_short_clean_string() {
    let longest = "j".repeat(256);
    assert_eq!(defect(json!({ "jti": longest })), None);
    for jti in [
        json!(""),
        json!(7),
        json!(null),
        json!(["j"]),
        json!(format!("{longest}j")),
        json!("a\u{0}b"),
        json!("\n"),
    ] {
        assert_eq!(defect(json!({ "jti": jti })), Some(AssertionDefect::Jti));
    }
}

#[test]
fn requested_audiences_are_a_string_or_strings() {
    let audiences =
        |value: Value| verdict_in(Profile::Standard, &[], &json!({ "requested_audiences": value }));
    assert_eq!(audiences(json!("a")).unwrap().requested_audiences, ["a"]);
    assert_eq!(audiences(json!(["a", "a"])).unwrap().requested_audiences, ["a", "a"]);
    for value in [json!(null), json!(1), json!([1]), json!({"a": 1})] {
        assert_eq!(audiences(value).err(), Some(AssertionDefect::RequestedAudiences));
    }
}

#[test]
fn t_cc_03_only_allowed_claims_are_copied_and_reserved_ones_never() {
    // An imported client record may list anything.
    let allowed =
        ["tenant", "permissions", "groups", "sub", "aud", "exp", "jti", "scope", "cnf", "client_id", "act"];
    let copied = verdict_in(
        Profile::Standard,
        &allowed,
        &json!({"tenant": {"id": 1}, "permissions": ["admin"], "groups": ["admin"], "scope": "admin",
            "cnf": {}, "client_id": "victim", "act": {"sub": "victim"}, "__proto__": {}, "other": 1}),
    );
    let tenant = json!({"tenant": {"id": 1}});
    assert_eq!(Value::Object(copied.unwrap().custom_claims), tenant);
}

#[test]
fn t_cc_03_an_unlisted_claim_is_dropped_in_standard_and_refused_in_drop_in() {
    for name in ["other", "permissions", "__proto__"] {
        let changes = json!({"tenant": "t", name: "x"});
        let standard = verdict_in(Profile::Standard, &["tenant", "permissions"], &changes).unwrap();
        assert_eq!(standard.custom_claims.len(), 1);
        let drop_in = verdict_in(Profile::DropIn, &["tenant", "permissions"], &changes).err();
        assert_eq!(drop_in, Some(AssertionDefect::CustomClaimNotAllowed));
    }
    assert!(verdict_in(Profile::DropIn, &["tenant"], &json!({"tenant": "t"})).is_ok());
}

#[test]
fn t_cc_03_copied_claims_are_bounded() {
    let of = |length: usize| json!({"tenant": "t".repeat(length)});
    // {"tenant":"…"} takes 13 bytes besides the text.
    assert!(verdict_in(Profile::Standard, &["tenant"], &of(4_096 - 13)).is_ok());
    let verdict = verdict_in(Profile::Standard, &["tenant"], &of(4_096 - 12)).err();
    assert_eq!(verdict, Some(AssertionDefect::CustomClaimsTooLong));
}

proptest! {
    /// K-03: written as number or as string, a time leads to one verdict.
    #[test]
    fn k_03_strings_and_numbers_get_the_same_verdict(
        name in prop::sample::select(vec!["exp", "iat", "nbf"]),
        seconds in prop_oneof![NOW - 4_000..NOW + 4_000, 0_i64..=999_999_999_999],
    ) {
        let number = verdict_in(Profile::DropIn, &[], &json!({ name: seconds }));
        let string = verdict_in(Profile::DropIn, &[], &json!({ name: seconds.to_string() }));
        prop_assert_eq!(number, string);
    }
}
