//! What an operator does with the signing keys: look, make, activate, retire.

use common::Timestamp;
use credentials::key::Algorithm;
use credentials::key::ring::{KeyState, RingKey, Urgency};
use serde::Serialize;

use crate::Deps;
use crate::signing_keys::KeyStepError;

/// A signing key as an operator sees it. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    pub kid: String,
    /// The `alg` of its tokens.
    pub algorithm: String,
    pub state: KeyState,
    /// Whether all replicas share the key, or one of them has it alone.
    pub shared: bool,
    pub published_at: Timestamp,
    /// From when on a next key may be activated.
    pub usable_from: Option<Timestamp>,
    pub activated_at: Option<Timestamp>,
    pub retired_at: Option<Timestamp>,
    /// When its last token has expired: for a key of one replica, if that replica does not speak again.
    pub gone_at: Option<Timestamp>,
    /// When its replica last said that it signs with it.
    pub last_seen: Option<Timestamp>,
}

/// Why the operator did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum AdministerKeysError {
    #[error("the keys of this deployment are not kept in the store")]
    NotShared,
    /// Withdrawing it would not last: its replica publishes it again.
    #[error("this replica signs with the key")]
    OwnKey,
    #[error(transparent)]
    Step(#[from] KeyStepError),
}

impl KeyReport {
    pub(crate) fn of_ring(key: &RingKey, now: Timestamp) -> Self {
        let state = key.state(now);
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.name().to_owned(),
            state,
            shared: true,
            published_at: key.published_at,
            usable_from: (state == KeyState::Next).then(|| key.usable_from()),
            activated_at: key.activated_at,
            retired_at: key.retired_at,
            gone_at: key.gone_at(),
            last_seen: None,
        }
    }
}

/// All keys that are not gone: those that replicas share, oldest first, then those of single replicas by `kid`.
///
/// # Errors
/// [`AdministerKeysError::Step`].
pub async fn list(deps: &Deps) -> Result<Vec<KeyReport>, AdministerKeysError> {
    Ok(deps.signing_keys.reports(deps.clock.now()).await?)
}

/// Makes a next key.
///
/// # Errors
/// [`AdministerKeysError`].
pub async fn make(deps: &Deps, algorithm: Algorithm) -> Result<KeyReport, AdministerKeysError> {
    let made = deps.signing_keys.make(algorithm, &*deps.random, deps.clock.now()).await?;
    tracing::info!(kid = made.kid, algorithm = made.algorithm, "an operator made a signing key");
    Ok(made)
}

/// Makes a key sign.
///
/// # Errors
/// [`AdministerKeysError`].
pub async fn activate(deps: &Deps, kid: &str, urgency: Urgency) -> Result<KeyReport, AdministerKeysError> {
    let active = deps.signing_keys.activate(kid, urgency, deps.clock.now()).await?;
    tracing::info!(kid, urgency = ?urgency, "an operator activated a signing key");
    Ok(active)
}

/// Takes a key out of use.
///
/// # Errors
/// [`AdministerKeysError`].
pub async fn retire(deps: &Deps, kid: &str, urgency: Urgency) -> Result<KeyReport, AdministerKeysError> {
    let retired = deps.signing_keys.retire(kid, urgency, deps.clock.now()).await?;
    tracing::info!(kid, urgency = ?urgency, "an operator retired a signing key");
    Ok(retired)
}
