//! The identifier of an event, which is also its place in the order of time.

use std::fmt;

use common::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::random::{Random, RandomError};

/// A UUID version 7 (RFC 9562 §5.7) in small letters: texts in byte order are events in the order of their time, so that
/// a page can go on after any of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(String);

/// The text is not the id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event id is a UUID version 7 in small letters")]
pub struct NotAnEventId;

impl EventId {
    /// A new id of an event that happens at `at`. Moments before 1970 count as 1970.
    ///
    /// # Errors
    /// [`RandomError`] if the random source failed.
    pub fn generate(at: Timestamp, random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 10];
        random.fill(&mut bytes)?;
        Ok(Self::of(at, bytes))
    }

    /// The smallest id of all events that happen at `at` or later.
    #[must_use]
    pub fn first_at(at: Timestamp) -> Self {
        Self::of(at, [0; 10])
    }

    fn of(at: Timestamp, random: [u8; 10]) -> Self {
        // The field has 48 bits, which last until the year 10889.
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0).min((1 << 48) - 1);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string())
    }

    /// Reads an id that a caller presents.
    ///
    /// # Errors
    /// [`NotAnEventId`] if it is not spelled as we spell it.
    pub fn parse(text: &str) -> Result<Self, NotAnEventId> {
        let uuid = Uuid::try_parse(text).map_err(|_| NotAnEventId)?;
        let ours = uuid.get_version_num() == 7 && uuid.to_string() == text;
        if ours { Ok(Self(text.to_owned())) } else { Err(NotAnEventId) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = NotAnEventId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use common::Timestamp;

    use super::{EventId, NotAnEventId};
    use crate::random::SystemRandom;
    use crate::random::testing::Broken;

    #[test]
    fn ids_are_in_the_order_of_time() {
        let at = |millis| EventId::generate(Timestamp::from_unix_millis(millis), &SystemRandom).unwrap();
        let moments = [i64::MIN, 1, 2, 1_795_291_200_123, 1_795_291_200_124, (1 << 48) - 1, i64::MAX];
        let ids: Vec<_> = moments.into_iter().map(at).collect();
        assert!(ids[..6].is_sorted() && ids[6].as_str()[..13] == ids[5].as_str()[..13]);
        for millis in moments {
            let first = EventId::first_at(Timestamp::from_unix_millis(millis));
            assert!(first <= at(millis), "{millis}");
            let has_one_before = (2..=1 << 47).contains(&millis);
            assert!(!has_one_before || first > at(millis - 1), "{millis}");
        }
        assert!(EventId::generate(Timestamp::from_unix_millis(1), &Broken).is_err());
    }

    #[test]
    fn only_our_spelling_is_an_id() {
        let good = "01a20081-967b-7001-8203-040506070809";
        assert_eq!(EventId::parse(good).unwrap().as_str(), good);
        for bad in [
            "",
            "01A20081-967B-7001-8203-040506070809",
            "01a20081967b70018203040506070809",
            "{01a20081-967b-7001-8203-040506070809}",
            "01a20081-967b-4001-8203-040506070809",
            "01a20081-967b-7001-8203-04050607080",
            "$gt",
        ] {
            assert_eq!(EventId::parse(bad), Err(NotAnEventId), "{bad:?}");
        }
    }
}
