//! Starting: with broken rules, without rules, and the documentation of the variables.

use std::path::Path;

use authorization_service::AuthorizationService;
use serde_json::json;
use service_kit::{Service as _, Variable};

use crate::service::Service;

const URL: (&str, &str) = ("USERINFO_URL", "http://127.0.0.1:1/");

#[test]
fn broken_rules_are_refused_with_every_mistake_and_its_place() {
    let rules = r#"{
  "/orders": {"GET": {"authorization": {"expression": "groups.", "public": false}}},
  "/users": {"FETCH": {"authorization": {"expression": "true", "public": false}}}
}"#;
    let problem = Service::try_start(rules, &[URL]).err().unwrap();
    for expected in ["auth.json:2:", "/orders → GET → authorization", "auth.json:3:", "/users"] {
        assert!(problem.contains(expected), "{expected:?} is missing in\n{problem}");
    }
}

#[test]
fn a_missing_rules_file_is_one_sentence_that_names_the_variables() {
    let problem = Service::try_start("{}", &[URL, ("CONFIGURATION_FILE_NAME", "elsewhere")]).err().unwrap();
    for expected in ["elsewhere.json", "CONFIGURATION_PATH", "CONFIGURATION_FILE_NAME"] {
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn k_10_repeated_slashes_are_merged_in_the_drop_in_profile_and_refused_in_the_other() {
    let rules = json!({"/a/b": {"GET": {"authorization": {"expression": "true", "public": true}}}});
    for (profile, expected) in [("standard", 403), ("drop-in", 200)] {
        let service = Service::start(&rules, &[URL, ("PROFILE", profile)]);
        assert_eq!(service.ask("GET", "//a//b", &[]).status, expected, "{profile}");
    }
}

#[test]
fn the_documentation_of_the_variables_is_what_print_config_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, rest) = text.split_once("<!-- authorization-service variables -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let current = Variable::markdown(AuthorizationService::VARIABLES);
    assert_eq!(
        table.trim(),
        current.trim(),
        "stale: put the output of `authorization-service --print-config` between the markers of docs/configuration.md"
    );
}
