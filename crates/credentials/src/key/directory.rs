//! The public halves of the keys that replicas sign with, so that each replica verifies the tokens of all.

use async_trait::async_trait;
use common::Timestamp;
use serde::{Deserialize, Serialize};

use super::PublicKey;
use crate::store::StoreError;

/// A signing key as the other replicas see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedKey {
    pub kid: String,
    pub key: PublicKey,
    pub published_at: Timestamp,
}

/// Keeps the public signing keys of a deployment. Private halves never come here.
#[async_trait]
pub trait KeyDirectory: Send + Sync {
    /// Adds the key, or replaces the one with the same `kid`.
    ///
    /// # Errors
    /// [`StoreError`] if it was not stored. The replica must then not sign with it.
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError>;

    /// All keys, in ascending order of `kid`.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError>;
}
