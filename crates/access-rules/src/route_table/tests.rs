//! Matching vector by vector (upstream contract §4.4), in both profiles where they agree.

use crate::{
    EncodedSlashes, Facts, Matching, NotFound, Parents, PathPolicy, PathRefusal, RepeatedSlashes, Request,
    RouteTable, load_rules,
};

use super::KeyError;
use super::key::Key;
use super::tree::Spelling;
use crate::method::Method;

pub(super) fn table(file: &str, matching: impl Into<Matching>) -> RouteTable {
    load_rules("auth.json", file.as_bytes(), matching).unwrap_or_else(|error| panic!("{error}")).table
}

/// A file from `key verb` pairs; a verb with `@` has a backoffice section only, one with `+` has both.
pub(super) fn file(entries: &[(&str, &str)]) -> String {
    let rule = r#"{"expression": "true", "public": true}"#;
    let routes: Vec<String> = entries
        .iter()
        .map(|(key, verbs)| {
            let verbs: Vec<String> = verbs
                .split(' ')
                .filter(|verb| !verb.is_empty())
                .map(|verb| match (verb.strip_suffix('@'), verb.strip_suffix('+')) {
                    (Some(verb), _) => format!(r#""{verb}": {{"backofficeAuthorization": {rule}}}"#),
                    (_, Some(verb)) => {
                        format!(r#""{verb}": {{"authorization": {rule}, "backofficeAuthorization": {rule}}}"#)
                    }
                    _ => format!(r#""{verb}": {{"authorization": {rule}}}"#),
                })
                .collect();
            format!(r#""{key}": {{{}}}"#, verbs.join(","))
        })
        .collect();
    format!("{{{}}}", routes.join(","))
}

pub(super) fn found(
    table: &RouteTable,
    method: &str,
    target: &str,
    is_backoffice: bool,
) -> Result<Vec<String>, NotFound> {
    let facts = Facts { client_type: "", is_backoffice };
    let request = Request { method: method.as_bytes(), target: target.as_bytes(), facts };
    table.find(&request).map(|found| found.rules().map(ToString::to_string).collect())
}

#[test]
fn every_rule_is_listed_in_the_order_of_the_paths() {
    let entries = [("/b/:x", "GET"), ("/b", "PUT+ ALL"), ("/a/", "GET@"), ("/", "GET")];
    let table = table(&file(&entries), RepeatedSlashes::Refuse);
    let rules: Vec<_> = table.rules().map(ToString::to_string).collect();
    assert_eq!(
        rules,
        [
            "/ → GET → authorization",
            "/a/ → GET → backofficeAuthorization",
            "/b → PUT → authorization",
            "/b → PUT → backofficeAuthorization",
            "/b → ALL → authorization",
            "/b/:x → GET → authorization",
        ]
    );
}

/// Each case: verb, target, and the rules that must allow, or "" for none.
fn assert_found(entries: &[(&str, &str)], cases: &[(&str, &str, &str)]) {
    for profile in [RepeatedSlashes::Refuse, RepeatedSlashes::Merge] {
        assert_found_in(profile, entries, cases);
    }
}

fn assert_found_in(matching: impl Into<Matching>, entries: &[(&str, &str)], cases: &[(&str, &str, &str)]) {
    let matching = matching.into();
    let table = table(&file(entries), matching);
    for (method, target, expected) in cases {
        let rules = found(&table, method, target, false).unwrap_or_default();
        let short: Vec<String> =
            rules.iter().map(|rule| rule.replace(" → authorization", "").replace(" → ", " ")).collect();
        assert_eq!(short.join(", "), *expected, "{method} {target} {matching:?}");
    }
}

const WORKED_EXAMPLE: [(&str, &str); 4] =
    [("/test", "ALL"), ("/test/management", "DELETE"), ("/users/:id", "GET"), ("/users/count", "GET")];

#[test]
fn matching_vector_endpoint_and_route_all_five_rows() {
    assert_found(
        &WORKED_EXAMPLE,
        &[
            ("GET", "/test", "/test ALL"),
            ("GET", "/test/management", "/test ALL"),
            ("GET", "/test/customers", "/test ALL"),
            ("DELETE", "/test/management", "/test/management DELETE"),
            ("DELETE", "/test/management/sales", "/test ALL"),
        ],
    );
}

#[test]
fn contract_4_4_the_longest_key_wins_where_that_is_chosen() {
    let matching = Matching { parents: Parents::Longest, ..Matching::default() };
    assert_found_in(
        matching,
        &[("/", "ALL"), ("/test", "ALL"), ("/test/management", "DELETE"), ("/test/management/", "GET")],
        &[
            ("DELETE", "/test/management/sales", "/test/management DELETE"),
            ("GET", "/test/management/sales", "/test/management/ GET"),
            ("POST", "/test/management/sales", "/test ALL"),
            ("DELETE", "/test/management", "/test/management DELETE"),
            ("GET", "/test-x", "/ ALL"),
        ],
    );
}

#[test]
fn contract_4_4_only_keys_with_a_slash_are_parents_where_that_is_chosen() {
    let matching = Matching { parents: Parents::TrailingSlash, ..Matching::default() };
    assert_found_in(
        matching,
        &[("/test", "ALL"), ("/open/", "ALL"), ("/open/deep", "GET"), ("/users/:id", "GET")],
        &[
            ("GET", "/test", "/test ALL"),
            ("GET", "/test/", "/test ALL"),
            ("GET", "/test/x", ""),
            ("GET", "/open", "/open/ ALL"),
            ("GET", "/open/x/y", "/open/ ALL"),
            ("GET", "/open/deep", "/open/deep GET"),
            ("GET", "/open/deep/x", "/open/ ALL"),
            ("GET", "/openx", ""),
            ("GET", "/users/1/x", ""),
        ],
    );
    assert_found_in(
        matching,
        &[("/", "ALL"), ("/a", "GET")],
        &[("GET", "/a/b", "/ ALL"), ("GET", "/", "/ ALL")],
    );
}

#[test]
fn g_path_05_encoded_slashes_need_a_rule_for_both_readings_where_they_are_taken() {
    let paths = PathPolicy { encoded_slashes: EncodedSlashes::BothReadings, ..PathPolicy::default() };
    let matching = Matching { paths, ..Matching::default() };
    assert_found_in(
        matching,
        &[("/public", "ALL"), ("/files/:name", "GET"), ("/files/secret/:id", "GET"), ("/exact/:name", "PUT")],
        &[
            ("GET", "/files/a%2Fb", "/files/:name GET"),
            ("GET", "/files/a%2fb", "/files/:name GET"),
            ("GET", "/files/secret%2F1", "/files/:name GET, /files/secret/:id GET"),
            ("GET", "/files/SECRET%2F1", "/files/:name GET, /files/secret/:id GET"),
            ("GET", "/public%2Fx", ""),
            ("GET", "/public/a%2Fb", "/public ALL"),
            ("GET", "/public%2F..%2Fadmin", ""),
            ("GET", "/public/..%2Fadmin", ""),
            ("GET", "/public/a%2F%2Fb", ""),
            ("GET", "/public/%2Fb", ""),
            ("GET", "/public/a%252Fb", ""),
            ("GET", "/public/a%5Cb", ""),
        ],
    );
}

#[test]
fn matching_vector_query_is_ignored() {
    assert_found(&WORKED_EXAMPLE, &[("DELETE", "/test/management?x=1", "/test/management DELETE")]);
}

#[test]
fn matching_vector_repeated_slashes_keep_the_private_rule() {
    let cases = [
        ("DELETE", "/test//management", "/test/management DELETE, /test ALL"),
        ("DELETE", "//test//management", "/test/management DELETE"),
        ("GET", "//test/x", "/test ALL"),
        ("GET", "/users//42", "/users/:id GET"),
        ("GET", "/test//", "/test ALL"),
    ];
    assert_found_in(RepeatedSlashes::Merge, &WORKED_EXAMPLE, &cases);
    let standard = table(&file(&WORKED_EXAMPLE), RepeatedSlashes::Refuse);
    for (method, target, _) in cases {
        let refused = Err(NotFound::PathRefused(PathRefusal::RepeatedSlashes));
        assert_eq!(found(&standard, method, target, false), refused, "{target}");
    }
}

#[test]
fn matching_vector_a_key_is_not_a_name_prefix() {
    assert_found(&WORKED_EXAMPLE, &[("GET", "/test-x", ""), ("GET", "/testx", ""), ("GET", "/tes", "")]);
}

#[test]
fn matching_vector_literals_beat_parameters() {
    assert_found(
        &WORKED_EXAMPLE,
        &[("GET", "/users/count", "/users/count GET"), ("GET", "/users/42", "/users/:id GET")],
    );
    assert_found(
        &[("/a/:x/c", "GET"), ("/a/b/:y", "GET"), ("/:w/b/c", "GET"), ("/:w/:x/:y", "ALL")],
        &[
            ("GET", "/a/b/c", "/a/b/:y GET"),
            ("GET", "/a/z/c", "/a/:x/c GET"),
            ("GET", "/z/b/c", "/:w/b/c GET"),
            ("GET", "/a/z/z", "/:w/:x/:y ALL"),
            ("POST", "/a/b/c", "/:w/:x/:y ALL"),
        ],
    );
}

#[test]
fn matching_vector_encoded_slash_is_refused() {
    for profile in [RepeatedSlashes::Refuse, RepeatedSlashes::Merge] {
        let refused = Err(NotFound::PathRefused(PathRefusal::EncodedSlash));
        assert_eq!(found(&table(&file(&WORKED_EXAMPLE), profile), "GET", "/users/a%2Fb", false), refused);
    }
}

#[test]
fn matching_vector_a_parameter_is_never_empty() {
    assert_found(&WORKED_EXAMPLE, &[("GET", "/users/", ""), ("GET", "/users", "")]);
    assert_found_in(
        RepeatedSlashes::Merge,
        &[("/:a/x", "GET")],
        &[("GET", "//x", ""), ("GET", "/b//x", "/:a/x GET")],
    );
}

#[test]
fn contract_4_4_trailing_slash() {
    assert_found(
        &[("/foo", "GET"), ("/bar/", "GET"), ("/both", "GET"), ("/both/", "GET POST")],
        &[
            ("GET", "/foo/", "/foo GET"),
            ("GET", "/bar", "/bar/ GET"),
            ("GET", "/both", "/both GET"),
            ("GET", "/both/", "/both/ GET"),
            ("POST", "/both", "/both/ POST"),
        ],
    );
}

#[test]
fn contract_4_4_candidate_order() {
    let entries = [
        ("/", "ALL"),
        ("/a", "ALL"),
        ("/a/b", "GET"),
        ("/a/b/c", "POST"),
        ("/v", "GET"),
        ("/v/w/", "POST"),
        ("/v/w/x", "GET"),
        ("/p", "ALL"),
        ("/p/", "GET"),
    ];
    assert_found(
        &entries,
        &[
            // (i) exact, also for a verb that only a later exact key holds
            ("GET", "/a/b", "/a/b GET"),
            // (ii) a parent with ALL governs before a longer parent with a verb only
            ("GET", "/a/b/x", "/a ALL"),
            ("POST", "/a/b/c/d", "/a ALL"),
            ("POST", "/a/b", "/a ALL"),
            // (ii) a parent written with a slash
            ("POST", "/v/w/x/y", "/v/w/ POST"),
            // (iii) parents with the verb only, longest first
            ("GET", "/v/w/x/y", "/v/w/x GET"),
            ("GET", "/v/z", "/v GET"),
            // (iv) the site
            ("DELETE", "/v/z", "/ ALL"),
            ("GET", "/unknown", "/ ALL"),
            ("GET", "/", "/ ALL"),
            // two spellings of one parent: the one that ends with a slash is closer to a deeper path
            ("GET", "/p/x", "/p/ GET"),
            ("POST", "/p/x", "/p ALL"),
        ],
    );
}

#[test]
fn contract_4_2_sections() {
    let table = table(
        &file(&[
            ("/", "ALL"),
            ("/site", "ALL"),
            ("/site/office", "GET@"),
            ("/site/both", "GET+"),
            ("/site/empty", "GET@"),
        ]),
        RepeatedSlashes::Refuse,
    );
    let one = |rule: &str| Ok(vec![rule.to_owned()]);
    assert_eq!(
        found(&table, "GET", "/site/office", true),
        one("/site/office → GET → backofficeAuthorization")
    );
    assert_eq!(found(&table, "GET", "/site/office", false), Err(NotFound::NoRule), "borrows nothing, stops");
    assert_eq!(found(&table, "GET", "/site/both", false), one("/site/both → GET → authorization"));
    assert_eq!(found(&table, "GET", "/site/both", true), one("/site/both → GET → backofficeAuthorization"));
    assert_eq!(found(&table, "GET", "/site", true), one("/site → ALL → authorization"), "falls back");
}

#[test]
fn contract_4_1_verbs_of_all() {
    assert_found(
        &[("/a", "ALL"), ("/o", "OPTIONS")],
        &[
            ("GET", "/a", "/a ALL"),
            ("HEAD", "/a", "/a ALL"),
            ("OPTIONS", "/a", "/a ALL"),
            ("PATCH", "/a", "/a ALL"),
            ("OPTIONS", "/o", "/o OPTIONS"),
            ("GET", "/o", ""),
        ],
    );
}

#[test]
fn g_meth_01_head_does_not_borrow_the_rule_of_get() {
    assert_found(
        &[("/admin", "GET"), ("/h", "GET HEAD"), ("/", "ALL")],
        &[("HEAD", "/admin", "/ ALL"), ("HEAD", "/h", "/h HEAD")],
    );
    assert_found(&[("/admin", "GET")], &[("HEAD", "/admin", "")]);
}

#[test]
fn g_meth_02_03_05_06_07_other_tokens_have_no_rule() {
    for method in [
        "get", "GeT", "FOO", "PROPFIND", "TRACE", "TRACK", "CONNECT", "", "GET ", " GET", "GET,POST",
        "GET\0", "ALL", "*",
    ] {
        assert_found(&[("/", "ALL"), ("/a", "ALL")], &[(method, "/a", ""), (method, "/", "")]);
    }
}

#[test]
fn g_path_09_and_27_letter_case_never_gets_more() {
    assert_found(
        &[
            ("/test", "ALL"),
            ("/test/management", "DELETE"),
            ("/Only", "GET"),
            ("/only", "GET"),
            ("/u/:id", "GET"),
            ("/u/me", "GET"),
        ],
        &[
            ("DELETE", "/test/Management", "/test ALL, /test/management DELETE"),
            ("DELETE", "/TEST/management", ""),
            ("GET", "/test/Management", "/test ALL"),
            ("GET", "/Only", "/Only GET"),
            ("GET", "/only", "/only GET"),
            ("GET", "/ONLY", ""),
            ("GET", "/u/me", "/u/me GET"),
            ("GET", "/u/ME", "/u/:id GET, /u/me GET"),
            ("GET", "/u/you", "/u/:id GET"),
        ],
    );
}

#[test]
fn g_path_09_g_path_10_letter_case_beyond_ascii_never_gets_more() {
    let entries = [("/", "ALL"), ("/kids/", "ALL"), ("/api/admin", "ALL"), ("/caff%C3%A8", "GET")];
    assert_found(
        &entries,
        &[
            ("GET", "/%E2%84%AAids", "/ ALL, /kids/ ALL"), // the Kelvin sign
            ("GET", "/%E2%84%AAids/a", "/ ALL, /kids/ ALL"),
            ("POST", "/kid%C5%BF", "/ ALL, /kids/ ALL"), // ſ
            ("GET", "/api/adm%C4%B1n", "/ ALL, /api/admin ALL"), // ı
            ("GET", "/API/ADM%C4%B0N", "/ ALL, /api/admin ALL"), // İ
            ("GET", "/CAFF%C3%88", "/ ALL, /caff%C3%A8 GET"),
            ("GET", "/caffe", "/ ALL"),
        ],
    );
}

#[test]
fn g_path_11_and_27_no_spelling_reaches_the_public_parent_alone() {
    assert_found(&WORKED_EXAMPLE, &[("DELETE", "/test/management/", "/test/management DELETE")]);
    for target in ["/test/manage%6dent", "/test/managemen%74/"] {
        assert_found(&WORKED_EXAMPLE, &[("DELETE", target, "/test/management DELETE, /test ALL")]);
    }
    for target in [
        "/test/management;x",
        "/test/management%2f",
        "/test/management%20",
        "/test/./management",
        "/test/management%3b",
    ] {
        assert_found(&WORKED_EXAMPLE, &[("DELETE", target, "")]);
    }
}

#[test]
fn g_path_12_what_some_servers_cut_off_a_name_never_gets_more() {
    assert_found(
        &[("/api/:id", "GET"), ("/api/admin", "ALL"), ("/files", "ALL"), ("/files/export", "GET")],
        &[
            ("GET", "/api/admin.", "/api/:id GET, /api/admin ALL"),
            ("GET", "/api/ADMIN.json", "/api/:id GET, /api/admin ALL"),
            ("GET", "/api/admin.json?x", "/api/:id GET, /api/admin ALL"),
            ("GET", "/api/report.json", "/api/:id GET"),
            ("GET", "/files/export.csv/", "/files ALL, /files/export GET"),
            ("GET", "/files./export", ""),
            ("POST", "/files/export.csv", "/files ALL"),
        ],
    );
}

#[test]
fn g_path_17_a_preflight_has_its_own_rule_or_none() {
    assert_found(
        &[("/admin", "GET"), ("/open", "ALL"), ("/own", "OPTIONS")],
        &[
            ("OPTIONS", "/admin", ""),
            ("OPTIONS", "*", ""),
            ("OPTIONS", "/open", "/open ALL"),
            ("OPTIONS", "/own", "/own OPTIONS"),
            ("GET", "/own", ""),
        ],
    );
}

#[test]
fn g_path_20_a_key_is_no_pattern() {
    assert_found(
        &[("/a*", "GET"), ("/(b)+", "GET")],
        &[("GET", "/a*", "/a* GET"), ("GET", "/aaa", ""), ("GET", "/(b)+", "/(b)+ GET"), ("GET", "/bb", "")],
    );
}

#[test]
fn g_path_18_segment_boundaries() {
    assert_found(
        &[("/foo", "ALL"), ("/foo-bar", "GET")],
        &[
            ("GET", "/foo", "/foo ALL"),
            ("GET", "/foo/", "/foo ALL"),
            ("GET", "/foo/x", "/foo ALL"),
            ("GET", "/foo-bar", "/foo-bar GET"),
            ("GET", "/foo%2dbar", "/foo-bar GET"),
            ("GET", "/foobar", ""),
            ("GET", "/foo/../foo-bar", ""),
        ],
    );
}

#[test]
fn reserved_escapes_are_read_both_ways() {
    assert_found(
        &[("/things", "ALL"), ("/things:cancel", "POST"), ("/things/a(b)", "GET"), ("/mail/:address", "GET")],
        &[
            ("POST", "/things:cancel", "/things:cancel POST"),
            ("POST", "/things%3Acancel", ""),
            ("GET", "/things/a%28b%29", "/things ALL, /things/a(b) GET"),
            ("GET", "/mail/me%40example.org", "/mail/:address GET"),
        ],
    );
}

#[test]
fn g_path_19_static_beats_parameter_and_equal_keys_are_refused() {
    assert_found(&[("/api/:id", "GET"), ("/api/admin", "GET")], &[("GET", "/api/admin", "/api/admin GET")]);
    for (first, second) in [("/a/:x", "/a/:y"), ("/a/:x/c/", "/a/:y/c/")] {
        let text = file(&[(first, "GET"), ("/between", "GET"), (second, "POST")]);
        let error =
            load_rules("auth.json", text.as_bytes(), RepeatedSlashes::Refuse).expect_err("same paths");
        assert_eq!(error.findings.len(), 1);
        assert!(
            error.to_string().contains(&format!("{second}: `{first}` matches the same paths")),
            "{error}"
        );
    }
}

#[test]
fn real_keys_of_published_files_match() {
    assert_found(
        &[
            ("/mgmt", "ALL"),
            ("/mgmt/users", "GET"),
            ("/control_plane_fabric.RuntimeManagement", "ALL"),
            ("/api/data-catalog/sors/:dataset-id/custom-properties/:name", "POST"),
            ("/v2/authz/users/", "GET"),
            ("/v2/authz/users/:id", "DELETE"),
        ],
        &[
            ("GET", "/mgmt/users", "/mgmt/users GET"),
            ("POST", "/mgmt/users", "/mgmt ALL"),
            (
                "POST",
                "/control_plane_fabric.RuntimeManagement/Start",
                "/control_plane_fabric.RuntimeManagement ALL",
            ),
            (
                "POST",
                "/api/data-catalog/sors/d1/custom-properties/n",
                "/api/data-catalog/sors/:dataset-id/custom-properties/:name POST",
            ),
            ("GET", "/v2/authz/users/1", "/v2/authz/users/ GET"),
            ("DELETE", "/v2/authz/users/1", "/v2/authz/users/:id DELETE"),
        ],
    );
}

#[test]
fn keys_are_validated() {
    let not_canonical = |spelling: &str| KeyError::NotCanonical(spelling.to_owned());
    for (key, error) in [
        ("", KeyError::NoLeadingSlash),
        ("a", KeyError::NoLeadingSlash),
        ("/a?b", KeyError::Query),
        ("/a//b", KeyError::EmptySegment),
        ("//", KeyError::EmptySegment),
        ("/:", KeyError::ParameterName),
        ("/a/:/b", KeyError::ParameterName),
        ("/:a:b", KeyError::ParameterName),
        ("/:id.json", KeyError::ParameterName),
        ("/a/../b", KeyError::Unmatchable(PathRefusal::DotSegment)),
        ("/a#b", KeyError::Unmatchable(PathRefusal::HiddenEnd)),
        ("/a;b", KeyError::Unmatchable(PathRefusal::Semicolon)),
        ("/a%2Fb", KeyError::Unmatchable(PathRefusal::EncodedSlash)),
        ("/a%", KeyError::Unmatchable(PathRefusal::BadEscape)),
        ("/a\\b", KeyError::Unmatchable(PathRefusal::Backslash)),
        ("/a/{id}", KeyError::Braces("id".to_owned())),
        ("/{id}.json/b", KeyError::Braces("id".to_owned())),
        ("/a{}", not_canonical("/a%7B%7D")),
        ("/a{/}", not_canonical("/a%7B/%7D")),
        ("/%61", not_canonical("/a")),
        ("/a%3ab", not_canonical("/a:b")),
        ("/caffè", not_canonical("/caff%C3%A8")),
        ("/a b", not_canonical("/a%20b")),
        ("/a%c3%a8", not_canonical("/a%C3%A8")),
        (&"/a".repeat(65), KeyError::TooManySegments),
    ] {
        assert_eq!(Key::parse(key), Err(error), "{key}");
    }
    for key in ["/", "/a", "/a/", "/:a-b_c/x", "/a:b", "/a/:id/", "/caff%C3%A8", &"/a".repeat(64)] {
        Key::parse(key).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

/// Where keys overlap, what comes after the best candidate is not looked at: that it is not seen is told by the spelling that
/// stands there.
#[test]
fn a_lookup_ends_at_the_key_that_matches_exactly() {
    let near_miss = |keys: &[(&str, &str)], path| {
        let table = table(&file(keys), RepeatedSlashes::Refuse);
        table.walk(path, Method::Get, Spelling::Exact, None).near_miss()
    };
    assert!(!near_miss(&[("/a/b", "ALL"), ("/:p/B", "ALL")], "/a/b"));
    assert!(!near_miss(&[("/a", "ALL"), ("/A", "ALL")], "/a"));
    assert!(near_miss(&[("/A", "ALL"), ("/:p", "ALL")], "/a"), "a better candidate than the parameter");
    assert!(
        near_miss(&[("/a/b", "POST"), ("/:p/B", "ALL")], "/a/b"),
        "the exact key has no entry for the verb"
    );
}
