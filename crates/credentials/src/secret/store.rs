//! The port behind which secret hashes are kept, apart from clients.

use async_trait::async_trait;
use common::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImportedHash, Pepper, SecretHash, SecretLookup};
use crate::store::StoreError;

/// One live secret of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSecret {
    pub hash: SecretHash,
    /// Its last four letters, for people to tell secrets apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// Whether somebody may have thought it up: then it is not checked beyond the budget of wrong secrets (ADR 11).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guessable: bool,
    pub created_at: Timestamp,
    /// `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, as [`SecretStore::note_use`] was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// Names a secret of a client without telling anything about it: the beginning of a digest of its stored hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretId(String);

impl StoredSecret {
    /// A secret that never expires, as it is stored.
    #[must_use]
    pub fn new(secret: &str, pepper: &Pepper, now: Timestamp) -> Self {
        let beginning = secret.char_indices().rev().nth(3).map_or(0, |(index, _)| index);
        // Of a short secret, four letters would be too much of it.
        let last_four = (beginning >= 28).then(|| secret.get(beginning..).unwrap_or_default().to_owned());
        Self {
            hash: pepper.hash(secret),
            last_four,
            guessable: is_guessable(secret),
            created_at: now,
            expires_at: None,
            last_used_at: None,
        }
    }

    /// A secret that never expires, of which only the hash of another product is known.
    #[must_use]
    pub fn imported(hash: &ImportedHash, now: Timestamp) -> Self {
        let hash = SecretHash::of_imported(hash);
        Self { guessable: true, ..Self::of_token(hash, now, None) }
    }

    /// A token that opens something beside tokens of a client: see [`TokenKind`](super::TokenKind).
    #[must_use]
    pub const fn of_token(hash: SecretHash, now: Timestamp, expires_at: Option<Timestamp>) -> Self {
        Self { hash, last_four: None, guessable: false, created_at: now, expires_at, last_used_at: None }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SecretId {
        SecretId(self.hash.name())
    }

    /// Whether it opens anything at this time.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A new secret for a client, and what becomes of those before it.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Made at the moment of the rotation.
    pub new: StoredSecret,
    /// The others end then, if they do not end before.
    pub others_end: Timestamp,
    /// Live secrets that the client may have after the rotation.
    pub most_live: usize,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateOutcome {
    Rotated,
    /// Too many secrets would be live. Nothing was changed.
    TooMany,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOutcome {
    Removed,
    /// There is no such secret.
    Missing,
    /// It is the last live one, which was to be spared. Nothing was changed.
    LastLive,
}

impl Rotation {
    /// When a secret from before ends. `None`: it has ended, and is forgotten.
    #[must_use]
    pub fn end_of(&self, other: &StoredSecret) -> Option<Timestamp> {
        let end = other.expires_at.map_or(self.others_end, |end| end.min(self.others_end));
        other.is_live(self.new.created_at).then_some(end)
    }

    /// Whether the client may have the new secret beside the others.
    #[must_use]
    pub fn fits_beside(&self, others: &[StoredSecret]) -> bool {
        let now = self.new.created_at;
        let live = others.iter().filter(|other| self.end_of(other).is_some_and(|end| now < end));
        live.count() < self.most_live
    }
}

impl RemoveOutcome {
    /// What is to become of the secret with this hash among `secrets`.
    #[must_use]
    pub fn expected(secrets: &[StoredSecret], hash: &SecretHash, spare_last_at: Option<Timestamp>) -> Self {
        let Some(doomed) = secrets.iter().find(|secret| secret.hash == *hash) else { return Self::Missing };
        let is_last = |now| {
            let others_live = secrets.iter().any(|secret| secret.hash != *hash && secret.is_live(now));
            doomed.is_live(now) && !others_live
        };
        if spare_last_at.is_some_and(is_last) { Self::LastLive } else { Self::Removed }
    }
}

/// What people think up is shorter, or repeats itself; what programs make is neither. At the speed at which we answer,
/// 24 characters of which 12 differ are beyond guessing, even if they are words.
fn is_guessable(secret: &str) -> bool {
    let mut characters: Vec<char> = secret.chars().collect();
    let length = characters.len();
    characters.sort_unstable();
    characters.dedup();
    length < 24 || characters.len() < 12
}

impl SecretId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keeps secret hashes under the keyed hash of the client id.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Adds a secret to those of the client.
    ///
    /// # Errors
    /// [`StoreError`] if it was not stored.
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError>;

    /// All secrets of the client, oldest first; empty if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError>;

    /// Adds a secret and sets an end to the others of the client. Laws: it is one step, which sees the secrets as all
    /// rotations and removals before it left them, so that of concurrent rotations the last one's secret has no end and
    /// never more than `most_live` are live; whoever repeats a call whose fate is not known may add a second new one, and
    /// ends the first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn rotate(&self, owner: &SecretLookup, rotation: &Rotation) -> Result<RotateOutcome, StoreError>;

    /// Puts `new` in the place of the secret with the hash `old`; `false` if there is none. Laws: `created_at` and
    /// `expires_at` stay as they are stored, whatever `new` says, so that no rotation in between is undone; of concurrent
    /// calls with one `old`, exactly one gets `true`; a secret that was removed does not come back.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn upgrade(
        &self,
        owner: &SecretLookup,
        old: &SecretHash,
        new: &StoredSecret,
    ) -> Result<bool, StoreError>;

    /// Sets `last_used_at` of the secret with this hash to `at`, unless it is later already; changes nothing else. A
    /// secret that is not there is nothing to note. Best effort: it may be lost in a crash.
    ///
    /// # Errors
    /// [`StoreError`] if it was not noted.
    async fn note_use(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Any hash that was imported and not upgraded yet, whosever it is; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn any_imported(&self) -> Result<Option<SecretHash>, StoreError>;

    /// Forgets the secret with this hash, unless it is the only one that is live at `spare_last_at`. Laws: it is one step
    /// as [`rotate`](Self::rotate) is, so that concurrent removals do not spare each other's secret and leave none; the
    /// others stay.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn remove(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        spare_last_at: Option<Timestamp>,
    ) -> Result<RemoveOutcome, StoreError>;

    /// Forgets whatever ended before this time, whosever it is. Law: what has no end, or a later one, stays.
    ///
    /// # Errors
    /// [`StoreError`] if some of it may still be there.
    async fn forget_ended(&self, before: Timestamp) -> Result<(), StoreError>;

    /// Forgets all secrets of the client. Law: afterwards [`find`](Self::find) is empty.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError>;
}
