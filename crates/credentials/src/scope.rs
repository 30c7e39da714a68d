//! The grammar of a scope (RFC 6749 appendix A.4): names separated by single blanks. What a name means is not known here.

/// More names than any client has permissions.
const MAX_NAMES: usize = 1000;

/// Whether a scope can hold this name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// The names in a scope, each once. `None`: it is none, or has too many.
#[must_use]
pub fn names(text: &str) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(' ') {
        if names.len() == MAX_NAMES || !is_name(name) {
            return None;
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Some(names)
}
