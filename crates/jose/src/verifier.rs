//! Verifying signatures: the key is pinned by the caller, the algorithm by the key. Nothing in the token chooses either.

use std::fmt;

use common::{AccessTokenClaims, Profile, Timestamp};
use credentials::access_token::{self, TokenDefect};
use credentials::jws::{Jws, JwsDefect};
use credentials::key::{Algorithm, PublicKey};
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, ES512, EdDSA, JwsVerifier};
use serde_json::{Map, Value};

use crate::rsa_verifier::RsaVerifier;
use crate::{KeyDefect, public_key, verify_decoy};

/// A key ready to verify with. Making one costs about as much as one verification: keep it for keys that are used often.
pub struct Verifier {
    kid: String,
    algorithm: Algorithm,
    signature_length: usize,
    inner: Inner,
}

enum Inner {
    Rsa(RsaVerifier),
    Other(Box<dyn JwsVerifier>),
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
    /// The `kid` of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Makes a key ready.
    ///
    /// # Errors
    /// [`KeyDefect`] if the key is not one that [`public_key::check`](crate::public_key::check) returned.
    pub fn new(key: &PublicKey) -> Result<Self, KeyDefect> {
        let kid = key.kid().ok_or(KeyDefect::Missing("kid"))?.to_owned();
        let algorithm =
            key.algorithm().and_then(Algorithm::named).ok_or(KeyDefect::Algorithm("the known ones"))?;
        let (signature_length, inner) = match RsaVerifier::new(key, algorithm)? {
            Some(verifier) => (verifier.signature_length(), Inner::Rsa(verifier)),
            None => other(key, algorithm)?,
        };
        Ok(Self { kid, algorithm, signature_length, inner })
    }

    /// Verifies the signature of a token. A token without `kid` may be signed by any key the caller expects; one with
    /// `kid` by that key only.
    ///
    /// # Errors
    /// [`SignatureDefect`]; on `Ok` the holder of the private key signed exactly this header and payload.
    pub fn verify(&self, jws: &Jws) -> Result<(), SignatureDefect> {
        if Algorithm::named(jws.algorithm()) != Some(self.algorithm) {
            return Err(SignatureDefect::Algorithm);
        }
        if jws.kid().is_some_and(|kid| kid != self.kid) {
            return Err(SignatureDefect::Kid);
        }
        if jws.signature().len() != self.signature_length {
            return Err(SignatureDefect::Length);
        }
        if self.inner.verify(jws.signing_input(), jws.signature()) {
            Ok(())
        } else {
            Err(SignatureDefect::Mismatch)
        }
    }

    /// Takes as long as a verification, whatever the signature, and tells nothing.
    pub(crate) fn spend(&self, jws: &Jws) {
        // OpenSSL returns at once from one of another length. This one is a number below every modulus and order.
        let stand_in = vec![1; self.signature_length];
        let signature =
            if jws.signature().len() == self.signature_length { jws.signature() } else { &stand_in };
        let _ = self.inner.verify(jws.signing_input(), signature);
    }
}

impl Inner {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(verifier) => verifier.verify(message, signature),
            Self::Other(verifier) => verifier.verify(message, signature).is_ok(),
        }
    }
}

/// Every key but RSA, with the length of its signatures.
fn other(key: &PublicKey, algorithm: Algorithm) -> Result<(usize, Inner), KeyDefect> {
    let jwk = Jwk::from_map(key.members().clone()).map_err(|_| KeyDefect::OpenSsl)?;
    let (length, verifier): (usize, Result<Box<dyn JwsVerifier>, _>) = match algorithm {
        Algorithm::Es256 => (64, ES256.verifier_from_jwk(&jwk).map(|one| Box::new(one) as _)),
        Algorithm::Es384 => (96, ES384.verifier_from_jwk(&jwk).map(|one| Box::new(one) as _)),
        Algorithm::Es512 => (132, ES512.verifier_from_jwk(&jwk).map(|one| Box::new(one) as _)),
        Algorithm::EdDsa => {
            // Cheap, and all that keeps OpenSSL from believing everybody (T-KEY-07): so also for stored keys.
            public_key::check_ed25519(key)?;
            (64, EdDSA.verifier_from_jwk(&jwk).map(|one| Box::new(one) as _))
        }
        _ => return Err(KeyDefect::KeyType),
    };
    Ok((length, Inner::Other(verifier.map_err(|_| KeyDefect::OpenSsl)?)))
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Verifies the signature of a client's token, with a key that is used once. See [`Verifier::verify`]. What is refused
/// without cryptography costs the time of a verification all the same, as an unknown client does
/// ([`verify_decoy`]): how long a refusal takes depends on the token alone (T-TIM-01, T-TIM-03).
///
/// # Errors
/// [`SignatureDefect`].
pub fn verify(key: &PublicKey, jws: &Jws) -> Result<(), SignatureDefect> {
    let verdict = Verifier::new(key).map_err(SignatureDefect::from).and_then(|verifier| verifier.verify(jws));
    if verdict.as_ref().is_err_and(|defect| *defect != SignatureDefect::Mismatch) {
        verify_decoy(jws);
    }
    verdict
}

/// Reads an access token of ours: see [`ParsedAccessToken::verify`].
///
/// # Errors
/// [`AccessTokenRejection`].
pub fn verify_access_token<'k>(
    token: &str,
    key_of: impl FnOnce(&str) -> Option<&'k Verifier>,
    issuer: &str,
    accepted_audiences: Option<&[String]>,
    profile: Profile,
    now: Timestamp,
) -> Result<AccessTokenClaims, AccessTokenRejection> {
    ParsedAccessToken::parse(token)?.verify(key_of, issuer, accepted_audiences, profile, now)
}

/// A JWS that may be an access token. What it says of itself tells where to ask about it, and is not to be believed
/// before [`Self::verify`].
#[derive(Debug)]
pub struct ParsedAccessToken(Jws);

impl ParsedAccessToken {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwsDefect`]: it is no JWS that we read.
    pub fn parse(token: &str) -> Result<Self, JwsDefect> {
        Jws::parse(token).map(Self)
    }

    /// Who it says has issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.payload().get("iss")?.as_str()
    }

    /// The `typ` of its header in lower case and without a leading `application/` (RFC 7515 §4.1.9).
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type()
    }

    /// What it says, unverified before [`Self::verify`] as after it.
    #[must_use]
    pub fn into_payload(self) -> Map<String, Value> {
        self.0.into_payload()
    }

    /// The claims, if the key of the issuer that its `kid` names signed them, and they are valid now by the rules of
    /// [`access_token::check`]. `key_of` looks among the issuer's own keys only; a client's key never verifies an access
    /// token (T-TOK-01).
    ///
    /// # Errors
    /// [`AccessTokenRejection`]; a token with an unknown `kid` costs no cryptography (T-TOK-08).
    pub fn verify<'k>(
        &self,
        key_of: impl FnOnce(&str) -> Option<&'k Verifier>,
        issuer: &str,
        accepted_audiences: Option<&[String]>,
        profile: Profile,
        now: Timestamp,
    ) -> Result<AccessTokenClaims, AccessTokenRejection> {
        let Self(jws) = self;
        let kid = jws.kid().ok_or(SignatureDefect::KidMissing)?;
        key_of(kid).ok_or(SignatureDefect::UnknownKey)?.verify(jws)?;
        Ok(access_token::check(jws, issuer, accepted_audiences, profile, now)?)
    }
}
