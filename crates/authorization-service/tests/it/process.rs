//! The program itself: exit codes, and what its log holds and does not hold.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::ClientKey;
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::issuer::{ISSUER, claims, signed};
use crate::service::{Answer, request};
use crate::stub::{Reply, Stub};

/// The program with these variables and no others.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authorization-service"));
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn folder(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("auth.json"), rules).unwrap();
    folder
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn bad_variables_end_it_with_64_and_all_of_them_are_named() {
    let output = program(&[("HTTP_PORT", "hunter2"), ("PROFILE", "hunter2")]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    for name in ["HTTP_PORT", "PROFILE", "USERINFO_URL"] {
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
    assert!(!stderr(&output).contains("hunter2"));
}

#[test]
fn broken_rules_end_it_with_1() {
    let folder = folder(r#"{"/a": 1}"#);
    let path = folder.path().to_str().unwrap();
    let output = program(&[("USERINFO_URL", "http://x/"), ("CONFIGURATION_PATH", path)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("auth.json:1:"), "{}", stderr(&output));
}

/// Starts the program and waits until it listens.
async fn start(url: &str, path: &str) -> (ReservedPort, Process) {
    start_with(url, path, &[]).await
}

/// The same, with further variables.
async fn start_with(url: &str, path: &str, further: &[(&str, &str)]) -> (ReservedPort, Process) {
    Process::start_on_free_port(|port| {
        let mut command = program(&[
            ("LOG_LEVEL", "trace"),
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", &port.number().to_string()),
            ("DELAY_SHUTDOWN_SECONDS", "0"),
            ("CONFIGURATION_PATH", path),
            ("USERINFO_URL", url),
            ("HEADERS_TO_PROXY", "authorization,cookie"),
            ("USER_PROPERTIES_TO_PROXY", "mail"),
        ]);
        command.envs(further.iter().copied());
        (command, Ready::Listens(port.address()))
    })
    .await
}

fn ask(port: u16, target: &str) -> Answer {
    use std::io::Write;
    let headers = [
        ("Original-Request-Uri", target),
        ("Original-Request-Method", "GET"),
        ("Authorization", "Bearer canary-token"),
        ("Cookie", "sid=canary-cookie"),
    ];
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(&request("GET", "/auth?access_token=canary-query", &headers)).unwrap();
    Answer::read(connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_the_decision_and_no_credentials_and_sigterm_ends_it_well() {
    let rules = json!({
        "/admin": {"GET": {"authorization": {"expression": "groups.admin", "public": false}}},
        "/any": {"GET": {"authorization": {"expression": "true", "public": true}}},
    });
    // Says who it is once, and then echoes the credentials in broken answers.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |seen| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reply::json(&json!({"sub":"u1","groups":["é-canary-group"],"mail":"canary@mail"})),
        1 => Reply::new(200, "application/json", &format!("{{\"sub\":{:?}", seen.all("authorization"))),
        2 => Reply::json(&json!({"sub":"u1","groups":"canary-group"})),
        _ => Reply::new(500, "text/plain", "canary-body"),
    });
    let folder = folder(&rules.to_string());
    let (reserved, mut process) = start(&stub.url(), folder.path().to_str().unwrap()).await;
    let port = reserved.number();
    assert_eq!(ask(port, "/admin").status, 403);
    assert_eq!(ask(port, "/admin").status, 503);
    assert_eq!(ask(port, "/admin").status, 503);
    assert_eq!(ask(port, "/any").status, 200);
    assert_eq!(ask(port, "/odd/../x?canary=canary#canary").status, 403);
    assert_eq!(process.terminate().await.code(), Some(0));

    let log = process.stdout();
    for text in [&log, &process.stderr()] {
        assert!(!text.contains("canary"), "{text}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let completed: Vec<_> = lines.iter().filter(|line| line["msg"] == "request completed").collect();
    let told = |line: &Value| {
        let decision = &line["decision"];
        (decision["outcome"].clone(), decision["reason"].clone(), decision["rule"].clone())
    };
    let admin = json!("/admin → GET → authorization");
    assert_eq!(told(completed[0]), (json!("deny"), json!("forbidden"), admin.clone()));
    assert_eq!(told(completed[1]), (json!("deny"), json!("cannot_know"), admin));
    assert_eq!(told(completed[3]), (json!("allow"), Value::Null, json!("/any → GET → authorization")));
    assert_eq!(completed[3]["error"]["message"], "userinfo: status 500");
    assert_eq!(told(completed[4]), (json!("deny"), json!("path_refused"), Value::Null));
    let asked: Vec<_> = completed.iter().map(|line| line["decision"]["request"].as_str().unwrap()).collect();
    assert_eq!(asked, ["GET /admin", "GET /admin", "GET /admin", "GET /any", "GET /odd/../x"]);
    let failures: Vec<_> = lines
        .iter()
        .filter(|line| line["level"] == 50)
        .filter_map(|line| line["userinfo"]["failure"].as_str())
        .collect();
    assert_eq!(failures, ["invalid", "invalid", "status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_rules_again_and_says_what_became_of_it() {
    let rules = |group: &str| {
        json!({"/r": {"GET": {"authorization": {"expression": format!("groups.{group}"), "public": false}}}})
            .to_string()
    };
    let folder = folder(&rules("a"));
    let (_port, mut service) = start("http://127.0.0.1:1/", folder.path().to_str().unwrap()).await;
    service.wait_for_output("listening").await;
    service.hang_up();
    service.wait_for_output("asked to reload: the rules file has not changed").await;
    std::fs::write(folder.path().join("auth.json"), rules("b")).unwrap();
    service.hang_up();
    service.wait_for_output("new rules are in force").await;
    std::fs::write(folder.path().join("auth.json"), "{").unwrap();
    service.hang_up();
    service.wait_for_output("the rules file cannot be used").await;
    let log = service.stdout();
    let refusal = log.lines().find(|line| line.contains("cannot be used")).unwrap();
    let refusal: Value = serde_json::from_str(refusal).unwrap();
    assert_eq!(refusal["level"], 50);
    assert!(refusal["error"]["message"].as_str().unwrap().contains("auth.json:1:"), "{refusal}");
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_ask_for_permissions_nobody_can_have_are_told_at_start_and_with_new_rules() {
    let rules = |expression: &str| {
        json!({"/r": {"GET": {"authorization": {"expression": expression, "public": false}}}}).to_string()
    };
    let count = |log: &str| log.matches("CUSTOM_PERMISSIONS_KEY is not set: nobody has any").count();
    let folder = folder(&rules("permissions.a"));
    let path = folder.path().to_str().unwrap();
    let (_port, mut service) = start("http://127.0.0.1:1/", path).await;
    service.wait_for_output("listening").await;
    assert_eq!(count(&service.stdout()), 1, "{}", service.stdout());
    std::fs::write(folder.path().join("auth.json"), rules("groups.a")).unwrap();
    service.hang_up();
    service.wait_for_output("new rules are in force").await;
    assert_eq!(count(&service.stdout()), 1, "{}", service.stdout());
    std::fs::write(folder.path().join("auth.json"), rules("permissions.b")).unwrap();
    service.hang_up();
    while count(&service.stdout()) < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(service.terminate().await.success());
    let set = [("CUSTOM_PERMISSIONS_KEY", "permissions")];
    let (_port, mut service) = start_with("http://127.0.0.1:1/", path, &set).await;
    service.wait_for_output("listening").await;
    assert_eq!(count(&service.stdout()), 0);
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn local_mode_with_another_issuer_than_that_of_its_own_token_says_so_once() {
    let key = ClientKey::generate("k1");
    for (issuer, token, messages) in [
        ("https://typo.example", signed(&key, "k1", &claims(&json!({}))), 1),
        (ISSUER, signed(&key, "k1", &claims(&json!({}))), 0),
        (ISSUER, signed(&key, "k1", &claims(&json!({"iss": null}))), 0),
        (ISSUER, "opaque".to_owned(), 0),
    ] {
        let stub = Stub::start(move |seen| match seen.line.contains("/oauth/token") {
            true => Reply::json(&json!({"access_token": token, "expires_in": 3600})),
            false => Reply::status(503),
        });
        let (feed, folder) = (stub.url_of("/revocations"), folder("{}"));
        let local = [
            ("USERINFO_MODE", "local"),
            ("MIA_JWT_ISSUER", issuer),
            ("REVOCATION_FEED_URL", &feed),
            ("REVOCATION_FEED_CLIENT_ID", "authz"),
            ("REVOCATION_FEED_CLIENT_SECRET", "secret"),
        ];
        let url = stub.url_of("/tokeninfo");
        let (_port, mut service) = start_with(&url, folder.path().to_str().unwrap(), &local).await;
        let openings = || stub.seen().iter().filter(|seen| seen.line.contains("/revocations")).count();
        while openings() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let log = service.stdout();
        let message = format!(
            "MIA_JWT_ISSUER is {issuer}, but the token for the revocation feed names the issuer {ISSUER}"
        );
        assert_eq!(log.matches(&message).count(), messages, "{log}");
        assert_eq!(log.matches("names the issuer").count(), messages, "{log}");
        assert!(service.terminate().await.success());
    }
}

/// The lines of the decision log.
fn decisions(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["msg"] == "decision").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_has_a_line_and_the_last_one_is_written_before_the_end() {
    let stub = Stub::json(
        json!({"sub": "user-1", "groups": ["a", "b"], "permissions": ["p"], "mail": "canary-mail"}),
    );
    let rule =
        |expression: &str| json!({"GET": {"authorization": {"expression": expression, "public": false}}});
    let folder = folder(&json!({"/r": rule("groups.a"), "/s/:id": rule("groups.z")}).to_string());
    let path = folder.path().to_str().unwrap();
    let all = [("DECISION_LOG", "all"), ("CUSTOM_PERMISSIONS_KEY", "permissions"), ("LOG_LEVEL", "silent")];
    let (port, mut service) = start_with(&stub.url(), path, &all).await;
    assert_eq!(ask(port.number(), "/r?token=canary-query").status, 200);
    let denied = ask(port.number(), "/s/%C3%A8%22");
    assert_eq!(denied.status, 403);
    assert!(service.terminate().await.success());
    let lines = decisions(&service.stdout());
    assert_eq!(lines.len(), 2, "{}", service.stdout());
    let version = lines[0]["decision"]["rules"].as_str().unwrap();
    let caller = json!({"is": "known", "id": "user-1", "groups": ["a", "b"], "permissions": ["p"]});
    assert_eq!(
        lines[0],
        json!({
            "level": 30, "time": lines[0]["time"], "msg": "decision",
            "decision": {"outcome": "allow", "rule": "/r → GET → authorization", "rules": version, "sampleOf": 1},
            "request": {"method": "GET", "path": "/r", "clientType": "", "backoffice": false},
            "caller": caller,
        })
    );
    assert_eq!(
        lines[1],
        json!({
            "level": 30, "time": lines[1]["time"], "msg": "decision",
            "decision": {"id": denied.header("x-decision-id").unwrap(), "outcome": "deny", "reason": "forbidden",
                         "rule": "/s/:id → GET → authorization", "rules": version, "sampleOf": 1},
            "request": {"method": "GET", "path": "/s/%C3%A8%22", "clientType": "", "backoffice": false},
            "caller": caller,
        })
    );
    assert!(!service.stdout().contains("canary"), "{}", service.stdout());

    let (port, mut service) = start_with(&stub.url(), path, &[("DECISION_LOG", "denials")]).await;
    assert_eq!((ask(port.number(), "/r").status, ask(port.number(), "/nowhere").status), (200, 403));
    assert!(service.terminate().await.success());
    let lines = decisions(&service.stdout());
    assert_eq!((lines.len(), &lines[0]["decision"]["reason"]), (1, &json!("no_rule")));
    assert_eq!(lines[0]["caller"], json!({"is": "not looked up"}));

    let (port, mut service) = start(&stub.url(), path).await;
    assert_eq!(ask(port.number(), "/nowhere").status, 403);
    assert!(service.terminate().await.success());
    assert_eq!(decisions(&service.stdout()), Vec::<Value>::new());
}
