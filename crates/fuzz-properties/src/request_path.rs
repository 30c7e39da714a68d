//! Request paths: a canonical path is canonical, holds nothing that two servers read differently, and does not depend
//! on the query.

use access_rules::{EncodedSlashes, PathPolicy, RepeatedSlashes, RequestPath};

pub(crate) fn check(input: &[u8]) {
    let strict = RequestPath::parse(input, RepeatedSlashes::Refuse);
    let merging = RequestPath::parse(input, RepeatedSlashes::Merge);
    if let Ok(strict) = &strict {
        let merged = merging.as_ref().expect("the drop-in profile refuses less");
        assert_eq!(merged.as_str(), strict.as_str());
    }
    assert_encoded_slashes(input, strict.is_ok());
    let Ok(path) = merging else { return };
    let canonical = path.as_str();
    assert!(canonical.starts_with('/') && !canonical.contains("//"), "{canonical}");
    assert!(
        canonical.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#;?".contains(&byte)),
        "{canonical}"
    );
    assert!(canonical.split('/').all(|segment| segment != "." && segment != ".."), "{canonical}");
    for escape in ["%2F", "%5C", "%2E", "%25", "%00", "%23", "%3F", "%3B", "%41", "%7e"] {
        assert!(!canonical.contains(escape), "{canonical}");
    }
    // Escaping can make a path longer than what is accepted.
    if canonical.len() <= 8 * 1024 {
        let again = RequestPath::parse(canonical.as_bytes(), RepeatedSlashes::Refuse).expect("canonical");
        assert_eq!(again.as_str(), canonical);
    }
    let with_query = [input, b"?/../admin//%2f"].concat();
    let same = RequestPath::parse(&with_query, RepeatedSlashes::Merge).expect("a query is no path");
    assert_eq!(same.as_str(), canonical, "a query matches no rule (G-PATH-13)");
}

/// Where encoded slashes are taken, nothing else is, and what decoding makes of a path is as acceptable as the path.
fn assert_encoded_slashes(input: &[u8], accepted_without: bool) {
    let policy = PathPolicy { encoded_slashes: EncodedSlashes::BothReadings, ..PathPolicy::default() };
    let taken = RequestPath::parse(input, policy);
    assert!(taken.is_ok() || !accepted_without, "taking more refuses less");
    if taken.is_err() {
        return;
    }
    let path = input.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = std::str::from_utf8(path).expect("what is accepted is ASCII");
    let split = path.replace("%2F", "/").replace("%2f", "/");
    assert!(
        RequestPath::parse(split.as_bytes(), RepeatedSlashes::Refuse).is_ok(),
        "{path} hides a path that is refused"
    );
}
