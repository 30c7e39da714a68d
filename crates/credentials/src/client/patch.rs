//! Changing a client by a JSON merge patch (RFC 7396): what is named is replaced, null removes, metadata merge.

use common::Timestamp;
use serde_json::{Map, Value};

use super::Client;
use super::members::{self, ClientDefect};

impl Client {
    /// The client after `patch`, one version on. Members that cannot be changed are refused, not ignored: an operator who
    /// misspells `permissions` must not be told that all went well.
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found; nothing of the patch counts then.
    pub fn patched(
        &self,
        patch: &Map<String, Value>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, ClientDefect> {
        let mut client = self.clone();
        for (name, value) in patch {
            match (name.as_str(), value) {
                ("name", value) => client.name = members::name("name", value)?,
                ("permissions", Value::Null) => client.permissions = Vec::new(),
                ("permissions", value) => client.permissions = members::permissions(value)?,
                ("audience", Value::Null) => client.audience = Vec::new(),
                ("audience", value) => client.audience = members::audience(value, issuer)?,
                ("allowedCustomClaims", Value::Null) => client.allowed_custom_claims = Vec::new(),
                ("allowedCustomClaims", value) => {
                    client.allowed_custom_claims = members::allowed_custom_claims(value)?;
                }
                ("staticClaims", Value::Null) => client.static_claims = Map::new(),
                ("staticClaims", value) => {
                    let mut merged = Value::Object(client.static_claims);
                    merge(&mut merged, value);
                    client.static_claims = members::static_claims(&merged)?;
                }
                ("tokenLifetimeSeconds", Value::Null) => client.token_lifetime_seconds = None,
                ("tokenLifetimeSeconds", value) => {
                    client.token_lifetime_seconds = Some(members::token_lifetime_seconds(value)?);
                }
                ("assertionAlgorithm", Value::Null) => {
                    client.assertion_algorithm = None;
                    client.assertion_algorithm_pinned = false;
                }
                ("assertionAlgorithm", value) => {
                    client.assertion_algorithm = Some(members::assertion_algorithm(value)?);
                    client.assertion_algorithm_pinned = true;
                }
                ("metadata", Value::Null) => client.metadata = Map::new(),
                ("metadata", value) => {
                    let mut merged = Value::Object(client.metadata);
                    merge(&mut merged, value);
                    client.metadata = members::metadata(&merged)?;
                }
                ("__STATE__", value) => {
                    client.state = members::state(value)?;
                    if !self.state.may_become(client.state) {
                        return Err(ClientDefect::Transition { from: self.state, to: client.state });
                    }
                }
                _ => return Err(ClientDefect::NotChangeable),
            }
        }
        client.updated_at = now;
        client.version = self.version.saturating_add(1);
        Ok(client)
    }
}

/// The algorithm of RFC 7396 §2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use common::Timestamp;
    use serde_json::{Value, json};

    use super::merge;
    use crate::client::{Client, ClientDefect, ClientId, ClientState, NewClient, RegisteredKeys};

    const ISSUER: &str = "https://auth.example";

    fn client() -> Client {
        let members = json!({"client_name": "before", "permissions": ["p"], "audience": ["api"],
            "allowedCustomClaims": ["tenant"], "metadata": {"keep": 1, "drop": 2, "in": {"a": 1, "b": 2}}});
        NewClient::by_operator(members.as_object().unwrap(), ISSUER).unwrap().into_client(
            ClientId::parse("id").unwrap(),
            RegisteredKeys::default(),
            ClientState::Public,
            Timestamp::from_unix_seconds(1),
        )
    }

    fn patched(patch: &Value) -> Result<Client, ClientDefect> {
        client().patched(patch.as_object().unwrap(), ISSUER, Timestamp::from_unix_seconds(2))
    }

    #[test]
    fn what_is_named_is_replaced_and_the_rest_stays() {
        let after = patched(&json!({"name": "after", "permissions": ["q", "r"], "audience": ["b"],
            "allowedCustomClaims": ["region"], "staticClaims": {"tenant": "a"}, "tokenLifetimeSeconds": 60,
            "assertionAlgorithm": "ES256", "__STATE__": "DRAFT"}))
        .unwrap();
        let mut expected = client();
        expected.name = "after".to_owned();
        expected.permissions = vec!["q".to_owned(), "r".to_owned()];
        expected.audience = vec!["b".to_owned()];
        expected.allowed_custom_claims = vec!["region".to_owned()];
        expected.static_claims.insert("tenant".to_owned(), json!("a"));
        expected.token_lifetime_seconds = Some(60);
        expected.assertion_algorithm = Some("ES256".to_owned());
        expected.assertion_algorithm_pinned = true;
        expected.state = ClientState::Draft;
        expected.updated_at = Timestamp::from_unix_seconds(2);
        expected.version = 2;
        assert_eq!(after, expected);
        let untouched = patched(&json!({})).unwrap();
        assert_eq!((untouched.permissions, untouched.version), (client().permissions, 2));
    }

    #[test]
    fn null_removes_and_metadata_merge() {
        let after = patched(&json!({"permissions": null, "audience": null, "allowedCustomClaims": null,
            "metadata": {"drop": null, "new": [1], "in": {"a": null, "c": 3}}}))
        .unwrap();
        assert!(
            after.permissions.is_empty()
                && after.audience.is_empty()
                && after.allowed_custom_claims.is_empty()
        );
        assert_eq!(Value::Object(after.metadata), json!({"keep": 1, "new": [1], "in": {"b": 2, "c": 3}}));
        assert!(patched(&json!({"metadata": null})).unwrap().metadata.is_empty());
    }

    #[test]
    fn a_bad_patch_is_refused_as_a_whole() {
        for patch in [
            json!({"name": null}),
            json!({"name": ""}),
            json!({"permissions": "p"}),
            json!({"permissions": [1]}),
            json!({"audience": [ISSUER]}),
            json!({"allowedCustomClaims": ["permissions"]}),
            json!({"staticClaims": {"permissions": ["admin"]}}),
            json!({"staticClaims": "x"}),
            json!({"tokenLifetimeSeconds": 0}),
            json!({"assertionAlgorithm": "HS256"}),
            json!({"assertionAlgorithm": "none"}),
            json!({"metadata": []}),
            json!({"metadata": "x"}),
            json!({"metadata": {"$set": {"permissions": ["admin"]}}}),
            json!({"metadata": {"in": {"a.b": 1}}}),
            json!({"__STATE__": null}),
            json!({"__STATE__": "GONE"}),
        ] {
            assert!(patched(&patch).is_err(), "{patch}");
        }
        // Merging must not grow metadata beyond their limit in steps.
        assert!(patched(&json!({"metadata": {"more": "x".repeat(8_150)}})).is_err());
    }

    #[test]
    fn t_reg_07_t_reg_08_other_members_cannot_be_changed() {
        for name in [
            "permission",
            "clientId",
            "client_id",
            "authMethod",
            "publicKey",
            "client_secret",
            "version",
            "$set",
        ] {
            let verdict = patched(&json!({"name": "x", name: "y"}));
            assert_eq!(verdict.err(), Some(ClientDefect::NotChangeable), "{name}");
        }
    }

    #[test]
    fn contract_7_2_a_state_changes_only_along_the_transitions() {
        let verdict = patched(&json!({"__STATE__": "DELETED"}));
        assert_eq!(verdict.unwrap_err().to_string(), "a client in state PUBLIC cannot become DELETED");
        assert_eq!(patched(&json!({"__STATE__": "TRASH"})).unwrap().state, ClientState::Trash);
        assert_eq!(patched(&json!({"__STATE__": "PUBLIC"})).unwrap().state, ClientState::Public);
    }

    /// The examples of RFC 7396 appendix A.
    #[test]
    fn rfc_7396_appendix_a() {
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut target = original.clone();
            merge(&mut target, &patch);
            assert_eq!(target, result, "{original} + {patch}");
        }
    }
}
