//! What an access token is worth: the steps of `GET /tokeninfo`, and those that introspection and revocation share with it.
//! No store is asked for a token whose key is known.

use common::{AccessTokenClaims, Timestamp};
use credentials::StoreError;
use jose::{AccessTokenRejection, SignatureDefect, verify_access_token};

use crate::Deps;
use crate::revocations::Standing;
use crate::signing_keys::KnownKeys;

/// Why a token was not described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeTokenError {
    #[error(transparent)]
    Rejected(#[from] AccessTokenRejection),
    #[error("the token has been revoked")]
    Revoked,
    /// It names a key we do not know, and the store cannot tell whether another replica has it.
    #[error("the signing keys of the other replicas cannot be read: {0}")]
    KeysUnknown(#[from] StoreError),
    /// The store has not told for too long what is revoked.
    #[error("it is not known whether the token has been revoked")]
    RevocationUnknown,
}

/// The claims of a valid access token of ours, for an audience that we accept, that is not revoked.
///
/// # Errors
/// [`DescribeTokenError`].
pub async fn run(deps: &Deps, token: &str) -> Result<AccessTokenClaims, DescribeTokenError> {
    let claims = read(deps, token, Some(&deps.tokens.accepted_audiences), deps.clock.now()).await?;
    check_revocation(deps, &claims)?;
    Ok(claims)
}

/// The claims of an access token of ours that is valid now; it may have been revoked. `accepted_audiences` as in
/// [`verify_access_token`].
///
/// # Errors
/// [`DescribeTokenError`].
pub(crate) async fn read(
    deps: &Deps,
    token: &str,
    accepted_audiences: Option<&[String]>,
    now: Timestamp,
) -> Result<AccessTokenClaims, DescribeTokenError> {
    let with = |keys: &KnownKeys| {
        let key_of = |kid: &str| keys.verifier(kid);
        verify_access_token(token, key_of, &deps.tokens.issuer, accepted_audiences, deps.profile, now)
    };
    match with(&deps.signing_keys.known(now)) {
        Err(AccessTokenRejection::Signature(SignatureDefect::UnknownKey)) => {
            Ok(with(&*deps.signing_keys.refreshed(&*deps.clock).await?)?)
        }
        outcome => Ok(outcome?),
    }
}

/// Refuses claims that are revoked, or of which it cannot be known.
pub(crate) fn check_revocation(deps: &Deps, claims: &AccessTokenClaims) -> Result<(), DescribeTokenError> {
    match deps.revocations.standing(claims) {
        Standing::Good => Ok(()),
        Standing::Revoked => Err(DescribeTokenError::Revoked),
        Standing::Unknown => Err(DescribeTokenError::RevocationUnknown),
    }
}
