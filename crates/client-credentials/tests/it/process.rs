//! The real binary: what it makes at its first start, what it writes, what it refuses.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use client_credentials::ClientCredentials;
use serde_json::{Value, json};
use service_kit::{Service as _, Variable};
use testkit::ClientKey;
use testkit::collector::Collector;
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::service::{Answer, FORM, GRANT, JSON, basic, call, form_with};

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client-credentials"));
    command.env_clear();
    command
}

/// The binary on its defaults, but for ports and folder.
pub(crate) struct Running {
    pub(crate) public: ReservedPort,
    pub(crate) management: ReservedPort,
    pub(crate) process: Process,
}

impl Running {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    pub(crate) async fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let management = ReservedPort::new();
        let (public, process) = Process::start_on_free_port(|port| {
            let mut command = binary();
            command
                .env("HTTP_HOST", "127.0.0.1")
                .env("HTTP_PORT", port.number().to_string())
                .env("MANAGEMENT_PORT", management.number().to_string())
                .env("DATA_DIR", folder)
                .env("DELAY_SHUTDOWN_SECONDS", "0")
                .env("MIA_JWT_ISSUER", "https://auth.example")
                .env("LOG_LEVEL", "trace")
                .envs(variables.iter().copied());
            (command, Ready::Answers(port.address(), "/-/ready".to_owned()))
        })
        .await;
        Self { public, management, process }
    }

    fn post(&self, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        call(self.public.address(), "POST", target, headers, body)
    }
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(test)
}

#[test]
fn started_on_nothing_it_makes_what_it_needs_and_keeps_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = Running::start(&data).await;
        for file in ["bootstrap-token", "signing-key.pem", "gettone.sqlite3"] {
            let mode = std::fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
        let bootstrap = std::fs::read_to_string(data.join("bootstrap-token")).unwrap();
        let keys = call(first.public.address(), "GET", "/.well-known/jwks.json", &[], "").json();
        let client = first.post("/register", &[JSON], r#"{"client_name":"c"}"#).json();
        let [id, secret] = ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
        let Running { mut process, .. } = first;
        assert!(process.terminate().await.success(), "SIGTERM ends it with 0");

        let second = Running::start(&data).await;
        assert_eq!(std::fs::read_to_string(data.join("bootstrap-token")).unwrap(), bootstrap);
        assert_eq!(call(second.public.address(), "GET", "/.well-known/jwks.json", &[], "").json(), keys);
        let authorization = format!("Bearer {bootstrap}");
        let headers = [("Authorization", authorization.as_str())];
        let path = format!("/clients/{id}");
        assert_eq!(call(second.management.address(), "GET", &path, &headers, "").status, 200);
        let token = second.post("/oauth/token", &[FORM, ("Authorization", &basic(id, secret))], GRANT);
        assert_eq!(token.status, 200, "{token:?}");
    });
}

#[test]
fn t_log_02_lines_name_the_client_and_the_reason_and_hold_no_secret() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Running::start(folder.path()).await;
        let client = service.post("/register", &[JSON], r#"{"client_name":"c"}"#).json();
        let [id, secret] = ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
        let authorization = basic(id, secret);
        let headers = [FORM, ("Authorization", &*authorization)];
        let answer = service.post("/oauth/token", &headers, GRANT).json();
        let token = answer["access_token"].as_str().unwrap();
        let wrong = basic(id, "hunter2-the-wrong-secret");
        service.post("/oauth/token", &[FORM, ("Authorization", &wrong)], GRANT);
        service.post(&format!("/oauth/token?client_secret={secret}"), &headers, GRANT);
        let claims = json!({"iss": id, "sub": id, "aud": "https://auth.example", "exp": 1, "jti": "j"});
        let assertion = ClientKey::generate("k").sign(&claims);
        service.post("/oauth/token", &[FORM], &form_with(&assertion));
        let client = r#"{"client_name":"c","token_endpoint_auth_method":"client_secret_post"}"#;
        let client = service.post("/register", &[JSON], client).json();
        let [post_id, post_secret] =
            ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
        for secret in [post_secret, "hunter2-the-wrong-secret"] {
            let form = format!("{GRANT}&client_id={post_id}&client_secret={secret}");
            service.post("/oauth/token", &[FORM], &form);
        }
        // Id and secret in each other's place, more often than the budget of wrong secrets allows.
        let swapped = basic(secret, id);
        for _ in 0..11 {
            service.post("/oauth/token", &[FORM, ("Authorization", &swapped)], GRANT);
        }
        let form = format!("{GRANT}&client_id={post_secret}&client_secret={post_id}");
        service.post("/oauth/introspect", &[FORM], &form);
        let bearer = format!("Bearer {token}");
        call(service.public.address(), "GET", "/tokeninfo", &[("Authorization", &bearer)], "");
        service.post(
            "/register",
            &[JSON],
            r#"{"client_name":"c","public_key":{"kty":"RSA","d":"hunter2-private"}}"#,
        );

        let bootstrap = std::fs::read_to_string(folder.path().join("bootstrap-token")).unwrap();
        let operator = format!("Bearer {bootstrap}");
        let audit =
            call(service.management.address(), "GET", "/audit", &[("Authorization", &operator)], "").body;
        assert!(audit.contains("wrong_secrets.limited"), "{audit}");
        let Running { mut process, .. } = service;
        process.terminate().await;
        let log = process.stdout() + &process.stderr();
        let told = format!("{log}{audit}");
        for (what, canary) in [
            ("client secret", secret),
            ("client secret in the body", post_secret),
            ("access token", token),
            ("signature of the access token", token.rsplit('.').next().unwrap()),
            ("assertion", &assertion),
            ("Basic credential", authorization.split(' ').nth(1).unwrap()),
            ("wrong secret", "hunter2"),
            ("management token", &bootstrap),
        ] {
            assert!(!told.contains(canary), "the log holds the {what}");
        }
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let reasons: Vec<_> = lines
            .iter()
            .filter(|line| line["msg"] == "request completed" && line["url"]["path"] != "/register")
            .map(|line| (line["client"]["id"].as_str(), line["decision"]["reason"].as_str()))
            .collect();
        let (reasons, rest) = reasons.split_at(6);
        let (swapped_ones, rest) = rest.split_at(12);
        assert_eq!(
            reasons,
            [
                (Some(id), None),
                (Some(id), Some("wrong_secret")),
                (None, Some("credentials_in_query")),
                (Some(id), Some("wrong_method")),
                (Some(post_id), None),
                (Some(post_id), Some("wrong_secret")),
            ]
        );
        let beginning = format!("{}…", &secret[..8]);
        assert_eq!(swapped_ones.len(), 12);
        assert_eq!(
            swapped_ones[0],
            (Some(&*beginning), Some("unknown_client")),
            "enough to find the mistake"
        );
        assert_eq!(swapped_ones[10], (Some(&*beginning), Some("too_many_wrong_secrets")));
        assert_eq!(rest, [(Some(id), None), (None, None)], "tokeninfo, and the audit log");
    });
}

#[test]
fn what_it_cannot_start_with_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("no-key.pem"), "no key").unwrap();
    std::fs::create_dir(path("short")).unwrap();
    std::fs::write(path("short/bootstrap-token"), "short").unwrap();
    std::fs::write(path("file"), "").unwrap();
    for (name, text) in
        [("cut.json", "{bad"), ("list.json", "[]"), ("bom.json", "\u{feff}{}"), ("empty.json", "")]
    {
        std::fs::write(path(name), text).unwrap();
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (variables, code, expected) in [
        (vec![("PRIVATE_RSA_KEY_FILE_PATH", path("none.pem"))], 1, "PRIVATE_RSA_KEY_FILE_PATH"),
        (vec![("PRIVATE_RSA_KEY_FILE_PATH", path("no-key.pem"))], 1, "no private key in PEM form"),
        (vec![("DATA_DIR", path("short"))], 1, "32 visible ASCII characters"),
        (vec![("DATA_DIR", path("file"))], 1, "embedded store cannot be opened"),
        (vec![("OPENID_CONFIG_PATH", path("none.json"))], 1, "OPENID_CONFIG_PATH"),
        (vec![("OPENID_CONFIG_PATH", path("cut.json"))], 1, "is not one JSON object"),
        (vec![("OPENID_CONFIG_PATH", path("list.json"))], 1, "is not one JSON object"),
        (vec![("OPENID_CONFIG_PATH", path("bom.json"))], 1, "is not one JSON object"),
        (vec![("OPENID_CONFIG_PATH", path("empty.json"))], 1, "is not one JSON object"),
        (vec![("HTTP_PORT", port)], 1, "set HTTP_PORT to a free port"),
        (vec![("CREDENTIALS_MONGODB_URL", "hunter2".to_owned())], 64, "CREDENTIALS_MONGODB_URL"),
        (
            vec![("MIA_JWT_ISSUER", "hunter2".to_owned()), ("LOG_LEVEL", "hunter2".to_owned())],
            64,
            "LOG_LEVEL",
        ),
    ] {
        let ports = [("HTTP_HOST", "127.0.0.1"), ("HTTP_PORT", "0"), ("MANAGEMENT_PORT", "0")];
        let mut command = binary();
        command.envs(ports).env("DATA_DIR", path("data")).envs(variables);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{expected} in {text}");
    }
}

#[test]
fn check_config_says_of_the_data_dir_what_the_start_would_say_and_changes_nothing() {
    let check = |data_dir: &Path| {
        let mut command = binary();
        command.env("MIA_JWT_ISSUER", "https://auth.example").env("DATA_DIR", data_dir).arg("--check-config");
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("not/there/yet");
    assert_eq!(check(&missing), (true, String::new()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");

    std::fs::write(folder.path().join("file"), "").unwrap();
    for data_dir in ["file", "file/below"] {
        let (well, told) = check(&folder.path().join(data_dir));
        assert!(!well && told.contains("DATA_DIR: ") && told.contains("cannot be written"), "{told}");
    }

    std::fs::write(folder.path().join("bootstrap-token"), "short").unwrap();
    std::fs::write(folder.path().join("signing-key.pem"), "no key").unwrap();
    std::fs::create_dir(folder.path().join("gettone.sqlite3")).unwrap();
    let (well, told) = check(folder.path());
    assert!(!well, "{told}");
    for file in ["bootstrap-token does not hold", "signing-key.pem: ", "the embedded store cannot be opened"]
    {
        assert!(told.contains(file), "{file} is missing in {told}");
    }
}

#[test]
fn the_documentation_of_the_variables_is_what_print_config_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, rest) = text.split_once("<!-- client-credentials variables -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    assert_eq!(
        table.trim(),
        Variable::markdown(ClientCredentials::VARIABLES).trim(),
        "stale: put the output of `client-credentials --print-config` between the markers of docs/configuration.md"
    );
}

#[test]
fn what_is_left_of_the_traces_is_sent_before_the_process_ends() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::answering(200);
        let url = collector.url();
        // By itself it would send them in a minute.
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "60000")];
        let mut running = Running::start_with(folder.path(), &variables).await;
        for _ in 0..3 {
            assert_eq!(call(running.public.address(), "GET", "/tokeninfo", &[], "").status, 401);
        }
        assert_eq!(collector.count(), 0);
        assert!(running.process.terminate().await.success());
        let arrived = collector.spans_when(|spans| !spans.is_empty());
        assert_eq!(arrived.iter().filter(|span| span.name == "GET /tokeninfo").count(), 3);
    });
}

#[test]
fn a_collector_that_is_gone_does_not_keep_the_process_from_ending() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let nobody = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let variables = [nobody, ("OTEL_BSP_SCHEDULE_DELAY", "60000")];
        let mut running = Running::start_with(folder.path(), &variables).await;
        assert_eq!(call(running.public.address(), "GET", "/tokeninfo", &[], "").status, 401);
        assert!(running.process.terminate().await.success());
    });
}
