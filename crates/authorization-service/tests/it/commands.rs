//! The commands for those who write rules: what they print and how they end.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with files in it, to run commands in.
pub(crate) struct Folder(TempDir);

/// What a command left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command in the folder, without variables.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.0.path(), arguments, &[])
    }
}

pub(crate) fn run_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authorization-service"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(folder);
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

const DOUBTFUL: &str = r#"{
  "/orders": {
    "GET": { "authorization": { "expression": "permissions.read || permissions.read", "public": false } },
    "POST": { "authorization": { "expression": "groups.a && !groups.a", "public": true } }
  }
}"#;

#[test]
fn check_tells_what_is_doubtful_and_where() {
    let folder = Folder::with(&[("auth.json", DOUBTFUL)]);
    let ended = folder.run(&["check"]);
    assert_eq!(
        (ended.code, ended.stderr.trim()),
        (Some(1), "authorization-service: the rules need attention")
    );
    let expected = "\
./auth.json:3:47: warning[duplicate]: /orders → GET → authorization.expression, column 21: `permissions.read` stands here twice
./auth.json:4:48: warning[negation-over-missing-data]: /orders → POST → authorization.expression: `!groups.a` holds for a caller whose groups or permissions are missing; a rule that names who may pass is safer than one that names who may not
./auth.json:4:48: error[always-false]: /orders → POST → authorization.expression: `groups.a && !groups.a` holds for nobody, so every request to it is denied
./auth.json: 2 rules, 1 error, 2 warnings
";
    assert_eq!(ended.stdout, expected);
}

#[test]
fn check_ends_with_0_1_or_64_and_strict_fails_on_warnings() {
    let clean = r#"{"/a": {"GET": {"authorization": {"expression": "groups.a", "public": false}}}}"#;
    let warned = clean.replace("groups.a", "groups");
    let files = [("clean.json", clean), ("warned.json", &warned), ("broken.json", r#"{"a": 1}"#)];
    let folder = Folder::with(&files);
    for (arguments, code) in [
        (&["check", "clean.json"][..], 0),
        (&["check", "clean.json", "--strict"], 0),
        (&["check", "warned.json"], 0),
        (&["check", "warned.json", "--strict"], 1),
        (&["check", "broken.json"], 1),
        (&["check", "none.json"], 1),
        (&["check", "--loud"], 64),
        (&["check", "clean.json", "warned.json"], 64),
    ] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    }
    let ended = run_in(&folder.path(""), &["check"], &[("PROFILE", "hunter2")]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("PROFILE") && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn no_variable_is_blamed_for_a_file_that_was_named() {
    let folder = Folder::with(&[("a.yaml", "rules: none.json\ncases: [{request: GET /, expect: deny}]")]);
    for (arguments, blamed) in [
        (&["check", "none.json"][..], false),
        (&["routes", "--rules", "none.json"], false),
        (&["test", "a.yaml"], false),
        (&["check"], true),
        (&["routes"], true),
    ] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert_eq!(ended.stderr.contains("CONFIGURATION_PATH"), blamed, "{arguments:?}: {}", ended.stderr);
        assert!(
            blamed || ended.stderr.contains("none.json cannot be used: No such file"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn check_speaks_json_to_programs() {
    let folder = Folder::with(&[("auth.json", DOUBTFUL)]);
    let shown: Value = serde_json::from_str(&folder.run(&["check", "--output", "json"]).stdout).unwrap();
    let finding = &shown["findings"][0];
    assert_eq!((&shown["rules"], &finding["kind"]), (&2.into(), &"duplicate".into()));
    assert_eq!(
        (&finding["line"], &finding["column"], &finding["expressionColumn"]),
        (&3.into(), &47.into(), &21.into())
    );
    let broken = Folder::with(&[("auth.json", r#"{"/a": 1}"#)]).run(&["check", "--output", "json"]);
    let shown: Value = serde_json::from_str(&broken.stdout).unwrap();
    assert_eq!(shown["findings"][0]["kind"], "mistake");
    assert_eq!(broken.code, Some(1));
}

#[test]
fn routes_lists_every_rule() {
    let folder = Folder::with(&[("rules.json", DOUBTFUL)]);
    let shown = folder.run(&["routes", "--rules", "rules.json", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let rules = shown["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        (&rules[1]["verb"], &rules[1]["public"], &rules[1]["line"]),
        (&"POST".into(), &true.into(), &4.into())
    );
    let table = folder.run(&["routes", "--rules", "rules.json"]).stdout;
    assert!(table.starts_with("PATH ") && table.contains("groups.a && !groups.a"), "{table}");
}

#[test]
fn the_cases_of_the_demo_try_all_of_its_rules() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo");
    let ended = run_in(&demo, &["test", "auth.test.yaml", "--coverage-min", "100"], &[]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.ends_with("auth.json: 13 of 13 outcomes and values tried (100 %)\n"),
        "{}",
        ended.stdout
    );
    assert_eq!(run_in(&demo, &["check", "auth.json", "--strict"], &[]).code, Some(0));
}

const CASES: &str = r#"
rules: auth.json
cases:
  - name: readers read
    request: GET /orders
    principal: { permissions: [read] }
    expect: allow
    rule: /orders GET authorization
  - request: GET /orders
    expect: deny
    reason: forbidden
  - request: POST /orders
    clientType: web
    backoffice: true
    expect: deny
"#;

#[test]
fn test_tells_what_is_not_as_expected_and_what_was_never_tried() {
    let folder = Folder::with(&[("auth.json", DOUBTFUL), ("auth.test.yaml", CASES)]);
    let ended = folder.run(&["test", "auth.test.yaml", "--junit", "results.xml"]);
    let expected = "\
auth.test.yaml
  ok    readers read
  FAIL  GET /orders
        line 9: GET /orders: expected deny (forbidden), got deny (unauthenticated) by /orders → GET → authorization (line 3: permissions.read || permissions.read)
  ok    POST /orders

3 cases, 1 failed
auth.json: 7 of 11 outcomes and values tried (63 %)
  auth.json:3:47: /orders → GET → authorization, column 1: `permissions.read` was never false
  auth.json:3:47: /orders → GET → authorization, column 21: `permissions.read` was never false
  auth.json:4:48: /orders → POST → authorization, column 1: `groups.a` was never true
  auth.json:4:48: /orders → POST → authorization, column 14: `groups.a` was never true
";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), expected));
    let junit = std::fs::read_to_string(folder.path("results.xml")).unwrap();
    assert!(
        junit.contains("tests=\"3\" failures=\"1\"") && junit.contains("<failure message=\"GET /orders: "),
        "{junit}"
    );
}

#[test]
fn test_fails_below_the_coverage_that_is_asked_for() {
    let cases = CASES.replace("    reason: forbidden\n", "");
    let folder = Folder::with(&[("auth.json", DOUBTFUL), ("auth.test.yaml", &cases)]);
    for (least, code) in [("63", 0), ("64", 1), ("101", 64), ("-1", 64)] {
        let ended = folder.run(&["test", "auth.test.yaml", &format!("--coverage-min={least}")]);
        assert_eq!(ended.code, Some(code), "{least}: {}{}", ended.stdout, ended.stderr);
    }
    let shown = folder.run(&["test", "auth.test.yaml", "--output", "json"]).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["coverage"][0]["percent"], 63);
    assert_eq!(shown["files"][0]["cases"][1]["line"], 9);
}

#[test]
fn test_files_are_read_strictly_as_yaml_or_json() {
    let json = r#"{"cases": [{"request": "GET /orders", "principal": {"permissions": ["read"]}, "expect": "allow"}]}"#;
    let typed = CASES.replace("expect: allow", "expects: allow");
    let reason = CASES.replace("reason: forbidden", "reason: no");
    let twice = CASES.replace("expect: allow", "expect: allow\n    expect: deny");
    let files = [
        ("auth.json", DOUBTFUL),
        ("json.json", json),
        ("typed.yaml", &typed),
        ("reason.yaml", &reason),
        ("twice.yaml", &twice),
        ("empty.yaml", ""),
        ("caseless.yaml", "cases: []"),
    ];
    let folder = Folder::with(&files);
    for (file, code, told) in [
        ("json.json", 0, ""),
        (
            "typed.yaml",
            1,
            "typed.yaml cannot be used: line 7, column 5: there is no member `expects`: write one of `name`, ",
        ),
        ("reason.yaml", 1, "line 9: `reason` is one of "),
        ("twice.yaml", 1, "line 8, column 5: `expect` stands twice in this object: keep one"),
        ("empty.yaml", 1, "empty.yaml cannot be used"),
        ("caseless.yaml", 1, "caseless.yaml cannot be used: there is no case in it"),
        ("none.yaml", 1, "none.yaml cannot be used"),
    ] {
        let ended = folder.run(&["test", file]);
        assert_eq!(ended.code, Some(code), "{file}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(told), "{file}: {}", ended.stderr);
    }
    assert_eq!(folder.run(&["test"]).code, Some(64));
}

const ORDERS: &str = r#"{
  "/orders": {
    "GET": { "authorization": { "expression": "permissions.read || groups.staff && clientType == 'web'", "public": false } },
    "ALL": { "authorization": { "expression": "groups.staff", "public": false } }
  },
  "/orders/:id": { "GET": { "authorization": { "expression": "clientType == 'kiosk' || permissions.read", "public": true } } }
}"#;

#[test]
fn who_can_tells_the_least_that_is_enough() {
    let folder = Folder::with(&[("auth.json", ORDERS)]);
    let expected = "\
/orders → GET → authorization (line 3): permissions.read || groups.staff && clientType == 'web'
without user: no
a user with group staff, client type web
a user with permission read
";
    assert_eq!(folder.run(&["who-can", "GET", "/orders?page=2"]).stdout, expected);
    let expected = "\
/orders/:id → GET → authorization (line 6): clientType == 'kiosk' || permissions.read
without user: yes, client type kiosk
a user with nothing, client type kiosk
a user with permission read, client type any but kiosk
";
    assert_eq!(folder.run(&["who-can", "GET", "/orders/42"]).stdout, expected);
    for (target, answer) in [
        ("/x", "nobody: no rule governs this path and verb\n"),
        ("/orders/../x", "nobody: the path holds a dot segment\n"),
    ] {
        assert_eq!(folder.run(&["who-can", "GET", target]).stdout, answer);
    }
    let shown = folder.run(&["who-can", "GET", "/orders/42", "--output", "json"]).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["public"]["only"][0], "kiosk");
    assert_eq!(shown["users"][1]["permissions"][0], "read");
}

#[test]
fn a_verb_that_is_not_in_capitals_is_a_slip() {
    let case = "rules: auth.json\ncases:\n  - request: get /orders\n    expect: deny\n";
    let folder = Folder::with(&[("auth.json", ORDERS), ("auth.test.yaml", case)]);
    for (arguments, code) in [
        (&["who-can", "get", "/orders"][..], 64),
        (&["explain", "--path", "/orders", "--method", "Get"], 64),
        (&["test", "auth.test.yaml"], 1),
    ] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        let hint = "verbs are written in capitals: did you mean GET?";
        assert!(ended.stderr.contains(hint), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(folder.run(&["who-can", "purge", "/orders"]).code, Some(0), "no verb of a rule");
}

#[test]
fn what_can_tells_which_paths_somebody_may_call() {
    let folder = Folder::with(&[("auth.json", ORDERS)]);
    let rows = |arguments: &[&str]| -> Vec<String> {
        let ended = folder.run(&[&["what-can"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let rows =
            ended.stdout.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "));
        rows.collect()
    };
    assert_eq!(rows(&["--permission", "read"]), ["/orders GET", "/orders/:id GET"]);
    let staff = "POST, PUT, PATCH, DELETE, HEAD, OPTIONS";
    assert_eq!(rows(&["--group", "staff"]), [format!("/orders {staff}"), format!("/orders/:id {staff}")]);
    assert_eq!(rows(&["--nobody", "--client-type", "kiosk"]), ["/orders/:id GET"]);
    assert_eq!(rows(&["--nobody"]), Vec::<String>::new());
    assert_eq!(folder.run(&["what-can", "--nobody", "--group", "staff"]).code, Some(64));
}

#[test]
fn commands_match_as_the_service_of_the_environment_would() {
    let folder = Folder::with(&[("auth.json", ORDERS)]);
    let who = |variables: &[(&str, &str)]| {
        run_in(&folder.path(""), &["who-can", "PUT", "/orders/a%2Fb"], variables).stdout
    };
    assert_eq!(who(&[]), "nobody: the path holds an encoded slash or backslash\n");
    assert!(who(&[("PATH_ENCODED_SLASHES", "both-readings")]).starts_with("/orders → ALL"));
    let both = [("PATH_ENCODED_SLASHES", "both-readings"), ("MATCHING", "trailing-slash")];
    assert_eq!(who(&both), "nobody: no rule governs this path and verb\n");
}

const OPENAPI: &str = r"
openapi: 3.1.0
info: { title: Orders, version: '1' }
paths:
  /orders:
    parameters: []
    get: { responses: {} }
  /orders/{id}:
    get: { responses: {} }
    delete: { responses: {} }
  /invoices/{id}:
    get: { responses: {} }
";

#[test]
fn coverage_finds_operations_without_rule_and_rules_without_operation() {
    let rules = r#"{
  "/v1/orders": { "GET": { "authorization": { "expression": "true", "public": true } } },
  "/v1/orders/:id": { "ALL": { "authorization": { "expression": "groups.staff", "public": false } } },
  "/v1/old": { "GET": { "authorization": { "expression": "true", "public": true } } }
}"#;
    let folder =
        Folder::with(&[("auth.json", rules), ("api.yaml", OPENAPI), ("swagger.yaml", "openapi: '2.0'\n")]);
    let ended = folder.run(&["coverage", "--openapi", "api.yaml", "--prefix", "/v1"]);
    let expected = "\
no rule for GET /v1/invoices/{id}
no operation for /v1/old → GET → authorization (line 4)
4 operations, 3 with a rule (75 %), 0 with the fallback only, 1 without rule; 1 rule without operation
";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), expected), "{}", ended.stderr);
    let shown =
        folder.run(&["coverage", "--openapi", "api.yaml", "--prefix", "/v1", "--output", "json"]).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["withoutRule"][0]["path"], "/v1/invoices/{id}");
    assert_eq!(shown["rulesWithoutOperation"][0]["line"], 4);
    assert!(folder.run(&["coverage", "--openapi", "swagger.yaml"]).stderr.contains("not OpenAPI 3"));
    let bare = folder.run(&["coverage", "--openapi", "api.yaml", "--prefix", "v1"]);
    assert_eq!(bare.code, Some(64));
    assert!(bare.stderr.contains("a path begins with a slash: write /v1"), "{}", bare.stderr);
    let all = OPENAPI.split("  /invoices").next().unwrap();
    let folder = Folder::with(&[("auth.json", &rules.replace("old", "orders/1")), ("api.yaml", all)]);
    assert_eq!(folder.run(&["coverage", "--openapi", "api.yaml"]).code, Some(1));
}

#[test]
fn coverage_shows_apart_what_only_the_fallback_governs() {
    let rules = r#"{
  "/": { "ALL": { "authorization": { "expression": "groups.staff", "public": false } } },
  "/v1/orders": { "ALL": { "authorization": { "expression": "true", "public": true } } }
}"#;
    let folder = Folder::with(&[("auth.json", rules), ("api.yaml", OPENAPI)]);
    let ended = folder.run(&["coverage", "--openapi", "api.yaml", "--prefix", "/v1"]);
    let expected = "\
only the fallback `/` for GET /v1/invoices/{id}
4 operations, 3 with a rule (75 %), 1 with the fallback only, 0 without rule; 0 rules without operation
";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{}", ended.stderr);
    let arguments = ["coverage", "--openapi", "api.yaml", "--prefix", "/v1", "--output", "json"];
    let shown: Value = serde_json::from_str(&folder.run(&arguments).stdout).unwrap();
    assert_eq!(
        (&shown["percent"], &shown["byFallback"][0]["path"]),
        (&75.into(), &"/v1/invoices/{id}".into())
    );
    // A fallback that no operation needs is no rule without operation.
    let all = OPENAPI.split("  /invoices").next().unwrap();
    let folder = Folder::with(&[("auth.json", rules), ("api.yaml", all)]);
    assert_eq!(folder.run(&["coverage", "--openapi", "api.yaml", "--prefix", "/v1"]).code, Some(0));
}

#[test]
fn replay_tells_what_other_rules_would_change() {
    let line = |outcome: &str, who: &str, times: u32| {
        format!(
            r#"{{"msg":"decision","decision":{{"outcome":"{outcome}","rule":"/orders → GET → authorization","sampleOf":{times}}},"request":{{"method":"GET","path":"/orders","clientType":"","backoffice":false}},"caller":{{"is":"known","id":"{who}","groups":[],"permissions":["read"]}}}}"#
        )
    };
    let log = [line("allow", "ada", 10), "no line of ours".to_owned(), line("deny", "bob", 1)].join("\n");
    let closed = ORDERS.replace("permissions.read ||", "permissions.write ||");
    let folder = Folder::with(&[("auth.json", ORDERS), ("new.json", &closed), ("service.log", &log)]);
    let ended = folder.run(&["replay", "service.log", "--rules", "new.json", "--fail-on-change"]);
    let rows: Vec<String> =
        ended.stdout.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "BEFORE AFTER CALLER VERB ROUTE DECISIONS",
            "allow deny (forbidden) ada GET /orders 10",
            "11 decisions, 10 would change, 0 lines cannot be decided again",
        ],
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(1));
    assert_eq!(folder.run(&["replay", "auth.json"]).code, Some(1), "no decisions in it");
}

#[test]
fn g_ui_10_a_file_without_end_is_given_up() {
    let rule = r#"{"/a":{"GET":{"authorization":{"expression":"groups.a","public":false}}}}"#;
    let folder = Folder::with(&[("auth.json", rule)]);
    for arguments in [
        &["test", "/dev/zero"][..],
        &["coverage", "--openapi", "/dev/zero", "--rules", "auth.json"],
        &["explain", "--path", "/a", "--principal", "/dev/zero", "--rules", "auth.json"],
        &["check", "/dev/zero"],
    ] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("/dev/zero"), "{}", ended.stderr);
    }
}
