//! What a client is told about its registration (RFC 7591 §3.2.1, RFC 7592 §3).

use serde_json::{Map, Value, json};

use super::Client;
use super::self_description::GRANT_TYPE;
use crate::scope;

impl Client {
    /// Everything that is registered about the client, in the names of RFC 7591 §2, with what we put in place of what was
    /// asked for (C-7591-03). Its id and its secret are not among them.
    #[must_use]
    pub fn registered_metadata(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut tell = |name: &str, value: Value| members.insert(name.to_owned(), value);
        tell("client_name", json!(self.name));
        tell("token_endpoint_auth_method", json!(self.auth_method));
        if let Some(algorithm) = &self.assertion_algorithm {
            tell("token_endpoint_auth_signing_alg", json!(algorithm));
        }
        tell("grant_types", json!([GRANT_TYPE]));
        tell("response_types", json!([]));
        // Whatever was asked for: what a token request may ask for now (ADR 10).
        tell("scope", json!(self.scope()));
        match (&self.public_key, self.keys.as_slice()) {
            (Some(key), []) => {
                tell("public_key", json!(key));
            }
            (None, []) => {}
            (first, others) => {
                let keys: Vec<_> = first.iter().chain(others.iter().map(|other| &other.key)).collect();
                tell("jwks", json!({ "keys": keys }));
            }
        }
        if let Some(uri) = &self.jwks_uri {
            tell("jwks_uri", json!(uri));
        }
        if !self.metadata.is_empty() {
            tell("metadata", json!(self.metadata));
        }
        members.extend(self.registration.clone());
        members
    }

    /// The permissions of the client as a scope, without those whose names no scope can hold.
    fn scope(&self) -> String {
        let names = self.permissions.iter().map(String::as_str).filter(|name| scope::is_name(name));
        names.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use common::Timestamp;

    use super::*;
    use crate::client::{AuthMethod, ClientId};

    #[test]
    fn c_7591_03_the_scope_is_what_was_granted() {
        let id = ClientId::parse("id").unwrap();
        let client =
            Client::new(id, "c".to_owned(), AuthMethod::ClientSecretBasic, Timestamp::from_unix_seconds(0));
        assert_eq!(client.registered_metadata()["scope"], "");
        let permissions = ["read:orders", "my permission", "è", "write:orders"].map(str::to_owned).to_vec();
        let client = Client { permissions, ..client };
        assert_eq!(client.registered_metadata()["scope"], "read:orders write:orders");
    }
}
