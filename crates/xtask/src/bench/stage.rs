//! client-credentials, as released, over a store of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::port::ReservedPort;

use super::client::RsaClient;
use super::load;
use super::process::{CONNECTIONS, WARM_UP, processor_time_of, repeated, request, resident_kib};
use crate::server::Server;

const BOOTSTRAP_TOKEN: &str = "bootstrap-token-of-the-benchmark-0123456789";

/// How often the memory is looked at while tokens are issued.
const SOAK_STEPS: u32 = 10;

/// What the service signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    Rs256,
    Es256,
}

/// A running service. Dropped, it ends.
pub(super) struct Stage {
    server: Server,
    public: SocketAddr,
    management: SocketAddr,
    issuer: String,
    _ports: [ReservedPort; 2],
    folder: TempDir,
}

/// A client that signs.
struct AssertionClient {
    key: RsaClient,
    id: String,
}

impl Stage {
    pub(super) async fn start(built: &Path, signing: Signing, mongodb: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let [public, management] =
            [&ports[0], &ports[1]].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.number())));
        let issuer = format!("http://localhost:{}", public.port());
        let mut command = Command::new(built.join("client-credentials"));
        command.env_clear();
        let variables = [
            ("HTTP_HOST", "127.0.0.1".to_owned()),
            ("HTTP_PORT", public.port().to_string()),
            ("MANAGEMENT_PORT", management.port().to_string()),
            ("MIA_JWT_ISSUER", issuer.clone()),
            ("BOOTSTRAP_TOKEN", BOOTSTRAP_TOKEN.to_owned()),
            ("DELAY_SHUTDOWN_SECONDS", "0".to_owned()),
        ];
        command.envs(variables).env("DATA_DIR", folder.path().join("store"));
        if signing == Signing::Es256 {
            command.env("SIGNING_ALGORITHM", "ES256");
        }
        if let Some(url) = mongodb {
            command.env("CREDENTIALS_MONGODB_URL", url);
        }
        let server = Server::start("client-credentials", command, public, folder.path()).await?;
        let stage = Self { server, public, management, issuer, _ports: ports, folder };
        stage.check_signing(signing)?;
        Ok(stage)
    }

    /// That the service signs as it was told to.
    fn check_signing(&self, signing: Signing) -> Result<()> {
        let keys = self.key_set()?;
        let wanted = match signing {
            Signing::Rs256 => "RS256",
            Signing::Es256 => "ES256",
        };
        ensure!(keys.contains(wanted), "the service does not sign with {wanted}");
        Ok(())
    }

    /// The public keys that verify its tokens.
    pub(super) fn key_set(&self) -> Result<String> {
        let (status, keys) = load::call(self.public, &request("GET", "/.well-known/jwks.json", &[], ""))?;
        ensure!(status == 200, "{status} {keys}");
        Ok(keys)
    }

    /// `iss` of its tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The processor time of a token for an assertion, in microseconds.
    pub(super) fn assertions(&self, requests: u32) -> Result<f64> {
        let client = self.assertion_client()?;
        self.measure(&self.with_assertions(&client, WARM_UP)?, &self.with_assertions(&client, requests)?)
    }

    /// The processor time of a token for id and secret, in microseconds.
    pub(super) fn basic(&self, requests: u32) -> Result<f64> {
        let one = self.basic_request()?;
        self.measure(&repeated(&one, WARM_UP), &repeated(&one, requests))
    }

    /// Issues `tokens` in steps, half of them for assertions; tells after each step how many there are, and how many KiB
    /// of memory the service has.
    pub(super) fn soak(&self, tokens: u32, mut tell: impl FnMut(u32, u64) -> Result<()>) -> Result<()> {
        let (client, basic) = (self.assertion_client()?, self.basic_request()?);
        let half = tokens.div_ceil(SOAK_STEPS).div_ceil(2);
        tell(0, resident_kib(self.server.id())?)?;
        for step in 1..=SOAK_STEPS {
            load::send_all(self.public, &self.with_assertions(&client, half)?, CONNECTIONS)?;
            load::send_all(self.public, &repeated(&basic, half), CONNECTIONS)?;
            tell(half.saturating_mul(2).saturating_mul(step), resident_kib(self.server.id())?)?;
        }
        Ok(())
    }

    /// Different tokens of a client that may read orders.
    pub(super) fn tokens(&self, count: u32) -> Result<Vec<String>> {
        let one = self.basic_request_of(&json!({"client_name": "bench", "permissions": ["read:orders"]}))?;
        (0..count)
            .map(|_| {
                let (status, body) = load::call(self.public, &one)?;
                ensure!(status == 200, "{status} {body}");
                let answer: Value = serde_json::from_str(&body)?;
                let token = answer.get("access_token").and_then(Value::as_str).context("no access_token")?;
                Ok(token.to_owned())
            })
            .collect()
    }

    /// The variables with which authorization-service verifies the tokens of this service itself.
    pub(super) fn local_mode(&self) -> Result<Vec<(&'static str, String)>> {
        let token = self.folder.path().join("feed-token");
        std::fs::write(&token, BOOTSTRAP_TOKEN)?;
        Ok(vec![
            ("USERINFO_MODE", "local".to_owned()),
            ("USERINFO_URL", format!("http://{}/tokeninfo", self.public)),
            ("MIA_JWT_ISSUER", self.issuer.clone()),
            ("REVOCATION_FEED_URL", format!("http://{}/revocations", self.management)),
            ("REVOCATION_FEED_TOKEN_PATH", token.display().to_string()),
        ])
    }

    fn assertion_client(&self) -> Result<AssertionClient> {
        let key = RsaClient::generate()?;
        let members = json!({"client_name": "bench", "token_endpoint_auth_method": "private_key_jwt",
            "public_key": key.public_jwk()});
        let client = self.client(&members)?;
        let id = client.get("client_id").and_then(Value::as_str).context("no client_id")?;
        Ok(AssertionClient { key, id: id.to_owned() })
    }

    /// Signed beforehand: the load generator has nothing else to do then.
    fn with_assertions(&self, client: &AssertionClient, count: u32) -> Result<Vec<Vec<u8>>> {
        (0..count)
            .map(|_| {
                let form = format!(
                    "grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:\
                     client-assertion-type:jwt-bearer&client_assertion={}",
                    client.key.assertion(&client.id, &self.issuer)?
                );
                Ok(token_request(&[], &form))
            })
            .collect()
    }

    /// Process and address.
    pub(super) fn served(&self) -> (u32, SocketAddr) {
        (self.server.id(), self.public)
    }

    pub(super) fn basic_request(&self) -> Result<Vec<u8>> {
        self.basic_request_of(&json!({"client_name": "bench"}))
    }

    fn basic_request_of(&self, members: &Value) -> Result<Vec<u8>> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let client = self.client(members)?;
        let member = |name: &str| client.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let credential = STANDARD.encode(format!("{}:{}", member("client_id"), member("client_secret")));
        let authorization = format!("Authorization: Basic {credential}");
        Ok(token_request(&[&authorization], "grant_type=client_credentials"))
    }

    fn client(&self, members: &Value) -> Result<Value> {
        let authorization = format!("Authorization: Bearer {BOOTSTRAP_TOKEN}");
        let headers = [authorization.as_str(), "Content-Type: application/json"];
        let created = request("POST", "/clients", &headers, &members.to_string());
        let (status, body) = load::call(self.management, &created)?;
        ensure!(status == 201, "the client was not created: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    fn measure(&self, warm_up: &[Vec<u8>], requests: &[Vec<u8>]) -> Result<f64> {
        load::send_all(self.public, warm_up, CONNECTIONS)?;
        processor_time_of(self.server.id(), self.public, requests)
    }
}

pub(super) fn token_request(headers: &[&str], form: &str) -> Vec<u8> {
    let form_type = ["Content-Type: application/x-www-form-urlencoded"];
    request("POST", "/oauth/token", &[headers, &form_type].concat(), form)
}
