//! The keys of a client that exists: one more and one less, without a gap in between, and never none.

use common::Timestamp;

use super::presented_keys::MAX_KEYS;
use super::{AuthMethod, Client, ClientKey};
use crate::key::PublicKey;

/// Why the keys of a client stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeyDefect {
    #[error("the client authenticates with a secret: it has no use for a key")]
    NoKeyMethod,
    #[error("the client publishes its keys at its jwks_uri: it adds and removes them there")]
    PublishedElsewhere,
    #[error("the client has a key with this kid: give the new one another")]
    SameKid,
    #[error("the client has {MAX_KEYS} keys: remove one first")]
    TooMany,
    #[error("no key of the client has this kid")]
    Missing,
    #[error("no other key of the client goes on without an end: add one first")]
    Last,
}

impl ClientKey {
    /// A key without an end.
    #[must_use]
    pub const fn new(key: PublicKey, now: Timestamp) -> Self {
        Self { key, added_at: now, expires_at: None, last_used_at: None }
    }

    /// Whether it verifies assertions at this time.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    fn end_by(&mut self, end: Timestamp) {
        self.expires_at = Some(self.expires_at.map_or(end, |before| before.min(end)));
    }
}

impl Client {
    /// The keys in the record that are live, oldest first. The one that it registered as `public_key` has no times of its
    /// own, and needs none: it is the only one.
    #[must_use]
    pub fn live_keys(&self, now: Timestamp) -> Vec<ClientKey> {
        let first = self.first_key();
        first.into_iter().chain(self.keys.iter().filter(|key| key.is_live(now)).cloned()).collect()
    }

    /// The client with one more key, one version on. With `others_end`, the keys before it end then, or when they would
    /// anyway.
    ///
    /// # Errors
    /// [`ClientKeyDefect`].
    pub fn with_key(
        &self,
        key: PublicKey,
        others_end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, ClientKeyDefect> {
        self.check_has_keys()?;
        let live = self.live_keys(now);
        if live.iter().any(|other| other.key.kid() == key.kid()) {
            return Err(ClientKeyDefect::SameKid);
        }
        if live.len() >= MAX_KEYS {
            return Err(ClientKeyDefect::TooMany);
        }
        let mut client = self.changed(now);
        client.keys = live;
        client.public_key = None;
        if let Some(end) = others_end {
            client.keys.iter_mut().for_each(|other| other.end_by(end));
        }
        client.keys.push(ClientKey::new(key, now));
        Ok(client)
    }

    /// The client whose key with this `kid` ends at `end`, one version on. If that is now, the key is forgotten.
    ///
    /// # Errors
    /// [`ClientKeyDefect::Last`] if no other key goes on without an end: the client would be left without any sooner or later.
    pub fn without_key(&self, kid: &str, end: Timestamp, now: Timestamp) -> Result<Self, ClientKeyDefect> {
        self.check_has_keys()?;
        let is_it = |key: &ClientKey| key.key.kid() == Some(kid);
        let live = self.live_keys(now);
        if !live.iter().any(is_it) {
            return Err(ClientKeyDefect::Missing);
        }
        if !live.iter().any(|other| !is_it(other) && other.expires_at.is_none()) {
            return Err(ClientKeyDefect::Last);
        }
        let mut client = self.changed(now);
        client.keys = live;
        client.public_key = None;
        client.keys.iter_mut().filter(|key| is_it(key)).for_each(|key| key.end_by(end));
        client.keys.retain(|key| key.is_live(now));
        Ok(client)
    }

    fn check_has_keys(&self) -> Result<(), ClientKeyDefect> {
        match (self.auth_method, &self.jwks_uri) {
            (AuthMethod::PrivateKeyJwt, None) => Ok(()),
            (AuthMethod::PrivateKeyJwt, Some(_)) => Err(ClientKeyDefect::PublishedElsewhere),
            (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, _) => {
                Err(ClientKeyDefect::NoKeyMethod)
            }
        }
    }

    fn first_key(&self) -> Option<ClientKey> {
        let key = self.public_key.clone()?;
        Some(ClientKey { last_used_at: self.last_login, ..ClientKey::new(key, self.created_at) })
    }

    fn changed(&self, now: Timestamp) -> Self {
        Self { updated_at: now, version: self.version.saturating_add(1), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::ClientId;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn key(kid: &str) -> PublicKey {
        PublicKey::from_checked(json!({"kty": "EC", "kid": kid}).as_object().unwrap().clone())
    }

    fn client(method: AuthMethod) -> Client {
        let id = ClientId::parse("c").unwrap();
        Client { public_key: Some(key("first")), ..Client::new(id, "c".to_owned(), method, at(1)) }
    }

    fn kids(client: &Client, seconds: i64) -> Vec<String> {
        client.live_keys(at(seconds)).iter().map(|key| key.key.kid().unwrap().to_owned()).collect()
    }

    #[test]
    fn t_hdr_06_keys_overlap_and_end() {
        let one = client(AuthMethod::PrivateKeyJwt);
        let two = one.with_key(key("second"), None, at(2)).unwrap();
        assert_eq!(
            (kids(&two, 2), two.version, two.updated_at),
            (vec!["first".into(), "second".into()], 2, at(2))
        );
        assert!(two.public_key.is_none(), "each has its own times now");
        let three = two.with_key(key("third"), Some(at(10)), at(3)).unwrap();
        assert_eq!(kids(&three, 9), ["first", "second", "third"]);
        assert_eq!(kids(&three, 10), ["third"]);
        assert_eq!(three.live_keys(at(3))[0].added_at, at(1));
        let sooner = three.without_key("second", at(5), at(3)).unwrap();
        assert_eq!(
            (kids(&sooner, 4), kids(&sooner, 5)),
            (kids(&three, 9), vec!["first".into(), "third".into()])
        );
        let later = sooner.without_key("second", at(7), at(3)).unwrap();
        assert_eq!(kids(&later, 5), ["first", "third"], "no end is put off");
        let gone = later.without_key("first", at(3), at(3)).unwrap();
        assert_eq!(gone.keys.len(), 2, "it is forgotten: {gone:?}");
        let fourth = gone.with_key(key("second"), None, at(6)).unwrap();
        assert_eq!(kids(&fourth, 6), ["third", "second"], "the kid of a key that has ended is free");
    }

    #[test]
    fn a_client_never_loses_its_last_key() {
        let one = client(AuthMethod::PrivateKeyJwt);
        assert_eq!(one.without_key("first", at(2), at(2)), Err(ClientKeyDefect::Last));
        assert_eq!(one.without_key("other", at(2), at(2)), Err(ClientKeyDefect::Missing));
        let two = one.with_key(key("second"), Some(at(10)), at(2)).unwrap();
        for end in [3, 9, 10] {
            let refused = two.without_key("second", at(end), at(2));
            assert_eq!(refused, Err(ClientKeyDefect::Last), "first ends as well");
        }
        assert_eq!(kids(&two.without_key("first", at(2), at(2)).unwrap(), 100), ["second"]);
    }

    #[test]
    fn c_7517_04_t_reg_02_kids_are_distinct_and_keys_few() {
        let mut many = client(AuthMethod::PrivateKeyJwt);
        assert_eq!(many.with_key(key("first"), None, at(2)), Err(ClientKeyDefect::SameKid));
        for number in 1..MAX_KEYS {
            many = many.with_key(key(&format!("{number}")), None, at(2)).unwrap();
            assert_eq!(many.with_key(key("1"), None, at(2)), Err(ClientKeyDefect::SameKid));
        }
        assert_eq!(many.with_key(key("one more"), None, at(2)), Err(ClientKeyDefect::TooMany));
    }

    #[test]
    fn only_clients_with_keys_of_their_own_have_keys() {
        for method in [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
            let client = client(method);
            assert_eq!(client.with_key(key("k"), None, at(2)), Err(ClientKeyDefect::NoKeyMethod));
            assert_eq!(client.without_key("first", at(2), at(2)), Err(ClientKeyDefect::NoKeyMethod));
        }
        let uri = Some("https://c.example/k".to_owned());
        let elsewhere = Client { jwks_uri: uri, public_key: None, ..client(AuthMethod::PrivateKeyJwt) };
        assert_eq!(elsewhere.with_key(key("k"), None, at(2)), Err(ClientKeyDefect::PublishedElsewhere));
    }
}
