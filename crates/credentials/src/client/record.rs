//! What we keep about a client. The serialised names are those of the platform's `clients` collection (contract
//! §1.7), so that a store, the management API and a crud-service speak of the same document.

use common::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ClientDefect, ClientId};
use crate::key::PublicKey;

/// How a client proves who it is. One method per client (RFC 6749 §2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// Where a client stands. Only a PUBLIC client gets tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ClientState {
    Public,
    Draft,
    Trash,
    Deleted,
}

/// Who made a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientOrigin {
    /// An operator; or another tool, which does not tell.
    #[default]
    Operator,
    /// Itself, at `/register`. If nobody ever uses it, it is removed one day (T-REG-11).
    Registration,
    /// The store does not keep it: it may be a stranger's, and is never removed.
    Unknown,
}

/// A further key of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientKey {
    pub key: PublicKey,
    pub added_at: Timestamp,
    /// From then on it verifies nothing. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, as [`ClientStore::note_login`](super::ClientStore::note_login) was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A registered client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    #[serde(rename = "clientId")]
    pub id: ClientId,
    pub name: String,
    #[serde(rename = "__STATE__")]
    pub state: ClientState,
    pub auth_method: AuthMethod,
    /// The key the client was registered with, if it was one (contract §1.7). A `private_key_jwt` client has this, or
    /// `keys`, or `jwks_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// Further keys, so that one can be replaced without a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<ClientKey>,
    /// Where the client publishes its keys (RFC 7591 §2). Excludes the other two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The one algorithm its assertions may have; without it, that of the key (`token_endpoint_auth_signing_alg`, RFC
    /// 7591 by way of OIDC Registration §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_algorithm: Option<String>,
    /// An operator set it: the client's own replacement of its registration leaves it as it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub assertion_algorithm_pinned: bool,
    pub permissions: Vec<String>,
    /// Audiences the client may ask for. Empty: none.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Claims of the client's assertion that may be copied into its tokens. Never a reserved name.
    #[serde(default)]
    pub allowed_custom_claims: Vec<String>,
    /// Claims that every token of the client carries. Never a reserved name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub static_claims: Map<String, Value>,
    /// Lifetime of the client's tokens in seconds; without it, that of everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime_seconds: Option<u32>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// What the client says about itself at its registration, in the names of RFC 7591 §2. Shown, never acted upon.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub registration: Map<String, Value>,
    #[serde(default)]
    pub origin: ClientOrigin,
    /// When it last got a token, as [`ClientStore::note_login`](super::ClientStore::note_login) was told (contract §1.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows by one with each change; a change names the version it is based on.
    pub version: u64,
    /// How many of the changes were the client's own (RFC 7592). All others are an operator's, who has use for it then.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own_changes: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Client {
    /// Whether it registered itself, and nobody changed it since but the client.
    #[must_use]
    pub fn is_as_registered(&self) -> bool {
        self.origin == ClientOrigin::Registration && self.version == self.own_changes.saturating_add(1)
    }

    /// A powerless PUBLIC client without keys, version 1, made by an operator.
    #[must_use]
    pub fn new(id: ClientId, name: String, auth_method: AuthMethod, now: Timestamp) -> Self {
        Self {
            id,
            name,
            state: ClientState::Public,
            auth_method,
            public_key: None,
            keys: Vec::new(),
            jwks_uri: None,
            assertion_algorithm: None,
            assertion_algorithm_pinned: false,
            permissions: Vec::new(),
            audience: Vec::new(),
            allowed_custom_claims: Vec::new(),
            static_claims: Map::new(),
            token_lifetime_seconds: None,
            metadata: Map::new(),
            registration: Map::new(),
            origin: ClientOrigin::Operator,
            last_login: None,
            created_at: now,
            updated_at: now,
            version: 1,
            own_changes: 0,
        }
    }

    /// Whether the client gets tokens: only in state PUBLIC, however good its credentials are.
    #[must_use]
    pub fn may_obtain_tokens(&self) -> bool {
        self.state == ClientState::Public
    }

    /// Checks the lifetime of the client's tokens against the policy.
    ///
    /// # Errors
    /// [`ClientDefect::LifetimeTooLong`].
    pub fn check_lifetime(&self, max_seconds: i64) -> Result<(), ClientDefect> {
        match self.token_lifetime_seconds {
            Some(seconds) if i64::from(seconds) > max_seconds => {
                Err(ClientDefect::LifetimeTooLong(max_seconds))
            }
            _ => Ok(()),
        }
    }

    /// The keys in the record that are good now. Those at its `jwks_uri` are not among them.
    pub fn keys_at(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        let live = self.keys.iter().filter(move |key| key.is_live(now));
        self.public_key.iter().chain(live.map(|key| &key.key))
    }
}

impl ClientOrigin {
    /// All origins.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Registration, Self::Unknown];

    /// The origin as it stands in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Registration => "registration",
            Self::Unknown => "unknown",
        }
    }
}

impl AuthMethod {
    /// Every method a client may register, in the order in which they are advertised.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The method as it stands in documents and on the wire (RFC 7591 §2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

impl ClientState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Public, Self::Draft, Self::Trash, Self::Deleted];

    /// The state as it stands in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Draft => "DRAFT",
            Self::Trash => "TRASH",
            Self::Deleted => "DELETED",
        }
    }

    /// Whether a client may go from this state to `next` (contract §7.2).
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Public | Self::Draft => matches!(next, Self::Public | Self::Draft | Self::Trash),
            Self::Trash => matches!(next, Self::Deleted | Self::Draft | Self::Trash),
            Self::Deleted => matches!(next, Self::Deleted | Self::Trash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientState::{self, Deleted, Draft, Public, Trash};
    use super::{AuthMethod, ClientOrigin};

    #[test]
    fn contract_7_2_transitions() {
        let table = [
            (Public, &[Public, Draft, Trash][..]),
            (Draft, &[Public, Draft, Trash]),
            (Trash, &[Draft, Trash, Deleted]),
            (Deleted, &[Trash, Deleted]),
        ];
        for (from, allowed) in table {
            let found: Vec<_> = ClientState::ALL.into_iter().filter(|next| from.may_become(*next)).collect();
            assert_eq!(found, allowed, "{from:?}");
        }
    }

    #[test]
    fn as_str_is_the_serialised_name() {
        for state in ClientState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for method in AuthMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        for origin in ClientOrigin::ALL {
            assert_eq!(serde_json::to_value(origin).unwrap(), origin.as_str());
        }
    }

    #[test]
    fn a_stored_method_that_we_do_not_know_is_an_error() {
        for unknown in ["none", "client_secret_jwt", "CLIENT_SECRET_POST", ""] {
            assert!(serde_json::from_value::<AuthMethod>(unknown.into()).is_err(), "{unknown}");
        }
    }
}
