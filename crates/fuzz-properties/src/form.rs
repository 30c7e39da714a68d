//! `credentials::form` against the lenient reading of the URL standard: where ours accepts, both read the same.

use credentials::form::{Form, FormDefect, decode};
use url::form_urlencoded;

pub(crate) fn check(input: &[u8]) {
    let lenient: Vec<(String, String)> = form_urlencoded::parse(input).into_owned().collect();
    match Form::parse(input) {
        Ok(form) => {
            assert!(lenient.len() <= 64, "no more than 64 parameters are read (T-FRM-07)");
            assert!(!has_broken_escape(input), "a broken escape has no one reading (T-BAS-02)");
            assert!(repeated(&lenient).is_none(), "only audience and resource may be repeated (T-FRM-01)");
            assert_reads(&form, &lenient);
            let written: String =
                form_urlencoded::Serializer::new(String::new()).extend_pairs(&lenient).finish();
            assert_reads(&Form::parse(written.as_bytes()).expect("what is well written is read"), &lenient);
        }
        Err(FormDefect::TooManyParameters) => assert!(lenient.len() > 64),
        Err(FormDefect::Repeated) => assert!(repeated(&lenient).is_some()),
        Err(FormDefect::Encoding) => {
            let replaced =
                lenient.iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
            assert!(has_broken_escape(input) || replaced);
        }
    }
    // Decoding once and writing again gives the text back, so nothing is decoded twice.
    if let Some(text) = decode(input) {
        let written: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        assert_eq!(decode(written.as_bytes()).as_deref(), Some(text.as_str()));
    }
}

fn assert_reads(form: &Form, expected: &[(String, String)]) {
    for (name, _) in expected {
        assert!(form.names(name));
        let values: Vec<&str> = expected
            .iter()
            .filter(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(form.get(name), values.first().copied(), "an empty parameter is absent (C-6749-10)");
        assert_eq!(form.all(name).collect::<Vec<_>>(), values);
    }
}

fn repeated(pairs: &[(String, String)]) -> Option<&str> {
    let again = |index: usize, name: &str| pairs[..index].iter().any(|(known, _)| known == name);
    let mut names = pairs.iter().enumerate().map(|(index, (name, _))| (index, name.as_str()));
    names
        .find(|(index, name)| !["audience", "resource"].contains(name) && again(*index, name))
        .map(|(_, name)| name)
}

fn has_broken_escape(input: &[u8]) -> bool {
    let is_hex = |at: usize| input.get(at).is_some_and(u8::is_ascii_hexdigit);
    (0..input.len()).any(|at| input[at] == b'%' && !(is_hex(at + 1) && is_hex(at + 2)))
}
