//! The key of a rule: a path with optional `:parameters`. Validates the spelling; knows nothing of lookups.

use crate::path::{RepeatedSlashes, RequestPath};

/// Most segments a key may have: bounds the depth of every lookup.
pub(super) const MAX_SEGMENTS: usize = 64;

/// One part of a key between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    /// `:name`, which matches one non-empty segment.
    Parameter,
}

/// A key split into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) segments: Vec<Segment>,
    /// Written with a slash at the end. `/` itself is not.
    pub(super) trailing_slash: bool,
}

/// Why a text cannot be the key of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a path starts with `/`")]
    NoLeadingSlash,
    #[error("a path has no query: remove everything from the `?` on")]
    Query,
    #[error("a path has no empty segments: remove the repeated slash")]
    EmptySegment,
    #[error(
        "a parameter has a name of letters, digits, `_` and `-` after the colon, and stands alone in its segment"
    )]
    ParameterName,
    #[error("no request can ever match: {0}")]
    Unmatchable(crate::path::PathRefusal),
    /// Holds the name in the braces.
    #[error("a parameter is written `:{0}`, not `{{{0}}}`, and stands alone in its segment")]
    Braces(String),
    #[error("requests are compared in another spelling: write `{0}`")]
    NotCanonical(String),
    #[error("a path has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
}

impl Key {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let Some(path) = text.strip_prefix('/') else { return Err(KeyError::NoLeadingSlash) };
        if path.contains('?') {
            return Err(KeyError::Query);
        }
        if text.contains("//") {
            return Err(KeyError::EmptySegment);
        }
        if let Some(name) = name_in_braces(path) {
            return Err(KeyError::Braces(name.to_owned()));
        }
        check_spelling(text)?;
        let (path, trailing_slash) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let segments = if path.is_empty() {
            Vec::new()
        } else {
            path.split('/').map(parse_segment).collect::<Result<Vec<_>, _>>()?
        };
        if segments.len() > MAX_SEGMENTS {
            return Err(KeyError::TooManySegments);
        }
        Ok(Self { segments, trailing_slash })
    }
}

/// What a key has as `{name}`, as OpenAPI writes parameters.
fn name_in_braces(path: &str) -> Option<&str> {
    let (name, _) = path.split_once('{')?.1.split_once('}')?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// A key must be spelled as requests are compared, or it would silently never match.
fn check_spelling(text: &str) -> Result<(), KeyError> {
    let escaped: String = text.chars().map(escape_non_ascii).collect();
    let path =
        RequestPath::parse(escaped.as_bytes(), RepeatedSlashes::Refuse).map_err(KeyError::Unmatchable)?;
    let decoded = path.decoded();
    let canonical = decoded.as_deref().unwrap_or(path.as_str());
    if canonical == text { Ok(()) } else { Err(KeyError::NotCanonical(canonical.to_owned())) }
}

fn escape_non_ascii(character: char) -> String {
    if character.is_ascii() && character != ' ' {
        return character.to_string();
    }
    let mut buffer = [0; 4];
    character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn parse_segment(segment: &str) -> Result<Segment, KeyError> {
    let Some(name) = segment.strip_prefix(':') else { return Ok(Segment::Literal(segment.into())) };
    let well_formed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if name.is_empty() || !name.chars().all(well_formed) {
        return Err(KeyError::ParameterName);
    }
    Ok(Segment::Parameter)
}
