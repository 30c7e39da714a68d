//! Files that people write by hand, in YAML or JSON, which is YAML too.

use std::borrow::Cow;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter};
use service_kit::output;

use super::{CommandError, input};

/// Reads a whole file.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, CommandError> {
    let unusable = |reason: String| CommandError::File { file: file.to_owned(), reason };
    let bytes = input::read(file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| unusable(error.to_string()))?;
    from_text(text).map_err(unusable)
}

fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let sentence = sentence(error.without_snippet());
        let sentence = output::visible(&sentence);
        match error.location() {
            Some(place) => format!("line {}, column {}: {sentence}", place.line(), place.column()),
            None => sentence.to_string(),
        }
    })
}

/// What is wrong, and what to write, in the words of the mistakes in rules files.
fn sentence(error: &Error) -> Cow<'_, str> {
    let sentence = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("there is no member `{field}`: write one of {}", listed(expected))
        }
        Error::SerdeMissingField { field, .. } => format!("`{field}` is missing"),
        Error::SerdeUnknownVariant { variant, expected, .. } if variant == "~" => {
            format!("there is nothing here: write one of {}", listed(expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` means nothing here: write one of {}", listed(expected))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("expected {}, found {}", ours(expected), ours(unexpected))
        }
        Error::Unexpected { expected, .. } => format!("expected {}", ours(expected)),
        Error::InvalidScalar { ty, .. } => format!("expected {}", ours(ty)),
        Error::InvalidBooleanStrict { .. } => format!("expected {}", ours("boolean")),
        Error::NullIntoString { .. } => "expected a string, found nothing".to_owned(),
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
            "expected one word, found a list".to_owned()
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` stands twice in this object: keep one")
        }
        Error::Eof { .. } => "the file is empty, or ends too early".to_owned(),
        Error::MultipleDocuments { .. } => "`---` begins a second document: keep one in a file".to_owned(),
        Error::UnknownAnchor { .. } => "`*` stands for an `&` of that name, and there is none".to_owned(),
        Error::AliasError { error, .. } => return sentence(error),
        other => return DefaultMessageFormatter.format_message(other),
    };
    sentence.into()
}

fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What the parser calls a kind of value, in the words of our pages.
fn ours(kind: &str) -> &str {
    match kind {
        "sequence" | "a sequence" | "sequence start" => "a list",
        "map" | "a map" | "mapping start" => "an object",
        "string scalar" => "a string",
        "unit value" | "null" => "nothing",
        "bool" | "boolean" | "a boolean" => "true or false, without quotes",
        _ if kind.starts_with("struct ") => "an object",
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::from_text;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and not looked at")]
    struct File {
        list: Vec<Word>,
        name: Option<String>,
        is: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Allow,
        Deny,
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_what_to_write() {
        for (text, told) in [
            ("", "line 1, column 1: the file is empty, or ends too early"),
            ("- a", "line 1, column 1: expected an object"),
            ("list: 3", "line 1, column 7: expected a list"),
            ("name: a", "line 1, column 1: `list` is missing"),
            (
                "name: a\nlists: []",
                "line 2, column 1: there is no member `lists`: write one of `list`, `name`, `is`",
            ),
            (
                "list: [allow, maybe]",
                "line 1, column 15: `maybe` means nothing here: write one of `allow`, `deny`",
            ),
            ("list:\n  -\n", "line 2, column 4: there is nothing here: write one of `allow`, `deny`"),
            ("list: [[deny]]", "line 1, column 8: expected one word, found a list"),
            ("list: []\nname: [a]", "line 2, column 7: expected a string"),
            ("list: []\nis: perhaps", "line 2, column 5: expected true or false, without quotes"),
            ("list: []\nlist: []", "line 2, column 1: `list` stands twice in this object: keep one"),
            (
                "list: []\n---\nlist: []",
                "line 3, column 1: `---` begins a second document: keep one in a file",
            ),
            ("list: *a", "line 1, column 7: `*` stands for an `&` of that name, and there is none"),
            ("list: [", "line 1, column 7: unclosed bracket '['"),
        ] {
            assert_eq!(from_text::<File>(text).unwrap_err(), told, "{text:?}");
        }
    }
}
