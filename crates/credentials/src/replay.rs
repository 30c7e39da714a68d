//! Single use of a client assertion (`jti`), over all replicas and restarts (RFC 7523 §3 item 7, OIDC Core §9).

use async_trait::async_trait;
use common::Timestamp;
use sha2::{Digest, Sha256};

use crate::client::ClientId;
use crate::store::StoreError;

/// Identifies one use of one `jti` by one client: SHA-256 over both, each preceded by its length, so that no pair of
/// strings can be cut in two ways (T-CLM-17, T-CLM-18). A digest, because a jti may hold personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UseId([u8; 32]);

impl UseId {
    /// The use of `jti` by `client`.
    #[must_use]
    pub fn of(client: &ClientId, jti: &str) -> Self {
        Self::of_parts(&[client.as_str(), jti])
    }

    /// One of the uses of the initial access token `id` (RFC 7591 §3). Three parts: no two parts are ever equal to them.
    #[must_use]
    pub fn of_token(id: &str, place: u32) -> Self {
        Self::of_parts(&["initial access token", id, &place.to_string()])
    }

    fn of_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Remembers which assertions were used.
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Records the use and answers `true` if it is the first. Laws: of any number of concurrent calls with the same
    /// `id`, on any number of replicas, exactly one gets `true`; the record outlives restarts and is kept at least
    /// until `until`; it may be forgotten after that, never before, however many others arrive (T-CLM-16).
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell. The caller must then refuse (T-CLM-15).
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError>;
}
