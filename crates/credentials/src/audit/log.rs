//! The port behind which events are kept.

use async_trait::async_trait;
use common::Timestamp;

use super::{AuditAction, AuditEvent, EventId};
use crate::client::ClientId;
use crate::store::StoreError;

/// Conditions on events, all of which must hold. The default holds for every event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    pub client: Option<ClientId>,
    pub action: Option<AuditAction>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditPage {
    pub events: Vec<AuditEvent>,
    /// Pass it as `before` to get the next page; `None` on the last one.
    pub next: Option<EventId>,
}

impl AuditFilter {
    /// Whether all conditions hold.
    #[must_use]
    pub fn matches(&self, event: &AuditEvent) -> bool {
        self.client.as_ref().is_none_or(|client| event.client.as_ref() == Some(client))
            && self.action.is_none_or(|action| event.action == action)
            && self.first().is_none_or(|first| event.id >= first)
            && self.end().is_none_or(|end| event.id < end)
    }

    /// The first id that is not too early.
    #[must_use]
    pub fn first(&self) -> Option<EventId> {
        self.since.map(EventId::first_at)
    }

    /// The first id that is too late.
    #[must_use]
    pub fn end(&self) -> Option<EventId> {
        self.until.map(EventId::first_at)
    }
}

/// What became of something whose event was stored before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With its subject, if that was not known before.
    Done { subject: Option<String> },
    /// Nothing was changed: there is nothing to tell.
    Withdrawn,
}

/// Keeps events until their time is over.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds events, in one write. They are kept until `keep_until` and forgotten some time after that. Law: an event whose
    /// id is there already is left as it is, so that a batch whose fate is not known can be sent again.
    ///
    /// # Errors
    /// [`StoreError`] if they were not all stored.
    async fn append(&self, events: &[AuditEvent], keep_until: Timestamp) -> Result<(), StoreError>;

    /// Says of stored events what became of them: those that are done lose their `reason`, those that are withdrawn go.
    /// Law: all others stay as they are, and an event that is not there any more stays away.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell. Some may have been settled.
    async fn settle(&self, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError>;

    /// The newest `limit` events that `filter` [matches](AuditFilter::matches) among those whose ids are smaller than
    /// `before`, in descending order of their ids. Law: exactly those, on every store; an event that cannot be read, as
    /// one of a newer version may be, is left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<&EventId>,
        limit: u32,
    ) -> Result<AuditPage, StoreError>;

    /// How many events `filter` matches, counted to `at_most`.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    async fn count(&self, filter: &AuditFilter, at_most: u32) -> Result<u32, StoreError>;
}
