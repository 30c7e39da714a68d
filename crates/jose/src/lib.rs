//! The only door to josekit and OpenSSL: checks public keys, verifies signatures, signs access tokens. What a token
//! must say is decided in `credentials`; which key belongs to whom, by the caller.

mod decoy;
mod encryption;
pub mod public_key;
mod rsa_verifier;
mod signing_key;
mod verifier;

pub use credentials::access_token::TokenDefect;
pub use credentials::jws::JwsDefect;
pub use credentials::key::Algorithm;
pub use decoy::verify_decoy;
pub use encryption::{KeyEncryption, NotAnEncryptionKey, SealError, UnsealError};
pub use public_key::KeyDefect;
pub use signing_key::{SignError, SigningKey, SigningKeyError};
pub use verifier::{
    AccessTokenRejection, ParsedAccessToken, SignatureDefect, Verifier, verify, verify_access_token,
};

#[cfg(test)]
mod tests;
