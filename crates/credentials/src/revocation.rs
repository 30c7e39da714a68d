//! Revocation of access tokens: what a store must guarantee, so that every replica refuses what one of them revoked.
//! What is revoked, and whether a token is, says [`common::revocation`].

use async_trait::async_trait;
use common::Timestamp;
use common::revocation::Revocation;

use crate::client::ClientId;
use crate::store::StoreError;

/// No access token lives longer, in seconds, whoever configures what.
pub const LONGEST_TOKEN_LIFETIME_SECONDS: i64 = 86_400;

/// How far, in seconds, the clocks of two replicas may be apart. A revocation of all tokens reaches this far into the
/// future, for the sake of those that a replica with a fast clock issued. Tokens issued afterwards are good all the same:
/// see [`GrantRequest::issued_after`](crate::grant::GrantRequest::issued_after).
pub const CLOCK_TOLERANCE_SECONDS: i64 = 2;

/// Every token that `client` got until now; none of them lives longer than `lifetime_seconds`.
#[must_use]
pub fn all_tokens_of(client: &ClientId, now: Timestamp, lifetime_seconds: i64) -> Revocation {
    let issued_until = now.plus_seconds(CLOCK_TOLERANCE_SECONDS);
    Revocation::Client {
        client_id: client.as_str().to_owned(),
        issued_until,
        forget_at: issued_until.plus_seconds(lifetime_seconds),
    }
}

/// Keeps revocations for all replicas.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Records a revocation. Laws: `Ok` means that it outlives restarts and the loss of a minority of replicas; to record
    /// one again changes nothing; of several for one client the latest stays, in whatever order they come. It is kept at
    /// least until its end (`exp`, `forget_at`), and may be forgotten some minutes after that.
    ///
    /// # Errors
    /// [`StoreError`] if it is not known to be recorded. The caller must not say that it is (RFC 7009 §2.2.1).
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError>;

    /// Everything that is recorded. Law: holds each revocation that was acknowledged before the call, by whichever replica,
    /// and has not ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError>;

    /// Watches for new ones. Law: each revocation that is acknowledged after this returned, by whichever replica, comes
    /// out of the watch, at least once and within a second if the store is well. So whoever opens a watch, then reads
    /// [`revocations`](Self::revocations), and then follows the watch, misses none.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be watched.
    async fn watch(&self) -> Result<Box<dyn RevocationWatch>, StoreError>;
}

/// New revocations, as they come.
#[async_trait]
pub trait RevocationWatch: Send {
    /// The next one. `None` after a second or so without one: the store was asked, and has nothing that was not told.
    ///
    /// # Errors
    /// [`StoreError`] if some may be missed from now on: drop the watch, and begin again with a new one.
    async fn next(&mut self) -> Result<Option<Revocation>, StoreError>;
}
