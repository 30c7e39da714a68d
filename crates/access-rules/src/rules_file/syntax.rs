//! Text to a JSON tree with positions. Refuses what strict JSON refuses, and what would exhaust the parser, before
//! the parser sees it.

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// Rules are four levels deep; a file deeper than this is not one.
const MAX_DEPTH: usize = 16;

/// A mistake at a byte offset.
#[derive(Debug)]
pub(super) struct JsonError {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl JsonError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

/// The one JSON value of the text (RFC 8259): no comments, no trailing commas, no second value.
pub(super) fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    scan(text)?;
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| {
        JsonError::new(error.range().start(), format!("not JSON: {}", lower_first(&error.kind().to_string())))
    })?;
    parsed.value.ok_or_else(|| JsonError::new(0, "the file is empty; expected a JSON object of rules"))
}

/// Checks what the parser is lenient about: nesting, control characters in strings, and anything but ASCII outside
/// of them, such as a byte order mark.
fn scan(text: &str) -> Result<(), JsonError> {
    let mut depth: usize = 0;
    let mut in_string = false;
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                0..=0x1F => {
                    return Err(JsonError::new(
                        offset,
                        "not JSON: a string holds a raw control character or line break",
                    ));
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ if !byte.is_ascii() => {
                return Err(JsonError::new(
                    offset,
                    "not JSON: a character outside of a string (is this a byte order mark or a typographic quote?)",
                ));
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(JsonError::new(
                offset,
                format!("nested more than {MAX_DEPTH} levels deep; rules need four"),
            ));
        }
    }
    Ok(())
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
