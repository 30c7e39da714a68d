//! The key that access tokens are signed with: read from PEM, or made here.

use std::cell::Cell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::AccessTokenClaims;
use credentials::jws::MAX_LENGTH;
use credentials::key::{Algorithm, PublicKey};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{KeyDefect, public_key};

const GENERATED_RSA_BITS: u32 = 2048;

/// A private key with its `kid`, for one algorithm.
pub struct SigningKey {
    private: PKey<Private>,
    algorithm: Algorithm,
    public: PublicKey,
    kid: String,
}

/// Why a signing key cannot be used. The texts are for the operator and hold no part of key or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    #[error("there is no private key in PEM form (PKCS#1, SEC 1 or PKCS#8)")]
    NotAPrivateKey,
    #[error("the private key is encrypted: PRIVATE_KEY_PASSWORD must hold its password")]
    PasswordMissing,
    #[error("the password in PRIVATE_KEY_PASSWORD does not open the private key")]
    WrongPassword,
    #[error("the private key is not one for {0}, which takes {kind}", kind = kind(*.0))]
    OtherAlgorithm(Algorithm),
    #[error("the private key cannot be used: {}", of_the_private_key(.0))]
    Weak(#[source] KeyDefect),
    #[error("OpenSSL failed")]
    OpenSsl,
}

/// Defects are told of the members of a JWK that was sent; here a file holds the key.
fn of_the_private_key(defect: &KeyDefect) -> String {
    let defect_of_it = defect.to_string().replace("public_key.", "its ");
    match defect {
        KeyDefect::Kid => defect_of_it,
        _ => format!(
            "{defect_of_it}. Make another, for instance with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`"
        ),
    }
}

/// Why a token was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Nobody could use it: gateways and our own reader refuse tokens of that size.
    #[error("the token would have {0} bytes; at most {MAX_LENGTH} pass")]
    TooLong(usize),
    #[error("the claims cannot be written as JSON")]
    Claims,
    #[error("OpenSSL failed to sign")]
    OpenSsl,
}

impl From<ErrorStack> for SigningKeyError {
    fn from(_: ErrorStack) -> Self {
        Self::OpenSsl
    }
}

impl SigningKey {
    /// Reads a key for `algorithm` from PEM: PKCS#1, SEC 1 or PKCS#8, each encrypted or not (contract §2). An empty
    /// password is none. Without `kid` the key is named by its thumbprint.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn from_pem(
        algorithm: Algorithm,
        pem: &[u8],
        password: Option<&str>,
        kid: Option<&str>,
    ) -> Result<Self, SigningKeyError> {
        let password = password.filter(|password| !password.is_empty());
        let encrypted = Cell::new(false);
        // Always with a callback: without one, OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(pem, |buffer| {
            encrypted.set(true);
            let bytes = password.unwrap_or_default().as_bytes();
            let room = buffer.get_mut(..bytes.len());
            Ok(room.map_or(0, |room| {
                room.copy_from_slice(bytes);
                bytes.len()
            }))
        })
        .map_err(|_| match (encrypted.get(), password) {
            (false, _) => SigningKeyError::NotAPrivateKey,
            (true, None) => SigningKeyError::PasswordMissing,
            (true, Some(_)) => SigningKeyError::WrongPassword,
        })?;
        Self::new(algorithm, key, kid)
    }

    /// Makes a new key in memory, with OpenSSL's random source: RSA of 2048 bits, or one on the curve of `algorithm`. RSA
    /// takes a fraction of a second.
    ///
    /// # Errors
    /// [`SigningKeyError::OpenSsl`].
    pub fn generate(algorithm: Algorithm, kid: Option<&str>) -> Result<Self, SigningKeyError> {
        let private = match Kind::of(algorithm) {
            Kind::Rsa { .. } => PKey::from_rsa(Rsa::generate(GENERATED_RSA_BITS)?)?,
            Kind::Ec(curve) => PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve.nid)?)?)?,
            Kind::Ed25519 => PKey::generate_ed25519()?,
        };
        Self::new(algorithm, private, kid)
    }

    fn new(algorithm: Algorithm, private: PKey<Private>, kid: Option<&str>) -> Result<Self, SigningKeyError> {
        let mut jwk = public_members(algorithm, &private)?;
        jwk.insert("alg".to_owned(), Value::from(algorithm.name()));
        if let Some(kid) = kid {
            jwk.insert("kid".to_owned(), Value::from(kid));
        }
        let public = public_key::check(&jwk).map_err(SigningKeyError::Weak)?;
        let kid = public.kid().ok_or(SigningKeyError::OpenSsl)?.to_owned();
        Ok(Self { private, algorithm, public, kid })
    }

    /// The key as unencrypted PKCS#8 PEM, to be kept where only its owner reads it.
    ///
    /// # Errors
    /// [`SigningKeyError::OpenSsl`].
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SigningKeyError> {
        let pem = self.private.private_key_to_pem_pkcs8()?;
        String::from_utf8(pem).map(Zeroizing::new).map_err(|_| SigningKeyError::OpenSsl)
    }

    /// The public half, as published in the JWKS.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The identifier of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm the key is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs an access token: a compact JWS with `alg`, `kid` and `typ` in its header. `typ` is `at+jwt` in the standard
    /// profile and `JWT` in drop-in (K-06).
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, typ: &str, claims: &AccessTokenClaims) -> Result<String, SignError> {
        let header = json!({"alg": self.algorithm, "kid": self.kid, "typ": typ}).to_string();
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign_bytes(token.as_bytes()).map_err(|_| SignError::OpenSsl)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_LENGTH { Err(SignError::TooLong(token.len())) } else { Ok(token) }
    }

    fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        match Kind::of(self.algorithm) {
            Kind::Rsa { digest, pss } => {
                let mut signer = Signer::new(digest, &self.private)?;
                if pss {
                    signer.set_rsa_padding(Padding::PKCS1_PSS)?;
                    signer.set_rsa_mgf1_md(digest)?;
                    // As long as the digest (RFC 7518 §3.5).
                    signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                }
                signer.sign_oneshot_to_vec(message)
            }
            Kind::Ec(curve) => {
                let digest = openssl::hash::hash(curve.digest, message)?;
                let signature = EcdsaSig::sign(&digest, &*self.private.ec_key()?)?;
                // Two numbers of fixed length, not DER (RFC 7518 §3.4).
                let (r, s) =
                    (signature.r().to_vec_padded(curve.length)?, signature.s().to_vec_padded(curve.length)?);
                Ok([r, s].concat())
            }
            Kind::Ed25519 => Signer::new_without_digest(&self.private)?.sign_oneshot_to_vec(message),
        }
    }
}

/// What an algorithm takes.
enum Kind {
    Rsa { digest: MessageDigest, pss: bool },
    Ec(Curve),
    Ed25519,
}

struct Curve {
    name: &'static str,
    nid: Nid,
    digest: MessageDigest,
    /// Of a coordinate, in bytes.
    length: i32,
}

impl Kind {
    fn of(algorithm: Algorithm) -> Self {
        let (sha256, sha384, sha512) =
            (MessageDigest::sha256(), MessageDigest::sha384(), MessageDigest::sha512());
        let ec = |name, nid, digest, length| Self::Ec(Curve { name, nid, digest, length });
        match algorithm {
            Algorithm::Es256 => ec("P-256", Nid::X9_62_PRIME256V1, sha256, 32),
            Algorithm::Es384 => ec("P-384", Nid::SECP384R1, sha384, 48),
            Algorithm::Es512 => ec("P-521", Nid::SECP521R1, sha512, 66),
            Algorithm::EdDsa => Self::Ed25519,
            Algorithm::Ps256 => Self::Rsa { digest: sha256, pss: true },
            Algorithm::Ps384 => Self::Rsa { digest: sha384, pss: true },
            Algorithm::Ps512 => Self::Rsa { digest: sha512, pss: true },
            Algorithm::Rs256 => Self::Rsa { digest: sha256, pss: false },
            Algorithm::Rs384 => Self::Rsa { digest: sha384, pss: false },
            Algorithm::Rs512 => Self::Rsa { digest: sha512, pss: false },
        }
    }
}

/// For people.
fn kind(algorithm: Algorithm) -> &'static str {
    match Kind::of(algorithm) {
        Kind::Rsa { .. } => "an RSA key",
        Kind::Ec(curve) => curve.name,
        Kind::Ed25519 => "an Ed25519 key",
    }
}

/// The required members of the public JWK (RFC 7518 §6, RFC 8037 §2).
fn public_members(
    algorithm: Algorithm,
    private: &PKey<Private>,
) -> Result<Map<String, Value>, SigningKeyError> {
    let encoded = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    let members = match (Kind::of(algorithm), private.id()) {
        (Kind::Rsa { .. }, Id::RSA) => {
            let rsa = private.rsa()?;
            json!({"kty": "RSA", "n": encoded(rsa.n().to_vec()), "e": encoded(rsa.e().to_vec())})
        }
        (Kind::Ec(curve), Id::EC) => {
            let key = private.ec_key()?;
            if key.group().curve_name() != Some(curve.nid) {
                return Err(SigningKeyError::OtherAlgorithm(algorithm));
            }
            let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
            let mut context = BigNumContext::new()?;
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
            let (x, y) = (x.to_vec_padded(curve.length)?, y.to_vec_padded(curve.length)?);
            json!({"kty": "EC", "crv": curve.name, "x": encoded(x), "y": encoded(y)})
        }
        (Kind::Ed25519, Id::ED25519) => {
            json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(private.raw_public_key()?)})
        }
        _ => return Err(SigningKeyError::OtherAlgorithm(algorithm)),
    };
    match members {
        Value::Object(members) => Ok(members),
        _ => Err(SigningKeyError::OpenSsl),
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
