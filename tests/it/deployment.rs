//! Both services as processes on free ports, and what a caller needs to reach them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// A binary of ours, built by `cargo xtask test`, beside the test binary's folder.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test binary");
    let binary = test.ancestors().nth(2).expect("target/debug").join(name);
    assert!(binary.exists(), "{} is missing: run `cargo xtask test`, which builds it", binary.display());
    binary
}

/// A service with an environment of its own and nothing else.
pub(crate) fn service(name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().envs(variables.iter().copied()).env("DELAY_SHUTDOWN_SECONDS", "0");
    command
}

/// One client-credentials process.
pub(crate) struct TokenService {
    pub(crate) process: Process,
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
    pub(crate) issuer: String,
    data: PathBuf,
    variables: Vec<(String, String)>,
    // Held so that nobody else is given the ports.
    _ports: [ReservedPort; 2],
}

impl TokenService {
    /// Starts it with its files in `data` and further variables.
    pub(crate) async fn start(data: &Path, further: &[(&str, &str)]) -> Self {
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let [public, management] = [ports[0].address(), ports[1].address()];
        let mut variables: Vec<(String, String)> = vec![
            ("HTTP_HOST".into(), "127.0.0.1".into()),
            ("HTTP_PORT".into(), public.port().to_string()),
            ("MANAGEMENT_PORT".into(), management.port().to_string()),
            ("DATA_DIR".into(), data.display().to_string()),
        ];
        variables.extend(further.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let own_issuer =
            further.iter().find(|(name, _)| *name == "MIA_JWT_ISSUER").map(|(_, value)| (*value).to_owned());
        let issuer = own_issuer.unwrap_or_else(|| format!("http://localhost:{}", public.port()));
        let process = Self::spawn(&variables, public).await;
        Self { process, public, management, issuer, data: data.to_owned(), variables, _ports: ports }
    }

    async fn spawn(variables: &[(String, String)], public: SocketAddr) -> Process {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ready = Ready::Answers(public, "/-/ready".to_owned());
        Process::start(service("client-credentials", &variables), ready)
            .await
            .expect("client-credentials starts")
    }

    /// Ends it as a power cut would, and starts it again with the same variables and files.
    pub(crate) async fn kill9_and_restart(&mut self) {
        self.process.kill9();
        self.process = Self::spawn(&self.variables, self.public).await;
    }

    /// The variables it was started with.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The operator's key to the management port.
    pub(crate) fn bootstrap_token(&self) -> String {
        std::fs::read_to_string(self.data.join("bootstrap-token"))
            .expect("the bootstrap token")
            .trim()
            .to_owned()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    /// The operator gives a client these permissions.
    pub(crate) async fn grant(&self, client: &str, permissions: &[&str]) {
        let answer = http()
            .patch(format!("http://{}/clients/{client}", self.management))
            .bearer_auth(self.bootstrap_token())
            .json(&serde_json::json!({ "permissions": permissions }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
    }
}

/// One authorization-service process that asks `userinfo`.
pub(crate) struct DecisionService {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _port: ReservedPort,
}

impl DecisionService {
    /// Starts it with the demo's rules and further variables.
    pub(crate) async fn start(userinfo: &str, further: &[(&str, &str)]) -> Self {
        let rules = workspace().join("deploy/demo");
        let (port, process) = Process::start_on_free_port(|port| {
            let number = port.number().to_string();
            let mut variables = vec![
                ("HTTP_HOST", "127.0.0.1"),
                ("HTTP_PORT", number.as_str()),
                ("USERINFO_URL", userinfo),
                ("CONFIGURATION_PATH", rules.to_str().expect("UTF-8")),
                ("CONFIGURATION_FILE_NAME", "auth"),
                ("CUSTOM_PERMISSIONS_KEY", "permissions"),
                ("HEADERS_TO_PROXY", "authorization"),
            ];
            variables.extend(further);
            (
                service("authorization-service", &variables),
                Ready::Answers(port.address(), "/-/ready".to_owned()),
            )
        })
        .await;
        Self { process, address: port.address(), _port: port }
    }
}

/// Both services on the embedded store.
pub(crate) struct Deployment {
    pub(crate) tokens: TokenService,
    pub(crate) decisions: DecisionService,
    _data: TempDir,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        Self::start_deciding_with(&[]).await
    }

    /// With further variables of the authorization service.
    pub(crate) async fn start_deciding_with(further: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let tokens = TokenService::start(data.path(), &[]).await;
        let decisions = DecisionService::start(&tokens.url("/tokeninfo"), further).await;
        Self { tokens, decisions, _data: data }
    }
}

/// A client that follows no redirect and keeps no secret.
pub(crate) fn http() -> reqwest::Client {
    // Whoever comes first installs it; all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client")
}

/// The body of an answer with this status.
pub(crate) async fn json(answer: reqwest::Response, status: u16) -> Value {
    let actual = answer.status();
    let body = answer.text().await.expect("a body");
    assert_eq!(actual, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
