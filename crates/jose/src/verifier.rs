//! Verifying signatures: the key is pinned by the caller, the algorithm by the key. Nothing in the token chooses either.

use std::fmt;

use common::{AccessTokenClaims, Timestamp};
use credentials::access_token::{self, TokenDefect};
use credentials::jws::{Jws, JwsDefect};
use credentials::key::PublicKey;
use josekit::jwk::Jwk;
use josekit::jws::JwsVerifier;

use crate::{Algorithm, KeyDefect, public_key};

/// A key ready to verify with. Making one costs about as much as one verification: keep it for keys that are used often.
pub struct Verifier {
    kid: String,
    algorithm: Algorithm,
    signature_length: usize,
    inner: Box<dyn JwsVerifier>,
}

/// Why a signature is not accepted. For the log; callers learn only that it was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureDefect {
    #[error("the alg of the token is not the one its key is registered for")]
    Algorithm,
    #[error("the token has no kid")]
    KidMissing,
    #[error("the kid of the token is not that of the key")]
    Kid,
    #[error("no key with the kid of the token is known")]
    UnknownKey,
    #[error("the signature does not have the length of the algorithm and the key")]
    Length,
    #[error("the signature does not match")]
    Mismatch,
    #[error("the key cannot be used: {0}")]
    Key(#[from] KeyDefect),
}

/// Why a token is not a valid access token of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenRejection {
    #[error(transparent)]
    Malformed(#[from] JwsDefect),
    #[error(transparent)]
    Signature(#[from] SignatureDefect),
    #[error(transparent)]
    Claims(#[from] TokenDefect),
}

impl Verifier {
    /// Makes a key ready.
    ///
    /// # Errors
    /// [`KeyDefect`] if the key is not one that [`public_key::check`](crate::public_key::check) returned.
    pub fn new(key: &PublicKey) -> Result<Self, KeyDefect> {
        let kid = key.kid().ok_or(KeyDefect::Missing("kid"))?.to_owned();
        let algorithm =
            key.algorithm().and_then(Algorithm::named).ok_or(KeyDefect::Algorithm("the known ones"))?;
        let jwk = Jwk::from_map(key.members().clone()).map_err(|_| KeyDefect::OpenSsl)?;
        let signature_length = match algorithm {
            Algorithm::Es256 => 64,
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            _ => public_key::modulus_length(key)?,
        };
        let inner = algorithm.verifier(&jwk).map_err(|_| KeyDefect::OpenSsl)?;
        Ok(Self { kid, algorithm, signature_length, inner })
    }

    /// Verifies the signature of a token. A token without `kid` may be signed by any key the caller expects; one with
    /// `kid` by that key only.
    ///
    /// # Errors
    /// [`SignatureDefect`]; on `Ok` the holder of the private key signed exactly this header and payload.
    pub fn verify(&self, jws: &Jws) -> Result<(), SignatureDefect> {
        if jws.algorithm() != self.algorithm.name() {
            return Err(SignatureDefect::Algorithm);
        }
        if jws.kid().is_some_and(|kid| kid != self.kid) {
            return Err(SignatureDefect::Kid);
        }
        if jws.signature().len() != self.signature_length {
            return Err(SignatureDefect::Length);
        }
        self.inner.verify(jws.signing_input(), jws.signature()).map_err(|_| SignatureDefect::Mismatch)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Verifies the signature of a token with a key that is used once. See [`Verifier::verify`].
///
/// # Errors
/// [`SignatureDefect`].
pub fn verify(key: &PublicKey, jws: &Jws) -> Result<(), SignatureDefect> {
    Verifier::new(key)?.verify(jws)
}

/// Reads an access token of ours: well formed, signed by the key of ours that its `kid` names, and valid now by the rules
/// of [`access_token::check`]. `key_of` looks among our own keys only; a client's key never verifies an access token
/// (T-TOK-01).
///
/// # Errors
/// [`AccessTokenRejection`]; a token with an unknown `kid` costs no cryptography (T-TOK-08).
pub fn verify_access_token<'k>(
    token: &str,
    key_of: impl FnOnce(&str) -> Option<&'k Verifier>,
    issuer: &str,
    accepted_audiences: &[String],
    now: Timestamp,
) -> Result<AccessTokenClaims, AccessTokenRejection> {
    let jws = Jws::parse(token)?;
    let kid = jws.kid().ok_or(SignatureDefect::KidMissing)?;
    key_of(kid).ok_or(SignatureDefect::UnknownKey)?.verify(&jws)?;
    Ok(access_token::check(&jws, issuer, accepted_audiences, now)?)
}
