//! The keys that clients sign their assertions with: taken in at registration, and chosen from when an assertion comes.
//! What a good key is, `jose` knows; how a registration names keys, `credentials`.

mod address;
mod fetch;
mod published;
mod remembered;
mod resting;
mod slots;
mod uri;

use std::collections::HashSet;

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{Client, PresentedKeys, RegisteredKeys};
use credentials::jws::Jws;
use credentials::key::{Algorithm, PublicKey};
use jose::{KeyDefect, SignatureDefect};
use serde_json::{Map, Value};

use crate::Deps;
use crate::slow_work::Busy;
use crate::source::Source;
use crate::token_places::{NoPlace, Place};

pub use address::{AddressPolicy, Network};
pub use fetch::KeySetFetcher;
use published::NoKeys;
pub use published::{KeysUnknown, PublishedKeys};
pub use uri::JwksUriDefect;

/// Why keys cannot be registered. The texts about keys are public sentences.
#[derive(Debug, thiserror::Error)]
pub enum RegisterKeysError {
    /// `place`: which key of the `jwks`, counted from 1.
    #[error("{}", sentence(*place, defect))]
    Key { place: Option<usize>, defect: KeyDefect },
    #[error("two keys of jwks have the same kid: give each one its own")]
    SameKid,
    #[error(
        "no key is for the algorithm in token_endpoint_auth_signing_alg: send one, or name another algorithm"
    )]
    NoKeyOfAlgorithm,
    #[error(transparent)]
    Uri(#[from] JwksUriDefect),
    /// What we sign with it must never pass for an assertion of the client (T-KEY-10).
    #[error("one of the keys is a signing key of this service: send a key of your own")]
    OurKey,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn sentence(place: Option<usize>, defect: &KeyDefect) -> String {
    let sentence = defect.to_string();
    match place {
        None => sentence,
        Some(place) => sentence.replace("public_key", &format!("key {place} of jwks")),
    }
}

/// Checks what a registration says about keys: one is good and none is ours, no two share a `kid`, and if assertions are
/// to have one algorithm, some key is for it. Keys of a set that we cannot use are left out (RFC 7517 §5).
///
/// # Errors
/// [`RegisterKeysError`].
pub async fn registered(
    deps: &Deps,
    presented: &PresentedKeys,
    algorithm: Option<Algorithm>,
    now: Timestamp,
) -> Result<RegisteredKeys, RegisterKeysError> {
    match presented {
        PresentedKeys::None => Ok(RegisteredKeys::default()),
        PresentedKeys::PublicKey(jwk) => {
            let key = one_more(deps, jwk, algorithm).await?;
            Ok(RegisteredKeys { public_key: Some(key), ..RegisteredKeys::default() })
        }
        PresentedKeys::Set(jwks) => {
            let keys = usable(deps, jwks, algorithm).await?;
            check_together(deps, &keys, algorithm).await?;
            Ok(RegisteredKeys::of_set(keys, now))
        }
        PresentedKeys::Uri(uri) => {
            // Not fetched now: whoever registers would make us fetch as often as they like.
            deps.published_keys.fetcher().check(uri)?;
            Ok(RegisteredKeys { jwks_uri: Some(uri.clone()), ..RegisteredKeys::default() })
        }
    }
}

/// Checks a key that a client is to have beside others: it is good, not ours, and for the algorithm of the client's
/// assertions, if they have one.
///
/// # Errors
/// [`RegisterKeysError`].
pub async fn one_more(
    deps: &Deps,
    jwk: &Map<String, Value>,
    algorithm: Option<Algorithm>,
) -> Result<PublicKey, RegisterKeysError> {
    let key = checked(deps, jwk, None, algorithm).await?;
    check_together(deps, std::slice::from_ref(&key), algorithm).await?;
    Ok(key)
}

/// The good keys of a set. If there is none, the first one says why. A private key spoils the set: whoever sent it has to
/// learn that it was exposed.
async fn usable(
    deps: &Deps,
    jwks: &[Map<String, Value>],
    algorithm: Option<Algorithm>,
) -> Result<Vec<PublicKey>, RegisterKeysError> {
    let mut keys = Vec::with_capacity(jwks.len());
    let mut first_refusal = None;
    for (place, jwk) in (1..).zip(jwks) {
        match checked(deps, jwk, Some(place), algorithm).await {
            Ok(key) => keys.push(key),
            Err(RegisterKeysError::Key { place, defect }) if !spoils_its_set(&defect) => {
                first_refusal.get_or_insert(RegisterKeysError::Key { place, defect });
            }
            Err(error) => return Err(error),
        }
    }
    match first_refusal {
        Some(refusal) if keys.is_empty() => Err(refusal),
        _ => Ok(keys),
    }
}

/// Whether a key with this defect makes the whole set unusable, and not only itself. What we failed to check may be good.
const fn spoils_its_set(defect: &KeyDefect) -> bool {
    matches!(defect, KeyDefect::Private | KeyDefect::OpenSsl)
}

async fn checked(
    deps: &Deps,
    jwk: &Map<String, Value>,
    place: Option<usize>,
    algorithm: Option<Algorithm>,
) -> Result<PublicKey, RegisterKeysError> {
    let outcome = deps.key_checks.check(for_algorithm(jwk, algorithm)).await?;
    outcome.map_err(|defect| RegisterKeysError::Key { place, defect })
}

/// An RSA key without `alg` is for the algorithm of the client's assertions, where there is one. Of other keys, the type
/// and curve leave no choice.
fn for_algorithm(jwk: &Map<String, Value>, algorithm: Option<Algorithm>) -> Map<String, Value> {
    let mut jwk = jwk.clone();
    let is_rsa = jwk.get("kty").is_some_and(|kty| kty == "RSA");
    if let Some(algorithm) = algorithm
        && is_rsa
        && algorithm.is_rsa()
        && !jwk.contains_key("alg")
    {
        jwk.insert("alg".to_owned(), Value::from(algorithm.name()));
    }
    jwk
}

async fn check_together(
    deps: &Deps,
    keys: &[PublicKey],
    algorithm: Option<Algorithm>,
) -> Result<(), RegisterKeysError> {
    let mut kids = HashSet::new();
    if !keys.iter().all(|key| kids.insert(key.kid())) {
        return Err(RegisterKeysError::SameKid);
    }
    let wanted = algorithm.map(Algorithm::name);
    if wanted.is_some() && !keys.iter().any(|key| key.algorithm() == wanted) {
        return Err(RegisterKeysError::NoKeyOfAlgorithm);
    }
    let ours = deps.signing_keys.refreshed(&*deps.clock).await?;
    for (place, key) in keys.iter().enumerate() {
        let contained =
            ours.contain(key).map_err(|defect| RegisterKeysError::Key { place: Some(place), defect })?;
        if contained {
            return Err(RegisterKeysError::OurKey);
        }
    }
    Ok(())
}

/// Why an assertion was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Signature(#[from] SignatureDefect),
    #[error(transparent)]
    KeysUnknown(#[from] KeysUnknown),
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
}

impl From<NoKeys> for VerifyError {
    fn from(error: NoKeys) -> Self {
        match error {
            NoKeys::Unknown(unknown) => unknown.into(),
            NoKeys::NoPlace(no_place) => no_place.into(),
        }
    }
}

/// Verifies the signature of an assertion with the one key of the client that it may be from, and returns its `kid`.
/// `place` is given back while keys are fetched, for a request from `source`.
///
/// # Errors
/// [`VerifyError`]. It takes as long as a verification, whatever it is, but for a fetch from the client's `jwks_uri`.
pub async fn verify(
    deps: &Deps,
    client: &Client,
    jws: &Jws,
    source: Source,
    place: &mut Place,
    now: Timestamp,
) -> Result<Option<String>, VerifyError> {
    let algorithm = client.assertion_algorithm.as_deref();
    let published = match &client.jwks_uri {
        None => None,
        Some(uri) => {
            let wanted =
                |keys: &[PublicKey]| choose(keys.iter(), algorithm, jws) != Err(SignatureDefect::UnknownKey);
            Some(deps.published_keys.of(client, uri, source, place, wanted).await?)
        }
    };
    let published_keys = published.iter().flat_map(|published| published.keys.iter());
    let key = choose(client.keys_at(now).chain(published_keys), algorithm, jws);
    // Whoever publishes our keys as theirs must not have our signatures taken for theirs (T-KEY-10).
    let ours =
        |key: &PublicKey| client.jwks_uri.is_some() && deps.signing_keys.known(now).contain(key) != Ok(false);
    match key {
        Ok(key) if !ours(key) => {
            jose::verify(key, jws)?;
            if let Some(published) = &published {
                deps.published_keys.proved(client, published);
            }
            Ok(key.kid().map(str::to_owned))
        }
        Ok(_) => Err(refused(jws, SignatureDefect::UnknownKey)),
        Err(defect) => Err(refused(jws, defect)),
    }
}

fn refused(jws: &Jws, defect: SignatureDefect) -> VerifyError {
    jose::verify_decoy(jws);
    defect.into()
}

/// The key that the assertion names with its `kid`. An assertion without one can only be from a client with one key.
/// Keys that are not for the client's one algorithm do not count.
fn choose<'k>(
    keys: impl Iterator<Item = &'k PublicKey>,
    algorithm: Option<&str>,
    jws: &Jws,
) -> Result<&'k PublicKey, SignatureDefect> {
    let mut usable = keys.filter(|key| algorithm.is_none() || key.algorithm() == algorithm);
    match jws.kid() {
        Some(kid) => usable.find(|key| key.kid() == Some(kid)).ok_or(SignatureDefect::UnknownKey),
        None => match (usable.next(), usable.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(SignatureDefect::UnknownKey),
            (Some(_), Some(_)) => Err(SignatureDefect::KidMissing),
        },
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn key(kid: &str, alg: &str) -> PublicKey {
        PublicKey::from_checked(json!({"kid": kid, "alg": alg}).as_object().unwrap().clone())
    }

    fn chosen(
        keys: &[PublicKey],
        algorithm: Option<&str>,
        header: &Value,
    ) -> Result<String, SignatureDefect> {
        let jws = Jws::parse(&format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header.to_string()))).unwrap();
        choose(keys.iter(), algorithm, &jws).map(|key| key.kid().unwrap().to_owned())
    }

    #[test]
    fn c_8725_01_a_key_for_another_algorithm_does_not_count() {
        let keys = [key("a", "ES256"), key("b", "RS256")];
        let named = json!({"alg": "ES256", "kid": "b"});
        assert_eq!(chosen(&keys, None, &named), Ok("b".to_owned()));
        assert_eq!(chosen(&keys, Some("ES256"), &named), Err(SignatureDefect::UnknownKey));
        let unnamed = json!({"alg": "ES256"});
        assert_eq!(chosen(&keys, None, &unnamed), Err(SignatureDefect::KidMissing));
        assert_eq!(chosen(&keys, Some("ES256"), &unnamed), Ok("a".to_owned()));
        assert_eq!(chosen(&[], None, &unnamed), Err(SignatureDefect::UnknownKey));
    }

    #[test]
    fn an_rsa_key_without_alg_is_for_the_algorithm_of_the_client() {
        let of = |jwk: Value, algorithm| {
            let jwk = for_algorithm(jwk.as_object().unwrap(), algorithm);
            jwk.get("alg").and_then(Value::as_str).map(str::to_owned)
        };
        let ps256 = Some(Algorithm::Ps256);
        assert_eq!(of(json!({"kty": "RSA"}), ps256).as_deref(), Some("PS256"));
        assert_eq!(of(json!({"kty": "RSA", "alg": "RS256"}), ps256).as_deref(), Some("RS256"));
        assert_eq!(of(json!({"kty": "RSA"}), None), None);
        assert_eq!(of(json!({"kty": "RSA"}), Some(Algorithm::Es256)), None);
        assert_eq!(of(json!({"kty": "EC"}), ps256), None);
    }
}
