//! The order of the steps of `POST /oauth/revoke` (RFC 7009): authenticate, read the token, ask whether the client may
//! revoke it, use the assertion up; then it is revoked.

use common::AccessTokenClaims;
use credentials::StoreError;
use credentials::client::ClientId;

use crate::Deps;
use crate::authenticate_client::{self, AuthenticateClientError};
use crate::describe_token::{self, DescribeTokenError};
use crate::introspect_token::TokenQuestion;
use crate::revocations::RevokeError;
use crate::token_places::TokenPlace;
use crate::token_rights;

/// A token that is about to be revoked.
#[derive(Debug)]
pub struct RevocableToken {
    /// The client that wants it, and may.
    pub by: ClientId,
    pub claims: AccessTokenClaims,
}

/// Why a token was not revoked. It may still be good.
#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    #[error(transparent)]
    Authenticate(#[from] AuthenticateClientError),
    #[error("the token is missing")]
    TokenMissing,
    #[error("the token is another client's")]
    NotTheirs,
    #[error("the signing keys of the other replicas cannot be read: {0}")]
    KeysUnknown(StoreError),
    #[error(transparent)]
    Revoke(#[from] RevokeError),
}

/// The token that is to be revoked. One that is not valid is as good as revoked (RFC 7009 §2.2): `None`.
///
/// # Errors
/// [`RevokeTokenError`].
pub async fn prepare(
    deps: &Deps,
    question: TokenQuestion,
    place: &mut TokenPlace,
) -> Result<Option<RevocableToken>, RevokeTokenError> {
    let now = deps.clock.now();
    let client_id = question.client_id.as_deref();
    let authenticated = authenticate_client::run(deps, question.credential, client_id, place, now).await?;
    let token = question.token.ok_or(RevokeTokenError::TokenMissing)?;
    // Whom the token is for does not matter to its owner.
    let claims = match describe_token::read(deps, &token, None, now).await {
        Ok(claims) => Some(claims),
        Err(DescribeTokenError::KeysUnknown(error)) => return Err(RevokeTokenError::KeysUnknown(error)),
        Err(_) => None,
    };
    if claims.as_ref().is_some_and(|claims| !token_rights::may_revoke(&authenticated.client, claims)) {
        return Err(RevokeTokenError::NotTheirs);
    }
    let client = authenticated.spend(deps).await?;
    Ok(claims.map(|claims| RevocableToken { by: client.id, claims }))
}

impl RevocableToken {
    /// Revokes it, on every replica.
    ///
    /// # Errors
    /// [`RevokeTokenError::Revoke`].
    pub async fn revoke(&self, deps: &Deps) -> Result<(), RevokeTokenError> {
        Ok(deps.revocations.revoke_token(&self.claims).await?)
    }
}
