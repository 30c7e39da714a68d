//! The keys of a client, as a registration presents them: in one of three ways, and only if it signs assertions. Whether
//! they are good keys is not known here.

use common::Timestamp;
use serde_json::{Map, Value};

use super::members::{ClientDefect, get};
use super::{AuthMethod, ClientKey};
use crate::key::{Algorithm, PublicKey};

/// The most keys of a client (T-REG-02).
pub(super) const MAX_KEYS: usize = 10;

/// What a registration says about keys (RFC 7591 §2, contract §1.1). JWKs are as they were sent, for `jose` to check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PresentedKeys {
    /// The client has a secret.
    #[default]
    None,
    /// `public_key`: one JWK.
    PublicKey(Map<String, Value>),
    /// `jwks`: 1 to 10 JWKs.
    Set(Vec<Map<String, Value>>),
    /// `jwks_uri`: where the client publishes them.
    Uri(String),
}

/// The keys of a client after they were checked, as its record has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisteredKeys {
    pub public_key: Option<PublicKey>,
    pub keys: Vec<ClientKey>,
    pub jwks_uri: Option<String>,
}

impl RegisteredKeys {
    /// The checked keys of a `jwks`.
    #[must_use]
    pub fn of_set(keys: Vec<PublicKey>, now: Timestamp) -> Self {
        let keys = keys.into_iter().map(|key| ClientKey::new(key, now));
        Self { keys: keys.collect(), ..Self::default() }
    }
}

/// The keys of a `private_key_jwt` client, in exactly one of the three ways (C-7591-05, C-7591-06). With a secret a key
/// is refused, not ignored: whoever sends one means to sign with it and has forgotten the method, and would learn that
/// from a failing token request only. The empty object, which is how the platform writes "no key" (contract §1.7), counts
/// as none.
pub(super) fn read(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
) -> Result<PresentedKeys, ClientDefect> {
    let public_key =
        get(members, "public_key").filter(|key| key.as_object().is_none_or(|jwk| !jwk.is_empty()));
    let named =
        [("public_key", public_key), ("jwks", get(members, "jwks")), ("jwks_uri", get(members, "jwks_uri"))];
    let mut given = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    match (auth_method, given.next(), given.next()) {
        (_, Some(_), Some(_)) => Err(ClientDefect::SeveralKeySources),
        (AuthMethod::PrivateKeyJwt, None, _) => Err(ClientDefect::KeyMissing),
        (AuthMethod::PrivateKeyJwt, Some((name, value)), None) => match name {
            "public_key" => one(value).map(PresentedKeys::PublicKey),
            "jwks" => set(value).map(PresentedKeys::Set),
            _ => uri(value).map(PresentedKeys::Uri),
        },
        (method @ (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost), Some((name, _)), None) => {
            Err(ClientDefect::KeyWithoutUse { member: name, method })
        }
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, None, _) => Ok(PresentedKeys::None),
    }
}

fn one(value: &Value) -> Result<Map<String, Value>, ClientDefect> {
    let jwk = value.as_object().cloned();
    jwk.ok_or(ClientDefect::Invalid { member: "public_key", expected: "a JWK, that is an object" })
}

/// RFC 7517 §5.
fn set(value: &Value) -> Result<Vec<Map<String, Value>>, ClientDefect> {
    let keys =
        value.get("keys").and_then(Value::as_array).filter(|keys| (1..=MAX_KEYS).contains(&keys.len()));
    let jwks = keys.and_then(|keys| keys.iter().map(|key| key.as_object().cloned()).collect());
    jwks.ok_or(ClientDefect::Invalid {
        member: "jwks",
        expected: "an object with keys, an array of 1 to 10 JWKs",
    })
}

fn uri(value: &Value) -> Result<String, ClientDefect> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or(ClientDefect::Invalid { member: "jwks_uri", expected: "an https URL" })
}

/// The one algorithm of the client's assertions. It says nothing about a client with a secret, and is dropped there.
pub(super) fn assertion_algorithm(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
) -> Result<Option<Algorithm>, ClientDefect> {
    let Some(value) = get(members, "token_endpoint_auth_signing_alg") else { return Ok(None) };
    let algorithm = value.as_str().and_then(Algorithm::named).ok_or(ClientDefect::Invalid {
        member: "token_endpoint_auth_signing_alg",
        expected: "ES256, ES384, ES512, Ed25519, EdDSA, PS256, PS384, PS512, RS256, RS384 or RS512",
    })?;
    Ok((auth_method == AuthMethod::PrivateKeyJwt).then_some(algorithm))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn presented(members: &Value) -> Result<PresentedKeys, String> {
        read(members.as_object().unwrap(), AuthMethod::PrivateKeyJwt).map_err(|defect| defect.to_string())
    }

    #[test]
    fn c_7591_05_the_three_ways_exclude_each_other() {
        let all = json!({"public_key": {"kty": "RSA"}, "jwks": {"keys": [{"kty": "RSA"}]}, "jwks_uri": "https://c.example/k"});
        for left_out in ["public_key", "jwks", "jwks_uri"] {
            let mut two = all.clone();
            two.as_object_mut().unwrap().remove(left_out);
            for method in AuthMethod::ALL {
                let verdict = read(two.as_object().unwrap(), method);
                assert_eq!(verdict, Err(ClientDefect::SeveralKeySources), "{left_out} {method:?}");
            }
            let one = json!({left_out: all[left_out]});
            assert!(presented(&one).is_ok(), "{left_out}");
            for method in [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
                let verdict = read(one.as_object().unwrap(), method);
                assert_eq!(verdict, Err(ClientDefect::KeyWithoutUse { member: left_out, method }));
            }
        }
        assert!(presented(&all).is_err());
    }

    #[test]
    fn t_reg_02_c_7591_06_a_set_has_one_to_ten_keys() {
        let keys = |count: usize| json!({"jwks": {"keys": vec![json!({"kty": "EC"}); count]}});
        for good in [1, 10] {
            assert!(matches!(presented(&keys(good)), Ok(PresentedKeys::Set(set)) if set.len() == good));
        }
        for bad in
            [keys(0), keys(11), json!({"jwks": []}), json!({"jwks": {}}), json!({"jwks": {"keys": {}}})]
        {
            let sentence = "jwks must be an object with keys, an array of 1 to 10 JWKs";
            assert_eq!(presented(&bad).unwrap_err(), sentence, "{bad}");
        }
        assert!(presented(&json!({"jwks": {"keys": [{}, "x"]}})).is_err());
        for none in [json!({}), json!({"public_key": {}}), json!({"jwks": null, "jwks_uri": null})] {
            assert_eq!(presented(&none).unwrap_err(), ClientDefect::KeyMissing.to_string());
        }
    }

    #[test]
    fn c_8725_01_the_algorithm_of_assertions_is_a_known_one() {
        let of = |value: Value, method| {
            assertion_algorithm(
                json!({"token_endpoint_auth_signing_alg": value}).as_object().unwrap(),
                method,
            )
        };
        for algorithm in Algorithm::ALL {
            assert_eq!(of(json!(algorithm.name()), AuthMethod::PrivateKeyJwt), Ok(Some(algorithm)));
            assert_eq!(of(json!(algorithm.name()), AuthMethod::ClientSecretBasic), Ok(None));
        }
        for bad in
            [json!("none"), json!("HS256"), json!("rs256"), json!(""), json!(["RS256"]), json!("RSA256")]
        {
            assert!(of(bad.clone(), AuthMethod::PrivateKeyJwt).is_err(), "{bad}");
        }
        assert_eq!(of(Value::Null, AuthMethod::PrivateKeyJwt), Ok(None));
    }
}
