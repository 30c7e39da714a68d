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

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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

#[test]
fn the_doctor_goes_on_after_a_failed_check_and_says_what_it_could_not_check() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path()).await;
        let well = command(&running, folder.path(), &["doctor", "--output", "json"]);
        let checks = |output: &Output| -> Vec<String> {
            verdicts(output).into_iter().map(|(check, _)| check).collect()
        };
        assert_eq!(well.status.code(), Some(0));

        chmod(&folder.path().join("bootstrap-token"), 0o644);
        let open = command(&running, folder.path(), &["doctor", "--output", "json"]);
        assert_eq!((open.status.code(), checks(&open)), (Some(1), checks(&well)));
        let others = verdicts(&open).into_iter().filter(|(check, _)| check != "management token");
        assert!(others.clone().count() >= 5 && others.clone().all(|(_, verdict)| verdict == "ok"));

        let deaf = ["doctor", "--output", "json", "--url", "http://127.0.0.1:1"];
        let deaf = command(&running, folder.path(), &deaf);
        assert_eq!((deaf.status.code(), checks(&deaf)), (Some(1), checks(&well)));
        for (check, expected) in [
            ("management listener", "FAILED"),
            ("store", "not checked"),
            ("signing keys", "not checked"),
            ("published keys", "ok"),
            ("discovery", "ok"),
        ] {
            assert_eq!(verdict(&deaf, check), expected, "{check}");
        }
    });
}

#[test]
fn who_revokes_what_is_not_there_is_told_and_nothing_is_revoked() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path()).await;
        let command = |arguments: &[&str]| {
            let arguments = [arguments, &["--output", "json"]].concat();
            self::command(&running, folder.path(), &arguments)
        };
        let made = json(&command(&["clients", "create", "c", "--permission", "a", "--audience", "b"]));
        let id = made["client_id"].as_str().unwrap();
        for (arguments, missing) in [
            (&["a", "nothere"][..], "has no permission \"nothere\""),
            (&["a", "--audience", "nobody"], "has no audience \"nobody\""),
        ] {
            let refused = command(&[&["clients", "revoke", id], arguments].concat());
            let said = said(&refused);
            assert!(refused.status.code() == Some(1) && said.contains(missing), "{said}");
            assert!(refused.stdout.is_empty());
            let listed = json(&command(&["clients", "list"]));
            assert_eq!(listed["clients"][0]["permissions"], serde_json::json!(["a"]));
        }
        let revoked = command(&["clients", "revoke", id, "a", "--audience", "b"]);
        assert_eq!(
            (revoked.status.code(), &json(&revoked)["permissions"]),
            (Some(0), &serde_json::json!([]))
        );
    });
}

#[test]
fn the_table_of_keys_shows_no_end_of_an_active_one_and_json_what_the_service_says() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path()).await;
        let table = command(&running, folder.path(), &["keys", "list"]);
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert!(lines[0].ends_with("GOOD UNTIL") && lines[1].contains("active"), "{table}");
        assert_eq!(lines[1].split_whitespace().last(), Some("-"), "{table}");
        let listed = json(&command(&running, folder.path(), &["keys", "list", "--output", "json"]));
        assert!(listed["keys"][0]["goneAt"].is_i64(), "{listed}");
    });
}

#[test]
fn what_is_not_the_management_listener_is_called_so() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let standard = Running::start(folder.path()).await;
        let key = folder.path().join("signing-key.pem");
        let other = tempfile::tempdir().unwrap();
        let drop_in = [
            ("PROFILE", "drop-in"),
            ("PRIVATE_RSA_KEY_FILE_PATH", key.to_str().unwrap()),
            ("PRIVATE_RSA_KEY_ID", "k"),
            ("CLIENT_ID_HASH_SALT", "a-salt-of-sixteen-characters"),
            ("MIA_JWT_EXPIRES_IN", "3600"),
        ];
        let drop_in = Running::start_with(other.path(), &drop_in).await;
        for running in [&standard, &drop_in] {
            let public = format!("http://{}/", running.public.address());
            let expected =
                format!("this is not the management listener of client-credentials: {public} answers 40");
            for arguments in [&["clients", "list"][..], &["clients", "delete", "nobody"], &["keys", "list"]] {
                let refused = command(&standard, folder.path(), &[arguments, &["--url", &public]].concat());
                let said = said(&refused);
                assert!(
                    refused.status.code() == Some(1) && said.contains(&expected),
                    "{arguments:?}: {said}"
                );
            }
        }
        let missing = command(&standard, folder.path(), &["clients", "delete", "nobody"]);
        assert!(said(&missing).contains("no client has this id"), "{}", said(&missing));
    });
}

#[test]
fn a_permission_with_a_blank_is_wrong_use() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path()).await;
        for arguments in [
            &["clients", "create", "c", "--permission", "a b"][..],
            &["clients", "create", "c", "--permission", "a", "--permission", "a b"],
            &["clients", "grant", "nobody", "a", "a b"],
        ] {
            let refused = command(&running, folder.path(), arguments);
            let said = said(&refused);
            assert_eq!(refused.status.code(), Some(64), "{said}");
            assert!(said.contains("give each permission as an argument of its own"), "{said}");
        }
        let listed = json(&command(&running, folder.path(), &["clients", "list", "--output", "json"]));
        assert_eq!(listed["clients"], serde_json::json!([]));
    });
}

#[test]
fn a_grace_is_0_or_more_seconds() {
    for arguments in [
        &["clients", "rotate-secret", "id", "--grace", "-5"][..],
        &["clients", "rotate-secret", "id", "--grace=-5"],
        &["clients", "rotate-secret", "id", "--grace", "1.5"],
        &["clients", "add-key", "id", "file", "--grace", "-5"],
        &["clients", "retire-key", "id", "kid", "--grace", "-5"],
    ] {
        let refused = binary().args(arguments).output().unwrap();
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(64), "{said}");
        assert!(said.contains("0 or more seconds") && !said.contains("-- -5"), "{said}");
    }
}
