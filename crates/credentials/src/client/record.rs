//! What we keep about a client. The serialised names are those of the platform's `clients` collection (contract
//! §1.7), so that a store, the management API and a crud-service speak of the same document.

use common::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ClientId;
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
    /// Present exactly if the method is `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    pub permissions: Vec<String>,
    /// Audiences the client may ask for. Empty: none.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Claims of the client's assertion that may be copied into its tokens. Never a reserved name.
    #[serde(default)]
    pub allowed_custom_claims: Vec<String>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows by one with each change; a change names the version it is based on.
    pub version: u64,
}

impl Client {
    /// Whether the client gets tokens: only in state PUBLIC, however good its credentials are.
    #[must_use]
    pub fn may_obtain_tokens(&self) -> bool {
        self.state == ClientState::Public
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
    use super::AuthMethod;
    use super::ClientState::{self, Deleted, Draft, Public, Trash};

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
    }

    #[test]
    fn a_stored_method_that_we_do_not_know_is_an_error() {
        for unknown in ["none", "client_secret_jwt", "CLIENT_SECRET_POST", ""] {
            assert!(serde_json::from_value::<AuthMethod>(unknown.into()).is_err(), "{unknown}");
        }
    }
}
