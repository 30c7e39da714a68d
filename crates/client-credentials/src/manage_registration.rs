//! What a client does with its own registration (RFC 7592): look, replace, remove. Whoever has its registration access
//! token is the client, as far as that goes.

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{
    AuthMethod, Client, ClientDefect, ClientId, ClientState, NewClient, ReplaceOutcome,
};
use credentials::secret::TokenKind;
use serde_json::{Map, Value};

use crate::Deps;
use crate::administer_clients::{self, AdministerClientsError, Operator};
use crate::client_keys::{self, RegisterKeysError};
use crate::rate_limit::LimitReached;
use crate::source::Source;

/// Why the holder did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum ManageRegistrationError {
    /// No such client, or not its token: which of the two is not told (C-7592-09).
    #[error("the registration access token is not one of this client")]
    NotTheHolder,
    #[error(transparent)]
    TooMany(#[from] LimitReached),
    #[error(transparent)]
    Client(#[from] ClientDefect),
    #[error(transparent)]
    Keys(#[from] RegisterKeysError),
    #[error("the client has been changed meanwhile")]
    Conflict,
    #[error(transparent)]
    Remove(#[from] AdministerClientsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The client.
///
/// # Errors
/// [`ManageRegistrationError::NotTheHolder`] or [`ManageRegistrationError::Store`].
pub async fn find(deps: &Deps, id: &ClientId, token: &str) -> Result<Client, ManageRegistrationError> {
    look_up(deps, id, token).await?.ok_or(ManageRegistrationError::NotTheHolder)
}

/// What the token opens: the client, or nothing any more if it was removed and its token not yet.
async fn look_up(deps: &Deps, id: &ClientId, token: &str) -> Result<Option<Client>, ManageRegistrationError> {
    let owner = deps.pepper.token_owner(TokenKind::Registration, id.as_str());
    // Both are asked whatever becomes of them: an unknown client takes as long as a wrong token.
    let (client, tokens) = tokio::try_join!(deps.stores.clients.find(id), deps.stores.secrets.find(&owner))?;
    let presented = deps.pepper.token_hash(TokenKind::Registration, token);
    let matches = tokens.iter().fold(false, |found, stored| found | stored.hash.matches(&presented));
    let lives = |client: &Client| matches!(client.state, ClientState::Public | ClientState::Draft);
    if matches && client.as_ref().is_none_or(lives) {
        Ok(client)
    } else {
        Err(ManageRegistrationError::NotTheHolder)
    }
}

/// Counts a replacement or removal as a registration: it leaves an audit event behind, and has us fetch keys from another
/// place, or remember that the tokens are revoked (T-REG-01, T-SSRF-06).
///
/// # Errors
/// [`ManageRegistrationError::TooMany`].
pub fn admit(deps: &Deps, source: Source) -> Result<(), ManageRegistrationError> {
    let admitted = deps.limits.registration(source, deps.clock.now());
    Ok(admitted.inspect_err(|reached| deps.metrics.limited(*reached))?)
}

/// Puts a new description in the place of the old one. Of several at one time, one is taken and the others are refused
/// (T-REG-06).
///
/// # Errors
/// [`ManageRegistrationError`]; nothing was changed then, unless it is [`ManageRegistrationError::Store`].
pub async fn replace(
    deps: &Deps,
    id: &ClientId,
    token: &str,
    members: &Map<String, Value>,
) -> Result<Client, ManageRegistrationError> {
    let now = deps.clock.now();
    let before = find(deps, id, token).await?;
    let new = NewClient::replacing(&before, members, &deps.tokens.issuer)?;
    check_secret(deps, id, members, now).await?;
    let keys = client_keys::registered(deps, &new.keys, new.assertion_algorithm, now).await?;
    let after = new.into_replacement(&before, keys, now);
    match deps.stores.clients.replace(&after, before.version).await? {
        ReplaceOutcome::Replaced => {}
        ReplaceOutcome::VersionConflict => return Err(ManageRegistrationError::Conflict),
        ReplaceOutcome::Missing => return Err(ManageRegistrationError::NotTheHolder),
    }
    if after.auth_method == AuthMethod::PrivateKeyJwt && before.auth_method != after.auth_method {
        // They opened nothing from the replacement on.
        deps.stores.secrets.delete_all(&deps.pepper.lookup(id)).await?;
    }
    Ok(after)
}

/// A client may show the secret it has, and cannot choose one (C-7592-06, T-REG-07).
async fn check_secret(
    deps: &Deps,
    id: &ClientId,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), ManageRegistrationError> {
    let Some(secret) = members.get("client_secret") else { return Ok(()) };
    let presented = secret.as_str().map(|secret| deps.pepper.hash(secret));
    let secrets = deps.stores.secrets.find(&deps.pepper.lookup(id)).await?;
    let is_one = presented.is_some_and(|presented| {
        secrets.iter().filter(|stored| stored.is_live(now)).any(|stored| stored.hash.matches(&presented))
    });
    if is_one { Ok(()) } else { Err(ClientDefect::SecretChosen.into()) }
}

/// The permissions of a client that the token may remove, or none if only its token is left: it may end what it has
/// itself.
///
/// # Errors
/// [`ManageRegistrationError::NotTheHolder`] or [`ManageRegistrationError::Store`].
pub async fn removable(
    deps: &Deps,
    id: &ClientId,
    token: &str,
) -> Result<Vec<String>, ManageRegistrationError> {
    Ok(look_up(deps, id, token).await?.map(|client| client.permissions).unwrap_or_default())
}

/// Forgets the client, its secrets, its tokens and this token. It is the last to go: whoever repeats a removal that failed
/// half-way completes it.
///
/// # Errors
/// [`ManageRegistrationError`].
pub async fn remove(
    deps: &Deps,
    id: &ClientId,
    permissions: Vec<String>,
) -> Result<(), ManageRegistrationError> {
    let own = Operator::Client { permissions };
    match administer_clients::remove(deps, &own, id, None).await {
        // Somebody else was faster.
        Ok(()) | Err(AdministerClientsError::Missing) => Ok(()),
        // It got a permission meanwhile, or is changed all the time.
        Err(AdministerClientsError::Privileged(_) | AdministerClientsError::Conflict) => {
            Err(ManageRegistrationError::Conflict)
        }
        Err(error) => Err(error.into()),
    }
}
