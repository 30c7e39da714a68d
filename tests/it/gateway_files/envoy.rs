//! `deploy/gateway/envoy/envoy.yaml`. Envoy itself checks the shape (`gateways` starts it); here is what it would start with and
//! should not.

use super::IDENTITY;
use crate::deployment::workspace;

/// The file without comments, one line a line, blanks at the edges gone.
fn lines() -> Vec<String> {
    lines_of("envoy")
}

fn lines_of(folder: &str) -> Vec<String> {
    let file = workspace().join("deploy/gateway").join(folder).join("envoy.yaml");
    let text = std::fs::read_to_string(file).expect("envoy.yaml");
    let code = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    code.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn place(lines: &[String], line: &str) -> usize {
    let mut places = lines.iter().enumerate().filter(|(_, other)| *other == line).map(|(place, _)| place);
    let place = places.next().unwrap_or_else(|| panic!("`{line}` is gone"));
    assert!(places.next().is_none(), "`{line}` is there twice");
    place
}

#[test]
fn g_lint_01_g_lint_05_every_route_asks_but_those_that_are_named() {
    let lines = lines();
    assert_eq!(lines.iter().filter(|line| *line == "disabled: true").count(), 1, "one anchor, named `open`");
    let open = lines.iter().filter(|line| line.contains("typed_per_filter_config: ")).count();
    // TRACE, two hosts, /clients, and the four kinds of public endpoints of client-credentials.
    assert_eq!(open, 7, "routes that are open");
    let services = lines
        .iter()
        .position(|line| line.starts_with("- match: { prefix: / }"))
        .expect("the services' route");
    assert!(lines[services + 1].starts_with("route: { cluster: demo_api"), "{}", lines[services + 1]);
    assert!(!lines[services + 2].contains("typed_per_filter_config"), "the services' route asks");
}

#[test]
fn g_lint_02_the_question_is_the_gateways_own() {
    let lines = lines();
    for (key, value) in [
        ("original-request-uri", r#"value: "%REQ(:PATH)%""#),
        ("original-request-method", r#"value: "%REQ(:METHOD)%""#),
    ] {
        assert_eq!(lines[place(&lines, &format!("- key: {key}")) + 1], value);
    }
    place(&lines, "path_prefix: /auth");
}

#[test]
fn g_lint_03_g_mode_02_the_callers_identity_headers_go_before_anybody_reads_them() {
    let lines = lines();
    let filters = [
        "- name: strip_caller_headers",
        "- name: envoy.filters.http.ext_authz",
        "- name: envoy.filters.http.rbac",
        "- name: name_the_caller",
        "- name: envoy.filters.http.router",
    ]
    .map(|filter| place(&lines, filter));
    assert!(filters.is_sorted(), "{filters:?}");
    let stripped = &lines[filters[0]..filters[1]];
    for name in IDENTITY {
        assert!(stripped.contains(&format!("- remove: {name}")), "{name}");
    }
}

#[test]
fn g_lint_04_what_is_read_two_ways_is_settled_first() {
    let lines = lines();
    for line in [
        "normalize_path: true",
        "merge_slashes: true",
        "path_with_escaped_slashes_action: REJECT_REQUEST",
        "headers_with_underscores_action: REJECT_REQUEST",
    ] {
        place(&lines, line);
    }
}

#[test]
fn g_lint_05_g_cache_04_no_answer_is_no_and_decisions_are_not_remembered() {
    let lines = lines();
    place(&lines, "failure_mode_allow: false");
    place(&lines, "status_on_error: { code: ServiceUnavailable }");
    assert!(lines.iter().all(|line| !line.contains("retry_policy") && !line.contains("num_retries")));
    assert!(lines.iter().all(|line| !line.contains("filters.http.cache")));
    let asks = place(&lines, "- name: envoy.filters.http.ext_authz");
    let patience = lines[asks..].iter().find_map(|line| line.strip_prefix("timeout: ")).expect("a timeout");
    assert!(patience.trim_end_matches('s').parse::<u32>().is_ok_and(|seconds| seconds <= 10), "{patience}");
}

#[test]
fn g_lint_07_what_is_passed_on_is_what_was_asked_about() {
    for word in [
        "prefix_rewrite",
        "regex_rewrite",
        "path_rewrite",
        "host_redirect",
        "path_redirect",
        "clear_route_cache",
    ] {
        assert!(lines().iter().all(|line| !line.contains(word)), "{word}");
    }
}

#[test]
fn g_lint_09_g_hdr_13_nobody_is_believed_about_an_address_by_default() {
    let lines = lines();
    place(&lines, "use_remote_address: true");
    place(&lines, "xff_num_trusted_hops: 0");
    let internal = place(&lines, "internal_address_config:");
    assert!(
        lines[internal + 3].contains("255.255.255.255, prefix_len: 32"),
        "{:?}",
        &lines[internal..internal + 4]
    );
}

/// What both files have: neither the question, nor what the answer needs on its way back, nor who is asked.
fn without_the_question(mut lines: Vec<String>) -> Vec<String> {
    let question = "- name: envoy.filters.http.ext_authz";
    let from = lines.iter().position(|line| line == "- name: strip_decision_headers");
    let from = from.unwrap_or_else(|| place(&lines, question));
    lines.drain(from..place(&lines, "- name: envoy.filters.http.rbac"));
    // The options of their connections: of the authorization service, and those that client_credentials shares over HTTP.
    let clusters = place(&lines, "- name: authorization_service")..place(&lines, "- name: demo_api");
    lines.drain(clusters);
    lines
}

#[test]
fn g_lint_05_the_file_for_grpc_is_the_other_one_but_for_the_question() {
    let grpc = lines_of("envoy-grpc");
    let question =
        place(&grpc, "- name: envoy.filters.http.ext_authz")..place(&grpc, "- name: envoy.filters.http.rbac");
    for line in [
        "failure_mode_allow: false",
        "status_on_error: { code: ServiceUnavailable }",
        "encode_raw_headers: true",
        "timeout: 6s",
    ] {
        assert!(grpc[question.clone()].iter().any(|other| other == line), "{line}");
    }
    let shared = |folder| {
        let mut lines = without_the_question(lines_of(folder));
        lines.retain(|line| !line.contains("authorization-service, port_value:"));
        // Over gRPC the authorization service says itself when to come back.
        lines.retain(|line| !line.contains("key: retry-after") && !line.contains("key: cache-control"));
        lines
    };
    assert_eq!(shared("envoy-grpc"), shared("envoy"));
}
