//! What an operator does with the keys of a client: look, add one beside the others, retire one.

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{Client, ClientId, ClientKey, ClientKeyDefect};
use credentials::key::{Algorithm, PublicKey};
use serde_json::{Map, Value};

use crate::Deps;
use crate::administer_clients::{self, AdministerClientsError, Operator};
use crate::client_keys::{self, RegisterKeysError};

/// The keys of a client, as an operator sees them.
#[derive(Debug)]
pub struct ClientKeys {
    /// Those in its record that are live, oldest first.
    pub keys: Vec<ClientKey>,
    /// Where it publishes its keys instead.
    pub jwks_uri: Option<String>,
    pub now: Timestamp,
}

/// Why the operator did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum AdministerClientKeysError {
    #[error(transparent)]
    Client(#[from] AdministerClientsError),
    #[error(transparent)]
    Key(#[from] ClientKeyDefect),
    #[error(transparent)]
    Keys(#[from] RegisterKeysError),
}

/// The keys of a client.
///
/// # Errors
/// [`AdministerClientKeysError::Client`].
pub async fn list(deps: &Deps, id: &ClientId) -> Result<ClientKeys, AdministerClientKeysError> {
    let client = administer_clients::find(deps, id).await?;
    Ok(ClientKeys::of(&client, deps.clock.now()))
}

/// Gives the client a key. With `grace_seconds`, those it has end then, or earlier.
///
/// # Errors
/// [`AdministerClientKeysError`].
pub async fn add(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    jwk: &Map<String, Value>,
    grace_seconds: Option<u32>,
) -> Result<PublicKey, AdministerClientKeysError> {
    let client = administer_clients::find(deps, id).await?;
    let algorithm = client.assertion_algorithm.as_deref().and_then(Algorithm::named);
    let key = client_keys::one_more(deps, jwk, algorithm).await?;
    let added = |client: &Client, now: Timestamp| {
        let others_end = grace_seconds.map(|seconds| now.plus_seconds(seconds.into()));
        client.with_key(key.clone(), others_end, now).map_err(AdministerClientKeysError::from)
    };
    administer_clients::rewrite(deps, operator, id, None, added).await?;
    Ok(key)
}

/// Has a key of the client end `grace_seconds` from now.
///
/// # Errors
/// [`AdministerClientKeysError`].
pub async fn retire(
    deps: &Deps,
    operator: &Operator,
    id: &ClientId,
    kid: &str,
    grace_seconds: u32,
) -> Result<(), AdministerClientKeysError> {
    let retired = |client: &Client, now: Timestamp| {
        let end = now.plus_seconds(grace_seconds.into());
        client.without_key(kid, end, now).map_err(AdministerClientKeysError::from)
    };
    administer_clients::rewrite(deps, operator, id, None, retired).await.map(drop)
}

impl ClientKeys {
    fn of(client: &Client, now: Timestamp) -> Self {
        Self { keys: client.live_keys(now), jwks_uri: client.jwks_uri.clone(), now }
    }
}

impl From<StoreError> for AdministerClientKeysError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}
