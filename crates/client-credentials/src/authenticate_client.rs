//! Who a request comes from: the steps of client authentication (RFC 6749 §2.3, RFC 7523 §3), the same at every endpoint
//! where clients authenticate. The use of an assertion is recorded by the caller, with [`Authenticated::spend`], when
//! every other check has passed: a refused request uses nothing up.

use common::{Profile, Timestamp};
use credentials::StoreError;
use credentials::assertion::{self, Assertion, AssertionDefect, AssertionPolicy};
use credentials::audit::{Actor, AuditAction, AuditEvent, EventId};
use credentials::client::{AuthMethod, Client, ClientId};
use credentials::jws::Jws;
use credentials::replay::UseId;
use jose::SignatureDefect;
use service_kit::traces::step;
use zeroize::Zeroizing;

use crate::Deps;
use crate::client_keys::{self, KeysUnknown, VerifyError};
use crate::presented_secret::{Attempt, Verdict};
use crate::rate_limit::LimitReached;
use crate::slow_work::Busy;
use crate::source::Source;
use crate::token_places::{NoPlace, TokenPlace};

/// How often the use of a credential is noted: a request costs no write.
pub(crate) const NOTE_USE_SECONDS: i64 = 300;

/// What a client presents to prove who it is. Not checked yet.
pub enum PresentedCredential {
    Secret {
        /// How it was sent; the client must be registered for exactly this (C-6749-07).
        method: AuthMethod,
        client_id: String,
        secret: Zeroizing<String>,
        /// Where wrong secrets are counted.
        source: Source,
    },
    Assertion {
        jws: Box<Jws>,
        /// For whom keys are fetched, if they must be.
        source: Source,
    },
    UnusableAssertion(AssertionRefusal),
    Unusable(CredentialDefect),
}

/// A client that proved who it is. If it did so with an assertion, that is not used up yet.
#[derive(Debug)]
pub struct Authenticated {
    pub client: Client,
    /// What the assertion asks for. Taken by whoever grants it.
    pub assertion: Option<Assertion>,
    /// The `kid` of the key that the assertion was signed with.
    pub kid: Option<String>,
}

/// Why nobody was authenticated.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateClientError {
    #[error(transparent)]
    Credential(#[from] CredentialDefect),
    /// As wrong as the one before, and one too many (T-BRU-01).
    #[error("{defect}, and {reached}")]
    TooManyWrongSecrets { defect: CredentialDefect, reached: LimitReached },
    #[error(transparent)]
    Assertion(#[from] AssertionRefusal),
    #[error(transparent)]
    KeysUnknown(#[from] KeysUnknown),
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    /// Too many secrets with imported hashes are being verified (T-BRU-05).
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VerifyError> for AuthenticateClientError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Signature(defect) => AssertionRefusal::from(defect).into(),
            VerifyError::KeysUnknown(unknown) => unknown.into(),
            VerifyError::NoPlace(no_place) => no_place.into(),
        }
    }
}

impl AuthenticateClientError {
    /// Whether the client that it is about exists. Else its id may be anything.
    #[must_use]
    pub fn is_of_a_known_client(&self) -> bool {
        match self {
            Self::Credential(defect) | Self::TooManyWrongSecrets { defect, .. } => {
                defect.is_of_a_known_client()
            }
            Self::Assertion(refusal) => refusal.is_of_a_known_client(),
            Self::KeysUnknown(_) => true,
            Self::NoPlace(_) | Self::Busy(_) | Self::Store(_) => false,
        }
    }
}

impl CredentialDefect {
    const fn is_of_a_known_client(self) -> bool {
        matches!(self, Self::WrongMethod | Self::WrongSecret | Self::NotPublic)
    }
}

impl AssertionRefusal {
    const fn is_of_a_known_client(&self) -> bool {
        match self {
            Self::UnknownType | Self::OtherClientId | Self::UnknownClient => false,
            Self::WrongMethod
            | Self::Invalid(_)
            | Self::Signature(_)
            | Self::NotPublic
            | Self::UsedBefore => true,
        }
    }
}

/// What is told of an id that no client has: enough to find the mistake, and too little of a secret.
pub(crate) fn beginning(id: &ClientId) -> String {
    const TOLD: usize = 8;
    id.as_str().get(..TOLD).map_or_else(|| id.to_string(), |beginning| format!("{beginning}…"))
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
    /// It could have been a guess (ADR 11).
    #[error("the secret was not looked at")]
    NotLookedAt,
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

/// The client that presents `credential`. `client_id` is the parameter of that name: if given, it must name the client.
/// `place` is given back while somebody else is waited for.
///
/// # Errors
/// [`AuthenticateClientError`].
pub async fn run(
    deps: &Deps,
    credential: PresentedCredential,
    client_id: Option<&str>,
    place: &mut TokenPlace,
    now: Timestamp,
) -> Result<Authenticated, AuthenticateClientError> {
    match credential {
        PresentedCredential::Secret { method, client_id: id, secret, source } => {
            let presented = (id.as_str(), secret.as_str());
            let outcome = client_with_secret(deps, method, presented, source, client_id, place, now).await;
            let client = outcome.map_err(|error| count_wrong_secret(deps, error, &id, source, now))?;
            Ok(Authenticated { client, assertion: None, kid: None })
        }
        PresentedCredential::Assertion { jws, source } => {
            client_with_assertion(deps, &jws, source, client_id, place, now).await
        }
        PresentedCredential::UnusableAssertion(refusal) => Err(refusal.into()),
        PresentedCredential::Unusable(defect) => Err(defect.into()),
    }
}

impl Authenticated {
    /// Uses the assertion up, if there was one, and returns the client. Call it last.
    ///
    /// # Errors
    /// [`AssertionRefusal::UsedBefore`], or [`StoreError`] if the store cannot tell; nothing may be granted then.
    pub async fn spend(self, deps: &Deps) -> Result<Client, AuthenticateClientError> {
        if let Some(assertion) = &self.assertion {
            let id = UseId::of(&self.client.id, &assertion.jti);
            if !step("first_use", deps.stores.replay.first_use(id, assertion.keep_until)).await? {
                return Err(AssertionRefusal::UsedBefore.into());
            }
        }
        Ok(self.client)
    }
}

/// The client that this id and secret belong to. The secret is hashed and both records are read whatever becomes of
/// them, so that an unknown client takes as long as a wrong secret (T-TIM-01).
async fn client_with_secret(
    deps: &Deps,
    method: AuthMethod,
    (id, secret): (&str, &str),
    source: Source,
    client_id: Option<&str>,
    place: &mut TokenPlace,
    now: Timestamp,
) -> Result<Client, AuthenticateClientError> {
    let hash = deps.pepper.hash(secret);
    if client_id.is_some_and(|client_id| client_id != id) {
        return Err(CredentialDefect::OtherClientId.into());
    }
    let id = ClientId::parse(id).map_err(|_| CredentialDefect::UnknownClient)?;
    let owner = deps.pepper.lookup(&id);
    let (client, secrets) = step("find_client", async {
        tokio::try_join!(deps.stores.clients.find(&id), deps.stores.secrets.find(&owner))
    })
    .await?;
    let attempt = Attempt { client: &id, owner: &owner, secret, hash: &hash, source, now };
    let verdict = attempt.check(deps, &secrets, place).await?;
    let client = client.ok_or(CredentialDefect::UnknownClient)?;
    if client.auth_method != method {
        return Err(CredentialDefect::WrongMethod.into());
    }
    if matches!(verdict, Verdict::Wrong) {
        return Err(CredentialDefect::WrongSecret.into());
    }
    if !client.may_obtain_tokens() {
        return Err(CredentialDefect::NotPublic.into());
    }
    match verdict {
        Verdict::RightAndImported(imported) => attempt.upgrade(deps, &imported).await,
        Verdict::Right(secret) => attempt.note_use(deps, &secret),
        Verdict::Wrong => {}
    }
    Ok(client)
}

/// Every failure counts, whatever its reason, after everything was checked: so the right secret is good at any time, and
/// the count tells nothing about the client (ADR 11).
fn count_wrong_secret(
    deps: &Deps,
    error: AuthenticateClientError,
    id: &str,
    source: Source,
    now: Timestamp,
) -> AuthenticateClientError {
    let AuthenticateClientError::Credential(defect) = error else { return error };
    match deps.limits.wrong_secret(id, source, now) {
        Ok(()) => error,
        Err(reached) => too_many_wrong_secrets(deps, defect, reached, id, source, now),
    }
}

/// The answer to a wrong secret beyond the budget, and its event once a minute (T-BRU-01).
pub(crate) fn too_many_wrong_secrets(
    deps: &Deps,
    defect: CredentialDefect,
    reached: LimitReached,
    id: &str,
    source: Source,
    now: Timestamp,
) -> AuthenticateClientError {
    deps.metrics.limited(reached);
    let known = defect.is_of_a_known_client();
    if deps.limits.is_worth_telling(&(id, source), now) {
        let client = ClientId::parse(id).ok();
        let told = client.as_ref().map(|id| if known { id.to_string() } else { beginning(id) });
        tracing::warn!(client.id = told, source = %source, limit = reached.limit, "too many wrong secrets");
        match EventId::generate(now, &*deps.random) {
            Ok(event) => deps.audit.note(AuditEvent {
                id: event,
                at: now,
                action: AuditAction::WrongSecretsLimited,
                actor: Actor::Anybody,
                client: client.filter(|_| known),
                subject: Some(reached.limit.to_owned()),
                reason: None,
                request_id: None,
                source: Some(source.to_string()),
            }),
            Err(_) => deps.audit.lose(),
        }
    }
    AuthenticateClientError::TooManyWrongSecrets { defect, reached }
}

/// The client that made this assertion, and what it says. Its single use is not recorded yet.
async fn client_with_assertion(
    deps: &Deps,
    jws: &Jws,
    source: Source,
    client_id: Option<&str>,
    place: &mut TokenPlace,
    now: Timestamp,
) -> Result<Authenticated, AuthenticateClientError> {
    let id = assertion::claimed_client(jws).map_err(AssertionRefusal::from)?;
    if client_id.is_some_and(|client_id| client_id != id.as_str()) {
        return Err(AssertionRefusal::OtherClientId.into());
    }
    let found = step("find_client", deps.stores.clients.find(&id)).await?;
    let (signer, refusal) = match found {
        Some(client) if client.auth_method == AuthMethod::PrivateKeyJwt => (client, None),
        Some(_) => (stand_in(id, now), Some(AssertionRefusal::WrongMethod)),
        None => (stand_in(id, now), Some(AssertionRefusal::UnknownClient)),
    };
    // The cheap checks first: a stranger's nonsense costs no cryptography, whoever it says it comes from.
    let checked = assertion::check(jws, &signer, &assertion_policy(deps), now);
    if let Err(defect) = checked
        && !defect.depends_on_client()
    {
        return Err(refusal.unwrap_or_else(|| defect.into()).into());
    }
    // From here on every refusal costs one verification: its time tells nothing about the client (T-TIM-01, T-TIM-03).
    deps.metrics.assertions_verified.inc();
    let refused_before = refusal.or_else(|| checked.as_ref().err().map(|defect| (*defect).into()));
    if let Some(refusal) = refused_before {
        jose::verify_decoy(jws);
        return Err(refusal.into());
    }
    let verified = client_keys::verify(deps, &signer, jws, source, place, now);
    let kid = step("verify_assertion", verified).await?;
    let assertion = checked.map_err(AssertionRefusal::from)?;
    if !signer.may_obtain_tokens() {
        return Err(AssertionRefusal::NotPublic.into());
    }
    Ok(Authenticated { client: signer, assertion: Some(assertion), kid })
}

/// What stands in for a client that cannot sign, so that its assertion is checked like anybody's.
fn stand_in(id: ClientId, now: Timestamp) -> Client {
    Client::new(id, String::new(), AuthMethod::PrivateKeyJwt, now)
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

impl PresentedCredential {
    /// Who it says it comes from, if that is a client id at all. Nothing is proved by it.
    #[must_use]
    pub fn claimed_client(&self) -> Option<ClientId> {
        match self {
            Self::Secret { client_id, .. } => ClientId::parse(client_id).ok(),
            Self::Assertion { jws, .. } => assertion::claimed_client(jws).ok(),
            Self::UnusableAssertion(_) | Self::Unusable(_) => None,
        }
    }
}

impl std::fmt::Debug for PresentedCredential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PresentedCredential(..)")
    }
}
