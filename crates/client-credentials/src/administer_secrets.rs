//! What an operator does with the secrets of a client: look at them without seeing them, give it a new one while the old
//! one goes on for a while, take one away; and end the token with which it looks after its registration.

use common::Timestamp;
use credentials::client::{AuthMethod, Client, ClientId};
use credentials::secret::{self, RemoveOutcome, RotateOutcome, Rotation, StoredSecret, TokenKind};
use credentials::{RandomError, StoreError};
use zeroize::Zeroizing;

use crate::Deps;
use crate::administer_clients::{self, AdministerClientsError, Operator, Privileged};

/// The most live secrets of a client: each is compared at each token request.
const MAX_SECRETS: usize = 5;

/// A new secret, stored.
pub struct NewSecret {
    pub stored: StoredSecret,
    /// Shown here and never again.
    pub secret: Zeroizing<String>,
    /// When the secrets before it end.
    pub others_end: Timestamp,
}

/// Why the operator did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum AdministerSecretsError {
    #[error(transparent)]
    Client(#[from] AdministerClientsError),
    #[error("the client authenticates with a key")]
    NoSecretMethod,
    #[error("no secret of the client has this id")]
    Missing,
    #[error("the client has {MAX_SECRETS} live secrets")]
    TooMany,
    #[error("it is the last live secret of the client")]
    Last,
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The secrets of a client, oldest first; those that have ended are left out.
///
/// # Errors
/// [`AdministerSecretsError::Client`].
pub async fn list(deps: &Deps, id: &ClientId) -> Result<Vec<StoredSecret>, AdministerSecretsError> {
    administer_clients::find(deps, id).await?;
    let now = deps.clock.now();
    let mut secrets = deps.stores.secrets.find(&deps.pepper.lookup(id)).await?;
    secrets.retain(|secret| secret.is_live(now));
    Ok(secrets)
}

/// Gives the client a new secret. Those it has end `grace_seconds` from now, or earlier. Without grace its registration
/// access token ends as well: both were shown in one answer, and whoever has the token can put a key of their own in the
/// place of every secret.
///
/// # Errors
/// [`AdministerSecretsError`].
pub async fn rotate(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    grace_seconds: u32,
) -> Result<NewSecret, AdministerSecretsError> {
    let now = deps.clock.now();
    let client = overseen(deps, operator, id).await?;
    if client.auth_method == AuthMethod::PrivateKeyJwt {
        return Err(AdministerSecretsError::NoSecretMethod);
    }
    if grace_seconds == 0 {
        forget_registration_token(deps, id).await?;
    }
    let owner = deps.pepper.lookup(id);
    let secret = secret::generate(&*deps.random)?;
    let new = StoredSecret::new(&secret, &deps.pepper, now);
    let others_end = now.plus_seconds(grace_seconds.into());
    let rotation = Rotation { new, others_end, most_live: MAX_SECRETS };
    match deps.stores.secrets.rotate(&owner, &rotation).await? {
        RotateOutcome::Rotated => {}
        RotateOutcome::TooMany => return Err(AdministerSecretsError::TooMany),
    }
    if let Err(gone) = administer_clients::find(deps, id).await {
        if let AdministerClientsError::Missing = gone {
            // It was removed meanwhile, its secrets perhaps before ours was there.
            deps.stores.secrets.delete_all(&owner).await?;
        }
        return Err(gone.into());
    }
    Ok(NewSecret { stored: rotation.new, secret, others_end })
}

/// Forgets a secret at once. The last live one only with `force`: the client gets no token then.
///
/// # Errors
/// [`AdministerSecretsError`].
pub async fn remove(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    secret_id: &str,
    force: bool,
) -> Result<(), AdministerSecretsError> {
    let now = deps.clock.now();
    overseen(deps, operator, id).await?;
    let owner = deps.pepper.lookup(id);
    let secrets = deps.stores.secrets.find(&owner).await?;
    let doomed = secrets.iter().find(|secret| secret.id().as_str() == secret_id);
    let doomed = doomed.ok_or(AdministerSecretsError::Missing)?;
    match deps.stores.secrets.remove(&owner, &doomed.hash, (!force).then_some(now)).await? {
        RemoveOutcome::Removed => Ok(()),
        RemoveOutcome::Missing => Err(AdministerSecretsError::Missing),
        RemoveOutcome::LastLive => Err(AdministerSecretsError::Last),
    }
}

/// Ends the registration access token of the client (RFC 7592). It gets no other one. One that is not there has ended.
///
/// # Errors
/// [`AdministerSecretsError::Client`].
pub async fn end_registration_token(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
) -> Result<(), AdministerSecretsError> {
    overseen(deps, operator, id).await?;
    Ok(forget_registration_token(deps, id).await?)
}

async fn forget_registration_token(deps: &Deps, id: &ClientId) -> Result<(), StoreError> {
    deps.stores.secrets.delete_all(&deps.pepper.token_owner(TokenKind::Registration, id.as_str())).await
}

async fn overseen(deps: &Deps, operator: &Operator, id: &ClientId) -> Result<Client, AdministerSecretsError> {
    let client = administer_clients::find(deps, id).await?;
    operator.check(&client.permissions)?;
    Ok(client)
}

impl From<StoreError> for AdministerSecretsError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

impl From<Privileged> for AdministerSecretsError {
    fn from(error: Privileged) -> Self {
        Self::Client(error.into())
    }
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewSecret").field("id", &self.stored.id()).finish_non_exhaustive()
    }
}
