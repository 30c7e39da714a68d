//! What is measured: the released binary over a store of its own, a bare handler, and OpenSSL alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::port::ReservedPort;

use super::client::RsaClient;
use super::load;
use crate::server::Server;

const BOOTSTRAP_TOKEN: &str = "bootstrap-token-of-the-benchmark-0123456789";

/// Enough to keep the service busy and to let its store write several uses at once.
const CONNECTIONS: usize = 16;

/// Requests before the measurement, so that caches are filled and connections are open.
const WARM_UP: u32 = 300;

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
    _folder: TempDir,
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
        let stage = Self { server, public, management, issuer, _ports: ports, _folder: folder };
        stage.check_signing(signing)?;
        Ok(stage)
    }

    /// That the service signs as it was told to.
    fn check_signing(&self, signing: Signing) -> Result<()> {
        let (_, keys) = load::call(self.public, &request("GET", "/.well-known/jwks.json", &[], ""))?;
        let wanted = match signing {
            Signing::Rs256 => "RS256",
            Signing::Es256 => "ES256",
        };
        ensure!(keys.contains(wanted), "the service does not sign with {wanted}");
        Ok(())
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
    pub(super) fn soak(&self, tokens: u32, mut tell: impl FnMut(u32, u64)) -> Result<()> {
        let (client, basic) = (self.assertion_client()?, self.basic_request()?);
        let half = tokens.div_ceil(SOAK_STEPS).div_ceil(2);
        tell(0, resident_kib(self.server.id())?);
        for step in 1..=SOAK_STEPS {
            load::send_all(self.public, &self.with_assertions(&client, half)?, CONNECTIONS)?;
            load::send_all(self.public, &repeated(&basic, half), CONNECTIONS)?;
            tell(half.saturating_mul(2).saturating_mul(step), resident_kib(self.server.id())?);
        }
        Ok(())
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

    fn basic_request(&self) -> Result<Vec<u8>> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let client = self.client(&json!({"client_name": "bench"}))?;
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

/// The processor time of a request to a handler that does nothing, in microseconds.
pub(super) async fn bare_handler(built: &Path, requests: u32) -> Result<f64> {
    let mut child = Command::new(built.join("examples/bare_handler")).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse()?));
    let one = token_request(&["Authorization: Basic Yzpz"], "grant_type=client_credentials");
    let measured = load::send_all(address, &repeated(&one, WARM_UP), CONNECTIONS)
        .and_then(|()| processor_time_of(child.id(), address, &repeated(&one, requests)));
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process(process, Signal::TERM)?;
    }
    child.wait()?;
    measured
}

/// What OpenSSL takes for one operation, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yardstick {
    pub(super) rsa_sign: f64,
    pub(super) rsa_verify: f64,
    pub(super) ec_sign: f64,
}

impl Yardstick {
    pub(super) fn take(built: &Path) -> Result<Self> {
        let output = Command::new(built.join("examples/openssl_speed")).output()?;
        let result: Value = serde_json::from_slice(&output.stdout).context("openssl_speed failed")?;
        let time = |name: &str| result.get(name).and_then(Value::as_f64).context("a time is missing");
        Ok(Self { rsa_sign: time("rsa_sign")?, rsa_verify: time("rsa_verify")?, ec_sign: time("ec_sign")? })
    }

    pub(super) fn mean(&self, other: &Self) -> Self {
        let mean = |one: f64, other: f64| f64::midpoint(one, other);
        Self {
            rsa_sign: mean(self.rsa_sign, other.rsa_sign),
            rsa_verify: mean(self.rsa_verify, other.rsa_verify),
            ec_sign: mean(self.ec_sign, other.ec_sign),
        }
    }
}

fn repeated(request: &[u8], count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|_| request.to_vec()).collect()
}

fn token_request(headers: &[&str], form: &str) -> Vec<u8> {
    let form_type = ["Content-Type: application/x-www-form-urlencoded"];
    request("POST", "/oauth/token", &[headers, &form_type].concat(), form)
}

fn request(method: &str, target: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Sends the requests; the processor time that the process took for each of them, in microseconds.
fn processor_time_of(process: u32, address: SocketAddr, requests: &[Vec<u8>]) -> Result<f64> {
    let before = processor_ticks(process)?;
    load::send_all(address, requests, CONNECTIONS)?;
    let ticks = processor_ticks(process)? - before;
    // A tick is a hundredth of a second on every Linux (sysconf _SC_CLK_TCK).
    Ok(ticks * 10_000.0 / requests.len() as f64)
}

/// User and system time of a process, in ticks (proc_pid_stat(5), fields 14 and 15).
fn processor_ticks(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in parentheses, may hold blanks.
    let (_, fields) = stat.rsplit_once(") ").context("an unknown form of /proc/PID/stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.collect::<Result<Vec<f64>, _>>()?.into_iter().sum())
}

/// The resident memory of a process, in KiB (`VmRSS` of proc_pid_status(5)).
fn resident_kib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
