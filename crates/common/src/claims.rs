//! The payload of an access token: what client-credentials signs and `/tokeninfo` answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Claims of an access token (RFC 9068 §2.2, upstream contract §1.3 and §1.4). Times in Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub exp: i64,
    pub iat: i64,
    pub iss: String,
    /// The client id: a client is its own subject.
    pub sub: String,
    /// Empty, and left out, in tokens of the service that we replace, which have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// Present even when empty.
    pub permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Vec<String>>,
    /// Equal to `sub`; RFC 9068 wants it, the drop-in profile leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The scope that was asked for, if it was: then `permissions` are no more than that (RFC 9068 §2.2.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Claims that its operator gave the client, and those it asked for and its `allowedCustomClaims` permit. Never one of [`Self::RESERVED`].
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

impl AccessTokenClaims {
    /// Names no client may choose a value for: those we set, and those other parties give a meaning to.
    pub const RESERVED: &'static [&'static str] = &[
        "acr",
        "act",
        "amr",
        "aud",
        "auth_time",
        "azp",
        "client_id",
        "cnf",
        "entitlements",
        "exp",
        "groups",
        "iat",
        "iss",
        "jti",
        "may_act",
        "nbf",
        "permissions",
        "requested_audiences",
        "roles",
        "scope",
        "sub",
    ];
}
