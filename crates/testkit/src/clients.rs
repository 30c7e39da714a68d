//! Client records, plain ones and ones that a careless store gets wrong.

use common::Timestamp;
use credentials::client::{AuthMethod, Client, ClientId, ClientKey, ClientOrigin, ClientState};
use credentials::key::PublicKey;
use serde_json::{Map, Value, json};

/// The id that `text` spells.
///
/// # Panics
/// If `text` is not a client id.
#[must_use]
pub fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A plain client that may get tokens with its secret: no permissions, no audience, version 1.
#[must_use]
pub fn client(id: &str) -> Client {
    let now = Timestamp::from_unix_millis(1_795_291_200_123);
    Client::new(client_id(id), "Orders".to_owned(), AuthMethod::ClientSecretBasic, now)
}

/// A P-256 key (RFC 7517 appendix A.1) under `kid`.
#[must_use]
pub fn public_key(kid: &str) -> PublicKey {
    PublicKey::from_checked(members(json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })))
}

/// Clients that must come back equal in every field: odd ids, Unicode, odd member names, every JSON type, depth, size.
#[must_use]
pub fn demanding_clients() -> Vec<Client> {
    let mut clients = odd_ids();
    clients.extend([unicode(), odd_member_names(), every_number(), deep(), large(), extreme_numbers()]);
    clients.extend([with_everything(), with_key_set_uri()]);
    for (index, state) in [ClientState::Public, ClientState::Draft, ClientState::Trash, ClientState::Deleted]
        .into_iter()
        .enumerate()
    {
        clients.push(Client { state, ..client(&format!("state-{index}")) });
    }
    clients.extend(AuthMethod::ALL.map(|auth_method| Client {
        auth_method,
        public_key: (auth_method == AuthMethod::PrivateKeyJwt).then(|| public_key("k")),
        ..client(auth_method.as_str())
    }));
    clients
}

/// Visible ASCII is all an id may hold: operators, quotes and wildcards of query languages are in it.
fn odd_ids() -> Vec<Client> {
    let longest = "z".repeat(64);
    [
        "$where",
        "{\"$gt\":\"\"}",
        "a'OR'1'='1",
        "a.b.c",
        "%",
        "_",
        "*",
        "!",
        "~",
        "\\x00",
        "Abc",
        "aBC",
        &longest,
    ]
    .map(client)
    .into()
}

fn unicode() -> Client {
    Client {
        // Composed and decomposed letters, right-to-left, an astral character, control characters, U+0000.
        name: "e\u{300} è \u{5e9}\u{5dc}\u{5d5}\u{5dd} 🔑 \u{200f}\r\n\t\u{7f}\u{0}end".to_owned(),
        permissions: ["", " ", "è", "e\u{300}", "a\u{0}b", "read:orders", "read:orders"]
            .map(str::to_owned)
            .into(),
        audience: vec!["https://api.example/\u{1f600}".to_owned(), "$audience".to_owned()],
        allowed_custom_claims: vec!["tenant.id".to_owned(), "$ref".to_owned()],
        metadata: members(json!({"è": "è", "e\u{300}": "e\u{300}", "🔑": ["\u{ffff}", "\u{0}"]})),
        ..client("unicode")
    }
}

fn odd_member_names() -> Client {
    let names = json!({
        "": "empty", "$set": {"permissions": ["*"]}, "$where": "1", "a.b": 1, ".": 2, "a.": 3, "$": 4, "_id": 5,
        "\u{0}": 6, "a\u{0}b": 7, "__STATE__": "TRASH", "clientId": "other", "$numberLong": "8", "$oid": "9",
        "$date": 10, "$ref": "x", "$id": 1, "$db": "y", "nested": {"$inc": {"version": 1}, "x.y": {"": {}}},
    });
    let mut key = public_key("odd").members().clone();
    key.insert("x5t#S256".to_owned(), json!("value"));
    key.insert("https://example.com/$ext".to_owned(), json!({"a.b": ["$c"]}));
    Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        public_key: Some(PublicKey::from_checked(key)),
        metadata: members(names),
        ..client("odd-member-names")
    }
}

fn every_number() -> Client {
    let metadata = json!({
        "zero": 0, "one": 1, "one as float": 1.0, "minus": -1, "minus zero": -0.0, "i32 max": i32::MAX,
        "i64 max": i64::MAX, "i64 min": i64::MIN, "u64 max": u64::MAX, "i64 max + 1": 9_223_372_036_854_775_808_u64,
        // The second is misread by a fast but imprecise decimal parser.
        "third": 1.0 / 3.0, "precise": 1.234_567_890_123_456_7e-300, "tiny": 5e-324, "huge": f64::MAX,
        "others": [true, false, null, "", [], {}, [[]], [{}], {"a": []}],
    });
    Client { metadata: members(metadata), ..client("every-number") }
}

/// As deep as JSON from a caller can be: 128 levels with the request body around it.
fn deep() -> Client {
    let nested = (0..125).fold(json!("bottom"), |inner, level| match level % 2 {
        0 => json!([inner]),
        _ => json!({"level": inner}),
    });
    Client { metadata: members(json!({"deep": nested})), ..client("deep") }
}

fn large() -> Client {
    Client {
        permissions: (0..5000).map(|index| format!("permission:{index}")).collect(),
        metadata: members(json!({"text": "è".repeat(500_000)})),
        ..client("large")
    }
}

/// Every member that most clients do without.
fn with_everything() -> Client {
    let at = |millis| Timestamp::from_unix_millis(millis);
    Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        public_key: Some(public_key("first")),
        keys: vec![
            ClientKey { last_used_at: Some(at(7)), ..ClientKey::new(public_key("second"), at(1)) },
            ClientKey { expires_at: Some(at(i64::MAX)), ..ClientKey::new(public_key("third"), at(-1)) },
        ],
        assertion_algorithm: Some("ES256".to_owned()),
        assertion_algorithm_pinned: true,
        static_claims: members(json!({"tenant": {"id": 1, "$x": [null]}, "a.b": "è"})),
        token_lifetime_seconds: Some(u32::MAX),
        registration: members(json!({"contacts": ["a@b"], "client_uri": "https://x", "client_name#it": "è"})),
        origin: ClientOrigin::Registration,
        ..client("with-everything")
    }
}

fn with_key_set_uri() -> Client {
    Client {
        auth_method: AuthMethod::PrivateKeyJwt,
        jwks_uri: Some("https://client.example/jwks.json?a=b".to_owned()),
        ..client("with-key-set-uri")
    }
}

fn extreme_numbers() -> Client {
    Client {
        created_at: Timestamp::from_unix_millis(i64::MIN),
        updated_at: Timestamp::from_unix_millis(i64::MAX),
        version: u64::MAX,
        own_changes: u64::MAX,
        ..client("extreme-numbers")
    }
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => panic!("fixtures are objects"),
    }
}
