//! The operator's commands, as an operator types them beside a running service.

use std::process::Output;

use serde_json::Value;

use crate::deployment::{TokenService, service};

/// Runs `client-credentials ARGUMENTS` in the environment of a running service.
pub(crate) async fn command(tokens: &TokenService, arguments: &[&str]) -> Output {
    let variables = tokens.environment();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut command = service("client-credentials", &variables);
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().expect("the command runs")).await.expect("it ends")
}

/// What it prints if all is well.
async fn printed(tokens: &TokenService, arguments: &[&str]) -> String {
    let output = command(tokens, arguments).await;
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout
}

pub(crate) async fn json(tokens: &TokenService, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    serde_json::from_str(&printed(tokens, &arguments).await).expect("JSON")
}

#[tokio::test]
async fn clients_are_made_listed_granted_and_revoked() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let made = json(&tokens, &["clients", "create", "orders", "--permission", "read:orders"]).await;
    let id = made["client_id"].as_str().unwrap();
    assert_eq!(made["client_secret"].as_str().unwrap().len(), 48);

    json(
        &tokens,
        &["clients", "grant", id, "write:orders", "read:orders", "--audience", "https://api.example"],
    )
    .await;
    let changed = json(&tokens, &["clients", "revoke", id, "read:orders"]).await;
    assert_eq!(changed["permissions"], serde_json::json!(["write:orders"]));
    assert_eq!(changed["audience"], serde_json::json!(["https://api.example"]));

    printed(&tokens, &["clients", "create", "draft one", "--state", "DRAFT"]).await;
    let listed = json(&tokens, &["clients", "list"]).await;
    assert_eq!(listed["clients"].as_array().unwrap().len(), 2, "the shape of the API");
    let table = printed(&tokens, &["clients", "list"]).await;
    let row = table.lines().find(|line| line.contains(id)).expect("a row");
    assert!(
        table.starts_with("CLIENT ID") && row.contains("orders") && row.contains("write:orders"),
        "{table}"
    );
}

#[tokio::test]
async fn secrets_are_rotated_and_cancelled() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let made = json(&tokens, &["clients", "create", "orders"]).await;
    let (id, first) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let rotated = json(&tokens, &["clients", "rotate-secret", id, "--grace", "600"]).await;
    let second = rotated["clientSecret"].as_str().unwrap();
    assert_eq!((second.len(), &rotated["lastFour"]), (48, &Value::from(&second[44..])));
    let table = printed(&tokens, &["clients", "secrets", id]).await;
    assert!(
        table.starts_with("ID") && table.contains(&first[44..]) && table.contains(&second[44..]),
        "{table}"
    );
    assert!(!table.contains(first) && !table.contains(second), "{table}");
    let listed = json(&tokens, &["clients", "secrets", id]).await;
    let [old, new] = [0, 1].map(|place| listed["secrets"][place]["id"].as_str().unwrap());
    printed(&tokens, &["clients", "cancel-secret", id, old]).await;
    let refused = command(&tokens, &["clients", "cancel-secret", id, new]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("last live secret"), "{said}");
    printed(&tokens, &["clients", "cancel-secret", id, new, "--force"]).await;
    assert_eq!(json(&tokens, &["clients", "secrets", id]).await["secrets"], serde_json::json!([]));
    let shown = printed(&tokens, &["clients", "rotate-secret", id]).await;
    assert!(shown.starts_with("client_secret  ") && shown.contains("last four"), "{shown}");
}

#[tokio::test]
async fn keys_of_a_client_are_added_and_retired() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let file = |kid: &str| {
        let path = data.path().join(kid);
        std::fs::write(&path, testkit::ClientKey::generate(kid).public_jwk().to_string()).unwrap();
        path.display().to_string()
    };
    let made = json(&tokens, &["clients", "create", "partner", "--public-key", &file("first")]).await;
    let id = made["client_id"].as_str().unwrap();
    let added = json(&tokens, &["clients", "add-key", id, &file("second"), "--grace", "60"]).await;
    assert_eq!((&added["kid"], &added["state"]), (&Value::from("second"), &Value::from("active")));
    let table = printed(&tokens, &["clients", "keys", id]).await;
    let rows: Vec<&str> = table.lines().map(str::trim).collect();
    assert!(rows[1].starts_with("first") && rows[1].contains("retiring"), "{table}");
    assert!(rows[2].starts_with("second") && rows[2].contains("active"), "{table}");
    printed(&tokens, &["clients", "retire-key", id, "first"]).await;
    let refused = command(&tokens, &["clients", "retire-key", id, "second"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("goes on without an end"), "{said}");
}

#[tokio::test]
async fn the_doctor_finds_a_well_service_well() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let findings = json(&tokens, &["doctor"]).await;
    let findings = findings.as_array().unwrap();
    assert!(findings.len() >= 5, "{findings:?}");
    assert!(findings.iter().all(|finding| finding["verdict"] == "ok"), "{findings:?}");
}

#[tokio::test]
async fn what_goes_wrong_is_a_sentence_and_exit_1() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let nobody = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(nobody.path(), "x".repeat(48)).unwrap();
    let wrong = nobody.path().to_str().unwrap();
    for (arguments, sentence) in [
        (&["clients", "grant", "nobody", "p"][..], "no client has this id"),
        (&["clients", "list", "--url", "http://127.0.0.1:1"], "is the service running"),
        (&["clients", "list", "--token-file", wrong], "refuses the management token"),
        (&["clients", "list", "--token-file", "/no/such/file"], "--token-file"),
        (&["doctor", "--token-file", wrong], "1 of the checks failed"),
    ] {
        let output = command(&tokens, arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
        assert!(!said.contains(&tokens.bootstrap_token()) && !said.contains(&"x".repeat(48)), "{said}");
    }
    // Used wrongly.
    for arguments in [&["clients"][..], &["clients", "grant", "id"], &["keys", "lost"]] {
        assert_eq!(command(&tokens, arguments).await.status.code(), Some(64), "{arguments:?}");
    }
}
