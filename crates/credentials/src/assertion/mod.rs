//! What a valid client assertion is (RFC 7523 §3 as updated by RFC 10070, contract §1.3): its claims and times. The
//! signature is verified by `jose`, the single use of the `jti` is recorded by the replay guard, last of all.

mod defect;
mod numeric_date;

use common::{AccessTokenClaims, Profile, Timestamp};
use serde_json::{Map, Value};

pub use defect::{AUTHENTICATION_FAILED, AssertionDefect};
use numeric_date::numeric_date;

use crate::client::{Client, ClientId};
use crate::jws::Jws;

/// Registered claims of an assertion; every other claim is a custom one.
const REGISTERED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "requested_audiences"];

/// The longest `jti`, in bytes (T-CLM-17).
const MAX_JTI_LENGTH: usize = 256;

/// The most that custom claims may add to a token, in bytes of JSON (T-CC-03).
const MAX_CUSTOM_CLAIMS_LENGTH: usize = 4096;

/// How long a used `jti` is remembered beyond the moment from which its assertion is refused anyway, in seconds: the
/// clocks of the replicas may differ by that much (T-CLM-19, T-CLM-20).
const KEEP_MARGIN_SECONDS: i64 = 60;

/// What is asked of every assertion.
#[derive(Debug, Clone)]
pub struct AssertionPolicy {
    /// Our issuer: the one audience of an assertion.
    pub issuer: String,
    /// The longest time an assertion may be valid: 300 in the standard profile, 3600 in drop-in (K-02).
    pub max_lifetime_seconds: i64,
    /// By how much the client's clock may differ from ours (`CLOCK_SKEW_SECONDS`).
    pub clock_skew_seconds: i64,
    pub profile: Profile,
}

/// What a valid assertion says.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    pub jti: String,
    /// Until when the replay guard must remember the `jti`.
    pub keep_until: Timestamp,
    pub requested_audiences: Vec<String>,
    /// The custom claims that the client is allowed to have copied. Never a reserved name.
    pub custom_claims: Map<String, Value>,
}

/// The client that an assertion claims to come from: its `iss`, which must equal its `sub` (RFC 7523 §3). Unverified;
/// good for finding the key and for nothing else.
///
/// # Errors
/// [`AssertionDefect::Client`] if the two are not one well-formed client id.
pub fn claimed_client(jws: &Jws) -> Result<ClientId, AssertionDefect> {
    let claim = |name| jws.payload().get(name).and_then(Value::as_str);
    match (claim("iss"), claim("sub")) {
        (Some(issuer), Some(subject)) if issuer == subject => {
            ClientId::parse(issuer).map_err(|_| AssertionDefect::Client)
        }
        _ => Err(AssertionDefect::Client),
    }
}

/// Checks everything about an assertion of `client` but its signature and the single use of its `jti`.
///
/// # Errors
/// [`AssertionDefect`], the first that was found.
pub fn check(
    jws: &Jws,
    client: &Client,
    policy: &AssertionPolicy,
    now: Timestamp,
) -> Result<Assertion, AssertionDefect> {
    check_type(jws)?;
    if claimed_client(jws)? != client.id {
        return Err(AssertionDefect::Client);
    }
    check_audience(jws, policy)?;
    let expires_at = check_times(jws, policy, now)?;
    Ok(Assertion {
        jti: jti(jws)?,
        keep_until: Timestamp::from_unix_seconds(expires_at)
            .plus_seconds(policy.clock_skew_seconds.saturating_add(KEEP_MARGIN_SECONDS)),
        requested_audiences: requested_audiences(jws)?,
        custom_claims: custom_claims(jws, client, policy.profile)?,
    })
}

/// A token typed as something else is something else (RFC 8725 §3.11, C-7523-17).
fn check_type(jws: &Jws) -> Result<(), AssertionDefect> {
    match jws.token_type() {
        None | Some("jwt" | "client-authentication+jwt") => Ok(()),
        Some(_) => Err(AssertionDefect::Type),
    }
}

/// Exactly our issuer, byte for byte (RFC 10070 §4, C-7523-04 to C-7523-09).
fn check_audience(jws: &Jws, policy: &AssertionPolicy) -> Result<(), AssertionDefect> {
    let audience = match jws.payload().get("aud") {
        Some(Value::Array(elements)) => match elements.as_slice() {
            [only] => only.as_str(),
            _ => None,
        },
        Some(value) => value.as_str(),
        None => None,
    };
    if audience == Some(policy.issuer.as_str()) { Ok(()) } else { Err(AssertionDefect::Audience) }
}

/// Checks `exp`, `nbf` and `iat`; returns `exp`. A claim of a wrong type is refused, never taken for absent (T-CLM-05).
fn check_times(jws: &Jws, policy: &AssertionPolicy, now: Timestamp) -> Result<i64, AssertionDefect> {
    let now = now.unix_seconds();
    let skew = policy.clock_skew_seconds;
    let longest = policy.max_lifetime_seconds.saturating_add(skew);
    let time = |name| {
        jws.payload()
            .get(name)
            .map(|value| numeric_date(value, policy.profile).ok_or(AssertionDefect::TimeType))
            .transpose()
    };
    let expires_at = time("exp")?.ok_or(AssertionDefect::ExpiryMissing)?;
    if expires_at.saturating_add(skew) <= now {
        return Err(AssertionDefect::Expired);
    }
    if expires_at > now.saturating_add(longest) {
        return Err(AssertionDefect::LifetimeTooLong);
    }
    if let Some(issued_at) = time("iat")? {
        if issued_at > now.saturating_add(skew) {
            return Err(AssertionDefect::IssuedInTheFuture);
        }
        if expires_at.saturating_sub(issued_at) > longest {
            return Err(AssertionDefect::LifetimeTooLong);
        }
    }
    match time("nbf")? {
        Some(not_before) if not_before > now.saturating_add(skew) => Err(AssertionDefect::NotYetValid),
        _ => Ok(expires_at),
    }
}

fn jti(jws: &Jws) -> Result<String, AssertionDefect> {
    match jws.payload().get("jti") {
        Some(Value::String(jti))
            if (1..=MAX_JTI_LENGTH).contains(&jti.len()) && !jti.chars().any(char::is_control) =>
        {
            Ok(jti.clone())
        }
        _ => Err(AssertionDefect::Jti),
    }
}

/// One audience or a list of them. How many and which ones are granted is the business of `grant`.
fn requested_audiences(jws: &Jws) -> Result<Vec<String>, AssertionDefect> {
    match jws.payload().get("requested_audiences") {
        None => Ok(Vec::new()),
        Some(Value::String(audience)) => Ok(vec![audience.clone()]),
        Some(Value::Array(audiences)) => audiences
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned).ok_or(AssertionDefect::RequestedAudiences))
            .collect(),
        Some(_) => Err(AssertionDefect::RequestedAudiences),
    }
}

/// The custom claims to copy. Others are left behind in the standard profile (RFC 7519 §4: unknown claims are ignored)
/// and make the assertion invalid in drop-in (contract §1.3).
fn custom_claims(
    jws: &Jws,
    client: &Client,
    profile: Profile,
) -> Result<Map<String, Value>, AssertionDefect> {
    let mut copied = Map::new();
    for (name, value) in jws.payload() {
        let allowed = client.allowed_custom_claims.iter().any(|allowed| allowed == name);
        if REGISTERED.contains(&name.as_str()) {
            continue;
        }
        if allowed && !AccessTokenClaims::RESERVED.contains(&name.as_str()) {
            copied.insert(name.clone(), value.clone());
        } else if profile == Profile::DropIn {
            return Err(AssertionDefect::CustomClaimNotAllowed);
        }
    }
    let length = serde_json::to_vec(&copied).map_or(usize::MAX, |json| json.len());
    if length > MAX_CUSTOM_CLAIMS_LENGTH { Err(AssertionDefect::CustomClaimsTooLong) } else { Ok(copied) }
}

#[cfg(test)]
mod tests;
