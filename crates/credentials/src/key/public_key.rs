//! A public JWK.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A public key as JSON Web Key (RFC 7517), already checked by `jose`: signature use, a known type, strong enough, on
/// its curve, no private member, with `kid` and `alg`. Only the members that matter are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(Map<String, Value>);

impl PublicKey {
    /// Wraps the members of a JWK that was checked.
    #[must_use]
    pub const fn from_checked(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// The identifier of the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.0.get("kid").and_then(Value::as_str)
    }

    /// The one algorithm the key may be used with (RFC 8725 §3.1).
    #[must_use]
    pub fn algorithm(&self) -> Option<&str> {
        self.0.get("alg").and_then(Value::as_str)
    }

    /// The members of the JWK.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}
