//! The port behind which secret hashes are kept, apart from clients.

use async_trait::async_trait;
use common::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SecretHash, SecretLookup};
use crate::store::StoreError;

/// One live secret of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSecret {
    pub hash: SecretHash,
    pub created_at: Timestamp,
    /// `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
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

    /// Forgets all secrets of the client. Law: afterwards [`find`](Self::find) is empty.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError>;
}
