//! What a client may change about its own registration (RFC 7592 §2.2): everything it said at registration, as a whole.
//! Its powers and its state are not its own, and neither is a weaker way to authenticate.

use common::Timestamp;
use serde_json::{Map, Value};

use super::members::{ClientDefect, get};
use super::{AuthMethod, Client, ClientKey, NewClient, RegisteredKeys};

/// Members that we choose, and that a replacement must not have (RFC 7592 §2.2).
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

impl NewClient {
    /// What the holder of `client`'s registration asks to have in its place. `client_secret`, if sent, is for the caller
    /// to compare.
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found.
    pub fn replacing(
        client: &Client,
        members: &Map<String, Value>,
        issuer: &str,
    ) -> Result<Self, ClientDefect> {
        if get(members, "client_id").is_none_or(|id| id != client.id.as_str()) {
            return Err(ClientDefect::OtherId);
        }
        if let Some(name) = OURS.into_iter().find(|name| members.contains_key(*name)) {
            return Err(ClientDefect::Ours(name));
        }
        let new = Self::self_registered(members, issuer)?;
        if may_change(client.auth_method, new.auth_method) {
            Ok(new)
        } else {
            Err(ClientDefect::MethodWeaker { from: client.auth_method, to: new.auth_method })
        }
    }

    /// The record after `before`, one version on. What is not said is gone (C-7592-04); powers, state and history stay.
    #[must_use]
    pub fn into_replacement(self, before: &Client, keys: RegisteredKeys, now: Timestamp) -> Client {
        let known_since = |key: &ClientKey| {
            let known = before.keys.iter().find(|known| known.key == key.key);
            known.map_or(key.added_at, |known| known.added_at)
        };
        let keys_with_age =
            keys.keys.iter().map(|key| ClientKey { added_at: known_since(key), ..key.clone() });
        Client {
            name: self.name,
            auth_method: self.auth_method,
            keys: keys_with_age.collect(),
            public_key: keys.public_key,
            jwks_uri: keys.jwks_uri,
            assertion_algorithm: self.assertion_algorithm.map(|algorithm| algorithm.name().to_owned()),
            metadata: self.metadata,
            registration: self.registration,
            updated_at: now,
            version: before.version.saturating_add(1),
            ..before.clone()
        }
    }
}

/// A client that signs goes on signing; one with a secret may begin to, and loses the secret then (T-REG-08).
const fn may_change(from: AuthMethod, to: AuthMethod) -> bool {
    match (from, to) {
        (AuthMethod::PrivateKeyJwt, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost) => false,
        (AuthMethod::PrivateKeyJwt, AuthMethod::PrivateKeyJwt)
        | (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::{ClientId, ClientOrigin, ClientState};

    const ISSUER: &str = "https://auth.example";

    fn before(auth_method: AuthMethod) -> Client {
        Client {
            permissions: vec!["read".to_owned()],
            audience: vec!["api".to_owned()],
            allowed_custom_claims: vec!["tenant".to_owned()],
            static_claims: json!({"region": "eu"}).as_object().unwrap().clone(),
            token_lifetime_seconds: Some(60),
            state: ClientState::Draft,
            origin: ClientOrigin::Registration,
            registration: json!({"contacts": ["a@b"]}).as_object().unwrap().clone(),
            metadata: json!({"team": "a"}).as_object().unwrap().clone(),
            version: 7,
            ..Client::new(
                ClientId::parse("id").unwrap(),
                "before".to_owned(),
                auth_method,
                Timestamp::from_unix_seconds(1),
            )
        }
    }

    fn replaced(before: &Client, members: &Value) -> Result<Client, ClientDefect> {
        let new = NewClient::replacing(before, members.as_object().unwrap(), ISSUER)?;
        Ok(new.into_replacement(before, RegisteredKeys::default(), Timestamp::from_unix_seconds(9)))
    }

    #[test]
    fn c_7592_04_t_reg_03_what_is_left_out_is_gone_and_powers_stay() {
        let before = before(AuthMethod::ClientSecretBasic);
        let greedy = json!({"client_id": "id", "client_name": "after", "permissions": ["admin"], "audience": ["all"],
            "allowedCustomClaims": ["x"], "staticClaims": {"a": 1}, "__STATE__": "PUBLIC", "tokenLifetimeSeconds": 9});
        let expected = Client {
            name: "after".to_owned(),
            registration: Map::new(),
            metadata: Map::new(),
            updated_at: Timestamp::from_unix_seconds(9),
            version: 8,
            ..before.clone()
        };
        assert_eq!(replaced(&before, &greedy), Ok(expected));
    }

    #[test]
    fn c_7592_05_the_id_must_be_there_and_what_is_ours_must_not() {
        let before = before(AuthMethod::ClientSecretBasic);
        for members in [
            json!({"client_name": "c"}),
            json!({"client_name": "c", "client_id": "other"}),
            json!({"client_name": "c", "client_id": null}),
            json!({"client_name": "c", "client_id": ["id"]}),
        ] {
            assert_eq!(replaced(&before, &members), Err(ClientDefect::OtherId), "{members}");
        }
        for name in OURS {
            let members = json!({"client_name": "c", "client_id": "id", name: 0});
            assert_eq!(replaced(&before, &members), Err(ClientDefect::Ours(name)));
        }
    }

    #[test]
    fn t_reg_08_nobody_goes_back_from_keys_to_secrets() {
        use AuthMethod::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
        for from in AuthMethod::ALL {
            for to in AuthMethod::ALL {
                let mut members =
                    json!({"client_name": "c", "client_id": "id", "token_endpoint_auth_method": to.as_str()});
                if to == PrivateKeyJwt {
                    members["public_key"] = json!({"kty": "EC"});
                }
                let allowed = from != PrivateKeyJwt || to == PrivateKeyJwt;
                assert_eq!(replaced(&before(from), &members).is_ok(), allowed, "{from:?} {to:?}");
            }
        }
        // Left out is client_secret_basic.
        let members = json!({"client_name": "c", "client_id": "id"});
        let weaker = ClientDefect::MethodWeaker { from: PrivateKeyJwt, to: ClientSecretBasic };
        assert_eq!(replaced(&before(PrivateKeyJwt), &members), Err(weaker));
        assert!(replaced(&before(ClientSecretPost), &members).is_ok());
        let none = json!({"client_name": "c", "client_id": "id", "token_endpoint_auth_method": "none"});
        assert!(replaced(&before(ClientSecretPost), &none).is_err());
    }
}
