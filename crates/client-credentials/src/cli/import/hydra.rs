//! Clients of Ory Hydra. Its admin API never tells a secret or its hash: those are in the table `hydra_client`, whose rows
//! have the names of the API, but for `id`; lists and objects may be texts there that hold JSON.

use std::time::Duration;

use credentials::client::AuthMethod;
use serde_json::{Map, Value, json};

use super::{Defaults, Obstacle, described, method, refuse, skip, strings, text};

/// Scopes that mean something for people only.
const ABOUT_PEOPLE: [&str; 3] = ["openid", "offline", "offline_access"];
/// Carried over as they are.
const SELF_DESCRIPTION: [&str; 5] =
    ["client_uri", "logo_uri", "tos_uri", "policy_uri", "token_endpoint_auth_signing_alg"];

pub(super) fn client(
    hydra: &Map<String, Value>,
    defaults: &Defaults<'_>,
) -> Result<Map<String, Value>, Obstacle> {
    let Some(id) = text(hydra, "client_id").or_else(|| text(hydra, "id")) else {
        return refuse("it has neither client_id nor id");
    };
    if !strings(json_of(hydra, "grant_types").as_ref()).any(|grant| grant == "client_credentials") {
        return skip("client_credentials is not among its grant_types: it is for people");
    }
    let method = match text(hydra, "token_endpoint_auth_method") {
        None => AuthMethod::ClientSecretBasic,
        Some("none") => return skip("it is a public client: it has no secret and no key"),
        Some(name) => method(name)?,
    };
    let mut members = described(id, text(hydra, "client_name"), method, defaults.state);
    match method {
        AuthMethod::PrivateKeyJwt => members.extend(keys(hydra)?),
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => members.extend(secrets(hydra)?),
    }
    let scopes = text(hydra, "scope").unwrap_or_default().split_ascii_whitespace();
    let permissions: Vec<&str> = scopes.filter(|scope| !ABOUT_PEOPLE.contains(scope)).collect();
    members.insert("permissions".to_owned(), json!(permissions));
    for name in ["audience", "contacts", "metadata"] {
        let value = json_of(hydra, name).filter(says_something);
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    for name in SELF_DESCRIPTION {
        members.extend(text(hydra, name).map(|value| (name.to_owned(), json!(value))));
    }
    if let Some(seconds) = lifetime(hydra.get("client_credentials_grant_access_token_lifespan"))? {
        members.insert("tokenLifetimeSeconds".to_owned(), json!(seconds));
    }
    Ok(members)
}

fn secrets(hydra: &Map<String, Value>) -> Result<Option<(String, Value)>, Obstacle> {
    let Some(secret) = text(hydra, "client_secret") else {
        return refuse(
            "it has no client_secret: Hydra's API does not tell it, so export the table hydra_client",
        );
    };
    if !secret.starts_with('$') {
        return Ok(Some(("client_secret".to_owned(), json!(secret))));
    }
    let rotated = json_of(hydra, "rotated_secrets");
    let hashes: Vec<&str> = [secret].into_iter().chain(strings(rotated.as_ref())).collect();
    Ok(Some(("client_secret_hashes".to_owned(), json!(hashes))))
}

fn keys(hydra: &Map<String, Value>) -> Result<Option<(String, Value)>, Obstacle> {
    if let Some(uri) = text(hydra, "jwks_uri") {
        return Ok(Some(("jwks_uri".to_owned(), json!(uri))));
    }
    match json_of(hydra, "jwks") {
        Some(jwks @ Value::Object(_)) => Ok(Some(("jwks".to_owned(), jwks))),
        _ => refuse("it authenticates with a key and has neither jwks nor jwks_uri"),
    }
}

/// A list or an object, or the one in a text.
fn json_of(hydra: &Map<String, Value>, name: &str) -> Option<Value> {
    match hydra.get(name)? {
        Value::String(text) => serde_json::from_str(text).ok(),
        value => Some(value.clone()),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    }
}

/// In the table it is a number of nanoseconds, in the API a text such as 1h30m0s.
fn lifetime(value: Option<&Value>) -> Result<Option<u64>, Obstacle> {
    let duration = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(nanoseconds)) => nanoseconds.as_u64().map(Duration::from_nanos),
        Some(Value::String(text)) => spelled(text),
        Some(_) => None,
    };
    match duration.map(|duration| duration.as_secs()) {
        Some(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => refuse(
            "its client_credentials_grant_access_token_lifespan cannot be read, or is less than a second",
        ),
    }
}

/// Hours, minutes and seconds, as Go writes them.
fn spelled(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0_u64);
    for (unit, length) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(length)?)?;
            rest = after;
        }
    }
    rest.is_empty().then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { state: "PUBLIC", method: "client_secret_basic" };

    fn translated(hydra: &Value) -> Result<Value, Obstacle> {
        client(hydra.as_object().unwrap(), &DEFAULTS).map(Value::Object)
    }

    #[test]
    fn a_row_of_the_table_and_a_client_of_the_api_are_read_alike() {
        let expected = json!({"client_id": "orders", "client_name": "Orders",
            "token_endpoint_auth_method": "client_secret_post", "__STATE__": "PUBLIC",
            "client_secret_hashes": ["$2a$10$first", "$2a$10$second"], "permissions": ["read", "write"],
            "audience": ["https://api.example"], "metadata": {"team": "a"}, "client_uri": "https://a.example",
            "tokenLifetimeSeconds": 5400});
        let row = json!({"id": "orders", "client_name": "Orders", "client_secret": "$2a$10$first",
            "rotated_secrets": "[\"$2a$10$second\"]", "grant_types": "[\"client_credentials\"]",
            "token_endpoint_auth_method": "client_secret_post", "scope": "read write offline openid",
            "audience": "[\"https://api.example\"]", "metadata": "{\"team\": \"a\"}", "contacts": "[]",
            "client_uri": "https://a.example", "logo_uri": "", "jwks": "{}", "jwks_uri": "",
            "client_credentials_grant_access_token_lifespan": 5_400_000_000_000_u64, "nid": "n"});
        let api = json!({"client_id": "orders", "client_name": "Orders", "client_secret": "$2a$10$first",
            "rotated_secrets": ["$2a$10$second"], "grant_types": ["client_credentials", "authorization_code"],
            "token_endpoint_auth_method": "client_secret_post", "scope": "read write",
            "audience": ["https://api.example"], "metadata": {"team": "a"}, "contacts": [],
            "client_uri": "https://a.example", "client_credentials_grant_access_token_lifespan": "1h30m0s"});
        assert_eq!(translated(&row), Ok(expected.clone()));
        assert_eq!(translated(&api), Ok(expected));
    }

    #[test]
    fn keys_and_known_secrets_are_carried_over() {
        let grant = json!(["client_credentials"]);
        let keyed = |name: &str, value: Value| {
            translated(
                &json!({"client_id": "c", "grant_types": grant, "token_endpoint_auth_method": "private_key_jwt",
                name: value}),
            )
        };
        assert_eq!(
            keyed("jwks_uri", json!("https://c.example/k")).unwrap()["jwks_uri"],
            "https://c.example/k"
        );
        assert_eq!(keyed("jwks", json!("{\"keys\": []}")).unwrap()["jwks"], json!({"keys": []}));
        assert!(matches!(keyed("jwks", json!("")), Err(Obstacle::Refuse(_))));
        let known =
            translated(&json!({"client_id": "c", "grant_types": grant, "client_secret": "known"})).unwrap();
        assert_eq!((&known["client_secret"], &known["client_name"]), (&json!("known"), &json!("c")));
    }

    #[test]
    fn who_is_not_for_us_is_skipped_and_who_is_incomplete_refused() {
        let good = json!({"client_id": "c", "grant_types": ["client_credentials"], "client_secret": "$2a$"});
        let changed = |name: &str, value: Value| {
            let mut hydra = good.clone();
            hydra[name] = value;
            translated(&hydra).unwrap_err()
        };
        for (name, value) in [
            ("grant_types", json!(["authorization_code"])),
            ("grant_types", json!("")),
            ("token_endpoint_auth_method", json!("none")),
        ] {
            assert!(matches!(changed(name, value.clone()), Obstacle::Skip(_)), "{name} {value}");
        }
        for (name, value) in [
            ("client_id", json!("")),
            ("client_secret", json!(null)),
            ("token_endpoint_auth_method", json!("tls_client_auth")),
            ("client_credentials_grant_access_token_lifespan", json!("soon")),
            ("client_credentials_grant_access_token_lifespan", json!(5)),
            ("client_credentials_grant_access_token_lifespan", json!([])),
        ] {
            assert!(matches!(changed(name, value.clone()), Obstacle::Refuse(_)), "{name} {value}");
        }
    }
}
