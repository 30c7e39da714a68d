//! Who the caller is. Three ways to learn it: ask the userinfo endpoint (the contract's way, [`proxy`]), verify the access
//! token here ([`local`]), or believe the headers of a gateway that proved itself ([`trusted`], trust mode). None knows
//! rules or statuses, and none sees a header it has no business with.

pub(crate) mod answer;
pub(crate) mod breaker;
pub(crate) mod coalesce;
mod download;
pub(crate) mod local;
pub(crate) mod proxy;
pub(crate) mod trusted;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::Principal;
use service_kit::HeaderName;

use crate::decide::question::RequestHeaders;

/// What is known about a caller.
#[derive(Debug)]
pub(crate) enum UserinfoAnswer {
    Known(Principal),
    /// There is no user.
    Nobody(Nobody),
    /// There may be one or not: never an allow that a user's absence would not get as well (K-14).
    Unknown(Failure),
}

/// Why there is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nobody {
    #[error("the request carries no credentials")]
    NotAsked,
    #[error("userinfo answered 400: the credentials are malformed")]
    Malformed,
    #[error("userinfo answered 401")]
    Unauthorized,
    #[error("userinfo answered 403")]
    Forbidden,
    #[error("userinfo answered 200 without a body")]
    EmptyBody,
    #[error("userinfo answered 200 without a user id")]
    NoUserId,
    #[error("userinfo answered that the user or the token is not active")]
    Inactive,
    #[error("userinfo answered that the token has expired")]
    Expired,
    #[error("the access token was refused here: {0}")]
    Token(#[from] local::TokenFault),
}

impl Nobody {
    /// Whether the credentials were looked at and found to be bad, as opposed to missing or not enough.
    pub(crate) const fn refuses_credentials(self) -> bool {
        matches!(self, Self::Malformed | Self::Unauthorized | Self::Inactive | Self::Expired | Self::Token(_))
    }
}

/// Why it cannot be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// Seconds, if the other side named them with a 429 (G-UI-07).
    pub(crate) retry_after: Option<u32>,
}

/// What failed. Texts are for our log: they hold no header and no body of anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    #[error("no complete answer before the deadline")]
    Deadline,
    #[error("there was no connection: {0}")]
    Unreachable(String),
    #[error("the answer broke off: {0}")]
    Broken(String),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is larger than 256 KiB")]
    TooLarge,
    #[error("the answer is not application/json")]
    ContentType,
    #[error("the answer does not describe a user: {0}")]
    Malformed(String),
    #[error("too many calls are on their way already")]
    Overloaded,
    #[error("userinfo fails too often and is not asked for a moment")]
    CircuitOpen,
    #[error("a header cannot be passed on")]
    UnsendableHeader,
    #[error("the keys of the issuer are not known")]
    KeysUnknown,
    #[error("the revocation feed is not followed: nobody knows what is revoked")]
    RevocationsUnknown,
    #[error("the identity headers of the gateway cannot be read: {0}")]
    TrustedHeaders(&'static str),
}

impl Cause {
    /// Every [`Self::word`] that a call can end with, or be refused with.
    pub(crate) const WORDS_OF_CALLS: [&str; 8] =
        ["deadline", "unreachable", "broken", "status", "too_large", "invalid", "overloaded", "circuit_open"];

    /// One word for filters and counters (`docs/logging.md`).
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::ContentType | Self::Malformed(_) => "invalid",
            Self::Overloaded => "overloaded",
            Self::CircuitOpen => "circuit_open",
            Self::UnsendableHeader => "unsendable_header",
            Self::KeysUnknown => "keys_unknown",
            Self::RevocationsUnknown => "revocations_unknown",
            Self::TrustedHeaders(_) => "trusted_headers",
        }
    }
}

impl Cause {
    /// Whether the endpoint as a whole is in trouble. What it says about one caller, or to one who asks too often, would
    /// let that caller shut out all others.
    pub(crate) const fn is_trouble(&self) -> bool {
        match self {
            Self::Deadline | Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Status(status) => *status >= 500,
            Self::TooLarge
            | Self::ContentType
            | Self::Malformed(_)
            | Self::Overloaded
            | Self::CircuitOpen
            | Self::UnsendableHeader
            | Self::KeysUnknown
            | Self::RevocationsUnknown
            | Self::TrustedHeaders(_) => false,
        }
    }
}

impl From<Cause> for UserinfoAnswer {
    fn from(cause: Cause) -> Self {
        Self::Unknown(Failure { cause, retry_after: None })
    }
}

impl From<Nobody> for UserinfoAnswer {
    fn from(why: Nobody) -> Self {
        Self::Nobody(why)
    }
}

impl UserinfoAnswer {
    /// What people are told of the caller; `None` if nobody needed to know.
    pub(crate) const fn word(answer: Option<&Self>) -> &'static str {
        match answer {
            None => "not looked up",
            Some(Self::Known(_)) => "known",
            Some(Self::Nobody(_)) => "nobody",
            Some(Self::Unknown(_)) => "unknown",
        }
    }

    /// As the rules see it.
    pub(crate) fn caller(&self) -> access_rules::Caller<'_> {
        match self {
            Self::Known(principal) => access_rules::Caller::Known(principal),
            Self::Nobody(_) => access_rules::Caller::Anonymous,
            Self::Unknown(_) => access_rules::Caller::Unknown,
        }
    }
}

/// The headers of the request that matter here, with every value. Printing shows no value.
#[derive(Default)]
pub(crate) struct Presented {
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// Whether a value may be several, joined with commas.
    joined: bool,
}

impl Presented {
    pub(crate) fn add(&mut self, name: &HeaderName, value: &[u8]) {
        self.headers.push((name.clone(), value.to_vec()));
    }

    fn values<'this>(&'this self, name: &'this HeaderName) -> impl Iterator<Item = &'this [u8]> {
        self.headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    /// Whether there is a value in one of these headers.
    fn has_any(&self, names: &[HeaderName]) -> bool {
        names.iter().any(|name| self.values(name).any(|value| !value.is_empty()))
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

/// The way that is configured.
#[derive(Debug)]
pub(crate) enum Principals {
    Proxy(proxy::Proxy),
    Local(Box<local::Local>),
    Trusted(trusted::TrustedHeaders),
}

impl Principals {
    /// Whether answers need something that is not there from the beginning.
    pub(crate) const fn have_to_warm_up(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Waits until it is there, but no longer than `patience`.
    pub(crate) async fn warm_up(&self, patience: Duration) {
        if let Self::Local(local) = self {
            local.warm_up(patience).await;
        }
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self) {
        if let Self::Local(local) = self {
            local.measure();
        }
    }

    /// Of these headers, those that [`Self::of`] reads.
    pub(crate) fn presented(&self, headers: &impl RequestHeaders) -> Presented {
        let mut presented = Presented { joined: headers.may_be_joined(), ..Presented::default() };
        let names = match self {
            Self::Proxy(proxy) => proxy.headers(),
            Self::Local(local) => local.headers(),
            Self::Trusted(trusted) => trusted.headers(),
        };
        for name in names {
            for value in headers.values(name) {
                presented.add(name, value);
            }
        }
        presented
    }

    /// The headers in which a trusted gateway says who the caller is; none if it does not.
    pub(crate) fn trusted_headers(&self) -> impl Iterator<Item = &HeaderName> {
        match self {
            Self::Proxy(_) | Self::Local(_) => Vec::new(),
            Self::Trusted(trusted) => trusted.headers(),
        }
        .into_iter()
    }

    /// Who presents these headers.
    pub(crate) async fn of(&self, presented: &Presented, is_backoffice: bool) -> Arc<UserinfoAnswer> {
        match self {
            Self::Proxy(proxy) => proxy.ask(presented, is_backoffice).await,
            Self::Local(local) => local.find(presented, is_backoffice).await,
            Self::Trusted(trusted) => Arc::new(trusted.read(presented)),
        }
    }
}
