//! What is revoked, and the events in which one service tells another. `client-credentials` keeps revocations and serves
//! them as a feed; whoever reads the feed keeps a [`RevokedTokens`] of its own. Both ask the same question of it, so that
//! both give the same answer. Where revocations are kept and who may make one is not known here.

mod feed;
mod revoked_tokens;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{AccessTokenClaims, Timestamp};

pub use feed::FeedEvent;
pub use revoked_tokens::{Part, RevokedTokens};

/// One token, or all tokens that a client got up to a moment. Keyed on what a token says (`jti`) and never on its bytes:
/// the same claims can be signed and spelled in more than one way (OWASP JWT cheat sheet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Revocation {
    /// The token with this `jti`.
    Token {
        jti: String,
        /// Whose token it is.
        client_id: String,
        /// `exp` of the token, in Unix seconds: from then on nobody needs this entry.
        exp: i64,
    },
    /// Every token of this client that [`issued_at`] puts at this moment or before.
    Client {
        client_id: String,
        /// In Unix milliseconds.
        issued_until: Timestamp,
        /// When the last of these tokens has expired, in Unix milliseconds.
        forget_at: Timestamp,
    },
}

/// What stands for a token when it alone is revoked: its `jti`. For one without, whose it is and its times: another token
/// that the client got in the same second goes with it.
#[must_use]
pub fn name_of(claims: &AccessTokenClaims) -> Cow<'_, str> {
    let AccessTokenClaims { jti, sub, iat, exp, .. } = claims;
    if jti.is_empty() { format!("{sub}/{iat}/{exp}").into() } else { jti.into() }
}

/// When a token was issued, as revocations count it: the time in a `jti` that is a UUID of version 7 (RFC 9562 §5.7), in
/// milliseconds. `iat` has whole seconds, which cannot tell a token that was issued just before a revocation from one
/// issued just after. A token with another `jti` counts as issued at the beginning of its second, so that it is rather
/// revoked than not.
#[must_use]
pub fn issued_at(claims: &AccessTokenClaims) -> Timestamp {
    let by_jti = time_of_uuid_v7(&claims.jti).map(Timestamp::from_unix_millis);
    by_jti.unwrap_or_else(|| Timestamp::from_unix_seconds(claims.iat))
}

/// `xxxxxxxx-xxxx-7…`: the first 48 bits are Unix milliseconds.
fn time_of_uuid_v7(jti: &str) -> Option<i64> {
    let [high, low, version, ..] = jti.split('-').collect::<Vec<_>>()[..] else { return None };
    let is_uuid_v7 = jti.len() == 36 && high.len() == 8 && low.len() == 4 && version.starts_with('7');
    let digits = format!("{high}{low}");
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_uuid_v7 && hexadecimal { i64::from_str_radix(&digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    pub(super) fn claims(jti: &str, iat: i64) -> AccessTokenClaims {
        AccessTokenClaims {
            exp: iat.saturating_add(60),
            iat,
            iss: "https://auth.example".to_owned(),
            sub: "client-1".to_owned(),
            jti: jti.to_owned(),
            permissions: Vec::new(),
            scope: None,
            aud: None,
            client_id: None,
            custom: Map::new(),
        }
    }

    #[test]
    fn the_time_is_that_of_a_version_7_jti_and_else_the_second_of_iat() {
        let second = Timestamp::from_unix_seconds(1_645_557_742);
        for (jti, expected) in [
            // The example of RFC 9562 appendix A.6.
            ("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", Timestamp::from_unix_millis(1_645_557_742_000)),
            ("017f22e2-7d97-7cc3-98c4-dc0c0c07398f", Timestamp::from_unix_millis(1_645_557_742_999)),
            ("017f22e2-7d97-4cc3-98c4-dc0c0c07398f", second),
            ("017f22e2-7d97-7cc3-98c4-dc0c0c07398", second),
            ("017f22e-27d97-7cc3-98c4-dc0c0c07398f", second),
            ("+17f22e2-7d97-7cc3-98c4-dc0c0c07398f", second),
            ("017f22eè-7d97-7cc3-98c4-dc0c0c0739f", second),
            ("", second),
            ("--", second),
            ("a jti of another kind", second),
        ] {
            assert_eq!(issued_at(&claims(jti, 1_645_557_742)), expected, "{jti}");
        }
    }

    #[test]
    fn a_token_without_jti_is_known_by_its_client_and_times() {
        assert_eq!(name_of(&claims("j", 1)), "j");
        assert_eq!(name_of(&claims("", 1)), "client-1/1/61");
        let mut set = RevokedTokens::default();
        let claims_without = claims("", 1);
        set.add(&Revocation::Token {
            jti: name_of(&claims_without).into_owned(),
            client_id: "client-1".to_owned(),
            exp: claims_without.exp,
        });
        assert!(set.contain(&claims_without));
        assert!(!set.contain(&claims("", 2)) && !set.contain(&claims("j", 1)));
    }

    #[test]
    fn entries_go_over_the_wire_and_back() {
        let token = Revocation::Token { jti: "j".into(), client_id: "c".into(), exp: 1_795_296_147 };
        let client = Revocation::Client {
            client_id: "c".into(),
            issued_until: Timestamp::from_unix_millis(1_795_296_147_123),
            forget_at: Timestamp::from_unix_millis(1_795_382_547_123),
        };
        for (entry, wire) in [
            (token, json!({"kind": "token", "jti": "j", "client_id": "c", "exp": 1_795_296_147_i64})),
            (
                client,
                json!({"kind": "client", "client_id": "c", "issued_until": 1_795_296_147_123_i64,
                    "forget_at": 1_795_382_547_123_i64}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&entry).unwrap(), wire);
            assert_eq!(serde_json::from_value::<Revocation>(wire).unwrap(), entry);
        }
    }
}
