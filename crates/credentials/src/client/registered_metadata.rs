//! What a client is told about its registration (RFC 7591 §3.2.1, RFC 7592 §3).

use serde_json::{Map, Value, json};

use super::Client;
use super::self_description::GRANT_TYPE;

impl Client {
    /// Everything that is registered about the client, in the names of RFC 7591 §2, with what we put in place of what was
    /// asked for (C-7591-03). Its id, its secret and its powers are not among them.
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
}
