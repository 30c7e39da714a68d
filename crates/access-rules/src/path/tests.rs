//! The path model row by row (conformance §3.0 rule 1, §3.1).

use proptest::prelude::*;

use super::{MAX_PATH_LENGTH, PathRefusal, RepeatedSlashes, RequestPath, without_endings};

const PROFILES: [RepeatedSlashes; 2] = [RepeatedSlashes::Refuse, RepeatedSlashes::Merge];

fn assert_refused(reason: PathRefusal, targets: &[&str]) {
    for target in targets {
        for profile in PROFILES {
            assert_eq!(RequestPath::parse(target.as_bytes(), profile), Err(reason), "{target} {profile:?}");
        }
    }
}

fn canonical(target: &str) -> String {
    let [standard, drop_in] = PROFILES.map(|profile| {
        RequestPath::parse(target.as_bytes(), profile).unwrap_or_else(|why| panic!("{target}: {why}"))
    });
    assert_eq!(standard, drop_in);
    standard.as_str().to_owned()
}

#[test]
fn g_path_01_repeated_slashes_are_refused_or_merged_by_profile() {
    for (target, merged) in [
        ("//admin", "/admin"),
        ("/public//admin", "/public/admin"),
        ("///admin", "/admin"),
        ("/admin//", "/admin/"),
        ("//", "/"),
        ("/a//b///c?d//e", "/a/b/c"),
    ] {
        let parse = |profile| RequestPath::parse(target.as_bytes(), profile);
        assert_eq!(parse(RepeatedSlashes::Refuse), Err(PathRefusal::RepeatedSlashes), "{target}");
        let path = parse(RepeatedSlashes::Merge).unwrap();
        assert_eq!(path.as_str(), merged);
        assert_eq!(path.unmerged.as_deref(), target.split('?').next());
    }
}

#[test]
fn g_path_02_and_03_dot_segments() {
    assert_refused(
        PathRefusal::DotSegment,
        &["/./admin", "/public/./../admin", "/public/../admin", "/..", "/.", "/a/..", "/a/../", "/a/.?x"],
    );
    assert_refused(PathRefusal::EncodedSlash, &["/public/..%2fadmin"]);
    assert_refused(PathRefusal::EncodedDot, &["/public/.%2e/admin"]);
    assert_eq!(canonical("/.well-known/...x/a..b"), "/.well-known/...x/a..b");
}

#[test]
fn g_path_04_encoded_dots() {
    assert_refused(PathRefusal::EncodedDot, &["/%2e%2e", "/%2E%2e", "/public/%2e%2e/admin", "/a%2Ejson"]);
}

#[test]
fn g_path_05_encoded_slashes_in_both_letter_cases() {
    assert_refused(
        PathRefusal::EncodedSlash,
        &["/public%2f..%2fadmin", "/admin%2fx", "/admin%2Fx", "/test/management%2f"],
    );
}

#[test]
fn g_path_06_backslashes() {
    assert_refused(PathRefusal::Backslash, &["/public\\..\\admin", "/\\admin"]);
    assert_refused(PathRefusal::EncodedSlash, &["/%5cadmin", "/%5Cadmin"]);
}

#[test]
fn g_path_07_parameters_of_servlet_containers() {
    assert_refused(
        PathRefusal::Semicolon,
        &["/admin;x=1", "/;/admin", "/public/..;/admin", "/admin;.css", "/admin%3Bx", "/admin%3bx"],
    );
}

#[test]
fn g_path_08_double_encoding() {
    assert_refused(PathRefusal::DoubleEncoding, &["/%252e%252e%252f", "/%25%32%65", "/a%25"]);
}

#[test]
fn g_path_09_and_21_unreserved_escapes_are_decoded() {
    for (target, expected) in [
        ("/%41dmin", "/Admin"),
        ("/%61dmin", "/admin"),
        ("/a%64min", "/admin"),
        ("/%7eadmin", "/~admin"),
        ("/foo%2dbar%5F", "/foo-bar_"),
        ("/a%3ab", "/a%3Ab"),
        ("/a%c3%a8", "/a%C3%A8"),
        ("/a%20b", "/a%20b"),
        ("/a[1]|b", "/a%5B1%5D%7Cb"),
        ("/a%5b1%5D", "/a%5B1%5D"),
        ("/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"),
        ("/orders?x=%zz#", "/orders"),
        ("/", "/"),
    ] {
        assert_eq!(canonical(target), expected, "{target}");
    }
}

#[test]
fn g_path_10_raw_non_ascii() {
    assert_refused(PathRefusal::NonAscii, &["/adm\u{131}n", "/ADM\u{130}N", "/caffè"]);
    assert_eq!(RequestPath::parse(b"/\xff", RepeatedSlashes::Refuse), Err(PathRefusal::NonAscii));
}

#[test]
fn g_path_12_suffixes_that_some_servers_trim() {
    assert_refused(
        PathRefusal::SpaceAtSegmentEdge,
        &["/admin%20", "/%20admin", "/admin%20/x", "/test/management%20"],
    );
    assert_refused(
        PathRefusal::ControlByte,
        &["/admin%09", "/admin%0a", "/admin%0d%0a", "/admin%0A", "/a%7f", "/a%1F"],
    );
    assert_refused(PathRefusal::ControlByte, &["/admin\t", "/admin\r\n", "/a\0", "/a%00", "/a\u{7f}"]);
}

#[test]
fn g_path_12_endings_that_some_servers_cut() {
    for (path, undotted, unsuffixed) in [
        ("/admin", None, None),
        ("/admin.", Some("/admin"), None),
        ("/admin./x..", Some("/admin/x"), None),
        ("/v1.2/admin", None, None),
        ("/admin.json", None, Some("/admin")),
        ("/a/admin.json/", None, Some("/a/admin/")),
        ("/a/admin.tar.gz.", Some("/a/admin.tar.gz"), Some("/a/admin.tar")),
        ("/admin..json", None, Some("/admin")),
        ("/admin%20.json", None, Some("/admin")),
        ("/admin%20.", Some("/admin"), None),
        ("/admin.%20.x%20.", Some("/admin.%20.x"), Some("/admin")),
        ("/.well-known", None, None),
        ("/...", None, None),
    ] {
        let [undotted, unsuffixed] = [undotted, unsuffixed].map(|path: Option<&str>| path.map(str::to_owned));
        assert_eq!(without_endings(path), [undotted, unsuffixed], "{path}");
    }
}

#[test]
fn g_path_13_the_query_is_cut_at_the_first_question_mark() {
    for (target, expected) in [
        ("/admin?/public", "/admin"),
        ("/public?/../admin", "/public"),
        ("/admin?", "/admin"),
        ("/admin??x", "/admin"),
        ("/admin?a=%2F%00\u{131}", "/admin"),
    ] {
        assert_eq!(canonical(target), expected);
    }
    assert_refused(PathRefusal::HiddenEnd, &["/admin%3f/public", "/admin%3F"]);
}

#[test]
fn g_path_14_fragments() {
    assert_refused(PathRefusal::HiddenEnd, &["/admin#/public", "/admin%23/public", "/#"]);
}

#[test]
fn g_path_15_and_16_targets_that_are_no_path() {
    assert_refused(
        PathRefusal::NoLeadingSlash,
        &["http://other/admin", "admin", "*", "", "?x", "\\admin", " /admin", "%2fadmin"],
    );
}

#[test]
fn g_path_22_malformed_escapes() {
    assert_refused(PathRefusal::BadEscape, &["/%", "/%zz", "/%u002e", "/a%2", "/%+1"]);
    assert_refused(PathRefusal::NotUtf8, &["/%c0%ae%c0%ae", "/%ff", "/%C3/%A8", "/%ed%a0%80"]);
}

#[test]
fn g_path_24_long_paths() {
    let at_limit = format!("/{}", "a".repeat(MAX_PATH_LENGTH - 1));
    assert_eq!(canonical(&at_limit), at_limit);
    canonical(&format!("{at_limit}?{}", "q".repeat(20_000)));
    assert_refused(PathRefusal::TooLong, &[&format!("{at_limit}a"), &"/a".repeat(10_000)]);
}

#[test]
fn g_path_27_whatever_several_kinds_of_leniency_make_of_a_path_is_a_text() {
    let path = RequestPath::parse(b"/A//b%3Ac.json", RepeatedSlashes::Merge).unwrap();
    assert_eq!(path.as_str(), "/A/b%3Ac.json");
    let mut texts = path.other_texts();
    texts.sort();
    assert_eq!(
        texts,
        ["/A//b%3Ac", "/A//b%3Ac.json", "/A//b:c", "/A//b:c.json", "/A/b%3Ac", "/A/b:c", "/A/b:c.json"]
    );
}

#[test]
fn g_path_21_an_escape_that_need_not_be_is_read_as_it_stands_too() {
    let path = RequestPath::parse(b"/%6de//%c3%a8", RepeatedSlashes::Merge).unwrap();
    assert_eq!(path.as_str(), "/me/%C3%A8");
    assert_eq!(path.other_texts(), ["/me//%C3%A8", "/%6De//%C3%A8", "/%6De/%C3%A8"]);
    // The others have one spelling: a server that keeps them apart could not route them.
    let path = RequestPath::parse(b"/caff%c3%a8[1]", RepeatedSlashes::Merge).unwrap();
    assert!(path.other_texts().is_empty());
}

#[test]
fn g_path_26_spaces() {
    assert_refused(PathRefusal::RawSpace, &["/public /admin", "/a "]);
    assert_refused(PathRefusal::ControlByte, &["/public\t/admin"]);
}

#[test]
fn a_plain_path_is_borrowed() {
    let path = RequestPath::parse(b"/users/42/orders?x=1", RepeatedSlashes::Merge).unwrap();
    assert!(matches!(path.canonical, std::borrow::Cow::Borrowed(_)));
    assert_eq!((path.unmerged.as_deref(), path.decoded()), (None, None));
    assert!(path.other_texts().is_empty());
}

/// Bytes and pieces that path attacks are made of.
fn target() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(&["/", "a", "B", ".", "%41", "%3a", "%3A", "%C3%A8", "[", "~", "+", "%7c", "%20", "-1"][..])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::sample::select(&["%2e", "%2F", "%", ";", "\\", "?", "#", "%25", "//", "%00", "%c0"][..])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| [b"/".to_vec(), pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        for profile in PROFILES {
            let _ = RequestPath::parse(&bytes, profile);
        }
    }

    #[test]
    fn a_canonical_path_is_its_own_canonical_path(target in target()) {
        for profile in PROFILES {
            let Ok(path) = RequestPath::parse(&target, profile) else { continue };
            let again = RequestPath::parse(path.as_str().as_bytes(), RepeatedSlashes::Refuse).unwrap();
            prop_assert_eq!(again.as_str(), path.as_str());
            prop_assert!(!path.as_str().contains("//") && path.as_str().is_ascii());
        }
    }

    #[test]
    fn what_the_standard_profile_accepts_the_drop_in_profile_reads_alike(target in target()) {
        let [standard, drop_in] = PROFILES.map(|profile| RequestPath::parse(&target, profile));
        if standard != Err(PathRefusal::RepeatedSlashes) {
            prop_assert_eq!(standard, drop_in);
        }
    }
}
