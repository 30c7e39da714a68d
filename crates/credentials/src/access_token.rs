//! What a valid access token of ours says (RFC 9068 §4, contract §1.4 and §10.2). Its signature is verified by `jose`,
//! with our own keys only; whether it was revoked is not known here.

use common::{AccessTokenClaims, Profile, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::jws::Jws;
use crate::revocation::LONGEST_TOKEN_LIFETIME_SECONDS;

/// Why a token is not a valid access token of ours. The text is for the log; callers get `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenDefect {
    #[error("the typ of the token is not that of an access token")]
    Type,
    #[error("a claim of the token is missing or has a wrong type")]
    Claims,
    #[error("the issuer of the token is not this service")]
    Issuer,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("no audience of the token is among the accepted ones")]
    Audience,
}

/// Checks everything about an access token but its signature. `exp` is enforced without skew: it is our own clock that
/// wrote it. A token with an audience needs one of `accepted_audiences`; if none is accepted, it is refused. `None`: it
/// does not matter whom the token is for. Every token of ours has a `jti`; those of the service that the drop-in profile
/// replaces have none (contract §1.3).
///
/// # Errors
/// [`TokenDefect`], the first that was found.
pub fn check(
    jws: &Jws,
    issuer: &str,
    accepted_audiences: Option<&[String]>,
    profile: Profile,
    now: Timestamp,
) -> Result<AccessTokenClaims, TokenDefect> {
    // A client assertion carries `JWT` too: what keeps the two apart is the issuer and whose key signed (K-06).
    if !matches!(jws.token_type(), Some("at+jwt" | "jwt")) {
        return Err(TokenDefect::Type);
    }
    // serde reads a null as an absent option; absent and null are not the same here.
    if ["aud", "client_id"].into_iter().any(|name| jws.payload().get(name) == Some(&Value::Null)) {
        return Err(TokenDefect::Claims);
    }
    let claims = AccessTokenClaims::deserialize(jws.payload()).map_err(|_| TokenDefect::Claims)?;
    let has_jti = jws.payload().contains_key("jti");
    let is_without = !has_jti && profile == Profile::DropIn && is_of_before(jws, &claims);
    if claims.jti.is_empty() && !is_without {
        return Err(TokenDefect::Claims);
    }
    let now = now.unix_seconds();
    if claims.iss != issuer {
        return Err(TokenDefect::Issuer);
    }
    if claims.exp <= now {
        return Err(TokenDefect::Expired);
    }
    match jws.payload().get("nbf").map(Value::as_i64) {
        None => {}
        Some(Some(not_before)) if not_before <= now => {}
        Some(Some(_)) => return Err(TokenDefect::NotYetValid),
        Some(None) => return Err(TokenDefect::Claims),
    }
    match accepted_audiences {
        Some(accepted) if !is_for(&claims, |audience| accepted.iter().any(|one| one == audience)) => {
            Err(TokenDefect::Audience)
        }
        _ => Ok(claims),
    }
}

/// Whether it may be a token of the service that we replace. One that lives longer than ours do is refused: a revocation of
/// all tokens of its client would be forgotten before it ends.
fn is_of_before(jws: &Jws, claims: &AccessTokenClaims) -> bool {
    let lifetime = claims.exp.saturating_sub(claims.iat);
    jws.token_type() == Some("jwt") && lifetime <= LONGEST_TOKEN_LIFETIME_SECONDS
}

/// Whether a token has an audience that is `accepted`. One without audience is for everybody.
pub fn is_for(claims: &AccessTokenClaims, accepted: impl Fn(&str) -> bool) -> bool {
    claims.aud.as_ref().is_none_or(|audiences| audiences.iter().any(|audience| accepted(audience)))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use common::{Profile, Timestamp};
    use serde_json::{Value, json};

    use super::{TokenDefect, check};
    use crate::jws::Jws;

    const NOW: i64 = 1_700_000_000;
    const ISSUER: &str = "https://auth.example";

    /// A token with one member of header or payload replaced; `null` as the new value removes it.
    fn token(typ: Option<&str>, changes: Value) -> Jws {
        let mut claims = json!({"iss": ISSUER, "sub": "client-1", "exp": NOW + 60, "iat": NOW, "jti": "j",
            "permissions": ["read:orders"]});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = json!({"alg": "RS256", "kid": "k"});
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        Jws::parse(&format!("{header}.{claims}.AA")).unwrap()
    }

    fn verdict(changes: Value) -> Option<TokenDefect> {
        let accepted = ["api".to_owned()];
        let now = Timestamp::from_unix_seconds(NOW);
        check(&token(Some("at+jwt"), changes), ISSUER, Some(&accepted), Profile::Standard, now).err()
    }

    #[test]
    fn c_9068_04_valid_tokens_of_both_typ_settings_are_read() {
        for typ in ["at+jwt", "application/at+jwt", "AT+JWT", "JWT"] {
            let jws =
                token(Some(typ), json!({"aud": ["other", "api"], "tenant": "t1", "client_id": "client-1"}));
            let claims = check(
                &jws,
                ISSUER,
                Some(&["api".to_owned()]),
                Profile::Standard,
                Timestamp::from_unix_seconds(NOW),
            )
            .unwrap();
            assert_eq!((claims.sub.as_str(), claims.exp), ("client-1", NOW + 60));
            assert_eq!(claims.permissions, ["read:orders"]);
            assert_eq!(claims.custom["tenant"], "t1");
            assert_eq!(claims.custom.len(), 1);
        }
    }

    #[test]
    fn t_hdr_09_other_types_are_no_access_tokens() {
        for typ in [None, Some("client-authentication+jwt"), Some("dpop+jwt"), Some("logout+jwt"), Some("")] {
            let now = Timestamp::from_unix_seconds(NOW);
            assert_eq!(
                check(&token(typ, json!({})), ISSUER, None, Profile::Standard, now).err(),
                Some(TokenDefect::Type),
                "{typ:?}"
            );
        }
    }

    #[test]
    fn t_tok_01_the_claims_of_an_assertion_are_no_access_token() {
        let assertion = json!({"iss": "client-1", "aud": ISSUER});
        assert_eq!(verdict(assertion), Some(TokenDefect::Claims));
        assert_eq!(verdict(json!({"iss": "client-1"})), Some(TokenDefect::Issuer));
    }

    #[test]
    fn t_tok_02_issuer_is_compared_exactly() {
        for issuer in
            ["https://auth.example/", "HTTPS://auth.example", "https://auth.example:443", "https://auth", ""]
        {
            assert_eq!(verdict(json!({ "iss": issuer })), Some(TokenDefect::Issuer), "{issuer}");
        }
    }

    #[test]
    fn exp_is_enforced_without_skew() {
        assert_eq!(verdict(json!({"exp": NOW + 1})), None);
        assert_eq!(verdict(json!({ "exp": NOW })), Some(TokenDefect::Expired));
        assert_eq!(verdict(json!({"exp": NOW - 1})), Some(TokenDefect::Expired));
    }

    #[test]
    fn nbf_is_enforced_if_present() {
        assert_eq!(verdict(json!({ "nbf": NOW })), None);
        assert_eq!(verdict(json!({"nbf": NOW + 1})), Some(TokenDefect::NotYetValid));
        assert_eq!(verdict(json!({"nbf": NOW.to_string()})), Some(TokenDefect::Claims));
    }

    #[test]
    fn t_clm_05_claims_of_a_wrong_type_are_never_taken_for_absent() {
        for claim in [
            json!({"exp": (NOW + 60).to_string()}),
            json!({"exp": null}),
            json!({"exp": 1.7e9}),
            json!({"exp": true}),
            json!({"iat": "1"}),
            json!({"nbf": null}),
            json!({"sub": 1}),
            json!({"jti": null}),
            json!({"iss": [ISSUER]}),
            json!({"permissions": null}),
            json!({"permissions": "read:orders"}),
            json!({"permissions": [1]}),
            json!({"aud": null}),
            json!({"aud": "api"}),
            json!({"aud": [["api"]]}),
            json!({"client_id": null}),
        ] {
            assert_eq!(verdict(claim.clone()), Some(TokenDefect::Claims), "{claim}");
        }
    }

    #[test]
    fn contract_1_3_a_token_of_the_service_of_before_has_no_jti() {
        let verdict = |profile, typ, removed: &[&str], changes| {
            let token = token(Some(typ), changes);
            let mut payload = token.payload().clone();
            removed.iter().for_each(|name| drop(payload.remove(*name)));
            let [header, claims] = [json!({"alg": "RS256", "kid": "k", "typ": typ}), json!(payload)]
                .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            let jws = Jws::parse(&format!("{header}.{claims}.AA")).unwrap();
            check(&jws, ISSUER, None, profile, Timestamp::from_unix_seconds(NOW)).map(|claims| claims.jti)
        };
        let day = json!({"exp": NOW + 86_400});
        assert_eq!(verdict(Profile::DropIn, "JWT", &["jti"], day.clone()), Ok(String::new()));
        for (profile, typ, removed, changes) in [
            (Profile::Standard, "JWT", &["jti"][..], day.clone()),
            (Profile::DropIn, "at+jwt", &["jti"], day),
            (Profile::DropIn, "JWT", &["jti"], json!({"exp": NOW + 86_401})),
            (Profile::DropIn, "JWT", &[], json!({"jti": ""})),
            (Profile::DropIn, "JWT", &[], json!({"jti": null})),
            (Profile::DropIn, "JWT", &["jti", "sub"], json!({})),
        ] {
            assert_eq!(
                verdict(profile, typ, removed, changes),
                Err(TokenDefect::Claims),
                "{profile:?} {typ}"
            );
        }
    }

    #[test]
    fn audience_is_checked_if_present_and_refused_if_none_is_accepted() {
        assert_eq!(verdict(json!({"aud": ["api"]})), None);
        assert_eq!(verdict(json!({"aud": ["API"]})), Some(TokenDefect::Audience));
        assert_eq!(verdict(json!({"aud": []})), Some(TokenDefect::Audience));
        let now = Timestamp::from_unix_seconds(NOW);
        let with_audience = token(Some("JWT"), json!({"aud": ["api"]}));
        assert_eq!(
            check(&with_audience, ISSUER, Some(&[]), Profile::Standard, now).err(),
            Some(TokenDefect::Audience)
        );
        assert!(check(&with_audience, ISSUER, None, Profile::Standard, now).is_ok());
        assert!(check(&token(Some("JWT"), json!({})), ISSUER, Some(&[]), Profile::Standard, now).is_ok());
    }
}
