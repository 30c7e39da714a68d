//! The issuer's public keys, from a JWK set (RFC 7517 §5), ready to verify with. Where they come from and how old they are
//! is not known here.

use std::collections::HashMap;

use common::strict_json;
use jose::{Verifier, public_key};
use serde_json::Value;

/// More keys than any issuer has: each costs some work to read.
const MOST_KEYS: usize = 100;

/// Keys by their `kid`. Never empty.
#[derive(Debug)]
pub(super) struct KeySet {
    verifiers: HashMap<String, Verifier>,
    /// Keys of the set that cannot verify an access token.
    pub(super) passed_over: usize,
}

/// Why a text is no key set to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetDefect {
    #[error("it is not a JSON object with a list named keys")]
    NotASet,
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    #[error("two of its keys have the same kid")]
    SameKid,
    #[error("none of its keys can verify a token")]
    NoKey,
}

impl KeySet {
    /// Reads a set. Keys of another kind, use or algorithm are passed over (RFC 7517 §5); only asymmetric keys with one
    /// pinned algorithm are kept, so that nothing in a token chooses either.
    ///
    /// # Errors
    /// [`KeySetDefect`].
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeySetDefect> {
        let set = strict_json::object(text).map_err(|_| KeySetDefect::NotASet)?;
        let Some(Value::Array(keys)) = set.get("keys") else { return Err(KeySetDefect::NotASet) };
        if keys.len() > MOST_KEYS {
            return Err(KeySetDefect::TooMany);
        }
        let mut verifiers = HashMap::new();
        for verifier in keys.iter().filter_map(verifier) {
            if verifiers.insert(verifier.kid().to_owned(), verifier).is_some() {
                return Err(KeySetDefect::SameKid);
            }
        }
        let passed_over = keys.len().saturating_sub(verifiers.len());
        if verifiers.is_empty() { Err(KeySetDefect::NoKey) } else { Ok(Self { verifiers, passed_over }) }
    }

    /// The key with this `kid`.
    pub(super) fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.verifiers.get(kid)
    }
}

fn verifier(key: &Value) -> Option<Verifier> {
    let key = public_key::check(key.as_object()?).ok()?;
    Verifier::new(&key).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::ClientKey;

    use super::*;

    fn es256(kid: &str) -> Value {
        ClientKey::generate(kid).public_jwk()
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetDefect> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_that_verify_are_kept_by_their_kid() {
        let mut without_kid = es256("");
        without_kid.as_object_mut().unwrap().remove("kid");
        let set = parse(&[es256("a"), es256("b"), without_kid]).unwrap();
        assert!(set.verifier("a").is_some() && set.verifier("b").is_some());
        assert!(set.verifier("c").is_none() && set.verifier("").is_none());
        assert_eq!(set.passed_over, 0, "one without kid is known by its thumbprint");
    }

    #[test]
    fn t_alg_03_keys_that_are_no_public_signature_keys_are_passed_over() {
        let mut encrypts = es256("e");
        encrypts["use"] = json!("enc");
        let mut private = es256("p");
        private["d"] = json!("AA");
        let mut symmetric_alg = es256("s");
        symmetric_alg["alg"] = json!("HS256");
        let odd = [
            encrypts,
            private,
            symmetric_alg,
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "o"}),
            json!({"kty": "tomorrow", "kid": "t"}),
            json!("no object"),
        ];
        assert_eq!(parse(&odd).unwrap_err(), KeySetDefect::NoKey);
        let set = parse(&[&odd[..], &[es256("a")]].concat()).unwrap();
        assert_eq!(set.passed_over, odd.len());
        for kid in ["e", "p", "s", "o", "t"] {
            assert!(set.verifier(kid).is_none(), "{kid}");
        }
    }

    #[test]
    fn a_set_that_leaves_a_doubt_is_none() {
        assert_eq!(parse(&[es256("a"), es256("a")]).unwrap_err(), KeySetDefect::SameKid);
        assert_eq!(parse(&[]).unwrap_err(), KeySetDefect::NoKey);
        assert_eq!(parse(&vec![json!({}); 101]).unwrap_err(), KeySetDefect::TooMany);
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
            assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), KeySetDefect::NotASet, "{text}");
        }
    }
}
