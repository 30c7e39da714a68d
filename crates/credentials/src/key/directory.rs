//! Where replicas find each other's keys: the public halves of keys that one replica alone signs with, and the ring of
//! keys that all of them share.

use async_trait::async_trait;
use common::Timestamp;
use serde::{Deserialize, Serialize};

use super::ring::{KeyState, PUBLISHED_AFTER_USE_SECONDS};
use super::{KeyRing, PublicKey};
use crate::store::StoreError;

/// A replica says every half minute that it signs with its key. After this time without a word it does not, in seconds.
const SILENT_AFTER_SECONDS: i64 = 300;

/// A signing key of one replica, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedKey {
    pub kid: String,
    pub key: PublicKey,
    pub published_at: Timestamp,
    /// When its replica last said that it signs with it.
    pub last_seen: Timestamp,
}

impl PublishedKey {
    /// The latest `last_seen` of keys that nobody needs any more at `now`: their last tokens have expired.
    #[must_use]
    pub const fn unseen_since(now: Timestamp) -> Timestamp {
        now.plus_seconds(-PUBLISHED_AFTER_USE_SECONDS)
    }

    /// Where the key is in its life at `now`, as far as its replica has told.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.last_seen <= Self::unseen_since(now) {
            KeyState::Gone
        } else if self.last_seen.plus_seconds(SILENT_AFTER_SECONDS) < now {
            KeyState::Retiring
        } else {
            KeyState::Active
        }
    }

    /// When the last token it signed has expired, if its replica does not speak again.
    #[must_use]
    pub const fn gone_at(&self) -> Timestamp {
        self.last_seen.plus_seconds(PUBLISHED_AFTER_USE_SECONDS)
    }
}

/// Keeps the public keys of replicas that have a key each. Private halves never come here.
#[async_trait]
pub trait KeyDirectory: Send + Sync {
    /// Adds the key, or replaces the one with the same `kid`.
    ///
    /// # Errors
    /// [`StoreError`] if it was not stored. The replica must then not sign with it.
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError>;

    /// All keys, in ascending order of `kid`. Law: one that cannot be read is logged and left out; the others are there.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError>;

    /// Removes the keys whose `last_seen` is `since` or earlier. Law: a key that is published with a later one in the same
    /// moment stays.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn forget_unseen(&self, since: Timestamp) -> Result<(), StoreError>;

    /// Removes the key. `true` if it was there.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn withdraw(&self, kid: &str) -> Result<bool, StoreError>;
}

/// The ring as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredRing {
    pub ring: KeyRing,
    /// Grows with each change; 0 if there never was one, and the ring is empty.
    pub version: u64,
}

/// Keeps the keys that all replicas share. Their private halves are encrypted before they come here.
#[async_trait]
pub trait KeyRingStore: Send + Sync {
    /// The ring. Law: equal in every field to what was last written.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell. A ring that cannot be read is [`StoreError::Corrupt`], never an empty one.
    async fn key_ring(&self) -> Result<StoredRing, StoreError>;

    /// Writes the ring if the stored version is `expected_version`, under the next version. `true` if it was. Law: of
    /// concurrent calls with one expected version, exactly one succeeds.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn replace_key_ring(&self, ring: &KeyRing, expected_version: u64) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn a_key_whose_replica_is_silent_retires_and_is_gone_when_its_tokens_are() {
        let seen = Timestamp::from_unix_seconds(1_800_000_000);
        let key = PublishedKey {
            kid: "k".to_owned(),
            key: PublicKey::from_checked(Map::new()),
            published_at: seen,
            last_seen: seen,
        };
        for (seconds, state) in [
            (-60, KeyState::Active),
            (0, KeyState::Active),
            (300, KeyState::Active),
            (301, KeyState::Retiring),
            (86_400 + 899, KeyState::Retiring),
            (86_400 + 900, KeyState::Gone),
        ] {
            assert_eq!(key.state(seen.plus_seconds(seconds)), state, "{seconds}");
        }
        assert_eq!(key.state(key.gone_at()), KeyState::Gone);
    }
}
