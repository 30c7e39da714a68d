//! The port behind which clients are kept.

use async_trait::async_trait;
use common::Timestamp;

use super::{Client, ClientFilter, ClientId};
use crate::store::{InsertError, StoreError};

/// A page of clients in ascending order of their ids.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientPage {
    pub clients: Vec<Client>,
    /// Pass it as `after` to get the next page; `None` on the last one.
    pub next: Option<ClientId>,
}

/// What became of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceOutcome {
    Replaced,
    /// The stored version is not the expected one; nothing was changed.
    VersionConflict,
    /// No client with this id.
    Missing,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    Deleted,
    /// The stored version is not the expected one; nothing was removed.
    VersionConflict,
    /// No client with this id.
    Missing,
}

/// Keeps clients.
#[async_trait]
pub trait ClientStore: Send + Sync {
    /// Adds a client. Law: of concurrent calls with one id, exactly one succeeds, and a stored client is never
    /// overwritten.
    ///
    /// # Errors
    /// [`InsertError::Duplicate`] if the id is taken, else [`InsertError::Store`].
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError>;

    /// The client with this id, whatever its state. Law: equal in every field to what was last written.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// The first `limit` clients that `filter` [matches](ClientFilter::matches) among those whose ids come after `after`,
    /// in ascending byte order of the id. Law: exactly those, on every store.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError>;

    /// Replaces the client with the same id if its stored version is `expected_version`. Law: of concurrent calls
    /// with one expected version, exactly one gets [`ReplaceOutcome::Replaced`]; no mixture is ever stored
    /// (T-REG-06). The caller has set `client.version` to the new version. Law: `last_login` stays as it is stored.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn replace(&self, client: &Client, expected_version: u64) -> Result<ReplaceOutcome, StoreError>;

    /// Removes the client; if `expected_version` is given, only if that is the stored one. Law: of concurrent calls,
    /// exactly one gets [`DeleteOutcome::Deleted`].
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn delete(&self, id: &ClientId, expected_version: Option<u64>)
    -> Result<DeleteOutcome, StoreError>;

    /// Sets `last_login` to `at`, unless it is later already, and likewise `last_used_at` of the one of `keys` with this
    /// `kid`; changes nothing else, the version neither. A client or key that is not there is nothing to note. Best effort:
    /// it may be lost in a crash, and that of a key in a replacement that was read before.
    ///
    /// # Errors
    /// [`StoreError`] if it was not noted.
    async fn note_login(&self, id: &ClientId, at: Timestamp, kid: Option<&str>) -> Result<(), StoreError>;

    /// Whether the store answers now. Not asked by `/-/ready`: replicas that all leave the gateway because their one
    /// store is down help nobody, and tokens are described without it (contract §8).
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    async fn ping(&self) -> Result<(), StoreError>;
}
