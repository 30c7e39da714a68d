//! Audit events: one row each, in the order of their ids, which is that of time.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::audit::{AuditAction, AuditEvent, AuditFilter, AuditLog, AuditPage, EventId, Outcome};
use rusqlite::{Connection, params, params_from_iter};

use crate::SqliteStore;
use crate::failure::{Failure, decode, encode};

/// Rows removed at once, which happens every second that brings any: more than a second adds (`PAUSE` of the service's
/// audit queue), so that they do not pile up.
const FORGOTTEN_AT_ONCE: i64 = 8192;

#[async_trait]
impl AuditLog for SqliteStore {
    async fn append(&self, events: &[AuditEvent], keep_until: Timestamp) -> Result<(), StoreError> {
        let rows = events.iter().map(|event| Ok((event.clone(), encode(event)?)));
        let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
        let appended = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO audit_events (id, client, action, until, record) VALUES (?, ?, ?, ?, ?)
                     ON CONFLICT DO NOTHING",
            )?;
            for (event, record) in rows {
                let client = event.client.as_ref().map(|client| client.as_str());
                let (id, action) = (event.id.as_str(), event.action.as_str());
                statement.execute(params![id, client, action, keep_until.unix_millis(), record])?;
            }
            Ok(())
        });
        Ok(appended.await?)
    }

    async fn settle(&self, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError> {
        let outcomes = outcomes.to_vec();
        let settled = self.write(move |connection| {
            let mut done = connection.prepare_cached(
                "UPDATE audit_events SET record = CASE
                     WHEN ?2 IS NULL THEN json_remove(record, '$.reason')
                     ELSE json_set(json_remove(record, '$.reason'), '$.subject', ?2)
                 END WHERE id = ?1",
            )?;
            let mut withdrawn = connection.prepare_cached("DELETE FROM audit_events WHERE id = ?")?;
            for (id, outcome) in outcomes {
                match outcome {
                    Outcome::Done { subject } => done.execute(params![id.as_str(), subject])?,
                    Outcome::Withdrawn => withdrawn.execute([id.as_str()])?,
                };
            }
            Ok(())
        });
        Ok(settled.await?)
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
        let conditions = Conditions::of(filter, before);
        Ok(self.scan(move |connection| conditions.page(connection, limit)).await?)
    }

    async fn count(&self, filter: &AuditFilter, at_most: u32) -> Result<u32, StoreError> {
        let conditions = Conditions::of(filter, None);
        Ok(self.scan(move |connection| conditions.count(connection, at_most)).await?)
    }
}

/// A filter in the words of SQL: conditions, and the values of their question marks.
struct Conditions {
    sql: String,
    values: Vec<String>,
}

impl Conditions {
    fn of(filter: &AuditFilter, before: Option<&EventId>) -> Self {
        let mut these = Self { sql: "TRUE".to_owned(), values: Vec::new() };
        these.add("id < ?", before.cloned());
        these.add("id >= ?", filter.first());
        these.add("id < ?", filter.end());
        // The plus keeps SQLite from walking all events of an action to find the few of a client.
        these.add(
            if filter.client.is_some() { "+action = ?" } else { "action = ?" },
            filter.action.map(AuditAction::as_str),
        );
        these.add("client = ?", filter.client.clone());
        these
    }

    fn add(&mut self, condition: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
    }

    fn page(&self, connection: &Connection, limit: u32) -> Result<AuditPage, Failure> {
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        let sql = format!("SELECT id, record FROM audit_events WHERE {} ORDER BY id DESC", self.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&self.values))?;
        let mut page = AuditPage::default();
        while let Some(row) = rows.next()? {
            let (id, record): (String, String) = (row.get(0)?, row.get(1)?);
            let event: AuditEvent = match decode(|| format!("audit event {id}"), &record) {
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

    fn count(&self, connection: &Connection, at_most: u32) -> Result<u32, Failure> {
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM audit_events WHERE {} LIMIT {at_most})", self.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params_from_iter(&self.values), |row| row.get(0))?)
    }
}

/// Removes some of the events whose time is over.
pub(crate) fn forget_ended(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM audit_events WHERE id IN
             (SELECT id FROM audit_events WHERE until < ? ORDER BY until LIMIT ?)",
    )?;
    statement.execute([now.unix_millis(), FORGOTTEN_AT_ONCE])?;
    Ok(())
}
