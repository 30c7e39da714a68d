//! What is revoked, as the feed told it, and whether that is all: a feed that has been silent for half a minute may have
//! missed something (architecture decision 8). How the feed is read is not known here.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use common::revocation::{Revocation, RevokedTokens};
use common::{AccessTokenClaims, Timestamp};
use tokio::time::Instant;

/// Without an event for so long, nothing is known any more.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// Entries that are kept: some 100 MiB. A feed has a million tokens at most.
const MOST_ENTRIES: usize = 1_200_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Revocations {
    known: RwLock<Known>,
    started: Instant,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    tokens: RevokedTokens,
    /// No fewer than there are.
    entries: usize,
    /// The last event of a feed that had told everything.
    heard: Option<Instant>,
}

/// What is known about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Revoked,
    /// The feed has told nothing for too long.
    Unknown,
}

/// There is no room for all that the feed tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed tells of more than {MOST_ENTRIES} revocations")]
pub(super) struct Full;

impl Default for Revocations {
    /// Nothing is known yet.
    fn default() -> Self {
        Self { known: RwLock::default(), started: Instant::now(), most: MOST_ENTRIES }
    }
}

impl Revocations {
    /// Whether a token with these verified claims is revoked. One that is known to be revoked is so at any time.
    pub(super) fn standing(&self, claims: &AccessTokenClaims, now: Instant) -> Standing {
        let known = self.read();
        if known.tokens.contain(claims) {
            Standing::Revoked
        } else if known.is_current(now) {
            Standing::Good
        } else {
            Standing::Unknown
        }
    }

    /// Whether everything is known.
    pub(super) fn is_current(&self, now: Instant) -> bool {
        self.read().is_current(now)
    }

    /// How long ago everything was known; since this was made, if it never was.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.duration_since(self.read().heard.unwrap_or(self.started))
    }

    /// Single tokens and whole clients that are revoked.
    pub(super) fn extent(&self) -> (usize, usize) {
        let known = self.read();
        (known.tokens.tokens(), known.tokens.clients())
    }

    /// Adds what the feed tells.
    ///
    /// # Errors
    /// [`Full`]: nothing is known any more, and what was is dropped: the feed has to tell it from the beginning.
    pub(super) fn add(&self, revocations: &[Revocation]) -> Result<(), Full> {
        let mut known = self.write();
        for revocation in revocations {
            if known.tokens.add(revocation) {
                known.entries = known.entries.saturating_add(1);
            }
            if known.entries > self.most {
                *known = Known::default();
                return Err(Full);
            }
        }
        Ok(())
    }

    /// The feed has told everything until now.
    pub(super) fn heard(&self, now: Instant) {
        self.write().heard = Some(now);
    }

    /// Drops what nobody needs any more.
    pub(super) fn forget(&self, now: Timestamp) {
        let mut known = self.write();
        known.tokens.forget(now);
        known.entries = known.tokens.tokens().saturating_add(known.tokens.clients());
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_current(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.duration_since(heard) < LONGEST_SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn claims(jti: &str) -> AccessTokenClaims {
        AccessTokenClaims {
            exp: 1_900_000_000,
            iat: 1_800_000_000,
            iss: "https://auth.example".to_owned(),
            sub: "client-1".to_owned(),
            jti: jti.to_owned(),
            permissions: Vec::new(),
            aud: None,
            client_id: None,
            scope: None,
            custom: Map::new(),
        }
    }

    fn token(jti: &str) -> Revocation {
        Revocation::Token { jti: jti.to_owned(), client_id: "client-1".to_owned(), exp: 1_900_000_000 }
    }

    fn all_of(client_id: &str) -> Revocation {
        Revocation::Client {
            client_id: client_id.to_owned(),
            issued_until: Timestamp::from_unix_seconds(1_800_000_000),
            forget_at: Timestamp::from_unix_seconds(1_900_000_000),
        }
    }

    #[test]
    fn nothing_is_good_before_the_feed_has_told_everything() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        assert_eq!(revocations.standing(&claims("a"), now), Standing::Unknown);
        revocations.add(&[token("a")]).unwrap();
        assert_eq!(revocations.standing(&claims("a"), now), Standing::Revoked, "that much is known");
        assert_eq!(revocations.standing(&claims("b"), now), Standing::Unknown);
        revocations.heard(now);
        assert_eq!(revocations.standing(&claims("b"), now), Standing::Good);
    }

    #[test]
    fn half_a_minute_of_silence_and_nothing_is_good_but_what_is_revoked_stays_so() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        revocations.add(&[token("a")]).unwrap();
        revocations.heard(now);
        let just_before = now + LONGEST_SILENCE - Duration::from_millis(1);
        assert_eq!(revocations.standing(&claims("b"), just_before), Standing::Good);
        assert_eq!(revocations.standing(&claims("b"), now + LONGEST_SILENCE), Standing::Unknown);
        assert_eq!(revocations.standing(&claims("a"), now + LONGEST_SILENCE), Standing::Revoked);
        assert_eq!(revocations.silence(now + LONGEST_SILENCE), LONGEST_SILENCE);
    }

    #[test]
    fn whole_clients_are_revoked_up_to_a_moment() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        revocations.heard(now);
        revocations.add(&[all_of("client-1"), all_of("client-2")]).unwrap();
        assert_eq!(revocations.standing(&claims("a"), now), Standing::Revoked);
        let later = AccessTokenClaims { iat: 1_800_000_001, ..claims("a") };
        assert_eq!(revocations.standing(&later, now), Standing::Good);
        assert_eq!(revocations.extent(), (0, 2));
    }

    #[test]
    fn a_feed_without_end_fills_nothing_and_makes_nothing_good() {
        let revocations = Revocations { most: 100, ..Revocations::default() };
        let now = Instant::now();
        revocations.heard(now);
        for number in 0..100 {
            revocations.add(&[token(&number.to_string()), token("again")][..1]).unwrap();
        }
        assert_eq!(revocations.standing(&claims("x"), now), Standing::Good);
        assert_eq!(revocations.add(&[token("one more"), token("and more")]), Err(Full));
        assert_eq!(revocations.standing(&claims("x"), now), Standing::Unknown);
        assert_eq!(revocations.standing(&claims("7"), now), Standing::Unknown);
        // However long they would last: a feed that has come to its senses is followed again.
        assert_eq!(revocations.extent(), (0, 0));
        assert!(revocations.add(&[token("a")]).is_ok());
        revocations.heard(now);
        assert_eq!(revocations.standing(&claims("x"), now), Standing::Good);
    }
}
