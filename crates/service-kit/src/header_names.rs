//! Variables that name HTTP headers.

use actix_web::http::header;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::CommaList;

/// The name of an HTTP header, lower case (RFC 9110 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(header::HeaderName);

impl HeaderName {
    /// The name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        header::HeaderName::from_bytes(text.as_bytes()).ok().map(Self)
    }

    /// A name that is known beforehand, in lower case.
    ///
    /// # Panics
    /// If it is none; for a constant, that is an error of the compiler.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(header::HeaderName::from_static(name))
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As actix-web looks it up.
    #[must_use]
    pub const fn as_http(&self) -> &header::HeaderName {
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
