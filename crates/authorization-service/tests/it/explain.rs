//! `authorization-service explain`, over a rules file and over a denial of a running service.

use serde_json::{Value, json};

use crate::commands::{Folder, run_in};
use crate::service::Service;
use crate::stub::Stub;

const RULES: &str = r#"{
  "/orders": {
    "GET": { "authorization": { "expression": "permissions.read", "public": false } },
    "POST": { "authorization": { "expression": "groups.staff && (permissions.write || clientType == 'app')", "public": false } },
    "DELETE": { "authorization": { "expression": "!groups.staff", "public": true } }
  },
  "/closed": { "ALL": { "authorization": { "expression": "false", "public": true } } }
}"#;

const USER: &str = r#"{"sub": "user-1", "groups": ["staff", "else"], "permissions": ["read"]}"#;

fn folder() -> Folder {
    Folder::with(&[("auth.json", RULES), ("user.json", USER), ("nobody.json", "{}")])
}

#[test]
fn a_request_of_a_thought_is_explained_to_people() {
    let ended = folder().run(&[
        "explain",
        "--method",
        "POST",
        "--path",
        "/orders?x=1",
        "--group",
        "staff",
        "--client-type",
        "web",
    ]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        "outcome   DENY, forbidden: the expression of the rule does not hold for this user
request   POST /orders?x=1
caller    known, groups staff, client type web
rule      /orders → POST → authorization, for users only
          ./auth.json:4:48
          groups.staff && (permissions.write || clientType == 'app')
clauses   groups.staff && (permissions.write || clientType == \"app\") is false
            groups.staff is true
            permissions.write || clientType == \"app\" is false
              permissions.write is false
              clientType == \"app\" is false
                clientType is \"web\"
needs     permissions.write || clientType == \"app\"
"
    );
    let ended = folder().run(&["explain", "--path", "/orders", "--permission", "read"]);
    assert!(
        ended.stdout.starts_with("outcome   ALLOW\n") && !ended.stdout.contains("needs"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_an_expression_that_is_tried_would_say_stands_beside() {
    let rules = r#"{"/a": {"GET": {"authorization": {"expression": "groups.staff",
        "shadowExpression": "permissions.read", "public": false}}}}"#;
    let folder = Folder::with(&[("auth.json", rules)]);
    let ended = folder.run(&["explain", "--path", "/a", "--permission", "read"]);
    assert!(
        ended.stdout.ends_with(
            "clauses   groups.staff is false
needs     groups.staff
tried     ALLOW, with shadowExpression in force
          permissions.read is true
"
        ),
        "{}",
        ended.stdout
    );
    let ended = folder.run(&["explain", "--path", "/a", "--group", "staff", "--output", "json"]);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["outcome"], &told["shadowEvaluation"]["allows"]), (&json!("allow"), &json!(false)));
}

#[test]
fn every_refusal_says_what_would_have_to_change() {
    for (arguments, reason, needs) in [
        (&["--path", "/orders"][..], "unauthenticated", "a user for whom permissions.read"),
        (&["--path", "/orders", "--unknown"], "cannot_know", "a user for whom permissions.read"),
        (&["--path", "/orders", "--method", "DELETE", "--group", "staff"], "forbidden", "!groups.staff"),
        (&["--path", "/nowhere", "--group", "staff"], "no_rule", "a rule for this path and verb"),
        (&["--path", "/orders/../x"], "path_refused", "a path that can be read in one way only"),
        (
            &["--path", "/closed", "--group", "staff"],
            "forbidden",
            "another expression: this one is false, whoever asks",
        ),
    ] {
        let ended = folder().run(&[&["explain"], arguments].concat());
        let expected = [format!("DENY, {reason}: "), format!("\nneeds     {needs}\n")];
        assert!(expected.iter().all(|text| ended.stdout.contains(text)), "{expected:?} {}", ended.stdout);
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn a_principal_is_read_as_the_service_reads_it() {
    let folder = folder();
    let explain = |file: &str, variables: &[(&str, &str)]| {
        let arguments = ["explain", "--path", "/orders", "--principal", file, "--output", "json"];
        run_in(folder.path("").as_path(), &arguments, variables)
    };
    let named = explain("user.json", &[("CUSTOM_PERMISSIONS_KEY", "permissions")]);
    let explained: Value = serde_json::from_str(&named.stdout).unwrap();
    assert_eq!((&explained["outcome"], &explained["evaluation"]["allows"]), (&json!("allow"), &json!(true)));
    assert_eq!(
        explained["rule"],
        json!({"path": "/orders", "verb": "GET", "section": "authorization",
        "public": false, "expression": "permissions.read", "line": 3, "column": 47})
    );
    let explained: Value = serde_json::from_str(&explain("user.json", &[]).stdout).unwrap();
    assert_eq!(explained["outcome"], "deny", "the service would not look at that member either");
    for (file, reason) in [
        ("nobody.json", "without a user id"),
        ("nowhere.json", "No such file"),
        ("auth.json", "without a user id"),
    ] {
        let ended = explain(file, &[]);
        assert!(
            ended.code == Some(1) && ended.stderr.contains(file) && ended.stderr.contains(reason),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn used_wrongly_it_ends_with_64_and_says_how() {
    for arguments in [
        &["explain"][..],
        &["explain", "0123", "--path", "/"],
        &["explain", "--path", "/", "--group", "a", "--unknown"],
        &["explain", "--path", "/", "--url", "http://127.0.0.1:1"],
        &["explain", "0123"],
        &["explain", "0123", "--url", "http://127.0.0.1:1"],
    ] {
        let ended = folder().run(arguments);
        assert!(
            ended.code == Some(64) && !ended.stderr.is_empty(),
            "{arguments:?} {:?} {}",
            ended.code,
            ended.stderr
        );
    }
}

#[test]
fn a_denial_is_explained_by_its_id() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let stub = Stub::json(json!({"sub": "user-1", "groups": ["staff"]}));
    let url = stub.url();
    let service = Service::try_start(
        RULES,
        &[("USERINFO_URL", &url), ("MANAGEMENT_PORT", "0"), ("MANAGEMENT_TOKEN", TOKEN)],
    )
    .unwrap();
    let denied = service.ask("POST", "/orders", &[("Authorization", "Bearer t")]);
    let id = denied.header("x-decision-id").unwrap();
    let port = service.management.unwrap().port().to_string();
    let folder = Folder::with(&[("token", TOKEN), ("wrong", "x")]);
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        run_in(folder.path("").as_path(), arguments, variables)
    };
    let by_variables = run(&["explain", id], &[("MANAGEMENT_PORT", &port), ("MANAGEMENT_TOKEN", TOKEN)]);
    assert_eq!(by_variables.code, Some(0), "{}", by_variables.stderr);
    for expected in [
        "DENY, forbidden",
        "caller    known user-1, groups staff\n",
        "needs     permissions.write || clientType == \"app\"\n",
        "auth.json:4:48",
    ] {
        assert!(
            by_variables.stdout.contains(expected),
            "{expected:?} is missing in\n{}",
            by_variables.stdout
        );
    }
    let url = format!("http://127.0.0.1:{port}");
    let by_options = run(&["explain", id, "--url", &url, "--token-file", "token"], &[]);
    assert_eq!(by_options.stdout, by_variables.stdout);
    for (arguments, expected) in [
        (["explain", id, "--url", &url, "--token-file", "wrong"], "refuses the management token"),
        (["explain", "0123", "--url", &url, "--token-file", "token"], "No denial with this id"),
        (["explain", id, "--url", &url, "--token-file", "nowhere"], "cannot be read from nowhere"),
    ] {
        let ended = run(&arguments, &[]);
        assert!(ended.code == Some(1) && ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn a_principal_whose_permissions_are_not_read_is_told() {
    let folder = folder();
    let explain = |method: &str, caller: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["explain", "--path", "/orders", "--method", method], caller].concat();
        run_in(&folder.path(""), &arguments, variables).stderr
    };
    let from_file = ["--principal", "user.json"];
    let told = explain("GET", &from_file, &[]);
    assert!(told.contains("the rule asks for permissions, but CUSTOM_PERMISSIONS_KEY is not set"), "{told}");
    assert_eq!(explain("GET", &from_file, &[("CUSTOM_PERMISSIONS_KEY", "permissions")]), "");
    assert_eq!(explain("GET", &["--permission", "read"], &[]), "");
    assert_eq!(explain("DELETE", &from_file, &[]), "");
}

#[test]
fn without_anything_both_ways_to_ask_are_named_and_not_both_can_be_taken() {
    let ended = folder().run(&["explain"]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("<DECISION_ID|--path <PATH>>"), "{}", ended.stderr);
    assert_eq!(folder().run(&["explain", "9f1c", "--path", "/orders"]).code, Some(64));
}
