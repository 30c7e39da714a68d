//! `clients import`: files of other products, as an operator imports them into a running service. The files in `import/`
//! have the shapes of Hydra's table and of Keycloak's realm export; all secrets in them are examples.

use serde_json::{Value, json};

use crate::commands::{command, json as answered};
use crate::deployment::{TokenService, http, workspace};

/// The secret of the imported hashes.
const SECRET: &str = "some-secret";

fn file(name: &str) -> String {
    workspace().join("tests/it/import").join(name).display().to_string()
}

/// The status of a token request with Basic.
async fn status(tokens: &TokenService, id: &str, secret: &str) -> u16 {
    let request = http().post(tokens.url("/oauth/token")).basic_auth(id, Some(secret));
    let form = [("grant_type", "client_credentials")];
    request.form(&form).send().await.expect("an answer").status().as_u16()
}

/// What an import says: its exit code, and of each line the outcome.
async fn import(tokens: &TokenService, name: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let file = file(name);
    let arguments = [&["clients", "import", &file, "--output", "json"], arguments].concat();
    let output = command(tokens, &arguments).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains(SECRET) && !text.contains("$2a$") && !said.contains("$2a$"), "{text}{said}");
    (
        output.status.code(),
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{said}")),
    )
}

fn outcomes(imported: &Value) -> Vec<(u64, &str, &str)> {
    let rows = imported["clients"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["line"].as_u64().unwrap(),
            row["clientId"].as_str().unwrap_or("-"),
            row["outcome"].as_str().unwrap(),
        )
    })
    .collect()
}

#[tokio::test]
async fn clients_of_hydra_go_on_with_their_secrets() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let (code, planned) = import(&tokens, "hydra.ndjson", &["--from", "hydra", "--dry-run"]).await;
    assert_eq!((code, &planned["dryRun"]), (Some(1), &json!(true)));
    assert_eq!(answered(&tokens, &["clients", "list"]).await["clients"], json!([]), "nothing was made");

    let (code, imported) = import(&tokens, "hydra.ndjson", &["--from", "hydra"]).await;
    assert_eq!(code, Some(1), "some were refused");
    let expected = [
        (1, "orders", "imported"),
        (2, "billing", "imported"),
        (3, "partner", "imported"),
        (5, "website", "skipped"),
        (6, "dear", "refused"),
        (7, "powerful", "refused"),
        (8, "from-the-api", "refused"),
        (9, "-", "refused"),
    ];
    assert_eq!(outcomes(&imported), expected);
    assert_eq!(planned["clients"], imported["clients"], "the plan was right");
    let reasons: Vec<&str> =
        imported["clients"].as_array().unwrap().iter().filter_map(|row| row["reason"].as_str()).collect();
    for (reason, part) in reasons.iter().zip(["for people", "cost", "gettone:", "hydra_client", "EOF"]) {
        assert!(reason.contains(part), "{reason}");
    }

    for (id, secret) in [("orders", SECRET), ("orders", &"x".repeat(72))] {
        assert_eq!(status(&tokens, id, secret).await, 200, "{id} {secret}");
    }
    assert_eq!(status(&tokens, "orders", "guess").await, 401);
    let listed = answered(&tokens, &["clients", "list", "--name", "Orders"]).await["clients"].take();
    assert_eq!(listed[0]["permissions"], json!(["read:orders"]));
    assert_eq!(
        (&listed[0]["metadata"], &listed[0]["tokenLifetimeSeconds"]),
        (&json!({"team": "sales"}), &json!(1800))
    );

    let (code, again) = import(&tokens, "hydra.ndjson", &["--from", "hydra"]).await;
    assert_eq!((code, &again["imported"], &again["thereAlready"]), (Some(1), &json!(0), &json!(3)));
    assert_eq!(status(&tokens, "orders", SECRET).await, 200, "nothing was changed");
}

#[tokio::test]
async fn clients_of_keycloak_go_on_with_their_secrets() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let (code, imported) = import(&tokens, "keycloak.json", &["--from", "keycloak"]).await;
    let expected = [
        (7, "account-console", "skipped"),
        (16, "orders", "imported"),
        (31, "retired", "imported"),
        (47, "masked", "refused"),
        (57, "partner", "imported"),
    ];
    assert_eq!((code, outcomes(&imported)), (Some(1), expected.to_vec()));
    assert_eq!(status(&tokens, "orders", "yV9zWwq0AbdMe8Kc4uTnLfRo1sJxHgP2").await, 200);
    assert_eq!(status(&tokens, "retired", SECRET).await, 401, "it was disabled, and is a draft");
    let drafts = answered(&tokens, &["clients", "list", "--state", "DRAFT"]).await;
    assert_eq!(drafts["clients"][0]["clientId"], "retired");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_and_a_service_that_is_not_there_are_sentences() {
    let data = tempfile::tempdir().unwrap();
    let tokens = TokenService::start(data.path(), &[]).await;
    let hydra = file("hydra.ndjson");
    for (arguments, sentence) in [
        (&["/no/such/file", "--from", "hydra"][..], "/no/such/file cannot be used"),
        (&[&hydra, "--from", "hydra", "--url", "http://127.0.0.1:1"], "stopped after 0 of 8 clients"),
        (&["-", "--from", "gettone"], "neither JSON"),
    ] {
        let output = command(&tokens, &[&["clients", "import"], arguments].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(sentence), "{arguments:?}: {said}");
    }
    assert_eq!(command(&tokens, &["clients", "import", &hydra]).await.status.code(), Some(64));
}
