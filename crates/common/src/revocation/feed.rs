//! The events of the revocation feed (`GET /revocations`, text/event-stream): a reader that has applied every event up to
//! a `cursor` may come back with it and gets what came after.

use serde::{Deserialize, Serialize};

use super::Revocation;

/// One event. On the wire its name is the `event` field and its content the `data` field, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEvent {
    /// A part of what is revoked now. Comes first, in one or more parts, unless the reader could go on where it was.
    Snapshot(Vec<Revocation>),
    /// All parts of the snapshot, or all that was missed, have been sent: from now on the reader knows everything.
    UpToDate,
    /// One that is new.
    Revocation(Revocation),
    /// Nothing is new, and the sender itself is up to date. A reader that has had no event for 30 seconds does not know
    /// what is revoked any more.
    Heartbeat,
    /// The reader was too slow, or the sender stops: the stream ends here. Come back.
    Goodbye,
}

#[derive(Serialize, Deserialize)]
struct SnapshotPart {
    revocations: Vec<Revocation>,
}

impl FeedEvent {
    /// A reader gives up on an event with more data than this, in bytes. A sender cuts snapshots in parts that are smaller.
    pub const LARGEST: usize = 32 * 1024 * 1024;

    /// The `event` field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "snapshot",
            Self::UpToDate => "up-to-date",
            Self::Revocation(_) => "revocation",
            Self::Heartbeat => "heartbeat",
            Self::Goodbye => "goodbye",
        }
    }

    /// The `data` field: JSON on one line.
    ///
    /// # Errors
    /// None: these types can all be written.
    pub fn data(&self) -> serde_json::Result<String> {
        match self {
            Self::Snapshot(revocations) => {
                serde_json::to_string(&SnapshotPart { revocations: revocations.clone() })
            }
            Self::Revocation(revocation) => serde_json::to_string(revocation),
            Self::UpToDate | Self::Heartbeat | Self::Goodbye => Ok("{}".to_owned()),
        }
    }

    /// Reads an event. `None`: an event of this name is not known; a reader passes over it.
    ///
    /// # Errors
    /// If the data is not what an event of this name has.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name {
            "snapshot" => Self::Snapshot(serde_json::from_str::<SnapshotPart>(data)?.revocations),
            "up-to-date" => Self::UpToDate,
            "revocation" => Self::Revocation(serde_json::from_str(data)?),
            "heartbeat" => Self::Heartbeat,
            "goodbye" => Self::Goodbye,
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn events_go_over_the_wire_and_back() {
        let token = Revocation::Token { jti: "a\nb\r\"è".into(), client_id: "c".into(), exp: 1 };
        let client = Revocation::Client {
            client_id: "c".into(),
            issued_until: Timestamp::from_unix_millis(1),
            forget_at: Timestamp::from_unix_millis(2),
        };
        for event in [
            FeedEvent::Snapshot(vec![token.clone(), client]),
            FeedEvent::Snapshot(Vec::new()),
            FeedEvent::UpToDate,
            FeedEvent::Revocation(token),
            FeedEvent::Heartbeat,
            FeedEvent::Goodbye,
        ] {
            let data = event.data().unwrap();
            assert!(!data.contains(['\n', '\r']), "one line: {data}");
            assert_eq!(FeedEvent::parse(event.name(), &data).unwrap(), Some(event));
        }
        assert_eq!(FeedEvent::parse("of tomorrow", "?").unwrap(), None);
        assert!(FeedEvent::parse("revocation", "{}").is_err());
    }
}
