//! The signature algorithms we know (RFC 7518 §3.1): an allow-list. No `none`, no HMAC, no SHA-1, no `ES256K`.

use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, ES512, JwsVerifier, PS256, PS384, PS512, RS256, RS384, RS512};

/// A signature algorithm. One key is used with one algorithm (RFC 8725 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    /// Every algorithm a client may sign with.
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The algorithm of this name, compared byte for byte (C-8725-02).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// A verifier for a checked key.
    pub(crate) fn verifier(self, key: &Jwk) -> Result<Box<dyn JwsVerifier>, JoseError> {
        Ok(match self {
            Self::Es256 => Box::new(ES256.verifier_from_jwk(key)?),
            Self::Es384 => Box::new(ES384.verifier_from_jwk(key)?),
            Self::Es512 => Box::new(ES512.verifier_from_jwk(key)?),
            Self::Ps256 => Box::new(PS256.verifier_from_jwk(key)?),
            Self::Ps384 => Box::new(PS384.verifier_from_jwk(key)?),
            Self::Ps512 => Box::new(PS512.verifier_from_jwk(key)?),
            Self::Rs256 => Box::new(RS256.verifier_from_jwk(key)?),
            Self::Rs384 => Box::new(RS384.verifier_from_jwk(key)?),
            Self::Rs512 => Box::new(RS512.verifier_from_jwk(key)?),
        })
    }
}
