//! A new client, as `POST /register` (contract §1.1) and `POST /clients` (§1.2) describe it.

use common::Timestamp;
use serde_json::{Map, Value};

use super::members::{self, ClientDefect, get};
use super::presented_keys::{self, PresentedKeys, RegisteredKeys};
use super::{AuthMethod, Client, ClientId, ClientOrigin, ClientState, self_description};
use crate::key::Algorithm;

/// A client that somebody asks for. Its keys are not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewClient {
    pub name: String,
    pub auth_method: AuthMethod,
    /// Not [`PresentedKeys::None`] exactly if the method is `private_key_jwt`.
    pub keys: PresentedKeys,
    /// The one algorithm of its assertions.
    pub assertion_algorithm: Option<Algorithm>,
    pub permissions: Vec<String>,
    pub audience: Vec<String>,
    pub allowed_custom_claims: Vec<String>,
    pub static_claims: Map<String, Value>,
    pub token_lifetime_seconds: Option<u32>,
    pub metadata: Map<String, Value>,
    /// What it says about itself, in the names of RFC 7591 §2.
    pub registration: Map<String, Value>,
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
    pub fn self_registered(members: &Map<String, Value>, issuer: &str) -> Result<Self, ClientDefect> {
        self_description::check_software_statement(members, issuer)?;
        let auth_method = auth_method(members)?;
        Ok(Self {
            name: members::name(
                "client_name",
                get(members, "client_name").ok_or(ClientDefect::Missing("client_name"))?,
            )?,
            auth_method,
            keys: presented_keys::read(members, auth_method)?,
            assertion_algorithm: presented_keys::assertion_algorithm(members, auth_method)?,
            permissions: Vec::new(),
            audience: Vec::new(),
            allowed_custom_claims: Vec::new(),
            static_claims: Map::new(),
            token_lifetime_seconds: None,
            metadata: get(members, "metadata").map_or_else(|| Ok(Map::new()), members::metadata)?,
            registration: self_description::read(members)?,
            state: None,
            origin: ClientOrigin::Registration,
        })
    }

    /// What an operator may ask for at `/clients`: the same and the powers of the client.
    ///
    /// # Errors
    /// [`ClientDefect`], the first that was found.
    pub fn by_operator(members: &Map<String, Value>, issuer: &str) -> Result<Self, ClientDefect> {
        let powerless = Self::self_registered(members, issuer)?;
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

    /// The record to store. `keys` are the checked ones of [`keys`](Self::keys).
    #[must_use]
    pub fn into_client(
        self,
        id: ClientId,
        keys: RegisteredKeys,
        default_state: ClientState,
        now: Timestamp,
    ) -> Client {
        Client {
            state: self.state.unwrap_or(default_state),
            public_key: keys.public_key,
            keys: keys.keys,
            jwks_uri: keys.jwks_uri,
            assertion_algorithm: self.assertion_algorithm.map(|algorithm| algorithm.name().to_owned()),
            permissions: self.permissions,
            audience: self.audience,
            allowed_custom_claims: self.allowed_custom_claims,
            static_claims: self.static_claims,
            token_lifetime_seconds: self.token_lifetime_seconds,
            metadata: self.metadata,
            registration: self.registration,
            origin: self.origin,
            ..Client::new(id, self.name, self.auth_method, now)
        }
    }
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

#[cfg(test)]
mod tests {
    use common::Timestamp;
    use serde_json::{Map, Value, json};

    use super::NewClient;
    use crate::client::{
        AuthMethod, ClientDefect, ClientId, ClientOrigin, ClientState, PresentedKeys, RegisteredKeys,
    };

    fn registered(members: &Value) -> Result<NewClient, ClientDefect> {
        NewClient::self_registered(members.as_object().unwrap(), "https://auth.example")
    }

    fn created(members: &Value) -> Result<NewClient, ClientDefect> {
        NewClient::by_operator(members.as_object().unwrap(), "https://auth.example")
    }

    #[test]
    fn contract_1_1_the_minimal_registration() {
        let client = registered(&json!({"client_name": "my client"})).unwrap();
        assert_eq!((client.name.as_str(), client.auth_method), ("my client", AuthMethod::ClientSecretBasic));
        assert_eq!((client.keys, client.metadata, client.state), (PresentedKeys::None, Map::new(), None));
    }

    #[test]
    fn c_21_01_the_method_is_the_one_that_was_asked_for() {
        let members = json!({"client_name": "c", "token_endpoint_auth_method": "client_secret_post"});
        let client = registered(&members).unwrap();
        assert_eq!((client.auth_method, client.keys), (AuthMethod::ClientSecretPost, PresentedKeys::None));
    }

    #[test]
    fn contract_1_1_a_registration_with_a_key_hands_the_key_on() {
        let jwk = json!({"kty": "RSA", "alg": "RSA256", "n": "AQAB", "e": "AQAB", "kid": "k", "use": "sig"});
        let client = registered(&json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt",
            "public_key": jwk, "metadata": {"team": "a"}}))
        .unwrap();
        assert_eq!(client.auth_method, AuthMethod::PrivateKeyJwt);
        assert_eq!(client.keys, PresentedKeys::PublicKey(jwk.as_object().unwrap().clone()));
        assert_eq!(client.metadata["team"], "a");
    }

    #[test]
    fn t_reg_03_c_7591_04_a_registered_client_is_powerless() {
        let powers = json!({"client_name": "c", "permissions": ["admin"], "audience": ["api"], "scope": "admin",
            "allowedCustomClaims": ["tenant"], "__STATE__": "PUBLIC", "groups": ["admin"], "client_id": "mine",
            "client_secret": "mine", "grant_types": ["password"], "foo": 1});
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
                "a key is missing: private_key_jwt needs public_key, jwks or jwks_uri",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "public_key": {}})),
                "a key is missing: private_key_jwt needs public_key, jwks or jwks_uri",
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
                "public_key, jwks and jwks_uri exclude each other: send one of them",
            ),
            (
                name(json!({"token_endpoint_auth_method": jwt, "jwks_uri": ["https://client.example/keys"]})),
                "jwks_uri must be an https URL",
            ),
            (
                name(json!({"software_statement": "x"})),
                "software_statement must be a JWT that another issuer signed",
            ),
            (
                name(json!({"contacts": "me"})),
                "contacts must be an array of at most 20 texts of 1 to 256 visible characters each",
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
        assert_eq!(
            registered(&json!({"client_name": "c", "public_key": {}})).unwrap().keys,
            PresentedKeys::None
        );
    }

    #[test]
    fn the_record_starts_at_version_1_in_the_default_state() {
        let record = |state: Value| {
            let members = json!({"client_name": "c", "__STATE__": state});
            let id = ClientId::parse("id").unwrap();
            let now = Timestamp::from_unix_seconds(7);
            created(&members).unwrap().into_client(id, RegisteredKeys::default(), ClientState::Draft, now)
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
