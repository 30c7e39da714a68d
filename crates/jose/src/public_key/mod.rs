//! Public keys from strangers: a JWK (RFC 7517) is accepted only if it is public, meant for signatures, strong enough
//! and mathematically a key. Only the members that matter are kept.

mod ec;
mod okp;
mod rsa;

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credentials::jws::MAX_KID_LENGTH;
use credentials::key::{Algorithm, PublicKey};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use serde_json::{Map, Value};

/// Members that only a private or a symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a JWK is refused. The texts are public sentences and never repeat a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyDefect {
    #[error(
        "public_key holds private or symmetric key material: send the public half only, and replace this key, it was \
exposed"
    )]
    Private,
    #[error("public_key.kty must be RSA, EC or OKP")]
    KeyType,
    #[error("public_key.use must be sig, or be left out")]
    Use,
    #[error("public_key.key_ops must be an array of distinct texts that includes verify, or be left out")]
    Operations,
    #[error("public_key.alg must be one of {0} for this key, or be left out")]
    Algorithm(&'static str),
    #[error("public_key.kid must be a string of 1 to 256 bytes without control characters, or be left out")]
    Kid,
    #[error("public_key.{0} is missing")]
    Missing(&'static str),
    #[error("public_key.{0} must be a string in base64url without padding and without leading zero bytes")]
    Number(&'static str),
    #[error("public_key.n must have 2048 to 8192 bits")]
    ModulusSize,
    #[error("public_key.n is not the product of two large primes")]
    ModulusNotAProduct,
    #[error(
        "public_key.n was made by a generator with a known flaw (CVE-2017-15361): make a new key elsewhere"
    )]
    ModulusPredictable,
    #[error("public_key.e must be odd, at least 65537 and below 2^64")]
    Exponent,
    #[error("public_key.crv must be P-256, P-384 or P-521")]
    Curve,
    #[error("public_key.x and public_key.y must have the exact length that the curve asks for")]
    CoordinateLength,
    #[error("public_key.x and public_key.y are not a point of the curve")]
    NotOnCurve,
    #[error("public_key.crv must be Ed25519")]
    EdwardsCurve,
    #[error("public_key.x must have 32 bytes")]
    PointLength,
    #[error("public_key.x is not the encoding of a point of the curve")]
    NotAPoint,
    #[error("public_key.x is a point of small order, under which anybody can sign")]
    SmallOrder,
    #[error("the key could not be checked: OpenSSL failed")]
    OpenSsl,
}

impl From<ErrorStack> for KeyDefect {
    fn from(_: ErrorStack) -> Self {
        Self::OpenSsl
    }
}

/// Checks a JWK that somebody presented. The result has `use`, `alg` and `kid`, whether they were given or not: `alg` is
/// RS256, EdDSA or that of the EC curve if left out, `kid` the thumbprint. `RSA256`, a historic spelling, means RS256
/// (K-04); `Ed25519`, a younger one, means EdDSA (RFC 9864 §2.2).
///
/// # Errors
/// [`KeyDefect`], the first that was found.
pub fn check(jwk: &Map<String, Value>) -> Result<PublicKey, KeyDefect> {
    if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
        return Err(KeyDefect::Private);
    }
    check_use(jwk)?;
    let (mut kept, default, allowed) = match text(jwk, "kty") {
        Some("RSA") => (rsa::check(jwk)?, Algorithm::Rs256, "RS256, RS384, RS512, PS256, PS384, PS512"),
        Some("EC") => match ec::check(jwk)? {
            (kept, ec::Curve::P256) => (kept, Algorithm::Es256, "ES256"),
            (kept, ec::Curve::P384) => (kept, Algorithm::Es384, "ES384"),
            (kept, ec::Curve::P521) => (kept, Algorithm::Es512, "ES512"),
        },
        Some("OKP") => (okp::check(jwk)?, Algorithm::EdDsa, "Ed25519, EdDSA"),
        Some("oct") => return Err(KeyDefect::Private),
        Some(_) => return Err(KeyDefect::KeyType),
        None => return Err(KeyDefect::Missing("kty")),
    };
    let algorithm = match jwk.get("alg") {
        None => default.name(),
        Some(Value::String(name)) if name == "RSA256" && default == Algorithm::Rs256 => "RS256",
        Some(Value::String(name))
            if Algorithm::named(name) == Some(Algorithm::EdDsa) && default == Algorithm::EdDsa =>
        {
            default.name()
        }
        Some(Value::String(name)) if allowed.split(", ").any(|one| one == name) => name,
        Some(_) => return Err(KeyDefect::Algorithm(allowed)),
    };
    let kid = match jwk.get("kid") {
        None => thumbprint_of(&kept)?,
        Some(Value::String(kid))
            if (1..=MAX_KID_LENGTH).contains(&kid.len()) && !kid.chars().any(char::is_control) =>
        {
            kid.clone()
        }
        Some(_) => return Err(KeyDefect::Kid),
    };
    for (name, value) in [("use", "sig"), ("alg", algorithm), ("kid", &kid)] {
        kept.insert(name.to_owned(), Value::from(value));
    }
    Ok(PublicKey::from_checked(kept))
}

/// The SHA-256 thumbprint of a key in base64url (RFC 7638): equal exactly if the keys are equal, whatever their `kid` and
/// `alg` (T-KEY-10).
///
/// # Errors
/// [`KeyDefect`] if the key is not one that [`check`] returned.
pub fn thumbprint(key: &PublicKey) -> Result<String, KeyDefect> {
    thumbprint_of(key.members())
}

fn thumbprint_of(members: &Map<String, Value>) -> Result<String, KeyDefect> {
    // The required members in the order of their names (RFC 7638 §3.2).
    let required: &[&'static str] = match text(members, "kty") {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        // RFC 8037 §2.
        Some("OKP") => &["crv", "kty", "x"],
        _ => return Err(KeyDefect::KeyType),
    };
    let mut parts = Vec::with_capacity(required.len());
    for name in required {
        let value = members.get(*name).ok_or(KeyDefect::Missing(name))?;
        parts.push(format!("\"{name}\":{value}"));
    }
    let json = format!("{{{}}}", parts.join(","));
    Ok(URL_SAFE_NO_PAD.encode(hash(MessageDigest::sha256(), json.as_bytes())?))
}

fn check_use(jwk: &Map<String, Value>) -> Result<(), KeyDefect> {
    if jwk.get("use").is_some_and(|value| value != "sig") {
        return Err(KeyDefect::Use);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if may_verify(operations) => Ok(()),
        Some(_) => Err(KeyDefect::Operations),
    }
}

/// Each operation is a text and stands once (RFC 7517 §4.3).
fn may_verify(operations: &[Value]) -> bool {
    let mut names = HashSet::new();
    operations.iter().all(|operation| operation.as_str().is_some_and(|name| names.insert(name)))
        && names.contains("verify")
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

/// The bytes of a number or coordinate, and their one spelling (RFC 7518 §2).
fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyDefect> {
    let value = jwk.get(name).ok_or(KeyDefect::Missing(name))?;
    let text = value.as_str().ok_or(KeyDefect::Number(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyDefect::Number(name))
}

/// That an Ed25519 key is one that [`check`] accepts.
pub(crate) fn check_ed25519(key: &PublicKey) -> Result<(), KeyDefect> {
    okp::check(key.members()).map(drop)
}

/// Modulus and exponent of an RSA key, as they are stored.
pub(crate) fn rsa_numbers(key: &PublicKey) -> Result<(Vec<u8>, Vec<u8>), KeyDefect> {
    let members = key.members();
    if text(members, "kty") != Some("RSA") {
        return Err(KeyDefect::KeyType);
    }
    Ok((bytes(members, "n")?, bytes(members, "e")?))
}
