//! The order of the steps that make a client, for strangers (`POST /register`) and for operators (`POST /clients`).

use common::Timestamp;
use credentials::client::{AuthMethod, BroughtAlong, Client, ClientDefect, ClientId, NewClient};
use credentials::secret::{self, SecretHash, StoredSecret, TokenKind};
use credentials::{InsertError, RandomError, StoreError};
use serde_json::{Map, Value};
use service_kit::traces::step;
use zeroize::Zeroizing;

use crate::Deps;
use crate::administer_clients::{self, Operator, Privileged};
use crate::client_keys::{self, RegisterKeysError};
use crate::rate_limit::LimitReached;
use crate::registration_tokens::{Admission, AdmissionError};
use crate::source::Source;

/// What is stored under a wanted id for so long belongs to an earlier client: nobody takes that long to make one.
const LEFT_OVER_AFTER_SECONDS: i64 = 300;

/// Who asks for the client, and so what they may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registrant {
    /// Anybody: the client is powerless (T-REG-03).
    Stranger,
    /// May give powers.
    Operator(Operator),
}

/// A client, stored.
pub struct RegisteredClient {
    pub client: Client,
    /// Shown here and never again. `None` if the client has a key, or has brought its secrets along.
    pub secret: Option<Zeroizing<String>>,
    /// With it the client looks after its registration (RFC 7592). Shown likewise. `None` if an operator made the client,
    /// or if nobody could tell where to use it.
    pub registration_token: Option<Zeroizing<String>>,
}

/// Why no client was made. Of what may be left behind, nobody can use anything: the caller learns neither id nor secret.
/// Only under an id that was wanted, after [`Self::Store`], there may be a client, with what was brought along: look.
#[derive(Debug, thiserror::Error)]
pub enum RegisterClientError {
    #[error(transparent)]
    Client(#[from] ClientDefect),
    #[error(transparent)]
    Privileged(#[from] Privileged),
    #[error(transparent)]
    Keys(#[from] RegisterKeysError),
    #[error(transparent)]
    TooMany(#[from] LimitReached),
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    #[error("a client with the generated id exists")]
    Duplicate,
    #[error("a client with the wanted id exists")]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Counts the attempt of a stranger, before it costs us anything (T-REG-01).
///
/// # Errors
/// [`RegisterClientError::TooMany`].
pub fn admit(deps: &Deps, source: Source) -> Result<(), RegisterClientError> {
    let admitted = deps.limits.registration(source, deps.clock.now());
    Ok(admitted.inspect_err(|reached| deps.metrics.limited(*reached))?)
}

/// A client that may be stored, and is not yet.
pub struct PreparedClient {
    registered: RegisteredClient,
    secrets: Vec<StoredSecret>,
    /// Whether its id was wanted, so that others may have it.
    is_wanted: bool,
    admission: Option<Admission>,
}

/// Checks what the registrant sent, and makes a client of it.
///
/// # Errors
/// [`RegisterClientError`].
pub async fn prepare(
    deps: &Deps,
    registrant: &Registrant,
    admission: Option<Admission>,
    members: &Map<String, Value>,
) -> Result<PreparedClient, RegisterClientError> {
    let now = deps.clock.now();
    let new = match registrant {
        Registrant::Stranger => NewClient::self_registered(members, &deps.tokens.issuer)?,
        Registrant::Operator(operator) => {
            let new = NewClient::by_operator(members, &deps.tokens.issuer)?;
            operator.check(&new.permissions)?;
            new
        }
    };
    let brought = match registrant {
        Registrant::Stranger | Registrant::Operator(Operator::Nobody) => BroughtAlong::default(),
        Registrant::Operator(_) => BroughtAlong::read(members, new.auth_method)?,
    };
    let keys = client_keys::registered(deps, &new.keys, new.assertion_algorithm, now).await?;
    let brought_secrets = brought.stored_secrets(&deps.pepper, now);
    let is_wanted = brought.id.is_some();
    let id = brought.id.map_or_else(|| ClientId::generate(&*deps.random), Ok)?;
    let client = new.into_client(id, keys, deps.default_client_state, now);
    client.check_lifetime(deps.tokens.max_lifetime_seconds)?;
    let secret = match client.auth_method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost if brought_secrets.is_empty() => {
            Some(secret::generate(&*deps.random)?)
        }
        _ => None,
    };
    let generated = secret.as_deref().map(|secret| StoredSecret::new(secret, &deps.pepper, now));
    let secrets: Vec<StoredSecret> = generated.into_iter().chain(brought_secrets).collect();
    for secret in &secrets {
        deps.imported_secrets.saw(&secret.hash);
    }
    let registration_token = match registrant {
        Registrant::Stranger if deps.tells_registration_tokens() => Some(secret::generate(&*deps.random)?),
        Registrant::Stranger | Registrant::Operator(_) => None,
    };
    let registered = RegisteredClient { client, secret, registration_token };
    Ok(PreparedClient { registered, secrets, is_wanted, admission })
}

impl PreparedClient {
    /// The id that it will have.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.registered.client.id
    }

    /// Stores it.
    ///
    /// # Errors
    /// [`RegisterClientError`].
    pub async fn store(self, deps: &Deps) -> Result<RegisteredClient, RegisterClientError> {
        let Self { registered, secrets, is_wanted, admission } = self;
        let client = &registered.client;
        if let Some(admission) = admission {
            admission.spend(deps).await?;
        }
        if let Some(token) = &registered.registration_token {
            store_token(deps, &client.id, token, client.created_at).await?;
        }
        if is_wanted {
            step("store_client", store_wanted(deps, client, &secrets)).await?;
        } else {
            step("store_client", store(deps, client, &secrets)).await?;
        }
        Ok(registered)
    }
}

/// Like the secret, before the client.
async fn store_token(
    deps: &Deps,
    id: &ClientId,
    token: &str,
    now: Timestamp,
) -> Result<(), RegisterClientError> {
    let owner = deps.pepper.token_owner(TokenKind::Registration, id.as_str());
    let hash = deps.pepper.token_hash(TokenKind::Registration, token);
    Ok(deps.stores.secrets.add(&owner, &StoredSecret::of_token(hash, now, None)).await?)
}

/// The secret first: a client whose secret was lost would be useless for ever, a secret without a client is merely
/// forgotten.
async fn store(deps: &Deps, client: &Client, secrets: &[StoredSecret]) -> Result<(), RegisterClientError> {
    let owner = deps.pepper.lookup(&client.id);
    for secret in secrets {
        deps.stores.secrets.add(&owner, secret).await?;
    }
    let inserted = deps.stores.clients.insert_new(client).await;
    if inserted.is_err() {
        // Best effort: without their client they open nothing.
        for owner in deps.pepper.owners_of(&client.id) {
            let _ = deps.stores.secrets.delete_all(&owner).await;
        }
    }
    inserted.map_err(|error| match error {
        InsertError::Duplicate => RegisterClientError::Duplicate,
        InsertError::Store(error) => RegisterClientError::Store(error),
    })
}

/// The same under an id that was wanted. Others may have had it, or want it now: their secrets must not be lost for ours,
/// and what a removal or an import left behind half-way must not open what we make.
async fn store_wanted(
    deps: &Deps,
    client: &Client,
    secrets: &[StoredSecret],
) -> Result<(), RegisterClientError> {
    if deps.stores.clients.find(&client.id).await?.is_some() {
        return Err(RegisterClientError::Taken);
    }
    end_left_overs(deps, client).await?;
    let owner = deps.pepper.lookup(&client.id);
    for secret in secrets {
        deps.stores.secrets.add(&owner, secret).await?;
    }
    match deps.stores.clients.insert_new(client).await {
        Ok(()) => {
            let ended = end_others(deps, client, secrets).await;
            if ended.is_err() {
                // The caller is told that it was not made. Best effort.
                let version = Some(client.version);
                let _ = administer_clients::remove(deps, &Operator::Bootstrap, &client.id, version).await;
            }
            Ok(ended?)
        }
        Err(InsertError::Duplicate) => {
            // Somebody was faster. What they brought along as well stays.
            let stored = deps.stores.secrets.find(&owner).await?;
            let times = |hash: &SecretHash| stored.iter().filter(|other| other.hash == *hash).count();
            for secret in secrets.iter().filter(|secret| times(&secret.hash) == 1) {
                deps.stores.secrets.remove(&owner, &secret.hash, None).await?;
            }
            Err(RegisterClientError::Taken)
        }
        // It may have been made.
        Err(InsertError::Store(error)) => Err(error.into()),
    }
}

/// Before there is a client: what an earlier one of this id left behind. What is younger may be of somebody who makes it
/// now, and waits until it is known whose it is.
async fn end_left_overs(deps: &Deps, client: &Client) -> Result<(), StoreError> {
    // Nobody looks after it with the token of another one that had its id.
    let tokens = deps.pepper.token_owner(TokenKind::Registration, client.id.as_str());
    deps.stores.secrets.delete_all(&tokens).await?;
    let owner = deps.pepper.lookup(&client.id);
    let since = client.created_at.plus_seconds(-LEFT_OVER_AFTER_SECONDS);
    for secret in deps.stores.secrets.find(&owner).await?.iter().filter(|it| it.created_at < since) {
        deps.stores.secrets.remove(&owner, &secret.hash, None).await?;
    }
    Ok(())
}

/// Once the client is ours: every secret that is not.
async fn end_others(deps: &Deps, client: &Client, ours: &[StoredSecret]) -> Result<(), StoreError> {
    let owner = deps.pepper.lookup(&client.id);
    let is_ours = |secret: &&StoredSecret| ours.iter().any(|own| own.hash == secret.hash);
    for stranger in deps.stores.secrets.find(&owner).await?.iter().filter(|secret| !is_ours(secret)) {
        deps.stores.secrets.remove(&owner, &stranger.hash, None).await?;
    }
    Ok(())
}

impl std::fmt::Debug for PreparedClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PreparedClient").field("id", self.id()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RegisteredClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RegisteredClient").field("id", &self.client.id).finish_non_exhaustive()
    }
}
