//! The key that access tokens are signed with: read from PEM, or made here. RS256, which every verifier understands.

use std::cell::Cell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::AccessTokenClaims;
use credentials::jws::MAX_LENGTH;
use credentials::key::PublicKey;
use josekit::jws::alg::rsassa::RsassaJwsSigner;
use josekit::jws::{JwsSigner, RS256};
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{KeyDefect, public_key};

const GENERATED_BITS: u32 = 2048;

/// A private RSA key with its `kid`.
pub struct SigningKey {
    private: PKey<Private>,
    signer: RsassaJwsSigner,
    public: PublicKey,
    kid: String,
}

/// Why a signing key cannot be used. The texts are for the operator and hold no part of key or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    #[error("there is no private key in PEM form (PKCS#1 or PKCS#8)")]
    NotAPrivateKey,
    #[error("the private key is encrypted: PRIVATE_KEY_PASSWORD must hold its password")]
    PasswordMissing,
    #[error("the password in PRIVATE_KEY_PASSWORD does not open the private key")]
    WrongPassword,
    #[error("the private key is not an RSA key")]
    NotRsa,
    #[error("the RSA key is too weak or damaged: {0}")]
    Weak(#[source] KeyDefect),
    #[error("OpenSSL failed")]
    OpenSsl,
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

impl SigningKey {
    /// Reads a key from PEM: PKCS#1 or PKCS#8, either of them encrypted or not (contract §2). An empty password is none.
    /// Without `kid` the key is named by its thumbprint.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn from_pem(pem: &[u8], password: Option<&str>, kid: Option<&str>) -> Result<Self, SigningKeyError> {
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
        Self::new(key, kid)
    }

    /// Makes a new RSA key of 2048 bits in memory, with OpenSSL's random source. Takes a fraction of a second.
    ///
    /// # Errors
    /// [`SigningKeyError::OpenSsl`].
    pub fn generate(kid: Option<&str>) -> Result<Self, SigningKeyError> {
        let rsa = Rsa::generate(GENERATED_BITS).map_err(|_| SigningKeyError::OpenSsl)?;
        Self::new(PKey::from_rsa(rsa).map_err(|_| SigningKeyError::OpenSsl)?, kid)
    }

    fn new(private: PKey<Private>, kid: Option<&str>) -> Result<Self, SigningKeyError> {
        if private.id() != Id::RSA {
            return Err(SigningKeyError::NotRsa);
        }
        let openssl = |_| SigningKeyError::OpenSsl;
        let rsa = private.rsa().map_err(openssl)?;
        let number = |bytes: Vec<u8>| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        let mut jwk = Map::from_iter([
            ("kty".to_owned(), Value::from("RSA")),
            ("n".to_owned(), number(rsa.n().to_vec())),
            ("e".to_owned(), number(rsa.e().to_vec())),
        ]);
        if let Some(kid) = kid {
            jwk.insert("kid".to_owned(), Value::from(kid));
        }
        let public = public_key::check(&jwk).map_err(SigningKeyError::Weak)?;
        let kid = public.kid().ok_or(SigningKeyError::OpenSsl)?.to_owned();
        let der = Zeroizing::new(private.private_key_to_pkcs8().map_err(openssl)?);
        let signer = RS256.signer_from_der(&*der).map_err(|_| SigningKeyError::OpenSsl)?;
        Ok(Self { private, signer, public, kid })
    }

    /// The key as unencrypted PKCS#8 PEM, to be kept in a file that only its owner reads.
    ///
    /// # Errors
    /// [`SigningKeyError::OpenSsl`].
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SigningKeyError> {
        let pem = self.private.private_key_to_pem_pkcs8().map_err(|_| SigningKeyError::OpenSsl)?;
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

    /// Signs an access token: a compact JWS with `alg`, `kid` and `typ` in its header. `typ` is `at+jwt` in the standard
    /// profile and `JWT` in drop-in (K-06).
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, typ: &str, claims: &AccessTokenClaims) -> Result<String, SignError> {
        let header = json!({"alg": "RS256", "kid": self.kid, "typ": typ}).to_string();
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.signer.sign(token.as_bytes()).map_err(|_| SignError::OpenSsl)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_LENGTH { Err(SignError::TooLong(token.len())) } else { Ok(token) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
