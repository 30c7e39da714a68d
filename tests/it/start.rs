//! How the binaries start, refuse to start, and stop.

use std::process::Output;

use crate::deployment::{Deployment, binary, service};

fn run(name: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    service(name, variables).args(arguments).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_bad_variable_is_named_at_once_without_its_value_and_the_exit_code_is_64() {
    for name in ["client-credentials", "authorization-service"] {
        let variables = [("HTTP_PORT", "hunter2"), ("PROFILE", "hunter2"), ("LOG_LEVEL", "hunter2")];
        let output = run(name, &variables, &[]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{text}");
        for expected in ["HTTP_PORT", "PROFILE", "LOG_LEVEL"] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_drop_in_client_credentials_names_every_variable_it_lacks() {
    let text = stderr(&run("client-credentials", &[("PROFILE", "drop-in")], &[]));
    for expected in [
        "MIA_JWT_ISSUER",
        "MIA_JWT_EXPIRES_IN",
        "PRIVATE_RSA_KEY_FILE_PATH",
        "PRIVATE_RSA_KEY_ID",
        "CLIENT_ID_HASH_SALT",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn a_broken_rules_file_is_refused_with_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let rules = r#"{
  "/a": {"GET": {"authorization": {"expression": "groups.admin &&", "public": false}}},
  "/b": {"FETCH": {"authorization": {"expression": "true", "public": true}}}
}"#;
    std::fs::write(folder.path().join("auth.json"), rules).unwrap();
    let variables = [
        ("CONFIGURATION_PATH", folder.path().to_str().unwrap()),
        ("CONFIGURATION_FILE_NAME", "auth"),
        ("USERINFO_URL", "http://127.0.0.1:1/tokeninfo"),
        ("HTTP_PORT", "0"),
    ];
    let output = run("authorization-service", &variables, &[]);
    let text = stderr(&output);
    assert!(!output.status.success(), "{text}");
    for expected in ["auth.json", "/a", "/b", "FETCH", "column"] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn print_config_lists_every_variable_and_nothing_starts() {
    for name in ["client-credentials", "authorization-service"] {
        let output = run(name, &[], &["--print-config"]);
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("| `HTTP_PORT` | `3000` |"), "{text}");
    }
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    for name in ["client-credentials", "authorization-service"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            service(name, &[]).arg("--print-config").stdout(writer).output().expect("the binary runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", stderr(&output));
    }
}

#[test]
fn an_unknown_argument_is_explained() {
    let output = std::process::Command::new(binary("client-credentials")).arg("--sevre").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("--sevre"));
}

#[tokio::test]
async fn sigterm_ends_both_services_with_exit_code_0() {
    let mut deployment = Deployment::start().await;
    assert!(deployment.decisions.process.terminate().await.success());
    assert!(deployment.tokens.process.terminate().await.success());
}

#[tokio::test]
async fn healthcheck_tells_whether_the_service_runs() {
    let deployment = Deployment::start().await;
    let port = deployment.decisions.address.port().to_string();
    let variables = [
        ("HTTP_PORT", port.as_str()),
        ("USERINFO_URL", "http://127.0.0.1:1/"),
        ("CONFIGURATION_FILE_NAME", "auth"),
    ];
    assert!(run("authorization-service", &variables, &["healthcheck"]).status.success());
    drop(deployment);
    assert_eq!(run("authorization-service", &variables, &["healthcheck"]).status.code(), Some(1));
}
