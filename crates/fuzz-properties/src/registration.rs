//! Registration JSON: `common::strict_json` against serde_json's own reading, then what a stranger, an operator and a
//! patch may make of the members.

use common::{AccessTokenClaims, Timestamp, strict_json};
use credentials::client::{AuthMethod, Client, ClientId, ClientState, NewClient, RegisteredKeys};
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://auth.example";
const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

pub(crate) fn check(input: &[u8]) {
    let lenient = serde_json::from_slice::<Value>(input);
    match (strict_json::value(input), lenient) {
        (Ok(strict), Ok(lenient)) => {
            assert_eq!(strict, lenient);
            let written = serde_json::to_vec(&strict).expect("a value can be written");
            assert_eq!(strict_json::value(&written).ok(), Some(strict));
        }
        (Ok(_), Err(error)) => panic!("we read what serde_json does not: {error}"),
        (Err(error), Ok(_)) => assert!(error.to_string().contains("repeated"), "{error}"),
        (Err(_), Err(_)) => {}
    }
    let Ok(members) = strict_json::object(input) else { return };
    let by_stranger = NewClient::self_registered(&members, ISSUER);
    let by_operator = NewClient::by_operator(&members, ISSUER);
    if let Ok(new) = &by_stranger {
        assert_powerless(new);
        let again = NewClient::self_registered(&without_key(new), ISSUER);
        assert_eq!(again.map(|again| again.name).ok().as_ref(), Some(&new.name), "a name is one (T-FRM-15)");
    }
    if let Ok(new) = by_operator {
        let powerless = by_stranger.expect("an operator's client is first of all a client");
        assert_eq!(
            (&new.name, new.auth_method, &new.metadata),
            (&powerless.name, powerless.auth_method, &powerless.metadata)
        );
        assert!(!new.audience.iter().any(|audience| audience == ISSUER), "(T-CC-04)");
        assert!(
            !new.allowed_custom_claims
                .iter()
                .any(|claim| AccessTokenClaims::RESERVED.contains(&claim.as_str()))
        );
        let id = ClientId::parse("orders").expect("an id");
        assert_kept(&new.into_client(id, RegisteredKeys::default(), ClientState::Draft, NOW));
    }
    assert_patch(&members);
}

/// T-REG-03.
fn assert_powerless(new: &NewClient) {
    assert!(new.permissions.is_empty() && new.audience.is_empty() && new.allowed_custom_claims.is_empty());
    assert_eq!(new.state, None);
    assert!((1..=256).contains(&new.name.chars().count()));
    assert!(!new.name.chars().any(char::is_control));
}

fn without_key(new: &NewClient) -> Map<String, Value> {
    let method = match new.auth_method {
        AuthMethod::ClientSecretPost => AuthMethod::ClientSecretPost,
        _ => AuthMethod::ClientSecretBasic,
    };
    let members = json!({"client_name": new.name, "token_endpoint_auth_method": method.as_str(),
        "metadata": new.metadata});
    members.as_object().cloned().expect("an object")
}

/// A stored client is read back as it was.
fn assert_kept(client: &Client) {
    let written = serde_json::to_vec(client).expect("a client can be written");
    assert_eq!(serde_json::from_slice::<Client>(&written).ok().as_ref(), Some(client));
}

/// A patch changes what it names or nothing, and never who the client is.
fn assert_patch(patch: &Map<String, Value>) {
    let members = json!({"client_name": "Orders", "metadata": {"team": "a"}, "permissions": ["read"]});
    let members = members.as_object().expect("an object");
    let id = ClientId::parse("orders").expect("an id");
    let new = NewClient::by_operator(members, ISSUER).expect("a client");
    let before = new.into_client(id, RegisteredKeys::default(), ClientState::Public, NOW);
    let Ok(after) = before.patched(patch, ISSUER, NOW.plus_seconds(1)) else { return };
    assert_eq!((&after.id, after.auth_method, after.version), (&before.id, before.auth_method, 2));
    assert!(before.state == after.state || before.state.may_become(after.state));
    let untouched = |name: &str| !patch.contains_key(name);
    assert!(!untouched("permissions") || after.permissions == before.permissions);
    assert!(!untouched("metadata") || after.metadata == before.metadata);
    assert_kept(&after);
    let again = after.patched(patch, ISSUER, NOW.plus_seconds(2)).expect("a patch may be repeated");
    assert_eq!((&again.name, &again.metadata), (&after.name, &after.metadata), "and changes nothing more");
}
