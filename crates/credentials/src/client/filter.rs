//! Which clients an operator wants to see.

use common::Timestamp;
use serde_json::Value;

use super::{Client, ClientOrigin, ClientState};

/// Conditions on clients, all of which must hold. The default holds for every client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientFilter {
    pub state: Option<ClientState>,
    pub origin: Option<ClientOrigin>,
    /// Part of the name, whatever its case.
    pub name_contains: Option<String>,
    /// A permission it has.
    pub permission: Option<String>,
    /// Members of its metadata, and the texts that are their values.
    pub metadata: Vec<(String, String)>,
    pub created_before: Option<Timestamp>,
    /// Its last token, or its making if it never got one, is older.
    pub unused_since: Option<Timestamp>,
}

impl ClientFilter {
    /// Whether all conditions hold.
    #[must_use]
    pub fn matches(&self, client: &Client) -> bool {
        self.state.is_none_or(|state| client.state == state)
            && self.origin.is_none_or(|origin| client.origin == origin)
            && self.created_before.is_none_or(|end| client.created_at < end)
            && self.unused_since.is_none_or(|since| client.last_login.unwrap_or(client.created_at) < since)
            && self.permission.as_ref().is_none_or(|permission| client.permissions.contains(permission))
            && self.name_contains.as_ref().is_none_or(|part| contains_in_any_case(&client.name, part))
            && self
                .metadata
                .iter()
                .all(|(name, text)| client.metadata.get(name).and_then(Value::as_str) == Some(text.as_str()))
    }
}

fn contains_in_any_case(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use common::Timestamp;
    use serde_json::json;

    use super::ClientFilter;
    use crate::client::{Client, ClientId, ClientOrigin, ClientState, NewClient, RegisteredKeys};

    fn client() -> Client {
        let members = json!({"client_name": "Ordini È", "permissions": ["read:orders"], "metadata": {"team": "a", "stage": "b"}});
        NewClient::by_operator(members.as_object().unwrap(), "issuer").unwrap().into_client(
            ClientId::parse("id").unwrap(),
            RegisteredKeys::default(),
            ClientState::Draft,
            Timestamp::from_unix_seconds(100),
        )
    }

    #[test]
    fn each_condition_counts() {
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        let text = |text: &str| Some(text.to_owned());
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let all = ClientFilter::default();
        assert!(all.matches(&client()));
        for (filter, expected) in [
            (ClientFilter { state: Some(ClientState::Draft), ..all.clone() }, true),
            (ClientFilter { state: Some(ClientState::Public), ..all.clone() }, false),
            (ClientFilter { origin: Some(ClientOrigin::Operator), ..all.clone() }, true),
            (ClientFilter { origin: Some(ClientOrigin::Registration), ..all.clone() }, false),
            (ClientFilter { name_contains: text("DINI è"), ..all.clone() }, true),
            (ClientFilter { name_contains: text("ordino"), ..all.clone() }, false),
            (ClientFilter { name_contains: text(".*"), ..all.clone() }, false),
            (ClientFilter { permission: text("read:orders"), ..all.clone() }, true),
            (ClientFilter { permission: text("read"), ..all.clone() }, false),
            (ClientFilter { metadata: pair("team", "a"), ..all.clone() }, true),
            (ClientFilter { metadata: pair("team", "b"), ..all.clone() }, false),
            (ClientFilter { metadata: pair("Team", "a"), ..all.clone() }, false),
            (
                ClientFilter { metadata: [pair("team", "a"), pair("stage", "b")].concat(), ..all.clone() },
                true,
            ),
            (
                ClientFilter { metadata: [pair("team", "a"), pair("stage", "c")].concat(), ..all.clone() },
                false,
            ),
            (ClientFilter { created_before: at(101), ..all.clone() }, true),
            (ClientFilter { created_before: at(100), ..all.clone() }, false),
            (ClientFilter { unused_since: at(101), ..all.clone() }, true),
            (ClientFilter { unused_since: at(100), ..all }, false),
        ] {
            assert_eq!(filter.matches(&client()), expected, "{filter:?}");
        }
        let used = Client { last_login: at(200), ..client() };
        assert!(!ClientFilter { unused_since: at(200), ..ClientFilter::default() }.matches(&used));
        assert!(ClientFilter { unused_since: at(201), ..ClientFilter::default() }.matches(&used));
    }
}
