//! Starts the service on free ports, over a real store in a folder of its own, and talks to it byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use client_credentials::ClientCredentials;
use client_credentials::config::Config;
use common::Clock;
use serde_json::{Value, json};
use service_kit::{Service as _, Vars};
use store_sqlite::SqliteStore;
use tempfile::TempDir;
use testkit::{ClientKey, FakeClock, SeededRandom};

use crate::described;
use crate::failing_stores::FailingStores;

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const BOOTSTRAP_TOKEN: &str = "bootstrap-token-of-the-tests-0123456789";
/// The key of the secret hashes in the drop-in profile.
pub(crate) const SALT: &str = "a static salt";
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A running service. It ends with the test process.
pub(crate) struct Service {
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) stores: FailingStores,
    pub(crate) folder: Arc<TempDir>,
}

impl Service {
    /// In the standard profile, with these variables beside the ones every test needs.
    pub(crate) fn standard(variables: &[(&str, &str)]) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), variables, 1)
    }

    /// In the drop-in profile. Its key is generated as in standard, and then given as a file.
    pub(crate) fn drop_in(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        let pem = jose::SigningKey::generate(jose::Algorithm::Rs256, None).unwrap().to_pem().unwrap();
        std::fs::write(&key, pem.as_bytes()).unwrap();
        let required = [
            ("PROFILE", "drop-in"),
            ("CLIENT_ID_HASH_SALT", SALT),
            ("PRIVATE_RSA_KEY_FILE_PATH", key.to_str().unwrap()),
            ("MIA_JWT_EXPIRES_IN", "3600"),
        ];
        let variables: Vec<_> = required.iter().chain(variables).copied().collect();
        Self::start(Arc::new(folder), &variables, 1)
    }

    /// Over the store in `folder`; `seed` is where its ids and secrets come from.
    pub(crate) fn start(folder: Arc<TempDir>, variables: &[(&str, &str)], seed: u64) -> Self {
        let clock = Arc::new(FakeClock::default());
        let store = SqliteStore::open(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self::over(FailingStores::new(store), clock, folder, variables, seed)
    }

    fn over(
        stores: FailingStores,
        clock: Arc<FakeClock>,
        folder: Arc<TempDir>,
        variables: &[(&str, &str)],
        seed: u64,
    ) -> Self {
        let data_dir = folder.path().join(format!("files-{seed}"));
        let ours = [
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", "0"),
            ("MANAGEMENT_PORT", "0"),
            ("DATA_DIR", data_dir.to_str().unwrap()),
            ("MIA_JWT_ISSUER", ISSUER),
            ("PRIVATE_RSA_KEY_ID", "keyID"),
            ("BOOTSTRAP_TOKEN", BOOTSTRAP_TOKEN),
        ];
        // Of two pairs with one name, the later one counts.
        let vars = Vars::from_pairs(ours.iter().chain(variables).copied());
        let config = Config::read(&vars).map_err(|problems| problems.to_string()).unwrap();
        let (sender, receiver) = mpsc::channel();
        let (profile, prefix) = (config.profile, config.service_prefix.clone());
        let (ports, time) = (stores.ports(), Arc::clone(&clock));
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let random = Arc::new(SeededRandom::new(seed));
                let service = ClientCredentials::assemble(config, ports, time, random).await.unwrap();
                let addresses = (service.public_address().unwrap(), service.management_address().unwrap());
                sender.send(addresses).unwrap();
                service.run().await.unwrap();
            });
        });
        let (public, management) = receiver.recv().unwrap();
        described::remember(public, management, profile, &prefix);
        Self { public, management, clock, stores, folder }
    }

    /// Another replica over the same store, with a key of its own.
    pub(crate) fn replica(&self, variables: &[(&str, &str)]) -> Self {
        Self::over(self.stores.clone(), Arc::clone(&self.clock), Arc::clone(&self.folder), variables, 2)
    }

    /// The time of the service, in Unix seconds.
    pub(crate) fn clock_seconds(&self) -> i64 {
        self.clock.now().unix_seconds()
    }

    /// A call on the public listener.
    pub(crate) fn call(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        call(self.public, method, target, headers, body)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.call("GET", target, &[], "")
    }

    pub(crate) fn register(&self, client: &Value) -> Answer {
        self.call("POST", "/register", &[JSON], &client.to_string())
    }

    /// A token request with these headers.
    pub(crate) fn token(&self, headers: &[(&str, &str)], form: &str) -> Answer {
        let headers: Vec<_> = [FORM].iter().chain(headers).copied().collect();
        self.call("POST", "/oauth/token", &headers, form)
    }

    pub(crate) fn tokeninfo(&self, token: &str) -> Answer {
        self.call("GET", "/tokeninfo", &[("Authorization", &format!("Bearer {token}"))], "")
    }

    /// A question about a token, or its revocation, by a client with a secret.
    pub(crate) fn about(&self, path: &str, client: &BasicClient, form: &str) -> Answer {
        self.call("POST", path, &[FORM, ("Authorization", &client.basic())], form)
    }

    /// Whether a client learns that a token is active.
    pub(crate) fn active(&self, client: &BasicClient, token: &str) -> bool {
        let answer = self.about("/oauth/introspect", client, &format!("token={token}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let active = body["active"].as_bool().unwrap();
        assert!(active || body.as_object().unwrap().len() == 1, "nothing but that: {body}");
        active
    }

    /// A call on the management listener with its token.
    pub(crate) fn manage(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let authorization = ("Authorization", &*format!("Bearer {BOOTSTRAP_TOKEN}"));
        let text = body.map(Value::to_string).unwrap_or_default();
        let headers = [authorization, JSON];
        call(self.management, method, target, if body.is_some() { &headers } else { &headers[..1] }, &text)
    }

    /// A client with a secret and these powers.
    pub(crate) fn basic_client(&self, powers: &Value) -> BasicClient {
        let answer = self.manage("POST", "/clients", Some(&named("basic", powers)));
        assert_eq!(answer.status, 201, "{answer:?}");
        let member = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        BasicClient { id: member("client_id"), secret: member("client_secret") }
    }

    /// A client with a key and these powers.
    pub(crate) fn key_client(&self, powers: &Value) -> KeyClient {
        let key = ClientKey::generate("A1");
        let mut client = named("with a key", powers);
        client["token_endpoint_auth_method"] = json!("private_key_jwt");
        client["public_key"] = key.public_jwk();
        let answer = self.manage("POST", "/clients", Some(&client));
        assert_eq!(answer.status, 201, "{answer:?}");
        KeyClient { id: answer.json()["client_id"].as_str().unwrap().to_owned(), key }
    }

    /// A good assertion with these claims changed; null removes one.
    pub(crate) fn assertion(&self, client: &KeyClient, changes: &Value) -> String {
        let now = self.clock_seconds();
        let mut claims = json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": testkit::unique_name("jti")});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        client.key.sign(&claims)
    }

    /// Presents an assertion.
    pub(crate) fn present(&self, assertion: &str) -> Answer {
        self.token(&[], &form_with(assertion))
    }

    /// The access token of a client with a secret.
    pub(crate) fn token_of(&self, client: &BasicClient) -> String {
        let answer = self.token(&[("Authorization", &client.basic())], GRANT);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
pub(crate) const GRANT: &str = "grant_type=client_credentials";

/// A client and its secret; it sends them with Basic unless it registered otherwise.
pub(crate) struct BasicClient {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A client and its key.
pub(crate) struct KeyClient {
    pub(crate) id: String,
    pub(crate) key: ClientKey,
}

impl BasicClient {
    pub(crate) fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }
}

/// An `Authorization` value.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

/// The body of a token request with an assertion.
pub(crate) fn form_with(assertion: &str) -> String {
    format!("{GRANT}&client_assertion_type={ASSERTION_TYPE}&client_assertion={assertion}")
}

fn named(name: &str, powers: &Value) -> Value {
    let mut client = powers.clone();
    client["client_name"] = json!(name);
    client
}

/// The members of a JWT's part, unverified: 0 is the header, 1 the claims.
pub(crate) fn jwt_part(token: &str, part: usize) -> Value {
    use base64::Engine;
    let text = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// One call with these headers and no others but `Host`, `Connection` and `Content-Length`. What is asked and answered has
/// to be in the OpenAPI document of the listener.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: auth\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let answer = send(address, format!("{text}\r\n{body}").as_bytes());
    described::check(address, (method, target, headers, body), &answer);
    answer
}

/// Sends bytes and reads the answer until the server closes the connection.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may answer and close before it has read everything.
    let _ = connection.write_all(request);
    let mut bytes = Vec::new();
    let _ = connection.read_to_end(&mut bytes);
    Answer::parse(&bytes)
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let mut headers: Vec<_> = headers.filter(|(name, _)| name != "date").collect();
        headers.sort();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one value of a header; `None` if there is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// Status and error code of a refusal, after checking that it has the form of every refusal (X-JSON, X-NS).
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 4, "{self:?}");
        assert_eq!(body["statusCode"], self.status);
        assert_eq!(body["message"], body["error_description"]);
        assert!(self.status != 401 || self.header("www-authenticate").is_some(), "{self:?}");
        assert_eq!(matches!(self.status, 429 | 503), self.header("retry-after").is_some(), "{self:?}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }

    /// Status, headers and body, for a snapshot.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        format!("{text}\n{}", self.body)
    }
}
