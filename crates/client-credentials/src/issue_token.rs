//! The order of the steps of `POST /oauth/token`: authenticate, grant, record the use of the assertion, sign. The clock
//! is read once; whether an assertion was used before is asked last, so that a refused request uses nothing up.

use std::sync::Arc;

use common::{Profile, Timestamp};
use credentials::client::{AuthMethod, Client, ClientId};
use credentials::grant::{self, GrantPolicy, GrantRefusal, GrantRequest};
use jose::SignError;
use service_kit::carried::taken_along;
use service_kit::traces::step;
use zeroize::Zeroizing;

use crate::Deps;
use crate::authenticate_client::{self, AuthenticateClientError, NOTE_USE_SECONDS, PresentedCredential};
use crate::signing_keys::NoSigner;
use crate::token_places::TokenPlace;

const NOTE_LOGIN_SECONDS: i64 = 3600;

/// What a client asks for.
#[derive(Debug)]
pub struct TokenRequest {
    pub credential: PresentedCredential,
    /// The `client_id` parameter: if given, it must name the client that authenticates.
    pub client_id: Option<String>,
    pub audiences: Vec<String>,
    /// Audiences that are URIs (RFC 8707).
    pub resources: Vec<String>,
    /// Permissions it wants in the token (RFC 6749 §3.3).
    pub scope: Option<Vec<String>>,
}

/// A token, issued.
pub struct IssuedToken {
    pub token: Zeroizing<String>,
    pub expires_in_seconds: i64,
    /// As it was asked for; `None` if it was not.
    pub scope: Option<String>,
    pub client: ClientId,
    pub jti: String,
    /// How the client proved who it is.
    pub method: AuthMethod,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueTokenError {
    #[error(transparent)]
    Authenticate(#[from] AuthenticateClientError),
    #[error(transparent)]
    Grant(#[from] GrantRefusal),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    NoSigner(#[from] NoSigner),
}

/// Issues a token, or says why not.
///
/// # Errors
/// [`IssueTokenError`]; nothing was issued then.
pub async fn run(
    deps: &Deps,
    request: TokenRequest,
    place: &mut TokenPlace,
) -> Result<IssuedToken, IssueTokenError> {
    let now = deps.clock.now();
    // Before anything is waited for: what is revoked meanwhile is not outrun, and takes this token along (T-TOK-04).
    let claimed = request.credential.claimed_client();
    let issued_after = claimed.and_then(|claimed| deps.revocations.all_until(&claimed));
    let client_id = request.client_id.as_deref();
    let mut authenticated = authenticate_client::run(deps, request.credential, client_id, place, now).await?;
    let mut grant_request = GrantRequest {
        audiences: request.audiences,
        resources: request.resources,
        scope: request.scope,
        issued_after,
        ..GrantRequest::default()
    };
    if let Some(assertion) = &mut authenticated.assertion {
        grant_request.audiences.append(&mut assertion.requested_audiences);
        grant_request.custom_claims = std::mem::take(&mut assertion.custom_claims);
    }
    let policy = grant_policy(deps);
    let claims =
        grant::access_token_claims(&authenticated.client, grant_request, &policy, now, &*deps.random)?;
    // Before the assertion is used up.
    let signer = deps.signing_keys.signer(now)?;
    let kid = authenticated.kid.take();
    let client = authenticated.spend(deps).await?;
    let token = step("sign_token", async { signer.sign(token_type(deps.profile), &claims) }).await?;
    note_login(deps, &client, kid, now);
    Ok(IssuedToken {
        token: Zeroizing::new(token),
        expires_in_seconds: claims.exp.saturating_sub(claims.iat),
        method: client.auth_method,
        client: client.id,
        jti: claims.jti,
        scope: claims.scope,
    })
}

/// Lets the store know that the client is in use (upstream contract §1.3), once an hour at most, and which of several keys
/// it uses, once in some minutes: nobody waits for it, and a token costs no write.
fn note_login(deps: &Deps, client: &Client, kid: Option<String>, now: Timestamp) {
    let is_due = |last: Option<Timestamp>, seconds| last.is_none_or(|last| now >= last.plus_seconds(seconds));
    let key = client.keys.iter().find(|key| key.key.kid() == kid.as_deref());
    let key_is_due = key.is_some_and(|key| is_due(key.last_used_at, NOTE_USE_SECONDS));
    if !key_is_due && !is_due(client.last_login, NOTE_LOGIN_SECONDS) {
        return;
    }
    let kid = kid.filter(|_| key_is_due);
    let (clients, id) = (Arc::clone(&deps.stores.clients), client.id.clone());
    tokio::spawn(taken_along(async move {
        if let Err(error) = clients.note_login(&id, now, kid.as_deref()).await {
            tracing::warn!(client.id = id.as_str(), error.message = %error, "a login was not noted");
        }
    }));
}

fn grant_policy(deps: &Deps) -> GrantPolicy {
    GrantPolicy {
        issuer: deps.tokens.issuer.clone(),
        default_audience: deps.tokens.default_audience.clone(),
        audience_required: deps.tokens.audience_required,
        lifetime_seconds: deps.tokens.lifetime_seconds,
        max_lifetime_seconds: deps.tokens.max_lifetime_seconds,
        profile: deps.profile,
    }
}

/// K-06: RFC 9068 types access tokens, the service we replace did not.
const fn token_type(profile: Profile) -> &'static str {
    match profile {
        Profile::Standard => "at+jwt",
        Profile::DropIn => "JWT",
    }
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IssuedToken(..)")
    }
}
