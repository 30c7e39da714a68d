//! What an access token is worth: the steps of `GET /tokeninfo`. No store is asked for a token whose key is known.

use common::AccessTokenClaims;
use credentials::StoreError;
use jose::{AccessTokenRejection, SignatureDefect, verify_access_token};

use crate::Deps;
use crate::signing_keys::KnownKeys;

/// Why a token was not described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeTokenError {
    #[error(transparent)]
    Rejected(#[from] AccessTokenRejection),
    /// It names a key we do not know, and the store cannot tell whether another replica has it.
    #[error("the signing keys of the other replicas cannot be read: {0}")]
    KeysUnknown(#[from] StoreError),
}

/// The claims of a valid access token of ours.
///
/// # Errors
/// [`DescribeTokenError`].
pub async fn run(deps: &Deps, token: &str) -> Result<AccessTokenClaims, DescribeTokenError> {
    let now = deps.clock.now();
    let read = |keys: &KnownKeys| {
        verify_access_token(
            token,
            |kid| keys.verifier(kid),
            &deps.tokens.issuer,
            &deps.tokens.accepted_audiences,
            now,
        )
    };
    match read(&deps.signing_keys.known(now)) {
        Err(AccessTokenRejection::Signature(SignatureDefect::UnknownKey)) => {
            Ok(read(&*deps.signing_keys.refreshed(&*deps.clock).await?)?)
        }
        outcome => Ok(outcome?),
    }
}
