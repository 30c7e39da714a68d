//! The order of the steps that make a client, for strangers (`POST /register`) and for operators (`POST /clients`).

use common::Timestamp;
use credentials::client::{AuthMethod, Client, ClientDefect, ClientId, NewClient};
use credentials::secret::{self, StoredSecret};
use credentials::{InsertError, RandomError, StoreError};
use serde_json::{Map, Value};
use service_kit::traces::step;
use zeroize::Zeroizing;

use crate::Deps;
use crate::administer_clients::{Operator, Privileged};
use crate::client_keys::{self, RegisterKeysError};
use crate::rate_limit::LimitReached;
use crate::source::Source;

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
    /// Shown here and never again. `None` if the client has a key.
    pub secret: Option<Zeroizing<String>>,
}

/// Why no client was made. Nobody can use what may be left behind: the caller learns neither id nor secret.
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
    #[error("a client with the generated id exists")]
    Duplicate,
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

/// Makes a client of what the registrant sent.
///
/// # Errors
/// [`RegisterClientError`].
pub async fn run(
    deps: &Deps,
    registrant: &Registrant,
    members: &Map<String, Value>,
) -> Result<RegisteredClient, RegisterClientError> {
    let now = deps.clock.now();
    let new = match registrant {
        Registrant::Stranger => NewClient::self_registered(members, &deps.tokens.issuer)?,
        Registrant::Operator(operator) => {
            let new = NewClient::by_operator(members, &deps.tokens.issuer)?;
            operator.check(&new.permissions)?;
            new
        }
    };
    let keys = client_keys::registered(deps, &new.keys, new.assertion_algorithm, now).await?;
    let id = ClientId::generate(&*deps.random)?;
    let client = new.into_client(id, keys, deps.default_client_state, now);
    client.check_lifetime(deps.tokens.max_lifetime_seconds)?;
    let secret = match client.auth_method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Some(secret::generate(&*deps.random)?)
        }
        AuthMethod::PrivateKeyJwt => None,
    };
    step("store_client", store(deps, &client, secret.as_deref().map(String::as_str), now)).await?;
    Ok(RegisteredClient { client, secret })
}

/// The secret first: a client whose secret was lost would be useless for ever, a secret without a client is merely
/// forgotten.
async fn store(
    deps: &Deps,
    client: &Client,
    secret: Option<&str>,
    now: Timestamp,
) -> Result<(), RegisterClientError> {
    let owner = deps.pepper.lookup(&client.id);
    if let Some(secret) = secret {
        let stored = StoredSecret::new(secret, &deps.pepper, now);
        deps.stores.secrets.add(&owner, &stored).await?;
    }
    let inserted = deps.stores.clients.insert_new(client).await;
    if inserted.is_err() && secret.is_some() {
        // Best effort: without its client the secret opens nothing.
        let _ = deps.stores.secrets.delete_all(&owner).await;
    }
    inserted.map_err(|error| match error {
        InsertError::Duplicate => RegisterClientError::Duplicate,
        InsertError::Store(error) => RegisterClientError::Store(error),
    })
}

impl std::fmt::Debug for RegisteredClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RegisteredClient").field("id", &self.client.id).finish_non_exhaustive()
    }
}
