//! Private signing keys at rest: AES-256-GCM (NIST SP 800-38D) under a key that only the replicas have, so that whoever
//! reads the store cannot sign.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use credentials::key::ring::{NewKey, RingKey, SealedKey};
use credentials::{Random, RandomError};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use zeroize::Zeroizing;

use crate::{Algorithm, SigningKey};

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
/// Names the form of what follows, for the day there is another.
const PREFIX: &str = "A256GCM.";

/// Standard base64, padded or not: `openssl rand -base64 32` pads.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys that private signing keys are encrypted with: the first one encrypts, all of them decrypt.
pub struct KeyEncryption(Vec<Zeroizing<[u8; KEY_LENGTH]>>);

/// Why a text holds no encryption keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 32 random bytes in base64, as `openssl rand -base64 32` makes them, or several of these with commas between"
)]
pub struct NotAnEncryptionKey;

/// Why a private key was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("OpenSSL failed to encrypt")]
    OpenSsl,
}

/// Why a stored private key cannot be used. Holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    #[error("its private half is not in a form this version knows")]
    Form,
    #[error(
        "SIGNING_KEYS_ENCRYPTION_KEY is not the one its private half was encrypted with, or it was tampered with"
    )]
    OtherKey,
    #[error("its two halves do not belong together")]
    NotThatKey,
}

impl KeyEncryption {
    /// Reads keys: 32 bytes each, in base64, with commas between.
    ///
    /// # Errors
    /// [`NotAnEncryptionKey`].
    pub fn parse(text: &str) -> Result<Self, NotAnEncryptionKey> {
        let keys = text.split(',').map(|key| {
            let bytes = Zeroizing::new(BASE64.decode(key.trim()).map_err(|_| NotAnEncryptionKey)?);
            let key = <[u8; KEY_LENGTH]>::try_from(bytes.as_slice()).map_err(|_| NotAnEncryptionKey)?;
            // A placeholder that was never replaced.
            if key.windows(2).all(|pair| pair.first() == pair.last()) {
                return Err(NotAnEncryptionKey);
            }
            Ok(Zeroizing::new(key))
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// A key ready for the ring.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, key: &SigningKey, random: &dyn Random) -> Result<NewKey, SealError> {
        let pem = key.to_pem().map_err(|_| SealError::OpenSsl)?;
        let [mut nonce, mut tag] = [vec![0; NONCE_LENGTH], vec![0; TAG_LENGTH]];
        random.fill(&mut nonce)?;
        let secret = self.0.first().ok_or(SealError::OpenSsl)?;
        let bound = bound_to(key.kid(), key.algorithm());
        let encrypted =
            encrypt_aead(Cipher::aes_256_gcm(), &**secret, Some(&nonce), &bound, pem.as_bytes(), &mut tag)
                .map_err(|_| SealError::OpenSsl)?;
        let private = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([nonce, encrypted, tag].concat()));
        Ok(NewKey {
            kid: key.kid().to_owned(),
            algorithm: key.algorithm(),
            public: key.public().clone(),
            private: SealedKey(private),
        })
    }

    /// The private key of a key of the ring.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub fn open(&self, key: &RingKey) -> Result<SigningKey, UnsealError> {
        let sealed = key.private.0.strip_prefix(PREFIX).ok_or(UnsealError::Form)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| UnsealError::Form)?;
        let (nonce, rest) = sealed.split_at_checked(NONCE_LENGTH).ok_or(UnsealError::Form)?;
        let length = rest.len().checked_sub(TAG_LENGTH).ok_or(UnsealError::Form)?;
        let (encrypted, tag) = rest.split_at_checked(length).ok_or(UnsealError::Form)?;
        let bound = bound_to(&key.kid, key.algorithm);
        let open = |secret: &Zeroizing<[u8; KEY_LENGTH]>| {
            decrypt_aead(Cipher::aes_256_gcm(), &**secret, Some(nonce), &bound, encrypted, tag).ok()
        };
        let pem = self.0.iter().find_map(open).map(Zeroizing::new).ok_or(UnsealError::OtherKey)?;
        let opened = SigningKey::from_pem(key.algorithm, &pem, None, Some(&key.kid))
            .map_err(|_| UnsealError::NotThatKey)?;
        // Otherwise somebody who writes to the store could have us publish a key of theirs beside our own.
        if *opened.public() == key.public { Ok(opened) } else { Err(UnsealError::NotThatKey) }
    }
}

/// What the encryption is valid for: another key's private half does not open under this name.
fn bound_to(kid: &str, algorithm: Algorithm) -> Vec<u8> {
    format!("gettone signing key {algorithm} {kid}").into_bytes()
}

impl fmt::Debug for KeyEncryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyEncryption(..)")
    }
}
