//! Variables that name HTTP headers.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::CommaList;

/// The name of an HTTP header, lower case (RFC 9110 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = !text.is_empty() && text.bytes().all(is_token_byte);
        is_name.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes of a token: verbs and header names (RFC 9110 §5.6.2).
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("is not the name of an HTTP header"))
    }
}

/// Names of HTTP headers, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderNames(pub Vec<HeaderName>);

impl<'de> Deserialize<'de> for HeaderNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut names = Vec::new();
        for text in CommaList::deserialize(deserializer)?.0 {
            let name = HeaderName::parse(&text)
                .ok_or_else(|| D::Error::custom("has an element that is not the name of an HTTP header"))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self(names))
    }
}
