//! The identifier of a client.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::{Random, RandomError, letters};

/// A client id: 1 to 64 visible ASCII characters (RFC 6749 appendix A.1). Ours are 32 letters (contract §1.1);
/// imported ones may be anything in that range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

/// The text cannot be a client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 1 to 64 visible ASCII characters")]
pub struct NotAClientId;

impl ClientId {
    const MAX_LENGTH: usize = 64;
    const GENERATED_LENGTH: usize = 32;

    /// A new id of 32 letters (182 bits).
    ///
    /// # Errors
    /// [`RandomError`] if the random source failed.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        letters(random, Self::GENERATED_LENGTH).map(Self)
    }

    /// Reads an id that a caller presented.
    ///
    /// # Errors
    /// [`NotAClientId`] if the text is empty, longer than 64 bytes, or holds anything but visible ASCII.
    pub fn parse(text: &str) -> Result<Self, NotAClientId> {
        let legal =
            (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if legal { Ok(Self(text.to_owned())) } else { Err(NotAClientId) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientId {
    type Error = NotAClientId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientId, NotAClientId};
    use crate::random::testing::{Broken, Counting};
    use crate::random::{RandomError, SystemRandom};

    #[test]
    fn contract_1_1_a_generated_id_is_32_letters() {
        let id = ClientId::generate(&SystemRandom).unwrap();
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(ClientId::generate(&SystemRandom).unwrap(), id);
        assert_eq!(ClientId::parse(id.as_str()).unwrap(), id);
        assert_eq!(
            ClientId::generate(&Counting::default()).unwrap().as_str(),
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
        );
        assert_eq!(ClientId::generate(&Broken), Err(RandomError));
    }

    #[test]
    fn t_bas_03_t_bas_04_only_visible_ascii_is_an_id() {
        let longest = "x".repeat(64);
        for good in ["a", "client-1", "a:b/c?d~", "!", &longest] {
            assert_eq!(ClientId::parse(good).unwrap().as_str(), good);
        }
        let too_long = "x".repeat(65);
        for bad in ["", " ", "a b", "a\0", "c\u{7f}", "é", "ａ", "a\u{200B}", "\n", &too_long] {
            assert_eq!(ClientId::parse(bad), Err(NotAClientId), "{bad:?}");
        }
    }

    #[test]
    fn a_stored_id_is_checked_again() {
        let id = ClientId::parse("client-1").unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"client-1\"");
        assert_eq!(serde_json::from_str::<ClientId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<ClientId>("\"a b\"").is_err());
    }
}
