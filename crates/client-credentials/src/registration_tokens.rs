//! Initial access tokens (RFC 7591 §3): where registration is not open, an operator makes one and gives it to whoever may
//! register. It ends after a time and a number of uses. Only its hash is stored; how often it may be used is part of it,
//! and each use is recorded like that of an assertion: once, on all replicas.

use common::Timestamp;
use credentials::random::letters;
use credentials::replay::UseId;
use credentials::secret::{StoredSecret, TokenKind};
use credentials::{RandomError, StoreError, secret};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::Deps;

/// Uses and lifetime of a token that nobody said otherwise about, and the most there are of each.
const DEFAULT_USES: u32 = 1;
const MAX_USES: u32 = 100;
const DEFAULT_SECONDS: i64 = 24 * 60 * 60;
const MAX_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Length of the public part, in letters.
const ID_LENGTH: usize = 16;
/// How long a use is remembered beyond the end of the token: the clocks of replicas may differ by that much.
const KEEP_MARGIN_SECONDS: i64 = 60;

/// A token, stored as a hash.
pub struct MadeToken {
    pub id: String,
    /// Shown here and never again.
    pub token: Zeroizing<String>,
    pub uses: u32,
    pub expires_at: Timestamp,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MakeTokenError {
    #[error("{member} must be a whole number from 1 to {most}")]
    Member { member: &'static str, most: i64 },
    #[error("only uses and expires_in can be chosen; leave out the other members")]
    UnknownMember,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The right to register a client, not used yet.
#[derive(Debug)]
pub struct Admission {
    id: String,
    uses: u32,
    expires_at: Timestamp,
}

/// Why somebody may not register.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the initial access token is wrong or has expired")]
    WrongToken,
    #[error("the initial access token has been used as often as it may be")]
    UsedUp,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a token as `members` describe it: `uses` and `expires_in` seconds.
///
/// # Errors
/// [`MakeTokenError`].
pub async fn make(deps: &Deps, members: &Map<String, Value>) -> Result<MadeToken, MakeTokenError> {
    if members.keys().any(|name| name != "uses" && name != "expires_in") {
        return Err(MakeTokenError::UnknownMember);
    }
    let uses = number(members, "uses", i64::from(MAX_USES))?;
    let uses = uses.and_then(|uses| u32::try_from(uses).ok()).unwrap_or(DEFAULT_USES);
    let seconds = number(members, "expires_in", MAX_SECONDS)?.unwrap_or(DEFAULT_SECONDS);
    let now = deps.clock.now();
    let expires_at = now.plus_seconds(seconds);
    let id = letters(&*deps.random, ID_LENGTH)?;
    let token = Zeroizing::new(format!("{id}.{uses}.{}", *secret::generate(&*deps.random)?));
    let hash = deps.pepper.token_hash(TokenKind::InitialAccess, &token);
    let stored = StoredSecret::of_token(hash, now, Some(expires_at));
    deps.stores.secrets.add(&deps.pepper.token_owner(TokenKind::InitialAccess, &id), &stored).await?;
    Ok(MadeToken { id, token, uses, expires_at })
}

fn number(
    members: &Map<String, Value>,
    member: &'static str,
    most: i64,
) -> Result<Option<i64>, MakeTokenError> {
    let Some(value) = members.get(member) else { return Ok(None) };
    let number = value.as_i64().filter(|number| (1..=most).contains(number));
    number.map(Some).ok_or(MakeTokenError::Member { member, most })
}

/// What the bearer of a token may do. The use is not recorded yet.
///
/// # Errors
/// [`AdmissionError`].
pub async fn admit(deps: &Deps, token: &str) -> Result<Admission, AdmissionError> {
    let mut parts = token.splitn(3, '.');
    let (Some(id), Some(uses), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(AdmissionError::WrongToken);
    };
    let owner = deps.pepper.token_owner(TokenKind::InitialAccess, id);
    let stored = deps.stores.secrets.find(&owner).await?;
    let presented = deps.pepper.token_hash(TokenKind::InitialAccess, token);
    let now = deps.clock.now();
    let expires_at =
        stored.iter().find(|stored| stored.hash.matches(&presented)).and_then(|it| it.expires_at);
    match (uses.parse(), expires_at) {
        (Ok(uses), Some(expires_at)) if now < expires_at => {
            Ok(Admission { id: id.to_owned(), uses, expires_at })
        }
        _ => Err(AdmissionError::WrongToken),
    }
}

/// Ends a token before its time. One that is not there has ended.
///
/// # Errors
/// [`StoreError`] if the store cannot tell.
pub async fn end(deps: &Deps, id: &str) -> Result<(), StoreError> {
    deps.stores.secrets.delete_all(&deps.pepper.token_owner(TokenKind::InitialAccess, id)).await
}

impl Admission {
    /// The id of the initial access token.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.id
    }

    /// Uses the token once. Call it last: a registration that is refused uses nothing up.
    ///
    /// # Errors
    /// [`AdmissionError::UsedUp`] or [`AdmissionError::Store`].
    pub async fn spend(&self, deps: &Deps) -> Result<(), AdmissionError> {
        let until = self.expires_at.plus_seconds(KEEP_MARGIN_SECONDS);
        for place in 0..self.uses.min(MAX_USES) {
            if deps.stores.replay.first_use(UseId::of_token(&self.id, place), until).await? {
                return Ok(());
            }
        }
        Err(AdmissionError::UsedUp)
    }
}

impl std::fmt::Debug for MadeToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MadeToken").field("id", &self.id).finish_non_exhaustive()
    }
}
