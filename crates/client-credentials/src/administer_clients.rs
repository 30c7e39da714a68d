//! What an operator does with clients that exist: look, change, remove.

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{
    Client, ClientDefect, ClientFilter, ClientId, ClientPage, DeleteOutcome, ReplaceOutcome,
};
use credentials::revocation::LONGEST_TOKEN_LIFETIME_SECONDS;
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
    #[error(transparent)]
    Privileged(#[from] Privileged),
    /// The client is not of the version that the operator named.
    #[error("the client has been changed meanwhile")]
    OtherVersion,
    #[error("the client is being changed by others all the time")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who administers clients. Whoever holds a token of a client may not make or take over one that has a `gettone:`
/// permission they lack: else each permission to write clients would be all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// The bearer of the bootstrap token, who may all.
    Bootstrap,
    /// A client with these permissions.
    Client { permissions: Vec<String> },
    /// Without a token: as in the drop-in profile on the public listener, where clients are made without one.
    Nobody,
}

/// What permissions over this service itself begin with.
const PRIVILEGE: &str = "gettone:";

impl Operator {
    /// Whether they may make, change or remove a client with these permissions.
    ///
    /// # Errors
    /// [`Privileged`] with the first permission they lack.
    pub fn check(&self, permissions: &[String]) -> Result<(), Privileged> {
        let own: &[String] = match self {
            Self::Bootstrap => return Ok(()),
            Self::Client { permissions } => permissions,
            Self::Nobody => &[],
        };
        let mut privileges = permissions.iter().filter(|permission| permission.starts_with(PRIVILEGE));
        match privileges.find(|privilege| !own.contains(privilege)) {
            Some(_) => Err(Privileged),
            None => Ok(()),
        }
    }
}

/// The client has a permission over this service that the operator has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has, or would get, a gettone: permission that the operator has not")]
pub struct Privileged;

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
    operator: &Operator,
    id: &ClientId,
    patch: &Map<String, Value>,
    expected_version: Option<u64>,
) -> Result<Client, AdministerClientsError> {
    let patched = |before: &Client, now| {
        let after = before.patched(patch, &deps.tokens.issuer, now)?;
        operator.check(&after.permissions)?;
        after.check_lifetime(deps.tokens.max_lifetime_seconds)?;
        Ok::<_, AdministerClientsError>(after)
    };
    let after = rewrite(deps, operator, id, expected_version, patched).await?;
    if !after.may_obtain_tokens() {
        // Also if it was so before: whoever repeats a change that failed half-way completes it. Up to now, not to the
        // beginning of the change: until it was stored, any replica issued tokens.
        deps.revocations.revoke_all_of(id, deps.clock.now()).await?;
    }
    Ok(after)
}

/// Replaces a client by what `rewritten` makes of it and of the time, again if another change comes in between.
///
/// # Errors
/// Those of `rewritten`, and [`AdministerClientsError`].
pub(crate) async fn rewrite<E: From<AdministerClientsError>>(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    expected_version: Option<u64>,
    rewritten: impl Fn(&Client, Timestamp) -> Result<Client, E>,
) -> Result<Client, E> {
    let now = deps.clock.now();
    for _ in 0..ATTEMPTS {
        let before = find(deps, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(AdministerClientsError::OtherVersion.into());
        }
        operator.check(&before.permissions).map_err(AdministerClientsError::from)?;
        let after = rewritten(&before, now)?;
        let replaced = deps.stores.clients.replace(&after, before.version).await;
        match replaced.map_err(AdministerClientsError::from)? {
            ReplaceOutcome::Replaced => return Ok(after),
            ReplaceOutcome::Missing => return Err(AdministerClientsError::Missing.into()),
            ReplaceOutcome::VersionConflict => {}
        }
    }
    Err(AdministerClientsError::Conflict.into())
}

/// Revokes every token that the client got until now; it may get new ones at once.
///
/// # Errors
/// [`AdministerClientsError`].
pub async fn revoke_tokens(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
) -> Result<(), AdministerClientsError> {
    operator.check(&find(deps, id).await?.permissions)?;
    Ok(deps.revocations.revoke_all_of(id, deps.clock.now()).await?)
}

/// Forgets a client and its secrets, and revokes its tokens (C-7592-08). With `expected_version`, only that version is
/// removed. Tokens and secrets go last, and also if the client is gone already: without a client the secrets open nothing,
/// and whoever repeats a removal that failed half-way completes it.
///
/// # Errors
/// [`AdministerClientsError`].
pub async fn remove(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    expected_version: Option<u64>,
) -> Result<(), AdministerClientsError> {
    let removed = delete(deps, operator, id, expected_version).await?;
    let lifetime = removed.as_ref().map_or(LONGEST_TOKEN_LIFETIME_SECONDS, |client| lifetime(deps, client));
    deps.revocations.revoke_all_living(id, deps.clock.now(), lifetime).await?;
    for owner in deps.pepper.owners_of(id) {
        deps.stores.secrets.delete_all(&owner).await?;
    }
    removed.map(drop).ok_or(AdministerClientsError::Missing)
}

/// How long the tokens of a client may live. To one that registered itself and that no operator touched, nobody gave a
/// lifetime of its own: there may be very many of them, for anybody makes and removes them.
fn lifetime(deps: &Deps, client: &Client) -> i64 {
    if client.is_as_registered() { deps.tokens.lifetime_seconds } else { LONGEST_TOKEN_LIFETIME_SECONDS }
}

/// Deletes the version of the client that was looked at, again if a change comes in between; `None` if there is none.
async fn delete(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    expected_version: Option<u64>,
) -> Result<Option<Client>, AdministerClientsError> {
    for _ in 0..ATTEMPTS {
        let Some(client) = deps.stores.clients.find(id).await? else { return Ok(None) };
        operator.check(&client.permissions)?;
        if expected_version.is_some_and(|expected| expected != client.version) {
            return Err(AdministerClientsError::OtherVersion);
        }
        match deps.stores.clients.delete(id, Some(client.version)).await? {
            DeleteOutcome::Deleted => return Ok(Some(client)),
            DeleteOutcome::Missing => return Ok(None),
            DeleteOutcome::VersionConflict => {}
        }
    }
    Err(AdministerClientsError::Conflict)
}
