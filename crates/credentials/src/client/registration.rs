//! A new client, as `POST /register` (contract §1.1) and `POST /clients` (§1.2) describe it.

use common::Timestamp;
use serde_json::{Map, Value};

use super::members::{self, ClientDefect};
use super::{AuthMethod, Client, ClientId, ClientOrigin, ClientState};
use crate::key::PublicKey;

/// A client that somebody asks for. Its key is not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewClient {
    pub name: String,
    pub auth_method: AuthMethod,
    /// The JWK as it was sent, for `jose` to check. Present exactly if the method is `private_key_jwt`.
    pub public_jwk: Option<Map<String, Value>>,
    pub permissions: Vec<String>,
    pub audience: Vec<String>,
    pub allowed_custom_claims: Vec<String>,
    pub static_claims: Map<String, Value>,
    pub token_lifetime_seconds: Option<u32>,
    pub metadata: Map<String, Value>,
    /// `None`: the configured default.
    pub state: Option<ClientState>,
    pub origin: ClientOrigin,
}

impl NewClient {
    /// What a stranger may ask for at `/register`: a powerless client. `permissions`, `audience`, `allowedCustomClaims`
    /// and `__STATE__` have no effect, like every member we do not know (RFC 7591 §2, T-REG-03).
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found.
    pub fn self_registered(members: &Map<String, Value>) -> Result<Self, ClientDefect> {
        let auth_method = auth_method(members)?;
        Ok(Self {
            name: members::name(
                "client_name",
                get(members, "client_name").ok_or(ClientDefect::Missing("client_name"))?,
            )?,
            auth_method,
            public_jwk: public_jwk(members, auth_method)?,
            permissions: Vec::new(),
            audience: Vec::new(),
            allowed_custom_claims: Vec::new(),
            static_claims: Map::new(),
            token_lifetime_seconds: None,
            metadata: get(members, "metadata").map_or_else(|| Ok(Map::new()), members::metadata)?,
            state: None,
            origin: ClientOrigin::Registration,
        })
    }

    /// What an operator may ask for at `/clients`: the same and the powers of the client.
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found.
    pub fn by_operator(members: &Map<String, Value>, issuer: &str) -> Result<Self, ClientDefect> {
        let powerless = Self::self_registered(members)?;
        Ok(Self {
            permissions: get(members, "permissions").map_or_else(|| Ok(Vec::new()), members::permissions)?,
            audience: get(members, "audience")
                .map_or_else(|| Ok(Vec::new()), |value| members::audience(value, issuer))?,
            allowed_custom_claims: get(members, "allowedCustomClaims")
                .map_or_else(|| Ok(Vec::new()), members::allowed_custom_claims)?,
            static_claims: get(members, "staticClaims")
                .map_or_else(|| Ok(Map::new()), members::static_claims)?,
            token_lifetime_seconds: get(members, "tokenLifetimeSeconds")
                .map(members::token_lifetime_seconds)
                .transpose()?,
            state: get(members, "__STATE__").map(members::state).transpose()?,
            origin: ClientOrigin::Operator,
            ..powerless
        })
    }

    /// The record to store. `public_key` is the checked [`public_jwk`](Self::public_jwk).
    #[must_use]
    pub fn into_client(
        self,
        id: ClientId,
        public_key: Option<PublicKey>,
        default_state: ClientState,
        now: Timestamp,
    ) -> Client {
        Client {
            state: self.state.unwrap_or(default_state),
            public_key,
            permissions: self.permissions,
            audience: self.audience,
            allowed_custom_claims: self.allowed_custom_claims,
            static_claims: self.static_claims,
            token_lifetime_seconds: self.token_lifetime_seconds,
            metadata: self.metadata,
            origin: self.origin,
            ..Client::new(id, self.name, self.auth_method, now)
        }
    }
}

/// A member that is there and not null: in a registration, null means left out.
fn get<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn auth_method(members: &Map<String, Value>) -> Result<AuthMethod, ClientDefect> {
    let Some(wanted) = get(members, "token_endpoint_auth_method") else {
        return Ok(AuthMethod::ClientSecretBasic);
    };
    AuthMethod::ALL.into_iter().find(|method| wanted == method.as_str()).ok_or(ClientDefect::Invalid {
        member: "token_endpoint_auth_method",
        expected: "client_secret_basic, client_secret_post or private_key_jwt",
    })
}

/// The key of a `private_key_jwt` client. With a secret a key is refused, not ignored: whoever sends one
/// means to sign with it and has forgotten the method, and would learn that from a failing token request only. The empty
/// object, which is how the platform writes "no key" (contract §1.7), counts as none.
fn public_jwk(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
) -> Result<Option<Map<String, Value>>, ClientDefect> {
    if let Some(name) = ["jwks", "jwks_uri"].into_iter().find(|name| get(members, name).is_some()) {
        return Err(ClientDefect::KeySet(name));
    }
    let jwk = match get(members, "public_key") {
        None => None,
        Some(Value::Object(jwk)) => Some(jwk).filter(|jwk| !jwk.is_empty()),
        Some(_) => {
            return Err(ClientDefect::Invalid { member: "public_key", expected: "a JWK, that is an object" });
        }
    };
    match (auth_method, jwk) {
        (AuthMethod::PrivateKeyJwt, None) => Err(ClientDefect::KeyMissing),
        (method @ (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost), Some(_)) => {
            Err(ClientDefect::KeyWithoutUse(method))
        }
        (_, jwk) => Ok(jwk.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use common::Timestamp;
    use serde_json::{Map, Value, json};

    use super::NewClient;
    use crate::client::{AuthMethod, ClientDefect, ClientId, ClientOrigin, ClientState};

    fn registered(members: &Value) -> Result<NewClient, ClientDefect> {
        NewClient::self_registered(members.as_object().unwrap())
    }

    fn created(members: &Value) -> Result<NewClient, ClientDefect> {
        NewClient::by_operator(members.as_object().unwrap(), "https://auth.example")
    }

    #[test]
    fn contract_1_1_the_minimal_registration() {
        let client = registered(&json!({"client_name": "my client"})).unwrap();
        assert_eq!((client.name.as_str(), client.auth_method), ("my client", AuthMethod::ClientSecretBasic));
        assert_eq!((client.public_jwk, client.metadata, client.state), (None, Map::new(), None));
    }

    #[test]
    fn c_21_01_the_method_is_the_one_that_was_asked_for() {
        let members = json!({"client_name": "c", "token_endpoint_auth_method": "client_secret_post"});
        let client = registered(&members).unwrap();
        assert_eq!((client.auth_method, client.public_jwk), (AuthMethod::ClientSecretPost, None));
    }

    #[test]
    fn contract_1_1_a_registration_with_a_key_hands_the_key_on() {
        let jwk = json!({"kty": "RSA", "alg": "RSA256", "n": "AQAB", "e": "AQAB", "kid": "k", "use": "sig"});
        let client = registered(&json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt",
            "public_key": jwk, "metadata": {"team": "a"}}))
        .unwrap();
        assert_eq!(client.auth_method, AuthMethod::PrivateKeyJwt);
        assert_eq!(client.public_jwk.map(Value::Object), Some(jwk));
        assert_eq!(client.metadata["team"], "a");
    }

    #[test]
    fn t_reg_03_c_7591_04_a_registered_client_is_powerless() {
        let powers = json!({"client_name": "c", "permissions": ["admin"], "audience": ["api"], "scope": "admin",
            "allowedCustomClaims": ["tenant"], "__STATE__": "PUBLIC", "groups": ["admin"], "client_id": "mine",
            "client_secret": "mine", "grant_types": ["password"], "foo": 1, "client_name#it": "x"});
        assert_eq!(registered(&powers), registered(&json!({"client_name": "c"})));
        // Ignored means ignored, not checked.
        let nonsense =
            json!({"client_name": "c", "permissions": 5, "__STATE__": "WHATEVER", "audience": {"$gt": ""}});
        assert!(registered(&nonsense).is_ok());
    }

    #[test]
    fn contract_1_2_an_operator_gives_powers() {
        let client =
            created(&json!({"client_name": "c", "permissions": ["a", "b", "a"], "audience": ["api"],
            "allowedCustomClaims": ["tenant"], "__STATE__": "DRAFT", "metadata": {"x": 1}, "foo": 1}))
            .unwrap();
        assert_eq!(
            (client.permissions, client.audience),
            (vec!["a".to_owned(), "b".to_owned()], vec!["api".to_owned()])
        );
        assert_eq!(
            (client.allowed_custom_claims, client.state),
            (vec!["tenant".to_owned()], Some(ClientState::Draft))
        );
        let powerless = registered(&json!({"client_name": "c"})).unwrap();
        let expected = NewClient { origin: ClientOrigin::Operator, ..powerless };
        assert_eq!(created(&json!({"client_name": "c"})), Ok(expected));
        for bad in [
            json!({"permissions": "a"}),
            json!({"audience": ["https://auth.example"]}),
            json!({"allowedCustomClaims": ["sub"]}),
            json!({"__STATE__": "public"}),
        ] {
            let mut members = bad.clone();
            members["client_name"] = json!("c");
            assert!(created(&members).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_refused_and_what_is_said() {
        let name = |extra: Value| {
            let mut members = json!({"client_name": "c"});
            for (name, value) in extra.as_object().unwrap() {
                members[name] = value.clone();
            }
            members
        };
        let key = json!({"kty": "RSA"});
        let jwt = "private_key_jwt";
        for (members, sentence) in [
            (json!({}), "client_name is missing"),
            (json!({"client_name": null}), "client_name is missing"),
            (json!({"client_name": ""}), "client_name must be a text of 1 to 256 visible characters"),
            (json!({"client_name": ["c"]}), "client_name must be a text of 1 to 256 visible characters"),
            (
                name(json!({"token_endpoint_auth_method": "none"})),
                "token_endpoint_auth_method must be client_secret_basic, client_secret_post or private_key_jwt",
            ),
            (
                name(json!({"token_endpoint_auth_method": ["private_key_jwt"]})),
                "token_endpoint_auth_method must be client_secret_basic, client_secret_post or private_key_jwt",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt})),
                "public_key is missing: private_key_jwt needs one",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "public_key": {}})),
                "public_key is missing: private_key_jwt needs one",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "public_key": "-----BEGIN PUBLIC KEY-----"})),
                "public_key must be a JWK, that is an object",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "public_key": [key]})),
                "public_key must be a JWK, that is an object",
            ),
            (
                name(json!({"public_key": key})),
                "public_key has no use with client_secret_basic: leave it out, or send token_endpoint_auth_method \
                 private_key_jwt",
            ),
            (
                name(json!({"token_endpoint_auth_method": "client_secret_post", "public_key": key})),
                "public_key has no use with client_secret_post: leave it out, or send token_endpoint_auth_method \
                 private_key_jwt",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "public_key": key, "jwks": {"keys": []}})),
                "jwks is not supported: send one key as public_key",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "jwks_uri": "http://169.254.169.254/"})),
                "jwks_uri is not supported: send one key as public_key",
            ),
            (name(json!({"metadata": "x"})), "metadata must be an object"),
        ] {
            assert_eq!(registered(&members).unwrap_err().to_string(), sentence, "{members}");
        }
    }

    #[test]
    fn null_means_left_out_and_an_empty_key_is_none() {
        let nulls = json!({"client_name": "c", "token_endpoint_auth_method": null, "public_key": null, "metadata": null,
            "jwks": null, "jwks_uri": null, "permissions": null, "audience": null, "allowedCustomClaims": null,
            "__STATE__": null});
        for reading in [registered, created] {
            assert_eq!(reading(&nulls), reading(&json!({"client_name": "c"})));
        }
        assert_eq!(registered(&json!({"client_name": "c", "public_key": {}})).unwrap().public_jwk, None);
    }

    #[test]
    fn the_record_starts_at_version_1_in_the_default_state() {
        let record = |state: Value| {
            let members = json!({"client_name": "c", "__STATE__": state});
            let id = ClientId::parse("id").unwrap();
            let now = Timestamp::from_unix_seconds(7);
            created(&members).unwrap().into_client(id, None, ClientState::Draft, now)
        };
        let client = record(Value::Null);
        assert_eq!((client.version, client.state), (1, ClientState::Draft));
        assert_eq!(
            (client.created_at, client.updated_at),
            (Timestamp::from_unix_seconds(7), client.created_at)
        );
        assert_eq!(record(json!("PUBLIC")).state, ClientState::Public);
    }
}
