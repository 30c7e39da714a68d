//! What is revoked, in memory: asked for every token, so a look-up is two hash tables and no I/O.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Revocation, issued_at, name_of};
use crate::{AccessTokenClaims, Timestamp};

/// Tokens that expire in the same minute are kept, and forgotten, together.
const SECONDS_TOGETHER: i64 = 60;
/// How long entries are kept beyond their end: clocks differ, and readers may grant a token some seconds more.
const MARGIN_SECONDS: i64 = 600;

/// A set of [`Revocation`]s. It grows with them and shrinks as their tokens expire.
#[derive(Debug, Default)]
pub struct RevokedTokens {
    /// By the minute in which they expire.
    tokens: BTreeMap<i64, Minute>,
    clients: HashMap<String, ClientEntry>,
}

/// Revoked tokens that expire in one minute.
#[derive(Debug, Default)]
struct Minute {
    tokens: HashMap<Box<str>, TokenEntry>,
    of_clients: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct TokenEntry {
    client_id: Arc<str>,
    exp: i64,
}

#[derive(Debug, Clone, Copy)]
struct ClientEntry {
    issued_until: Timestamp,
    forget_at: Timestamp,
}

impl RevokedTokens {
    /// Adds an entry. `false` if it was known already, or a client's later one covers it.
    pub fn add(&mut self, revocation: &Revocation) -> bool {
        match revocation {
            Revocation::Token { jti, client_id, exp } => {
                let minute = self.tokens.entry(minute_of(*exp)).or_default();
                if minute.tokens.contains_key(jti.as_str()) {
                    return false;
                }
                let known =
                    minute.of_clients.get_key_value(client_id.as_str()).map(|(name, _)| Arc::clone(name));
                let client_id = known.unwrap_or_else(|| Arc::from(client_id.as_str()));
                let count = minute.of_clients.entry(Arc::clone(&client_id)).or_default();
                *count = count.saturating_add(1);
                minute.tokens.insert(jti.as_str().into(), TokenEntry { client_id, exp: *exp });
                true
            }
            Revocation::Client { client_id, issued_until, forget_at } => {
                let entry = ClientEntry { issued_until: *issued_until, forget_at: *forget_at };
                match self.clients.get_mut(client_id) {
                    Some(known) if known.issued_until >= entry.issued_until => false,
                    Some(known) => {
                        *known = entry;
                        true
                    }
                    None => {
                        self.clients.insert(client_id.clone(), entry);
                        true
                    }
                }
            }
        }
    }

    /// Whether a token with these claims is revoked. Its signature has been verified: nothing else here is to be believed.
    #[must_use]
    pub fn contain(&self, claims: &AccessTokenClaims) -> bool {
        let by_jti = || {
            self.tokens
                .get(&minute_of(claims.exp))
                .is_some_and(|minute| minute.tokens.contains_key(&*name_of(claims)))
        };
        by_jti() || self.all_until(&claims.sub).is_some_and(|until| issued_at(claims) <= until)
    }

    /// Up to when all tokens of a client are revoked.
    #[must_use]
    pub fn all_until(&self, client_id: &str) -> Option<Timestamp> {
        self.clients.get(client_id).map(|entry| entry.issued_until)
    }

    /// Drops entries that nobody needs any more.
    pub fn forget(&mut self, now: Timestamp) {
        let ended = now.plus_seconds(MARGIN_SECONDS.saturating_neg());
        // Whole minutes only: the last token of a kept one may still be good.
        self.tokens = self.tokens.split_off(&minute_of(ended.unix_seconds()));
        self.clients.retain(|_, entry| entry.forget_at > ended);
    }

    /// How many single tokens are revoked.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.values().map(|minute| minute.tokens.len()).sum()
    }

    /// How many single tokens of this client are revoked.
    #[must_use]
    pub fn tokens_of(&self, client_id: &str) -> usize {
        self.tokens.values().filter_map(|minute| minute.of_clients.get(client_id)).sum()
    }

    /// How many clients have all their tokens up to a moment revoked.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// All entries in parts of some `size` each. Which part an entry is in does not change while others come and go: who
    /// takes the parts one after the other misses none that was there at the beginning.
    pub fn parts(&self, size: usize) -> impl Iterator<Item = Part> {
        let minutes = self.tokens.iter().map(|(minute, tokens)| (Of::Minute(*minute), tokens.tokens.len()));
        [(Of::Clients, self.clients.len())].into_iter().chain(minutes).flat_map(move |(of, entries)| {
            let parts = entries.div_ceil(size.max(1)).max(1) as u64;
            (0..parts).map(move |number| Part { of, number, parts })
        })
    }

    /// The entries of a part, in no order.
    pub fn entries_of(&self, part: Part) -> Box<dyn Iterator<Item = Revocation> + '_> {
        match part.of {
            Of::Clients => {
                let clients = self.clients.iter().filter(move |(client_id, _)| part.has(client_id));
                Box::new(clients.map(|(client_id, entry)| Revocation::Client {
                    client_id: client_id.clone(),
                    issued_until: entry.issued_until,
                    forget_at: entry.forget_at,
                }))
            }
            Of::Minute(minute) => {
                let tokens = self.tokens.get(&minute).into_iter().flat_map(|minute| &minute.tokens);
                let tokens = tokens.filter(move |(jti, _)| part.has(jti));
                Box::new(tokens.map(|(jti, entry)| Revocation::Token {
                    jti: jti.to_string(),
                    client_id: entry.client_id.to_string(),
                    exp: entry.exp,
                }))
            }
        }
    }
}

/// Some of the entries: of whole clients, or of tokens that expire in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    of: Of,
    number: u64,
    parts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Clients,
    Minute(i64),
}

impl Part {
    fn has(self, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish().checked_rem(self.parts) == Some(self.number)
    }
}

const fn minute_of(unix_seconds: i64) -> i64 {
    unix_seconds.div_euclid(SECONDS_TOGETHER)
}

#[cfg(test)]
mod tests {
    use super::super::tests::claims;
    use super::*;

    const NOW: i64 = 1_645_557_742;
    /// Its time is 742.000 of that second's, RFC 9562 appendix A.6.
    const AT_0_MS: &str = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    const AT_1_MS: &str = "017f22e2-79b1-7cc3-98c4-dc0c0c07398f";

    fn token(jti: &str, exp: i64) -> Revocation {
        Revocation::Token { jti: jti.into(), client_id: "client-1".into(), exp }
    }

    fn client(client_id: &str, millis: i64) -> Revocation {
        let issued_until = Timestamp::from_unix_millis(millis);
        Revocation::Client {
            client_id: client_id.into(),
            issued_until,
            forget_at: issued_until.plus_seconds(86_400),
        }
    }

    #[test]
    fn a_token_is_revoked_by_its_jti_alone() {
        let mut set = RevokedTokens::default();
        assert!(set.add(&token(AT_0_MS, NOW + 60)));
        assert!(!set.add(&token(AT_0_MS, NOW + 60)), "known already");
        assert!(set.contain(&claims(AT_0_MS, NOW)));
        assert!(!set.contain(&claims(AT_1_MS, NOW)));
        assert!(!set.contain(&claims(&AT_0_MS.to_uppercase(), NOW)), "another text is another jti");
        assert_eq!((set.tokens(), set.tokens_of("client-1"), set.tokens_of("client-2")), (1, 1, 0));
    }

    #[test]
    fn tokens_of_the_same_second_are_told_apart_by_their_millisecond() {
        let mut set = RevokedTokens::default();
        assert!(set.add(&client("client-1", NOW * 1000)));
        assert!(set.contain(&claims(AT_0_MS, NOW)));
        assert!(!set.contain(&claims(AT_1_MS, NOW)));
        // One that does not tell its millisecond is rather revoked.
        assert!(set.contain(&claims("j", NOW)));
        assert!(!set.contain(&claims("j", NOW + 1)));
    }

    #[test]
    fn the_latest_entry_of_a_client_counts() {
        let mut set = RevokedTokens::default();
        assert!(set.add(&client("client-1", NOW * 1000)));
        assert!(!set.add(&client("client-1", NOW * 1000)));
        assert!(!set.add(&client("client-1", NOW * 1000 - 1)), "covered");
        assert!(!set.contain(&claims(AT_1_MS, NOW)));
        assert!(set.add(&client("client-1", NOW * 1000 + 1)));
        assert!(set.contain(&claims(AT_1_MS, NOW)));
        assert_eq!(set.clients(), 1);
        assert_eq!(set.all_until("client-1"), Some(Timestamp::from_unix_millis(NOW * 1000 + 1)));
        assert_eq!(set.all_until("client-2"), None);
    }

    #[test]
    fn entries_are_forgotten_some_minutes_after_their_end_and_not_before() {
        let mut set = RevokedTokens::default();
        let exp = NOW + 60;
        set.add(&token("j", exp));
        set.add(&client("client-1", NOW * 1000));
        set.forget(Timestamp::from_unix_seconds(exp + MARGIN_SECONDS - 1));
        assert_eq!((set.tokens(), set.clients()), (1, 1));
        set.forget(Timestamp::from_unix_seconds(exp + MARGIN_SECONDS + SECONDS_TOGETHER));
        assert_eq!((set.tokens(), set.clients()), (0, 1));
        set.forget(Timestamp::from_unix_seconds(NOW + 86_400 + MARGIN_SECONDS));
        assert_eq!((set.tokens(), set.clients()), (0, 0));
    }

    #[test]
    fn all_entries_make_the_same_set_again() {
        let mut set = RevokedTokens::default();
        set.add(&token("a", NOW + 60));
        set.add(&token("b", NOW + 600));
        set.add(&client("client-2", NOW * 1000));
        let mut copy = RevokedTokens::default();
        for part in set.parts(1) {
            set.entries_of(part).for_each(|entry| assert!(copy.add(&entry)));
        }
        assert_eq!((copy.tokens(), copy.clients()), (2, 1));
    }

    #[test]
    fn parts_are_small_and_lose_nothing_while_others_come_and_go() {
        let mut set = RevokedTokens::default();
        let known: Vec<_> = (0..2_000).map(|number| token(&format!("known-{number}"), NOW)).collect();
        known.iter().for_each(|entry| assert!(set.add(entry)));
        (0..500).for_each(|number| assert!(set.add(&client(&format!("client-{number}"), NOW * 1000))));
        let parts: Vec<_> = set.parts(100).collect();
        assert_eq!(parts.len(), 20 + 5);
        let mut taken = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let entries: Vec<_> = set.entries_of(part).collect();
            assert!((50..200).contains(&entries.len()), "{}", entries.len());
            taken.extend(entries);
            // Those that were there are looked up in another table from now on, which has grown.
            if number < 10 {
                (0..500).for_each(|other| {
                    set.add(&token(&format!("new-{number}-{other}"), NOW + 600));
                });
            }
        }
        assert_eq!(taken.len(), 2_500, "each once");
        assert!(known.iter().all(|entry| taken.contains(entry)));
        assert_eq!(RevokedTokens::default().parts(100).count(), 1, "an empty snapshot is one all the same");
    }
}
