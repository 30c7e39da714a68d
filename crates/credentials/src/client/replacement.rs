//! What a client may change about its own registration (RFC 7592 §2.2): everything it said at registration, as a whole.
//! Its powers and its state are not its own, and neither is a weaker way to authenticate.

use common::Timestamp;
use serde_json::{Map, Value};

use super::members::{ClientDefect, get};
use super::{AuthMethod, Client, ClientKey, NewClient, RegisteredKeys};
use crate::key::Algorithm;

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
        if !may_change(client.auth_method, new.auth_method) {
            return Err(ClientDefect::MethodWeaker { from: client.auth_method, to: new.auth_method });
        }
        let assertion_algorithm = algorithm_after(client, new.assertion_algorithm)?;
        Ok(Self { assertion_algorithm, ..new })
    }

    /// The record after `before`, one version on. What is not said is gone (C-7592-04); powers, state and history stay, and
    /// so does the end that an operator gave a key.
    #[must_use]
    pub fn into_replacement(self, before: &Client, keys: RegisteredKeys, now: Timestamp) -> Client {
        let as_known = |key: ClientKey| {
            let known = before.keys.iter().find(|known| known.key == key.key);
            known.cloned().unwrap_or(key)
        };
        Client {
            name: self.name,
            auth_method: self.auth_method,
            keys: keys.keys.into_iter().map(as_known).collect(),
            public_key: keys.public_key,
            jwks_uri: keys.jwks_uri,
            assertion_algorithm: self.assertion_algorithm.map(|algorithm| algorithm.name().to_owned()),
            metadata: self.metadata,
            registration: self.registration,
            updated_at: now,
            version: before.version.saturating_add(1),
            own_changes: before.own_changes.saturating_add(1),
            ..before.clone()
        }
    }
}

/// The algorithm of assertions after the replacement: the operator's, if they chose one, else the one that is asked for.
fn algorithm_after(client: &Client, wanted: Option<Algorithm>) -> Result<Option<Algorithm>, ClientDefect> {
    let name = client.assertion_algorithm.as_ref().filter(|_| client.assertion_algorithm_pinned);
    let Some(name) = name else { return Ok(wanted) };
    match wanted {
        Some(other) if other.name() != name => Err(ClientDefect::AlgorithmPinned(name.clone())),
        _ => Ok(Algorithm::named(name)),
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
    use crate::key::PublicKey;

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
            own_changes: 1,
            ..before.clone()
        };
        assert_eq!(replaced(&before, &greedy), Ok(expected));
    }

    #[test]
    fn t_reg_08_the_algorithm_that_an_operator_chose_stays() {
        let own =
            Client { assertion_algorithm: Some("ES256".to_owned()), ..before(AuthMethod::PrivateKeyJwt) };
        let pinned = Client { assertion_algorithm_pinned: true, ..own.clone() };
        let replaced = |before: &Client, wanted: Value| {
            let members = json!({"client_name": "c", "client_id": "id", "public_key": {"kty": "EC"},
                "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": wanted});
            replaced(before, &members)
                .map(|after| (after.assertion_algorithm, after.assertion_algorithm_pinned))
        };
        let algorithm = |name: &str| Some(name.to_owned());
        for (wanted, of_own) in [(json!("RS256"), algorithm("RS256")), (Value::Null, None)] {
            assert_eq!(replaced(&own, wanted), Ok((of_own, false)));
        }
        for same in [json!("ES256"), Value::Null] {
            assert_eq!(replaced(&pinned, same), Ok((algorithm("ES256"), true)));
        }
        for other in ["RS256", "EdDSA"] {
            let refused = Err(ClientDefect::AlgorithmPinned("ES256".to_owned()));
            assert_eq!(replaced(&pinned, json!(other)), refused);
        }
    }

    #[test]
    fn a_key_that_an_operator_ends_does_not_begin_again() {
        let at = Timestamp::from_unix_seconds;
        let key = |name: &str| {
            let jwk = json!({"kty": "EC", "kid": name});
            PublicKey::from_checked(jwk.as_object().unwrap().clone())
        };
        let ending = ClientKey { expires_at: Some(at(5)), ..ClientKey::new(key("old"), at(1)) };
        let before = Client { keys: vec![ending.clone()], ..before(AuthMethod::PrivateKeyJwt) };
        let members = json!({"client_name": "c", "client_id": "id", "jwks": {"keys": [{}]},
            "token_endpoint_auth_method": "private_key_jwt"});
        let new = NewClient::replacing(&before, members.as_object().unwrap(), ISSUER).unwrap();
        let keys = RegisteredKeys::of_set(vec![key("new"), key("old")], at(9));
        let added = ClientKey::new(key("new"), at(9));
        assert_eq!(new.into_replacement(&before, keys, at(9)).keys, [added, ending]);
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
