//! The operator's commands against the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::process::{Running, binary, run};

/// Runs `client-credentials ARGUMENTS` in the environment of the service.
fn command(running: &Running, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = binary();
    command
        .env("HTTP_HOST", "127.0.0.1")
        .env("HTTP_PORT", running.public.number().to_string())
        .env("MANAGEMENT_PORT", running.management.number().to_string())
        .env("DATA_DIR", folder)
        .args(arguments);
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The verdict on each check.
fn verdicts(output: &Output) -> Vec<(String, String)> {
    let findings = json(output);
    let member = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings.as_array().unwrap().iter().map(|one| (member(one, "check"), member(one, "verdict"))).collect()
}

fn verdict(output: &Output, check: &str) -> String {
    verdicts(output).into_iter().find(|(name, _)| name == check).map(|(_, verdict)| verdict).unwrap()
}

#[test]
fn a_signing_key_that_others_may_read_is_told_at_the_start_and_by_the_doctor() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Running::start(folder.path()).await;
        assert_eq!(
            verdict(&command(&first, folder.path(), &["doctor", "--output", "json"]), "signing key file"),
            "ok"
        );
        first.process.terminate().await;
        assert!(!first.process.stdout().contains("others on this machine may read"));

        chmod(&folder.path().join("signing-key.pem"), 0o644);
        let mut second = Running::start(folder.path()).await;
        let looked = command(&second, folder.path(), &["doctor", "--output", "json"]);
        assert_eq!(
            (looked.status.code(), verdict(&looked, "signing key file").as_str()),
            (Some(1), "FAILED")
        );
        assert!(String::from_utf8_lossy(&looked.stdout).contains("signing-key.pem"));
        second.process.terminate().await;
        let log = second.process.stdout();
        assert!(log.contains("others on this machine may read a key that signs tokens: chmod 600"), "{log}");
    });
}
