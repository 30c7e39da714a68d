//! Values of single variables that have rules of their own. No error text repeats a value: it may be a secret.

use std::sync::Arc;
use std::time::Duration;

use credentials::client::ClientState;
use jose::{Algorithm, KeyEncryption};
use serde::Deserialize;
use service_kit::{CommaList, Secret};
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::client_keys::Network;

/// Whole seconds from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub struct Seconds<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> TryFrom<i64> for Seconds<MIN, MAX> {
    type Error = String;

    fn try_from(seconds: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("must be a number of seconds from {MIN} to {MAX}"))
        }
    }
}

/// What tokens are signed with.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct SigningAlgorithm(pub Algorithm);

impl TryFrom<String> for SigningAlgorithm {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let algorithm = Algorithm::named(&text).filter(|one| Algorithm::OF_ACCESS_TOKENS.contains(one));
        algorithm.map(Self).ok_or("must be RS256, PS256, ES256 or EdDSA")
    }
}

/// The keys that private signing keys are encrypted with.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct EncryptionKeys(pub Arc<KeyEncryption>);

impl TryFrom<String> for EncryptionKeys {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = Zeroizing::new(text);
        KeyEncryption::parse(&text).map(|keys| Self(Arc::new(keys))).map_err(|error| error.to_string())
    }
}

/// Whole days from 1 to 3650.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub struct RotationDays(i64);

impl RotationDays {
    /// The same in seconds.
    pub const fn seconds(self) -> i64 {
        self.0.saturating_mul(86_400)
    }
}

impl TryFrom<i64> for RotationDays {
    type Error = &'static str;

    fn try_from(days: i64) -> Result<Self, &'static str> {
        if (1..=3650).contains(&days) {
            Ok(Self(days))
        } else {
            Err("must be a number of days from 1 to 3650")
        }
    }
}

/// The bearer token of the management listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct BootstrapToken(pub Secret);

impl TryFrom<String> for BootstrapToken {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err("must have at least 32 visible ASCII characters")
        }
    }
}

/// How old knowledge may be: 2 to 3600 seconds, or 0 for however old. Below 2 a store that is merely quiet would count as
/// lost.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub struct Staleness(pub Option<Duration>);

impl TryFrom<u64> for Staleness {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, &'static str> {
        match seconds {
            0 => Ok(Self(None)),
            2..=3600 => Ok(Self(Some(Duration::from_secs(seconds)))),
            _ => Err("must be a number of seconds from 2 to 3600, or 0 for however old"),
        }
    }
}

/// The state of a new client.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct InitialState(pub ClientState);

impl TryFrom<String> for InitialState {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "PUBLIC" => Ok(Self(ClientState::Public)),
            "DRAFT" => Ok(Self(ClientState::Draft)),
            _ => Err("must be PUBLIC or DRAFT"),
        }
    }
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RegistrationMode {
    /// Anybody.
    Open,
    /// Whoever has an initial access token.
    Token,
    /// Nobody: operators make clients.
    Closed,
}

impl TryFrom<String> for RegistrationMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "open" => Ok(Self::Open),
            "token" => Ok(Self::Token),
            "closed" => Ok(Self::Closed),
            _ => Err("must be open, token or closed"),
        }
    }
}

/// Networks, separated by commas.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "CommaList")]
pub struct Networks(pub Vec<Network>);

impl TryFrom<CommaList> for Networks {
    type Error = &'static str;

    fn try_from(list: CommaList) -> Result<Self, &'static str> {
        list.0.iter().map(|network| network.parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// What is wrong with an issuer. In drop-in any text is one; in standard it is an https URL without query and fragment
/// (RFC 8414 §2), or an http one that never leaves the machine (T-OPS-04).
pub(super) fn issuer_problem(issuer: &str, drop_in: bool) -> Option<&'static str> {
    if drop_in {
        return issuer.chars().any(char::is_control).then_some("must not hold control characters");
    }
    let secure = issuer_url(issuer).is_some_and(|url| url.scheme() == "https" || is_this_machine(&url));
    (!secure).then_some(
        "must be an https URL in its normal form, without user, query and fragment (or an http one on localhost)",
    )
}

/// The issuer as clients can look for it (RFC 8414 §2): an https or http URL in its normal form, without user, query and
/// fragment. `None` for the other texts that drop-in allows.
pub(crate) fn issuer_url(issuer: &str) -> Option<Url> {
    let url = Url::parse(issuer).ok()?;
    let web = matches!(url.scheme(), "https" | "http");
    let normal = url.as_str() == issuer || url.as_str().strip_suffix('/') == Some(issuer);
    let bare = url.query().is_none() && url.fragment().is_none() && !url.authority().contains('@');
    (web && normal && bare).then_some(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
