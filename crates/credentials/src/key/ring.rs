//! The signing keys that all replicas of a deployment share, and the steps that each key takes: next, active, retiring,
//! gone. Every step that would make somebody refuse a good token is refused here. Pure: who asks for a step, where the
//! ring is kept, and what a private key is, are the business of others.

use common::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Algorithm, PublicKey};

/// How long a key is published before it signs, in seconds: twice as long as others may keep our key set (C-7517-07,
/// conformance R-21).
pub const PUBLISHED_BEFORE_USE_SECONDS: i64 = 600;

/// How long a key is published after it last signed, in seconds: the longest lifetime of a token that can be configured
/// (a day, whatever it is now: tokens of yesterday's configuration count too), the largest clock skew, and the time in
/// which every replica has noticed.
pub const PUBLISHED_AFTER_USE_SECONDS: i64 = 86_400 + 300 + 600;

/// Keys at once. More would be more than some verifiers read (T-SSRF-05).
pub const MAX_KEYS: usize = 20;

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, so that everybody knows it when it begins to sign.
    Next,
    /// Signs. There is exactly one of each algorithm in use.
    Active,
    /// Signs no more; published until the last token it signed has expired.
    Retiring,
    /// Published no more: its tokens are refused.
    Gone,
}

/// A private key as it is stored: encrypted, by whom and how is not known here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedKey(pub String);

/// A new key for the ring.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    pub kid: String,
    pub algorithm: Algorithm,
    pub public: PublicKey,
    pub private: SealedKey,
}

/// A key of the ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RingKey {
    pub kid: String,
    pub algorithm: Algorithm,
    pub public: PublicKey,
    pub private: SealedKey,
    pub published_at: Timestamp,
    /// When it last began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped.
    pub retired_at: Option<Timestamp>,
}

/// The keys, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KeyRing {
    keys: Vec<RingKey>,
}

/// Whether a step waits until it is safe. Whoever does not wait accepts that good tokens are refused, because a bad one
/// would be worse: a stolen key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    WhenSafe,
    Immediately,
}

/// What becomes of the keys by themselves.
#[derive(Debug, Clone, Copy)]
pub struct RotationPlan {
    /// What tokens are to be signed with.
    pub algorithm: Algorithm,
    /// After how many seconds the active key of that algorithm is replaced. `None`: by hand only.
    pub every_seconds: Option<i64>,
}

/// A step that the plan asks for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueStep {
    /// [`KeyRing::add`] a new key of this algorithm.
    Add(Algorithm),
    /// [`KeyRing::activate`] this key.
    Activate(String),
    /// [`KeyRing::forget_gone`].
    ForgetGone,
}

/// Why a step is not taken. The texts are public sentences. The ring is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedStep {
    #[error("there is no key with this kid")]
    Unknown,
    #[error("there is a key with this kid already")]
    Duplicate,
    #[error("there is a next key of this algorithm already: activate or retire it first")]
    NextExists,
    #[error("there are {MAX_KEYS} keys, and verifiers need not read more: wait until a retiring one is gone")]
    TooManyKeys,
    #[error("the key is active already")]
    AlreadyActive,
    #[error("the key is retiring already: it is gone when the last token it signed has expired")]
    AlreadyRetiring,
    #[error(
        "others may still hold a key set without this key: it must have been published for \
         {PUBLISHED_BEFORE_USE_SECONDS} seconds before it signs, and that is {seconds_left} seconds from now"
    )]
    TooEarly { seconds_left: i64 },
    #[error("no other key is active, and tokens could not be signed: activate another one first")]
    LastActive,
}

impl RingKey {
    /// Where the key is in its life at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.activated_at, self.gone_at()) {
            (_, Some(gone_at)) if gone_at <= now => KeyState::Gone,
            (_, Some(_)) => KeyState::Retiring,
            (Some(_), None) => KeyState::Active,
            (None, None) => KeyState::Next,
        }
    }

    /// From when on it may sign.
    #[must_use]
    pub fn usable_from(&self) -> Timestamp {
        self.published_at.plus_seconds(PUBLISHED_BEFORE_USE_SECONDS)
    }

    /// When the last token it signed has expired; `None` before it retires.
    #[must_use]
    pub fn gone_at(&self) -> Option<Timestamp> {
        self.retired_at.map(|retired_at| retired_at.plus_seconds(PUBLISHED_AFTER_USE_SECONDS))
    }

    const fn signs(&self) -> bool {
        self.activated_at.is_some() && self.retired_at.is_none()
    }

    const fn waits(&self) -> bool {
        self.activated_at.is_none() && self.retired_at.is_none()
    }
}

impl KeyRing {
    /// All keys that are not gone at `now`, oldest first.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &RingKey> {
        self.keys.iter().filter(move |key| key.state(now) != KeyState::Gone)
    }

    /// The key to sign with: the active one of `algorithm`, else the one that became active last. There is none in an
    /// empty ring only.
    #[must_use]
    pub fn signing(&self, algorithm: Algorithm) -> Option<&RingKey> {
        let active = || self.keys.iter().filter(|key| key.signs());
        active()
            .find(|key| key.algorithm == algorithm)
            .or_else(|| active().max_by_key(|key| key.activated_at))
    }

    /// Publishes a new key. It is next; the very first one is active at once, because nobody knows of any other.
    ///
    /// # Errors
    /// [`RefusedStep::Duplicate`], [`RefusedStep::NextExists`], [`RefusedStep::TooManyKeys`].
    pub fn add(&mut self, key: NewKey, now: Timestamp) -> Result<(), RefusedStep> {
        if self.keys.iter().any(|other| other.kid == key.kid) {
            return Err(RefusedStep::Duplicate);
        }
        if self.keys.iter().any(|other| other.algorithm == key.algorithm && other.waits()) {
            return Err(RefusedStep::NextExists);
        }
        if self.published(now).count() >= MAX_KEYS {
            return Err(RefusedStep::TooManyKeys);
        }
        let first = !self.keys.iter().any(RingKey::signs);
        let NewKey { kid, algorithm, public, private } = key;
        self.keys.push(RingKey {
            kid,
            algorithm,
            public,
            private,
            published_at: now,
            activated_at: first.then_some(now),
            retired_at: None,
        });
        Ok(())
    }

    /// Makes a next key sign, or a retiring one again. The key of the same algorithm that signed until now retires.
    ///
    /// # Errors
    /// [`RefusedStep::Unknown`], [`RefusedStep::AlreadyActive`], [`RefusedStep::TooEarly`].
    pub fn activate(&mut self, kid: &str, now: Timestamp, urgency: Urgency) -> Result<(), RefusedStep> {
        let key = self.find(kid, now)?;
        let algorithm = key.algorithm;
        match key.state(now) {
            KeyState::Active => return Err(RefusedStep::AlreadyActive),
            KeyState::Next if urgency == Urgency::WhenSafe && now < key.usable_from() => {
                let left = key.usable_from().unix_seconds().saturating_sub(now.unix_seconds());
                return Err(RefusedStep::TooEarly { seconds_left: left });
            }
            // A retiring key is published, and was long enough when it was active.
            KeyState::Next | KeyState::Retiring | KeyState::Gone => {}
        }
        for key in self.keys.iter_mut().filter(|key| key.algorithm == algorithm) {
            if key.kid == kid {
                (key.activated_at, key.retired_at) = (Some(now), None);
            } else if key.signs() {
                key.retired_at = Some(now);
            }
        }
        Ok(())
    }

    /// Takes a key out of use. A next key, which signed nothing, is gone at once; an active one retires. Immediately, any
    /// key is gone at once.
    ///
    /// # Errors
    /// [`RefusedStep::Unknown`], [`RefusedStep::AlreadyRetiring`], [`RefusedStep::LastActive`].
    pub fn retire(&mut self, kid: &str, now: Timestamp, urgency: Urgency) -> Result<(), RefusedStep> {
        let key = self.find(kid, now)?;
        if key.signs() && self.keys.iter().filter(|key| key.signs()).count() < 2 {
            return Err(RefusedStep::LastActive);
        }
        match (key.state(now), urgency) {
            (KeyState::Retiring, Urgency::WhenSafe) => return Err(RefusedStep::AlreadyRetiring),
            (KeyState::Active, Urgency::WhenSafe) => {
                for key in self.keys.iter_mut().filter(|key| key.kid == kid) {
                    key.retired_at = Some(now);
                }
            }
            (KeyState::Next | KeyState::Gone, _) | (_, Urgency::Immediately) => {
                self.keys.retain(|key| key.kid != kid);
            }
        }
        Ok(())
    }

    /// Removes the keys that are gone, and with them their private halves.
    pub fn forget_gone(&mut self, now: Timestamp) {
        self.keys.retain(|key| key.state(now) != KeyState::Gone);
    }

    /// What `plan` asks for at `now`. Asked again after each step, it comes to an end.
    #[must_use]
    pub fn due(&self, plan: &RotationPlan, now: Timestamp) -> Option<DueStep> {
        if self.keys.iter().any(|key| key.state(now) == KeyState::Gone) {
            return Some(DueStep::ForgetGone);
        }
        let of_algorithm = || self.keys.iter().filter(|key| key.algorithm == plan.algorithm);
        let ends_at = if of_algorithm().any(RingKey::signs) { self.rotates_at(plan)? } else { now };
        match of_algorithm().find(|key| key.waits()) {
            None if ends_at.plus_seconds(-PUBLISHED_BEFORE_USE_SECONDS) <= now => {
                Some(DueStep::Add(plan.algorithm))
            }
            Some(next) if ends_at.max(next.usable_from()) <= now => Some(DueStep::Activate(next.kid.clone())),
            _ => None,
        }
    }

    /// When the active key of the plan's algorithm is to be replaced. `None`: by hand, or there is none.
    #[must_use]
    pub fn rotates_at(&self, plan: &RotationPlan) -> Option<Timestamp> {
        let active = self.keys.iter().find(|key| key.algorithm == plan.algorithm && key.signs())?;
        Some(active.activated_at?.plus_seconds(plan.every_seconds?))
    }

    fn find(&self, kid: &str, now: Timestamp) -> Result<&RingKey, RefusedStep> {
        self.published(now).find(|key| key.kid == kid).ok_or(RefusedStep::Unknown)
    }
}

impl std::fmt::Debug for SealedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SealedKey(..)")
    }
}

#[cfg(test)]
mod tests;
