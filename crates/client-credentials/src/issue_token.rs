//! The order of the steps of `POST /oauth/token`: authenticate, grant, record the use of the assertion, sign. The clock
//! is read once; whether an assertion was used before is asked last, so that a refused request uses nothing up.

use common::{Profile, Timestamp};
use credentials::StoreError;
use credentials::assertion::{self, Assertion, AssertionDefect, AssertionPolicy};
use credentials::client::{AuthMethod, Client, ClientId};
use credentials::grant::{self, GrantPolicy, GrantRefusal, GrantRequest};
use credentials::jws::Jws;
use credentials::replay::UseId;
use credentials::secret::StoredSecret;
use jose::{SignError, SignatureDefect};
use zeroize::Zeroizing;

use crate::Deps;

/// What a client asks for.
#[derive(Debug)]
pub struct TokenRequest {
    pub credential: PresentedCredential,
    /// The `client_id` parameter: if given, it must name the client that authenticates.
    pub client_id: Option<String>,
    pub audiences: Vec<String>,
    /// Audiences that are URIs (RFC 8707).
    pub resources: Vec<String>,
}

/// What a client presents to prove who it is. Not checked yet.
pub enum PresentedCredential {
    Secret {
        /// How it was sent; the client must be registered for exactly this (C-6749-07).
        method: AuthMethod,
        client_id: String,
        secret: Zeroizing<String>,
    },
    Assertion(Box<Jws>),
    UnusableAssertion(AssertionRefusal),
    Unusable(CredentialDefect),
}

/// A token, issued.
pub struct IssuedToken {
    pub token: Zeroizing<String>,
    pub expires_in_seconds: i64,
    /// How the client proved who it is.
    pub method: AuthMethod,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueTokenError {
    #[error(transparent)]
    Credential(#[from] CredentialDefect),
    #[error(transparent)]
    Assertion(#[from] AssertionRefusal),
    #[error(transparent)]
    Grant(#[from] GrantRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What is wrong with a secret, or with the lack of one. For the log: the caller is not told which (T-TIM-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialDefect {
    #[error("the request has no credential")]
    Missing,
    #[error("the id and secret cannot be read")]
    Malformed,
    #[error("the request uses an authentication method that is not offered")]
    MethodNotOffered,
    #[error("client_id names another client than the credential")]
    OtherClientId,
    #[error("no client has this id")]
    UnknownClient,
    #[error("the client is registered for another authentication method")]
    WrongMethod,
    #[error("the secret is wrong or has expired")]
    WrongSecret,
    #[error("the client is not PUBLIC")]
    NotPublic,
}

/// What is wrong with an assertion. For the log: the caller is not told which (C-7523-15).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefusal {
    #[error("the client_assertion_type is not the one of RFC 7523")]
    UnknownType,
    #[error("client_id names another client than the assertion")]
    OtherClientId,
    #[error("no client has the id that the assertion names")]
    UnknownClient,
    #[error("the client is registered for another authentication method")]
    WrongMethod,
    #[error(transparent)]
    Invalid(#[from] AssertionDefect),
    #[error(transparent)]
    Signature(#[from] SignatureDefect),
    #[error("the client is not PUBLIC")]
    NotPublic,
    #[error("the assertion was used before")]
    UsedBefore,
}

/// Issues a token, or says why not.
///
/// # Errors
/// [`IssueTokenError`]; nothing was issued then.
pub async fn run(deps: &Deps, request: TokenRequest) -> Result<IssuedToken, IssueTokenError> {
    let now = deps.clock.now();
    let mut grant_request = GrantRequest {
        audiences: request.audiences,
        resources: request.resources,
        ..GrantRequest::default()
    };
    let client_id = request.client_id.as_deref();
    let (client, used) = match request.credential {
        PresentedCredential::Secret { method, client_id: id, secret } => {
            (client_with_secret(deps, method, &id, &secret, client_id, now).await?, None)
        }
        PresentedCredential::Assertion(jws) => {
            let (client, assertion) = client_with_assertion(deps, &jws, client_id, now).await?;
            grant_request.audiences.extend(assertion.requested_audiences);
            grant_request.custom_claims = assertion.custom_claims;
            let used = (UseId::of(&client.id, &assertion.jti), assertion.keep_until);
            (client, Some(used))
        }
        PresentedCredential::UnusableAssertion(refusal) => return Err(refusal.into()),
        PresentedCredential::Unusable(defect) => return Err(defect.into()),
    };
    let policy = grant_policy(deps);
    let claims = grant::access_token_claims(&client, grant_request, &policy, now, &*deps.random)?;
    if let Some((id, until)) = used
        && !deps.stores.replay.first_use(id, until).await?
    {
        return Err(AssertionRefusal::UsedBefore.into());
    }
    let token = deps.signing_keys.own().sign(token_type(deps.profile), &claims)?;
    Ok(IssuedToken {
        token: Zeroizing::new(token),
        expires_in_seconds: policy.lifetime_seconds,
        method: client.auth_method,
    })
}

/// The client that this id and secret belong to. The secret is hashed and both records are read whatever becomes of
/// them, so that an unknown client takes as long as a wrong secret (T-TIM-01).
async fn client_with_secret(
    deps: &Deps,
    method: AuthMethod,
    id: &str,
    secret: &str,
    client_id: Option<&str>,
    now: Timestamp,
) -> Result<Client, IssueTokenError> {
    let presented = deps.pepper.hash(secret);
    if client_id.is_some_and(|client_id| client_id != id) {
        return Err(CredentialDefect::OtherClientId.into());
    }
    let id = ClientId::parse(id).map_err(|_| CredentialDefect::UnknownClient)?;
    let owner = deps.pepper.lookup(&id);
    let (client, secrets) =
        tokio::try_join!(deps.stores.clients.find(&id), deps.stores.secrets.find(&owner))?;
    // All of them are compared, the matching one or not.
    let matches = secrets
        .iter()
        .filter(|secret| is_live(secret, now))
        .fold(false, |found, secret| found | secret.hash.matches(&presented));
    let client = client.ok_or(CredentialDefect::UnknownClient)?;
    if client.auth_method != method {
        return Err(CredentialDefect::WrongMethod.into());
    }
    if !matches {
        return Err(CredentialDefect::WrongSecret.into());
    }
    if client.may_obtain_tokens() { Ok(client) } else { Err(CredentialDefect::NotPublic.into()) }
}

fn is_live(secret: &StoredSecret, now: Timestamp) -> bool {
    secret.expires_at.is_none_or(|end| now < end)
}

/// The client that made this assertion, and what it says. Its single use is not recorded yet.
async fn client_with_assertion(
    deps: &Deps,
    jws: &Jws,
    client_id: Option<&str>,
    now: Timestamp,
) -> Result<(Client, Assertion), IssueTokenError> {
    let id = assertion::claimed_client(jws).map_err(AssertionRefusal::from)?;
    if client_id.is_some_and(|client_id| client_id != id.as_str()) {
        return Err(AssertionRefusal::OtherClientId.into());
    }
    let client = deps.stores.clients.find(&id).await?.ok_or(AssertionRefusal::UnknownClient)?;
    let key = match (client.auth_method, &client.public_key) {
        (AuthMethod::PrivateKeyJwt, Some(key)) => key,
        _ => return Err(AssertionRefusal::WrongMethod.into()),
    };
    // The cheap checks first: a stranger's nonsense costs no cryptography.
    let assertion =
        assertion::check(jws, &client, &assertion_policy(deps), now).map_err(AssertionRefusal::from)?;
    jose::verify(key, jws).map_err(AssertionRefusal::from)?;
    if client.may_obtain_tokens() { Ok((client, assertion)) } else { Err(AssertionRefusal::NotPublic.into()) }
}

fn assertion_policy(deps: &Deps) -> AssertionPolicy {
    AssertionPolicy {
        issuer: deps.tokens.issuer.clone(),
        // K-02: known clients of the service we replace sign for an hour.
        max_lifetime_seconds: match deps.profile {
            Profile::Standard => 300,
            Profile::DropIn => 3600,
        },
        clock_skew_seconds: deps.tokens.clock_skew_seconds,
        profile: deps.profile,
    }
}

fn grant_policy(deps: &Deps) -> GrantPolicy {
    GrantPolicy {
        issuer: deps.tokens.issuer.clone(),
        default_audience: deps.tokens.default_audience.clone(),
        audience_required: deps.tokens.audience_required,
        lifetime_seconds: deps.tokens.lifetime_seconds,
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

impl PresentedCredential {
    /// Who it says it comes from, if that is a client id at all. Nothing is proved by it.
    #[must_use]
    pub fn claimed_client(&self) -> Option<ClientId> {
        match self {
            Self::Secret { client_id, .. } => ClientId::parse(client_id).ok(),
            Self::Assertion(jws) => assertion::claimed_client(jws).ok(),
            Self::UnusableAssertion(_) | Self::Unusable(_) => None,
        }
    }
}

impl std::fmt::Debug for PresentedCredential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PresentedCredential(..)")
    }
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IssuedToken(..)")
    }
}
