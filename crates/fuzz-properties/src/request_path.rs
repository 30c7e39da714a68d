//! Request paths: a canonical path is canonical, holds nothing that two servers read differently, and does not depend
//! on the query.

use access_rules::{RepeatedSlashes, RequestPath};

pub(crate) fn check(input: &[u8]) {
    let strict = RequestPath::parse(input, RepeatedSlashes::Refuse);
    let merging = RequestPath::parse(input, RepeatedSlashes::Merge);
    if let Ok(strict) = &strict {
        let merged = merging.as_ref().expect("the drop-in profile refuses less");
        assert_eq!(merged.as_str(), strict.as_str());
    }
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
