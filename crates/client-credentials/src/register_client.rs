//! The order of the steps that make a client, for strangers (`POST /register`) and for operators (`POST /clients`).

use common::Timestamp;
use credentials::client::{AuthMethod, Client, ClientDefect, ClientId, NewClient};
use credentials::secret::{self, StoredSecret, TokenKind};
use credentials::{InsertError, RandomError, StoreError};
use serde_json::{Map, Value};
use service_kit::traces::step;
use zeroize::Zeroizing;

use crate::Deps;
use crate::administer_clients::{Operator, Privileged};
use crate::client_keys::{self, RegisterKeysError};
use crate::rate_limit::LimitReached;
use crate::registration_tokens::{Admission, AdmissionError};
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
    /// With it the client looks after its registration (RFC 7592). Shown likewise. `None` if an operator made the client,
    /// or if nobody could tell where to use it.
    pub registration_token: Option<Zeroizing<String>>,
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
    #[error(transparent)]
    Admission(#[from] AdmissionError),
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
    admission: Option<Admission>,
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
    let registration_token = match registrant {
        Registrant::Stranger if deps.tells_registration_tokens() => Some(secret::generate(&*deps.random)?),
        Registrant::Stranger | Registrant::Operator(_) => None,
    };
    if let Some(admission) = admission {
        admission.spend(deps).await?;
    }
    let registered = RegisteredClient { client, secret, registration_token };
    step("store_client", store(deps, &registered, now)).await?;
    Ok(registered)
}

/// The secret first: a client whose secret was lost would be useless for ever, a secret without a client is merely
/// forgotten.
async fn store(
    deps: &Deps,
    registered: &RegisteredClient,
    now: Timestamp,
) -> Result<(), RegisterClientError> {
    let RegisteredClient { client, secret, registration_token } = registered;
    if let Some(secret) = secret {
        let owner = deps.pepper.lookup(&client.id);
        deps.stores.secrets.add(&owner, &StoredSecret::new(secret, &deps.pepper, now)).await?;
    }
    if let Some(token) = registration_token {
        let owner = deps.pepper.token_owner(TokenKind::Registration, client.id.as_str());
        let hash = deps.pepper.token_hash(TokenKind::Registration, token);
        let stored = StoredSecret { hash, last_four: None, created_at: now, expires_at: None };
        deps.stores.secrets.add(&owner, &stored).await?;
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

impl std::fmt::Debug for RegisteredClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RegisteredClient").field("id", &self.client.id).finish_non_exhaustive()
    }
}
