//! Audit events: one document each, whose `_id` is in the order of time. `mongod` removes a document some time after its
//! end.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::audit::{Actor, AuditEvent, AuditFilter, AuditLog, AuditPage, EventId, Outcome};
use credentials::client::ClientId;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};

use crate::MongoStore;
use crate::document::{Stored, audit_event_fields as fields, by_id, date};
use crate::failure::{DUPLICATE_KEY, Unreadable, within_limit};

#[async_trait]
impl AuditLog for MongoStore {
    async fn append(&self, events: &[AuditEvent], keep_until: Timestamp) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let documents = events.iter().map(|event| document(event, keep_until)).collect::<Vec<_>>();
        // Unordered: one that is there already does not keep the others out.
        within_limit(async {
            match self.audit_events.insert_many(documents).ordered(false).await {
                Err(error) if all_are_there(&error) => Ok(()),
                outcome => outcome.map(drop),
            }
        })
        .await
    }

    async fn settle(&self, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError> {
        let (mut done, mut withdrawn) = (Vec::new(), Vec::new());
        for (id, outcome) in outcomes {
            match outcome {
                Outcome::Done { subject: None } => done.push(id.as_str()),
                Outcome::Withdrawn => withdrawn.push(id.as_str()),
                Outcome::Done { subject: Some(subject) } => {
                    let settled =
                        doc! { "$unset": { fields::REASON: "" }, "$set": { fields::SUBJECT: subject } };
                    within_limit(self.audit_events.update_one(by_id(id.as_str()), settled)).await?;
                }
            }
        }
        if !done.is_empty() {
            let settled = doc! { "$unset": { fields::REASON: "" } };
            within_limit(self.audit_events.update_many(any_of(&done), settled)).await?;
        }
        if !withdrawn.is_empty() {
            within_limit(self.audit_events.delete_many(any_of(&withdrawn))).await?;
        }
        Ok(())
    }

    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<&EventId>,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        if limit == 0 {
            return Ok(AuditPage::default());
        }
        within_limit(self.page_of_events(conditions(filter, before), limit)).await
    }

    async fn count(&self, filter: &AuditFilter, at_most: u32) -> Result<u32, StoreError> {
        if at_most == 0 {
            return Ok(0);
        }
        let counting = self.audit_events.count_documents(conditions(filter, None)).limit(at_most.into());
        Ok(u32::try_from(within_limit(counting).await?).unwrap_or(u32::MAX))
    }
}

impl MongoStore {
    async fn page_of_events(&self, conditions: Document, limit: u32) -> Result<AuditPage, Error> {
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = self.audit_events.find(conditions).sort(doc! { "_id": -1 }).await?;
        let mut page = AuditPage::default();
        while let Some(document) = found.try_next().await? {
            let event = match event(&document) {
                Ok(event) => event,
                Err(unreadable) => {
                    tracing::error!(error.message = %unreadable, "left out of the audit events");
                    continue;
                }
            };
            if page.events.len() == full {
                page.next = page.events.last().map(|event| event.id.clone());
                break;
            }
            page.events.push(event);
        }
        Ok(page)
    }
}

fn any_of(ids: &[&str]) -> Document {
    doc! { "_id": { "$in": ids } }
}

fn conditions(filter: &AuditFilter, before: Option<&EventId>) -> Document {
    let mut conditions = Document::new();
    let mut range = Document::new();
    if let Some(first) = filter.first() {
        range.insert("$gte", first.as_str());
    }
    if let Some(end) = filter.end().into_iter().chain(before.cloned()).min() {
        range.insert("$lt", end.as_str());
    }
    if !range.is_empty() {
        conditions.insert("_id", range);
    }
    if let Some(client) = &filter.client {
        conditions.insert(fields::CLIENT, doc! { "$eq": client.as_str() });
    }
    if let Some(action) = filter.action {
        conditions.insert(fields::ACTION, action.as_str());
    }
    conditions
}

/// Whether nothing was wrong but that some were stored before.
fn all_are_there(error: &Error) -> bool {
    let ErrorKind::InsertMany(failure) = &*error.kind else { return false };
    let duplicates = failure
        .write_errors
        .as_ref()
        .is_some_and(|errors| !errors.is_empty() && errors.iter().all(|error| error.code == DUPLICATE_KEY));
    duplicates && failure.write_concern_error.is_none()
}

fn document(event: &AuditEvent, keep_until: Timestamp) -> Document {
    let text = |text: &Option<String>| text.clone().map_or(Bson::Null, Bson::String);
    let id = |id: &ClientId| Bson::from(id.as_str());
    let actor = match &event.actor {
        Actor::Client { id: client } => id(client),
        Actor::Anybody | Actor::Bootstrap | Actor::Service => Bson::Null,
    };
    let document = doc! {
        "_id": event.id.as_str(),
        fields::AT: date(event.at),
        fields::ACTION: event.action.as_str(),
        fields::ACTOR: event.actor.kind(),
        fields::ACTING_CLIENT: actor,
        fields::CLIENT: event.client.as_ref().map_or(Bson::Null, id),
        fields::SUBJECT: text(&event.subject),
        fields::REASON: text(&event.reason),
        fields::REQUEST_ID: text(&event.request_id),
        fields::SOURCE: text(&event.source),
        fields::UNTIL: date(keep_until),
    };
    document.into_iter().filter(|(_, value)| *value != Bson::Null).collect()
}

fn event(document: &Document) -> Result<AuditEvent, Unreadable> {
    let id: EventId = Stored::new(document, "an audit event".to_owned()).spelled("_id")?;
    let stored = Stored::new(document, format!("audit event {id}"));
    let client = |field| stored.field(field).map(|_| stored.spelled::<ClientId>(field)).transpose();
    let actor = Actor::of_kind(&stored.spelled::<String>(fields::ACTOR)?, client(fields::ACTING_CLIENT)?);
    Ok(AuditEvent {
        at: stored.date(fields::AT)?,
        action: stored.spelled(fields::ACTION)?,
        actor: actor.ok_or_else(|| stored.unreadable(fields::ACTOR))?,
        client: client(fields::CLIENT)?,
        subject: stored.optional_text(fields::SUBJECT)?,
        reason: stored.optional_text(fields::REASON)?,
        request_id: stored.optional_text(fields::REQUEST_ID)?,
        source: stored.optional_text(fields::SOURCE)?,
        id,
    })
}
