//! Keyed hashes of secrets and client ids.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::ImportedHash;
use crate::client::ClientId;

/// The key of the hashes: without it, a stolen store cannot even be searched. Shared by all replicas. Where no operator sets
/// one it is made once and kept in the store: that protects secrets of 48 random letters by their length alone.
#[derive(Clone)]
pub struct Pepper(Zeroizing<Vec<u8>>);

/// What is stored of a client secret: its HMAC-SHA-256, hexadecimal; or the hash with which it was imported, which begins
/// with a dollar sign.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(String);

/// HMAC-SHA-256 of a client id, hexadecimal: the key under which its secrets are stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretLookup(String);

/// What a token of registration is for. They are stored like secrets, each kind apart from them and from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Of a client, for its own registration (RFC 7592).
    Registration,
    /// Of an operator, to register a client with (RFC 7591 §3).
    InitialAccess,
}

/// What is listed in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagedList {
    Clients,
    Events,
}

impl Pepper {
    /// From key bytes of any length; 32 random bytes are right.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The hash under which `secret` is stored.
    #[must_use]
    pub fn hash(&self, secret: &str) -> SecretHash {
        SecretHash(self.keyed("client secret", secret))
    }

    /// The key under which the secrets of `client` are stored.
    #[must_use]
    pub fn lookup(&self, client: &ClientId) -> SecretLookup {
        SecretLookup(self.keyed("client id", client.as_str()))
    }

    /// The place in a list after the entry with this id, to be handed back to us. Nobody but us can make one (T-OPS-02).
    #[must_use]
    pub fn page_after(&self, list: PagedList, id: &str) -> String {
        format!("{id}.{}", self.page_mark(list, id))
    }

    /// The id in a place that [`Self::page_after`] made for this list; `None` if it was made by somebody else.
    #[must_use]
    pub fn after_of_page<'place>(&self, list: PagedList, place: &'place str) -> Option<&'place str> {
        let (id, mark) = place.rsplit_once('.')?;
        let ours: bool = self.page_mark(list, id).as_bytes().ct_eq(mark.as_bytes()).into();
        ours.then_some(id)
    }

    /// 128 bits.
    fn page_mark(&self, list: PagedList, id: &str) -> String {
        let purpose = match list {
            PagedList::Clients => "page after",
            PagedList::Events => "page of events after",
        };
        let mut mark = self.keyed(purpose, id);
        mark.truncate(32);
        mark
    }

    /// The hash under which a token is stored.
    #[must_use]
    pub fn token_hash(&self, kind: TokenKind, token: &str) -> SecretHash {
        SecretHash(self.keyed(
            match kind {
                TokenKind::Registration => "registration access token",
                TokenKind::InitialAccess => "initial access token",
            },
            token,
        ))
    }

    /// The key under which the tokens of a client, or the initial access token of this id, are stored.
    #[must_use]
    pub fn token_owner(&self, kind: TokenKind, id: &str) -> SecretLookup {
        SecretLookup(self.keyed(
            match kind {
                TokenKind::Registration => "client id of a registration access token",
                TokenKind::InitialAccess => "id of an initial access token",
            },
            id,
        ))
    }

    /// Every key under which something of `client` is stored: what is to be forgotten with it.
    #[must_use]
    pub fn owners_of(&self, client: &ClientId) -> [SecretLookup; 2] {
        [self.lookup(client), self.token_owner(TokenKind::Registration, client.as_str())]
    }

    /// What tells this pepper from every other one, to be stored beside what it hashes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.keyed("fingerprint of the pepper", "")
    }

    /// The purpose is part of the input, so that a hash for one purpose is never one for another.
    fn keyed(&self, purpose: &str, text: &str) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [purpose, text] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes())
    }
}

impl SecretHash {
    /// Compares without telling by its duration where the two differ (T-TIM-02).
    #[must_use]
    pub fn matches(&self, presented: &Self) -> bool {
        self.0.as_bytes().ct_eq(presented.0.as_bytes()).into()
    }

    /// The hash of another product, to be stored until its secret is used.
    #[must_use]
    pub fn of_imported(hash: &ImportedHash) -> Self {
        Self(hash.as_str().to_owned())
    }

    /// The hash of another product, if it is one.
    #[must_use]
    pub fn imported(&self) -> Option<ImportedHash> {
        ImportedHash::parse(&self.0).ok()
    }

    /// A short name for it that tells nothing about it.
    pub(super) fn name(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        hex(digest.get(..8).unwrap_or_default())
    }

    /// The hash as stores keep it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretLookup {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    text
}

impl fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pepper(..)")
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Pepper, TokenKind};
    use crate::client::ClientId;

    fn pepper(key: &[u8]) -> Pepper {
        Pepper::new(key.to_vec())
    }

    /// Stored hashes must survive every release: the values are HMAC-SHA-256 over each part preceded by its length as
    /// eight big-endian bytes, computed with another implementation.
    #[test]
    fn hashes_are_what_they_always_were() {
        let id = ClientId::parse("client-1").unwrap();
        assert_eq!(
            pepper(b"pepper").hash("secret").0,
            "a31668b73d54b9d412050ff4810cefe6724212605e659e2325148c62af6b2b73"
        );
        assert_eq!(
            pepper(b"pepper").lookup(&id).as_str(),
            "3f5e1c3261a70b3a5f9952fe776cf819f3f2781698da6ecc0763a385be6664c7"
        );
    }

    #[test]
    fn a_hash_depends_on_key_purpose_and_text() {
        let id = ClientId::parse("text").unwrap();
        let hash = pepper(b"a").hash("text");
        assert!(hash.matches(&pepper(b"a").hash("text")));
        assert!(!hash.matches(&pepper(b"b").hash("text")));
        assert!(!hash.matches(&pepper(b"a").hash("texT")));
        assert!(!hash.matches(&pepper(b"a").hash("")));
        assert_ne!(hash.0, pepper(b"a").lookup(&id).0);
        let mut all = vec![hash.0, pepper(b"a").lookup(&id).0];
        for kind in [TokenKind::Registration, TokenKind::InitialAccess] {
            all.push(pepper(b"a").token_hash(kind, "text").0);
            all.push(pepper(b"a").token_owner(kind, "text").0);
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6, "T-REG-05: what is good for one thing is good for no other");
    }

    #[test]
    fn t_tim_02_a_common_prefix_is_no_match() {
        let hash = pepper(b"a").hash("secret");
        let mut shorter = hash.clone();
        shorter.0.pop();
        let mut last = hash.clone();
        let end = if last.0.pop() == Some('0') { '1' } else { '0' };
        last.0.push(end);
        assert!(!hash.matches(&shorter) && !shorter.matches(&hash) && !hash.matches(&last));
    }

    #[test]
    fn a_fingerprint_is_of_one_pepper_and_of_no_use_for_anything_else() {
        let fingerprint = pepper(b"a").fingerprint();
        assert_eq!(fingerprint, pepper(b"a").fingerprint());
        assert_ne!(fingerprint, pepper(b"b").fingerprint());
        assert_ne!(fingerprint, pepper(b"a").hash("").0);
    }

    #[test]
    fn keys_of_any_length_are_taken() {
        for key in [&b""[..], &[7; 32], &[7; 200]] {
            assert_eq!(pepper(key).hash("secret").0.len(), 64);
        }
    }

    #[test]
    fn debug_output_shows_neither_pepper_nor_hash() {
        let hash = pepper(b"hot pepper").hash("secret");
        let shown = format!("{:?} {hash:?}", pepper(b"hot pepper"));
        assert_eq!(shown, "Pepper(..) SecretHash(..)");
    }
}
