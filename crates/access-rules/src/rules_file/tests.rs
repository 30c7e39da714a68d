//! What is refused in a rules file, and how it is reported (upstream contract §4.1).

use super::{InvalidRules, LoadedRules, MAX_RULES_FILE_SIZE, load_rules};
use crate::path::RepeatedSlashes;

fn load(content: impl AsRef<[u8]>) -> Result<LoadedRules, InvalidRules> {
    load_rules("/configs/auth.json", content.as_ref(), RepeatedSlashes::Refuse)
}

fn refusal(content: impl AsRef<[u8]>) -> String {
    load(content).expect_err("refused").to_string()
}

#[test]
fn every_mistake_is_listed_with_its_place() {
    let file = r#"{
  "orders": {"GET": {"authorization": {"expression": "groups.admin", "public": false}}},
  "/orders": {
    "GET": {"authorization": {"expression": "groups.admin & true", "public": false}},
    "get": {},
    "POST": {"authorization": {"expression": "true", "public": "no", "comment": "x"}},
    "PUT": {"authorization": {"public": true}, "authorisation": {}},
    "PATCH": {"authorization": {"expression": "", "public": true}},
    "DELETE": {"backofficeAuthorization": {"expression": "è == 1", "public": false}},
    "HEAD": [],
    "POST": {}
  },
  "/a/:x": {"GET": {"authorization": {"expression": "true", "public": true}}},
  "/è/:y": 7,
  "/a/:y": {"GET": {"authorization": true}},
  "/a/:x": {}
}"#;
    insta::assert_snapshot!(refusal(file));
}

#[test]
fn warnings_do_not_refuse() {
    let file = r#"{
  "/a": {"GET": {"authorization": {"expression": "!groups.banned", "public": true}}, "POST": {}},
  "/b": {},
  "/c": {"ALL": {"authorization": {"expression": "groups && clientType == isBackoffice", "public": false}}}
}"#;
    let loaded = load(file).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"));
    assert_eq!(load("{}").unwrap().warnings.len(), 1);
    let clean = r#"{"/": {"ALL": {"authorization": {"expression": "groups.a", "public": false}}}}"#;
    assert_eq!(load(clean).unwrap().warnings, vec![]);
}

#[test]
fn text_that_is_not_strict_json_is_refused_with_line_and_column() {
    let rule = r#"{"ALL": {"authorization": {"expression": "true", "public": true}}}"#;
    for (content, expected) in [
        (String::new(), ":1:1: the file is empty"),
        (" \n ".to_owned(), ":1:1: the file is empty"),
        ("[]".to_owned(), ":1:1: expected an object of rules"),
        ("null".to_owned(), ":1:1: expected an object of rules"),
        (format!("{{\"/a\": {rule}}} x"), "not JSON"),
        (format!("{{\"/a\": {rule}}} {{}}"), "not JSON"),
        (format!("{{\n  // note\n\"/a\": {rule}}}"), ":2:3: not JSON: comments are not allowed"),
        (format!("{{\"/a\": {rule}, /* x */ \"/b\": {rule}}}"), "not JSON: comments"),
        (format!("{{\"/a\": {rule},\n}}"), "not JSON: trailing commas"),
        (format!("{{\"/a\": {rule}\n\"/b\": {rule}}}"), "not JSON: expected comma"),
        (format!("{{'/a': {rule}}}"), "not JSON"),
        (format!("{{/a: {rule}}}"), "not JSON"),
        ("{\"/a\": ".to_owned(), "not JSON"),
        ("{\"/a".to_owned(), "not JSON: unterminated string"),
        ("{\"/a\": NaN}".to_owned(), "not JSON"),
        ("{\"/a\nb\": 1}".to_owned(), ":1:5: not JSON: a string holds a raw control character"),
        ("\u{feff}{}".to_owned(), ":1:1: not JSON: a character outside of a string"),
        ("{\u{a0}}".to_owned(), ":1:2: not JSON: a character outside of a string"),
    ] {
        let refusal = refusal(&content);
        assert!(
            refusal.starts_with("/configs/auth.json:") && refusal.contains(expected),
            "{content}: {refusal}"
        );
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_at_their_place() {
    assert_eq!(
        refusal(b"{\n\"/\xc3\xa8\xff\": 1}"),
        "/configs/auth.json:2:4: the file is not UTF-8 from here on"
    );
}

#[test]
fn huge_and_deep_files_are_refused_on_a_small_stack() {
    let attack = || {
        assert!(refusal(vec![b' '; MAX_RULES_FILE_SIZE + 1]).contains("expected at most 4194304"));
        assert!(refusal("[".repeat(100_000)).contains("nested more than 16 levels"));
        assert!(refusal("{\"/a\":".repeat(100_000)).contains("nested more than 16 levels"));
        let brackets_in_a_string = format!(
            r#"{{"/a": {{"GET": {{"authorization": {{"expression": "'\\\"{}' == 'x'", "public": true}}}}}}}}"#,
            "[".repeat(1000)
        );
        load(brackets_in_a_string).unwrap();
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(attack).unwrap().join().unwrap();
}

#[test]
fn a_file_full_of_mistakes_is_listed_in_time() {
    let routes: Vec<String> = (0..40_000).map(|n| format!(r#""/{n}//": {{"get": {{}}}}"#)).collect();
    let start = std::time::Instant::now();
    let findings = load(format!("{{{}}}", routes.join(","))).expect_err("refused").findings;
    assert_eq!(findings.len(), 80_000);
    assert!(findings.is_sorted_by_key(|finding| finding.column));
    // Counting columns from the start for each would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn g_exp_17_absent_is_not_false() {
    for member in ["expression", "public"] {
        let rule = if member == "expression" { r#""public": true"# } else { r#""expression": "true""# };
        let refusal = refusal(format!(r#"{{"/a": {{"GET": {{"authorization": {{{rule}}}}}}}}}"#));
        assert!(refusal.ends_with(&format!("/a → GET → authorization: `{member}` is missing")), "{refusal}");
    }
}

#[test]
fn the_published_sample_loads() {
    let sample = r#"{"/myApi":{"ALL":{"authorization":{"expression":"groups.admin && isBackoffice","public":false}}},
 "/v2/authz/users/":{"GET":{"authorization":{"expression":"\"read:users\" in permissions","public":false},
                            "backofficeAuthorization":{"expression":"isBackoffice && groups.admin","public":false}}},
 "/v2/authz/users/:id":{"DELETE":{"authorization":{"expression":"\"update:users\" in permissions","public":false}}}}"#;
    assert_eq!(load(sample).unwrap().warnings, vec![]);
}

#[test]
fn a_line_break_in_a_name_does_not_forge_a_finding() {
    let refusal = refusal(r#"{"/a\n/configs/auth.json:1:1: /b": 1, "/c": {"\u001b[2J": {}}}"#);
    assert_eq!(refusal.lines().count(), 3, "{refusal}");
    assert!(refusal.contains("/a\\u{a}/configs") && refusal.contains("/c → \\u{1b}[2J"), "{refusal}");
}
