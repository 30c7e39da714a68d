//! The public keys of the deployment as they were last read, ready to verify with, and the key to sign with.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::Bytes;
use common::Timestamp;
use credentials::key::ring::KeyState;
use credentials::key::{KeyRing, PublicKey, PublishedKey};
use jose::{KeyDefect, SigningKey, Verifier, public_key};
use serde_json::json;
use service_kit::etag;

/// See the module.
#[derive(Debug)]
pub struct KnownKeys {
    by_kid: BTreeMap<String, KnownKey>,
    /// `None`: there is one, but this replica cannot decrypt it.
    pub(super) signer: Option<Arc<SigningKey>>,
    pub(super) ring: KeyRing,
    /// Where each key was in its life when they were read.
    states: BTreeMap<String, KeyState>,
    /// The JWKS (RFC 7517 §5): public keys in ascending order of their `kid`.
    pub key_set: Bytes,
    /// Its entity tag, in quotes.
    pub etag: String,
}

#[derive(Debug)]
struct KnownKey {
    public: PublicKey,
    verifier: Verifier,
}

impl KnownKeys {
    /// The keys that are not gone at `now`. Of two under one `kid`, the one we sign with wins, then the one of the ring.
    pub(super) fn new(
        signer: Option<Arc<SigningKey>>,
        ring: KeyRing,
        published: Vec<PublishedKey>,
        now: Timestamp,
    ) -> Self {
        let mut states: BTreeMap<_, _> =
            published.iter().map(|key| (key.kid.clone(), key.state(now))).collect();
        states.extend(ring.published(now).map(|key| (key.kid.clone(), key.state(now))));
        let needed = published.into_iter().filter(|key| key.state(now) != KeyState::Gone);
        let of_replicas = needed.map(|key| (key.kid, key.key));
        let of_ring = ring.published(now).map(|key| (key.kid.clone(), key.public.clone()));
        let own = signer.iter().map(|key| (key.kid().to_owned(), key.public().clone()));
        let all = of_replicas.chain(of_ring).chain(own);
        let by_kid: BTreeMap<_, _> =
            all.filter_map(|(kid, public)| Some((kid, KnownKey::ready(public)?))).collect();
        let keys: Vec<_> = by_kid.values().map(|key| &key.public).collect();
        let key_set = json!({ "keys": keys }).to_string();
        let etag = etag::of(key_set.as_bytes());
        Self { by_kid, signer, ring, states, key_set: Bytes::from(key_set), etag }
    }

    /// How many keys were in this state when they were read.
    pub(super) fn count(&self, state: KeyState) -> usize {
        self.states.values().filter(|known| **known == state).count()
    }

    /// The key of this `kid`, ready to verify with.
    #[must_use]
    pub fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.by_kid.get(kid).map(|key| &key.verifier)
    }

    /// Whether one of these is the given key, whatever `kid` it goes by there.
    ///
    /// # Errors
    /// [`KeyDefect`] if the key has no thumbprint.
    pub fn contain(&self, key: &PublicKey) -> Result<bool, KeyDefect> {
        let wanted = public_key::thumbprint(key)?;
        let mut known = self.by_kid.values().map(|key| public_key::thumbprint(&key.public));
        Ok(known.any(|known| known.is_ok_and(|known| known == wanted)))
    }
}

impl KnownKey {
    fn ready(public: PublicKey) -> Option<Self> {
        let verifier = Verifier::new(&public)
            .inspect_err(|defect| {
                tracing::error!(kid = public.kid(), error.message = %defect, "a published key cannot be used");
            })
            .ok()?;
        Some(Self { public, verifier })
    }
}
