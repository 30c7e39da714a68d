//! What an operator does with clients that exist: look, change, remove.

use credentials::StoreError;
use credentials::client::{
    Client, ClientDefect, ClientFilter, ClientId, ClientPage, DeleteOutcome, ReplaceOutcome,
};
use serde_json::{Map, Value};

use crate::Deps;

/// How often a change is tried again when another one comes in between.
const ATTEMPTS: u32 = 5;

/// Why the operator did not get what they asked for. Nothing was changed, unless it is [`Self::Store`]: a change that
/// was given up may have been made, and a removal may have left the secrets: repeat it.
#[derive(Debug, thiserror::Error)]
pub enum AdministerClientsError {
    #[error("no client has this id")]
    Missing,
    #[error(transparent)]
    Client(#[from] ClientDefect),
    /// The client is not of the version that the operator named.
    #[error("the client has been changed meanwhile")]
    OtherVersion,
    #[error("the client is being changed by others all the time")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of the clients that `filter` matches.
///
/// # Errors
/// [`AdministerClientsError::Store`].
pub async fn list(
    deps: &Deps,
    filter: &ClientFilter,
    after: Option<&ClientId>,
    limit: u32,
) -> Result<ClientPage, AdministerClientsError> {
    Ok(deps.stores.clients.list(filter, after, limit).await?)
}

/// One client.
///
/// # Errors
/// [`AdministerClientsError::Missing`] or [`AdministerClientsError::Store`].
pub async fn find(deps: &Deps, id: &ClientId) -> Result<Client, AdministerClientsError> {
    deps.stores.clients.find(id).await?.ok_or(AdministerClientsError::Missing)
}

/// Applies a merge patch. With `expected_version`, only to that version; without, to whichever is there, again if
/// another change comes in between (T-REG-06).
///
/// # Errors
/// [`AdministerClientsError`].
pub async fn change(
    deps: &Deps,
    id: &ClientId,
    patch: &Map<String, Value>,
    expected_version: Option<u64>,
) -> Result<Client, AdministerClientsError> {
    let now = deps.clock.now();
    for _ in 0..ATTEMPTS {
        let before = find(deps, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(AdministerClientsError::OtherVersion);
        }
        let after = before.patched(patch, &deps.tokens.issuer, now)?;
        match deps.stores.clients.replace(&after, before.version).await? {
            ReplaceOutcome::Replaced => return Ok(after),
            ReplaceOutcome::Missing => return Err(AdministerClientsError::Missing),
            ReplaceOutcome::VersionConflict => {}
        }
    }
    Err(AdministerClientsError::Conflict)
}

/// Forgets a client and its secrets. With `expected_version`, only that version is removed. The secrets go last, and also
/// if the client is gone already: without a client they open nothing, and whoever repeats a removal that failed half-way
/// completes it.
///
/// # Errors
/// [`AdministerClientsError::Missing`], [`AdministerClientsError::OtherVersion`] or [`AdministerClientsError::Store`].
pub async fn remove(
    deps: &Deps,
    id: &ClientId,
    expected_version: Option<u64>,
) -> Result<(), AdministerClientsError> {
    let outcome = deps.stores.clients.delete(id, expected_version).await?;
    if outcome == DeleteOutcome::VersionConflict {
        return Err(AdministerClientsError::OtherVersion);
    }
    for owner in deps.pepper.owners_of(id) {
        deps.stores.secrets.delete_all(&owner).await?;
    }
    match outcome {
        DeleteOutcome::Deleted => Ok(()),
        DeleteOutcome::VersionConflict | DeleteOutcome::Missing => Err(AdministerClientsError::Missing),
    }
}
