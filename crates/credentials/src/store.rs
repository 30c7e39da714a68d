//! What can go wrong in a store, whatever the store is.
//!
//! # Adding a store
//! 1. Implement the ports: [`ClientStore`](crate::client::ClientStore), [`SecretStore`](crate::secret::SecretStore),
//!    [`ReplayGuard`](crate::replay::ReplayGuard), [`KeyDirectory`](crate::key::KeyDirectory),
//!    [`KeyRingStore`](crate::key::KeyRingStore), [`RevocationStore`](crate::revocation::RevocationStore),
//!    [`AuditLog`](crate::audit::AuditLog), [`DeploymentStore`].
//! 2. Run the contract suite: `testkit::store_contract!(…)`. It has one test per law of the doc comments.
//! 3. Build it in `app.rs` of client-credentials. Nothing else may know which store runs.
//!
//! Rules: a lookup that finds nothing is `Ok(None)`, not an error. A write that returned `Ok` survives `kill -9` and
//! the loss of a minority of replicas. A write is one atomic step, named by what it is for. Reads see every
//! acknowledged write of every replica.

use async_trait::async_trait;

/// The store could not do what it was asked. Nothing was acknowledged; the caller answers 503.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time. The write may or may not have happened.
    #[error("the store cannot be reached: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered with something that is not what we wrote.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a new record was not inserted.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// A record with this id exists; it is unchanged.
    #[error("a record with this id exists")]
    Duplicate,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Values all replicas of one deployment must agree on, such as a generated pepper.
#[async_trait]
pub trait DeploymentStore: Send + Sync {
    /// Stores `proposal` under `name` unless a value is there, and returns the value that is there now. Law: all
    /// callers with the same `name`, at any time and on any replica, get the same bytes.
    ///
    /// # Errors
    /// [`StoreError`] if no agreement could be read.
    async fn agree(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError>;
}
