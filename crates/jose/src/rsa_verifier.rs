//! RSA signatures, verified by OpenSSL without a detour: josekit would write the key as DER, for OpenSSL to read it again,
//! with every assertion. It knows no header and no claim.

use credentials::key::{Algorithm, PublicKey};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};

use crate::public_key::{self, KeyDefect};

/// Shorter keys were never accepted (T-KEY-01).
const SHORTEST_MODULUS_BYTES: usize = 256;

/// An RSA key, ready for one algorithm.
pub(crate) struct RsaVerifier {
    key: PKey<Public>,
    digest: MessageDigest,
    pss: bool,
    signature_length: usize,
}

impl RsaVerifier {
    /// `None` if the algorithm is not one of RSA.
    pub(crate) fn new(key: &PublicKey, algorithm: Algorithm) -> Result<Option<Self>, KeyDefect> {
        let (digest, pss) = match algorithm {
            Algorithm::Rs256 => (MessageDigest::sha256(), false),
            Algorithm::Rs384 => (MessageDigest::sha384(), false),
            Algorithm::Rs512 => (MessageDigest::sha512(), false),
            Algorithm::Ps256 => (MessageDigest::sha256(), true),
            Algorithm::Ps384 => (MessageDigest::sha384(), true),
            Algorithm::Ps512 => (MessageDigest::sha512(), true),
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => return Ok(None),
        };
        let (modulus, exponent) = public_key::rsa_numbers(key)?;
        if modulus.len() < SHORTEST_MODULUS_BYTES {
            return Err(KeyDefect::ModulusSize);
        }
        let signature_length = modulus.len();
        let (modulus, exponent) = (BigNum::from_slice(&modulus)?, BigNum::from_slice(&exponent)?);
        let key = PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)?;
        Ok(Some(Self { key, digest, pss, signature_length }))
    }

    /// In bytes: that of the modulus (RFC 8017 §8).
    pub(crate) const fn signature_length(&self) -> usize {
        self.signature_length
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // An error is no more than a signature that does not match.
        self.matches(message, signature).unwrap_or(false)
    }

    fn matches(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut verifier = Verifier::new(self.digest, &self.key)?;
        if self.pss {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_mgf1_md(self.digest)?;
            // As long as the digest (RFC 7518 §3.5, T-JWS-07).
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        verifier.verify_oneshot(signature, message)
    }
}
