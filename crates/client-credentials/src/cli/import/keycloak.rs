//! Clients of a Keycloak realm. Keycloak keeps client secrets as they are, so an export tells them, unless it was made in
//! a way that masks them. What it hashes, it describes as a credential: `credentialData` and `secretData`, texts that hold
//! JSON.

use credentials::client::AuthMethod;
use serde_json::{Map, Value, json};

use super::{Defaults, Obstacle, described, method, refuse, skip, text};

/// Where a client waits that was disabled.
const DISABLED: &str = "DRAFT";

pub(super) fn client(
    keycloak: &Map<String, Value>,
    defaults: &Defaults<'_>,
) -> Result<Map<String, Value>, Obstacle> {
    let Some(id) = text(keycloak, "clientId") else { return refuse("it has no clientId") };
    let is = |name: &str| keycloak.get(name).and_then(Value::as_bool).unwrap_or_default();
    if text(keycloak, "protocol").is_some_and(|protocol| protocol != "openid-connect") {
        return skip("its protocol is not openid-connect");
    }
    if is("publicClient") {
        return skip("it is a public client: it has no secret and no key");
    }
    if is("bearerOnly") {
        return skip("it is bearer-only: it gets no tokens");
    }
    if !is("serviceAccountsEnabled") {
        return skip("it has no service account: it is for people");
    }
    let enabled = keycloak.get("enabled").is_none_or(|enabled| *enabled == json!(true));
    let state = if enabled { defaults.state } else { DISABLED };
    // Names such as ${client_account} stand for texts of Keycloak's own.
    let name = text(keycloak, "name").filter(|name| !name.starts_with("${"));
    let attributes = keycloak.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    let (method, credential) = match text(keycloak, "clientAuthenticatorType").unwrap_or("client-secret") {
        "client-secret" => (method(defaults.method)?, secret(keycloak)?),
        "client-jwt" => (AuthMethod::PrivateKeyJwt, key(&attributes)?),
        other => return refuse(format!("its authentication method {other} is not offered here")),
    };
    let mut members = described(id, name, method, state);
    members.extend([credential]);
    if let Some(lifetime) = text(&attributes, "access.token.lifespan") {
        match lifetime.parse::<u32>() {
            Ok(seconds) => drop(members.insert("tokenLifetimeSeconds".to_owned(), json!(seconds))),
            Err(_) => return refuse("its access.token.lifespan is no number of seconds"),
        }
    }
    Ok(members)
}

fn secret(keycloak: &Map<String, Value>) -> Result<(String, Value), Obstacle> {
    if let Some(credentials) = keycloak.get("credentials").and_then(Value::as_array)
        && !credentials.is_empty()
    {
        let hashes: Result<Vec<String>, Obstacle> = credentials.iter().map(hash).collect();
        return Ok(("client_secret_hashes".to_owned(), json!(hashes?)));
    }
    match text(keycloak, "secret") {
        None => refuse("it has no secret"),
        Some(masked) if masked.bytes().all(|byte| byte == b'*') => {
            refuse("its secret is masked: export the realm with kc.sh export, which does not mask")
        }
        Some(reference) if reference.starts_with("${vault.") => {
            refuse("its secret is in a vault of Keycloak: put it into the file instead of the reference")
        }
        Some(secret) => Ok(("client_secret".to_owned(), json!(secret))),
    }
}

/// The hash of a credential in the PHC string format.
fn hash(credential: &Value) -> Result<String, Obstacle> {
    hash_text(credential).map_or_else(
        || refuse("one of its credentials has no algorithm, hashIterations, value and salt that can be read"),
        Ok,
    )
}

fn hash_text(credential: &Value) -> Option<String> {
    let part = |name: &str| match credential.get(name)? {
        Value::String(text) => serde_json::from_str(text).ok(),
        value => Some(value.clone()),
    };
    let (about, secret): (Value, Value) = (part("credentialData")?, part("secretData")?);
    let iterations = about.get("hashIterations")?.as_u64()?;
    // The PHC string format has no padding.
    let base64 = |name: &str| {
        secret.get(name).and_then(Value::as_str).map(|text| text.trim_end_matches('=').to_owned())
    };
    let (salt, value) = (base64("salt")?, base64("value")?);
    let parameter = |name: &str| {
        let values = about.get("additionalParameters")?.get(name)?;
        values.get(0).unwrap_or(values).as_str().map(str::to_owned)
    };
    match about.get("algorithm")?.as_str()? {
        algorithm @ ("pbkdf2-sha256" | "pbkdf2-sha512") => {
            Some(format!("${algorithm}$i={iterations}${salt}${value}"))
        }
        "argon2" => {
            let version = if parameter("version")? == "1.0" { 16 } else { 19 };
            let (kind, memory, lanes) = (parameter("type")?, parameter("memory")?, parameter("parallelism")?);
            Some(format!("$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${salt}${value}"))
        }
        _ => None,
    }
}

fn key(attributes: &Map<String, Value>) -> Result<(String, Value), Obstacle> {
    let is = |name: &str| text(attributes, name) == Some("true");
    if is("use.jwks.url")
        && let Some(uri) = text(attributes, "jwks.url")
    {
        return Ok(("jwks_uri".to_owned(), json!(uri)));
    }
    if is("use.jwks.string")
        && let Some(jwks) = text(attributes, "jwks.string").and_then(|text| serde_json::from_str(text).ok())
    {
        return Ok(("jwks".to_owned(), jwks));
    }
    refuse("its key is a certificate in Keycloak: give it jwks.url or jwks.string")
}

#[cfg(test)]
mod tests {
    use credentials::secret::ImportedHash;

    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { state: "PUBLIC", method: "client_secret_post" };

    fn good() -> Value {
        json!({"id": "d652c08d-2564-4207-82f5-42aea66fd1ae", "clientId": "orders", "name": "Orders",
            "enabled": true, "clientAuthenticatorType": "client-secret", "secret": "yV9zWwq0AbdMe8Kc4uTnLfRo1sJxHgP2",
            "protocol": "openid-connect", "publicClient": false, "bearerOnly": false, "serviceAccountsEnabled": true,
            "standardFlowEnabled": false, "redirectUris": [], "attributes": {"access.token.lifespan": "600"}})
    }

    fn changed(name: &str, value: Value) -> Result<Value, Obstacle> {
        let mut keycloak = good();
        keycloak[name] = value;
        client(keycloak.as_object().unwrap(), &DEFAULTS).map(Value::Object)
    }

    #[test]
    fn a_client_with_a_service_account_is_carried_over() {
        let expected = json!({"client_id": "orders", "client_name": "Orders",
            "token_endpoint_auth_method": "client_secret_post", "__STATE__": "PUBLIC",
            "client_secret": "yV9zWwq0AbdMe8Kc4uTnLfRo1sJxHgP2", "tokenLifetimeSeconds": 600});
        assert_eq!(changed("id", json!("x")), Ok(expected));
        assert_eq!(changed("enabled", json!(false)).unwrap()["__STATE__"], "DRAFT");
        assert_eq!(changed("name", json!("${client_orders}")).unwrap()["client_name"], "orders");
    }

    /// Both hashes are of `some-secret`, made by OpenSSL and by the reference implementation of Argon2.
    #[test]
    fn credentials_become_hashes_that_verify() {
        let pbkdf2 = json!([{"type": "secret",
            "credentialData": "{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha512\",\"additionalParameters\":{}}",
            "secretData": "{\"value\":\"o6Ri/6rIY39wG6NviK+VIoQ6T6lNNAy2tVr6QV0Ss32cZ1OETU2txkZYvVA4m7leD/sRg+AlVI1vNgC0k2InQg==\",\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\",\"additionalParameters\":{}}"}]);
        let argon2 = json!([{
            "credentialData": {"hashIterations": 5, "algorithm": "argon2", "additionalParameters": {"hashLength": ["32"],
                "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}},
            "secretData": {"value": "LYnkceCTpsXZkulYTBZ9uhkoIicnKxe+Tup4c1SdMmQ=", "salt": "AAECAwQFBgcICQoLDA0ODw=="}}]);
        for credentials in [pbkdf2, argon2] {
            let members = changed("credentials", credentials).unwrap();
            let hash = ImportedHash::parse(members["client_secret_hashes"][0].as_str().unwrap()).unwrap();
            assert!(hash.verify("some-secret") && !hash.verify("other-secret"));
        }
        let unknown = json!([{"credentialData": "{\"hashIterations\":1,\"algorithm\":\"pbkdf2\"}",
            "secretData": "{\"value\":\"AA==\",\"salt\":\"AA==\"}"}]);
        assert!(matches!(changed("credentials", unknown), Err(Obstacle::Refuse(_))));
    }

    #[test]
    fn keys_are_carried_over_unless_they_are_certificates() {
        let keyed = |attributes: Value| {
            let mut keycloak = good();
            keycloak["clientAuthenticatorType"] = json!("client-jwt");
            keycloak["attributes"] = attributes;
            client(keycloak.as_object().unwrap(), &DEFAULTS).map(Value::Object)
        };
        let uri = keyed(json!({"use.jwks.url": "true", "jwks.url": "https://c.example/k"})).unwrap();
        assert_eq!((&uri["jwks_uri"], uri.get("client_secret")), (&json!("https://c.example/k"), None));
        assert_eq!(uri["token_endpoint_auth_method"], "private_key_jwt");
        let jwks = keyed(json!({"use.jwks.string": "true", "jwks.string": "{\"keys\":[]}"})).unwrap();
        assert_eq!(jwks["jwks"], json!({"keys": []}));
        for attributes in
            [json!({"jwks.url": "https://c.example/k"}), json!({"jwt.credential.certificate": "MII"})]
        {
            assert!(matches!(keyed(attributes), Err(Obstacle::Refuse(_))));
        }
    }

    #[test]
    fn who_is_not_for_us_is_skipped_and_who_is_incomplete_refused() {
        for (name, value) in [
            ("publicClient", json!(true)),
            ("bearerOnly", json!(true)),
            ("serviceAccountsEnabled", json!(false)),
            ("protocol", json!("saml")),
        ] {
            assert!(matches!(changed(name, value.clone()), Err(Obstacle::Skip(_))), "{name} {value}");
        }
        for (name, value) in [
            ("clientId", json!("")),
            ("secret", json!("**********")),
            ("secret", json!("${vault.orders}")),
            ("secret", json!(null)),
            ("clientAuthenticatorType", json!("client-x509")),
            ("attributes", json!({"access.token.lifespan": "soon"})),
        ] {
            assert!(matches!(changed(name, value.clone()), Err(Obstacle::Refuse(_))), "{name} {value}");
        }
    }
}
