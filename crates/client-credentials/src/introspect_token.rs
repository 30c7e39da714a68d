//! The order of the steps of `POST /oauth/introspect` (RFC 7662): authenticate, read the token, ask whether the client may
//! know about it, whether it is revoked, and whether its owner still exists; use the assertion up last. Whatever is not
//! active looks the same.

use common::{AccessTokenClaims, Timestamp};
use credentials::StoreError;
use credentials::client::{Client, ClientId};

use crate::Deps;
use crate::authenticate_client::{self, AuthenticateClientError, PresentedCredential};
use crate::describe_token::{self, DescribeTokenError};
use crate::token_places::TokenPlace;
use crate::token_rights;

/// A question about a token.
pub struct TokenQuestion {
    pub credential: PresentedCredential,
    /// The `client_id` parameter: if given, it must name the client that authenticates.
    pub client_id: Option<String>,
    /// The `token` parameter.
    pub token: Option<String>,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectTokenError {
    #[error(transparent)]
    Authenticate(#[from] AuthenticateClientError),
    #[error("the token is missing")]
    TokenMissing,
    #[error(transparent)]
    CannotKnow(DescribeTokenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The claims of an active token; `None` if it is not active, or not the client's to know.
///
/// # Errors
/// [`IntrospectTokenError`].
pub async fn run(
    deps: &Deps,
    question: TokenQuestion,
    place: &mut TokenPlace,
) -> Result<Option<AccessTokenClaims>, IntrospectTokenError> {
    let now = deps.clock.now();
    let client_id = question.client_id.as_deref();
    let authenticated = authenticate_client::run(deps, question.credential, client_id, place, now).await?;
    let token = question.token.ok_or(IntrospectTokenError::TokenMissing)?;
    let known = look_up(deps, &authenticated.client, &token, now).await?;
    authenticated.spend(deps).await?;
    Ok(known)
}

/// What `client` may know about a token.
async fn look_up(
    deps: &Deps,
    client: &Client,
    token: &str,
    now: Timestamp,
) -> Result<Option<AccessTokenClaims>, IntrospectTokenError> {
    let claims = match describe_token::read(deps, token, None, now).await {
        Ok(claims) => claims,
        Err(error) => return inactive(error),
    };
    if !token_rights::may_introspect(client, &claims, &deps.tokens.accepted_audiences) {
        return Ok(None);
    }
    if let Err(error) = describe_token::check_revocation(deps, &claims) {
        return inactive(error);
    }
    Ok(owner_obtains_tokens(deps, client, &claims).await?.then_some(claims))
}

/// A token that is refused is inactive; one of which we cannot know is neither that nor active.
fn inactive<T>(error: DescribeTokenError) -> Result<Option<T>, IntrospectTokenError> {
    match error {
        DescribeTokenError::Rejected(_) | DescribeTokenError::Revoked => Ok(None),
        DescribeTokenError::KeysUnknown(_) | DescribeTokenError::RevocationUnknown => {
            Err(IntrospectTokenError::CannotKnow(error))
        }
    }
}

/// Whether the client that the token was issued to is there and PUBLIC: another tool may have changed its record.
async fn owner_obtains_tokens(
    deps: &Deps,
    asking: &Client,
    claims: &AccessTokenClaims,
) -> Result<bool, StoreError> {
    if asking.id.as_str() == claims.sub {
        return Ok(asking.may_obtain_tokens());
    }
    let Ok(owner) = ClientId::parse(&claims.sub) else { return Ok(false) };
    Ok(deps.stores.clients.find(&owner).await?.is_some_and(|owner| owner.may_obtain_tokens()))
}

impl std::fmt::Debug for TokenQuestion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenQuestion(..)")
    }
}
