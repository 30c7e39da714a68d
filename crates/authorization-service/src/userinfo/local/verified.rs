//! Tokens that were verified, so that one seen before costs a digest and a look-up. What is kept is who the token
//! describes, never a decision (G-CACHE-03). Whether the token has expired or is revoked is asked anew each time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use common::AccessTokenClaims;
use serde_json::Map;

use crate::userinfo::UserinfoAnswer;
use crate::userinfo::coalesce::Key;

/// Parts with a lock of their own, so that workers seldom meet. Keys are digests: their first byte is as good as any.
const SHARDS: usize = 16;
/// Entries of one generation of one shard; altogether 2 × 16 × this.
const MOST_ENTRIES: usize = 2_048;
/// Bytes of the same, estimated; altogether at most 64 MiB.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// What one costs beside its names and properties, in bytes: its claims, its place in the table, and what surrounds them.
const OF_ONE: usize = 1_024;
/// What a name of a set costs beside its text.
const OF_A_NAME: usize = 96;

/// What a token says, verified.
#[derive(Debug)]
pub(super) struct Verified {
    /// Which token it is, for [`super::revocations`] and for its end. The answer has the rest.
    claims: AccessTokenClaims,
    pub(super) answer: Arc<UserinfoAnswer>,
}

impl Verified {
    pub(super) fn new(claims: AccessTokenClaims, answer: UserinfoAnswer) -> Self {
        let claims = AccessTokenClaims {
            iss: String::new(),
            permissions: Vec::new(),
            aud: None,
            client_id: None,
            scope: None,
            custom: Map::new(),
            ..claims
        };
        Self { claims, answer: Arc::new(answer) }
    }

    pub(super) const fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// About how much memory it holds, in bytes; `token_length` bounds the text of what services are told.
    fn size(&self, token_length: usize) -> usize {
        let UserinfoAnswer::Known(principal) = &*self.answer else { return OF_ONE };
        let names = principal.groups.iter().chain(&principal.permissions);
        let names =
            names.fold(0, |sum: usize, name| sum.saturating_add(name.len()).saturating_add(OF_A_NAME));
        let properties = if principal.properties.is_empty() { 0 } else { token_length.saturating_mul(4) };
        OF_ONE.saturating_add(names).saturating_add(properties)
    }
}

/// The tokens that were used last. Of two generations the older one is dropped whole when the younger one is full; whoever
/// is used moves to the younger one. So a flood of tokens costs others no more than one verification now and then
/// (G-CACHE-09).
#[derive(Default)]
pub(super) struct VerifiedTokens([Mutex<Shard>; SHARDS]);

#[derive(Default)]
struct Shard {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    verified: Arc<Verified>,
    bytes: usize,
}

/// A token under a key set: by all of its bytes, so that nothing else ever answers to it, and by the number of the key
/// set, so that nothing outlives the key that signed it.
pub(super) fn key(token: &str, key_set_version: u64) -> Key {
    Key::of([token.as_bytes(), &key_set_version.to_be_bytes()])
}

impl VerifiedTokens {
    pub(super) fn get(&self, key: Key) -> Option<Arc<Verified>> {
        let mut shard = self.shard(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.young.get(&key) {
            return Some(Arc::clone(&entry.verified));
        }
        let entry = shard.old.remove(&key)?;
        shard.insert(key, entry.clone());
        Some(entry.verified)
    }

    /// Keeps a token of so many bytes.
    pub(super) fn insert(&self, key: Key, token_length: usize, verified: Arc<Verified>) {
        let bytes = verified.size(token_length);
        if let Some(shard) = self.shard(key) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Entry { verified, bytes });
        }
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        let shards = self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len().saturating_add(shard.old.len())).sum()
    }

    fn shard(&self, key: Key) -> Option<&Mutex<Shard>> {
        self.0.get(usize::from(key.first_byte()) % SHARDS)
    }
}

impl Shard {
    fn insert(&mut self, key: Key, entry: Entry) {
        let is_full = self.young.len() >= MOST_ENTRIES || self.bytes.saturating_add(entry.bytes) > MOST_BYTES;
        if is_full {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        let bytes = entry.bytes;
        let replaced = self.young.insert(key, entry).map_or(0, |entry| entry.bytes);
        self.bytes = self.bytes.saturating_add(bytes).saturating_sub(replaced);
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedTokens").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use common::{NameSet, Principal};
    use serde_json::json;

    use super::*;
    use crate::userinfo::Nobody;

    fn verified(jti: &str) -> Arc<Verified> {
        of(jti, UserinfoAnswer::Nobody(Nobody::NotAsked))
    }

    fn of(jti: &str, answer: UserinfoAnswer) -> Arc<Verified> {
        let claims = AccessTokenClaims {
            exp: 0,
            iat: 0,
            iss: String::new(),
            sub: String::new(),
            jti: jti.to_owned(),
            permissions: Vec::new(),
            aud: None,
            client_id: None,
            scope: None,
            custom: Map::new(),
        };
        Arc::new(Verified::new(claims, answer))
    }

    fn jti(tokens: &VerifiedTokens, token: &str, version: u64) -> Option<String> {
        tokens.get(key(token, version)).map(|verified| verified.claims.jti.clone())
    }

    #[test]
    fn g_cache_01_only_the_same_token_under_the_same_key_set_is_found() {
        let tokens = VerifiedTokens::default();
        tokens.insert(key("a.b.c", 1), 5, verified("1"));
        assert_eq!(jti(&tokens, "a.b.c", 1).as_deref(), Some("1"));
        for (token, version) in [("a.b.c", 2), ("a.b.C", 1), ("a.b", 1), ("a.b.c ", 1)] {
            assert_eq!(jti(&tokens, token, version), None, "{token} {version}");
        }
    }

    #[test]
    fn g_cache_09_a_flood_stays_within_bounds_and_leaves_what_is_used() {
        let tokens = VerifiedTokens::default();
        tokens.insert(key("used", 0), 700, verified("used"));
        let flood = 4 * SHARDS * MOST_ENTRIES;
        for number in 0..flood {
            tokens.insert(key(&number.to_string(), 0), 0, verified("flood"));
            if number % 1000 == 0 {
                assert_eq!(jti(&tokens, "used", 0).as_deref(), Some("used"), "{number}");
            }
        }
        assert!(tokens.len() <= 2 * SHARDS * MOST_ENTRIES, "{}", tokens.len());
        assert!(tokens.len() > SHARDS * MOST_ENTRIES / 2, "{}", tokens.len());
    }

    #[test]
    fn g_cache_09_large_tokens_count_by_what_is_kept_of_them() {
        let names: NameSet = (0..300).map(|number| format!("a-rather-long-permission-{number}")).collect();
        let text = "x".repeat(8 * 1024);
        let properties = json!({"mail": text}).as_object().cloned().unwrap();
        for (principal, least) in [
            (Principal { permissions: names.clone(), ..Principal::default() }, 300 * 100),
            (Principal { groups: names, ..Principal::default() }, 300 * 100),
            (Principal { properties, ..Principal::default() }, 8 * 1024),
        ] {
            let tokens = VerifiedTokens::default();
            for number in 0..10_000 {
                let one = of("large", UserinfoAnswer::Known(principal.clone()));
                tokens.insert(key(&number.to_string(), 0), 8 * 1024, one);
            }
            assert!(tokens.len() * least <= 2 * SHARDS * MOST_BYTES, "{}", tokens.len());
            for shard in &tokens.0 {
                assert!(shard.lock().unwrap().bytes <= MOST_BYTES);
            }
        }
    }

    #[test]
    fn one_that_is_kept_twice_counts_once() {
        let tokens = VerifiedTokens::default();
        for _ in 0..10 * MOST_ENTRIES {
            tokens.insert(key("same", 0), 700, verified("same"));
        }
        assert_eq!(tokens.len(), 1);
    }
}
