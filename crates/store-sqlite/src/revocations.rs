//! Revocations: one row each, numbered as they are recorded. A watch asks for the rows after the last number it saw: at
//! once after one of this process, and twice a second for those of others that share the file.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use common::Timestamp;
use common::revocation::Revocation;
use credentials::StoreError;
use credentials::revocation::{RevocationStore, RevocationWatch};
use rusqlite::{Connection, OptionalExtension, params};

use crate::SqliteStore;
use crate::failure::{Failure, decode, encode};

/// How long a watch waits before it looks for what other processes recorded.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// As for used assertions: clocks differ.
const MARGIN_SECONDS: i64 = 600;
/// Rows removed at once: as many as can be added between two times (`QUEUE` of the writer, twice), so that they do not
/// pile up.
const FORGOTTEN_AT_ONCE: i64 = 2048;
/// Rows that a watch reads at once.
const READ_AT_ONCE: i64 = 1000;

/// A revocation as a row.
struct Row {
    kind: &'static str,
    subject: String,
    /// Of a client's: the later one stays.
    issued_until: Option<i64>,
    ends: i64,
    record: String,
}

#[async_trait]
impl RevocationStore for SqliteStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let row = row(revocation)?;
        self.write(move |connection| Ok(insert(connection, &row)?)).await?;
        self.shared.revoked.notify_waiters();
        Ok(())
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        let found = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT record FROM revocations ORDER BY number")?;
            let records = statement.query_map((), |row| row.get::<_, String>(0))?;
            records.map(|record| revocation(&record?)).collect()
        });
        Ok(found.await?)
    }

    async fn watch(&self) -> Result<Box<dyn RevocationWatch>, StoreError> {
        let last = self.read(|connection| {
            // Not the highest number there is: rows are forgotten, and the next one is above all there ever were.
            let mut statement =
                connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'revocations'")?;
            Ok(statement.query_row((), |row| row.get(0)).optional()?.unwrap_or(0))
        });
        Ok(Box::new(Watch { store: self.clone(), last: last.await?, read: VecDeque::new() }))
    }
}

struct Watch {
    store: SqliteStore,
    last: i64,
    /// Read, and not told yet.
    read: VecDeque<Revocation>,
}

#[async_trait]
impl RevocationWatch for Watch {
    async fn next(&mut self) -> Result<Option<Revocation>, StoreError> {
        if self.read.is_empty() {
            let shared = std::sync::Arc::clone(&self.store.shared);
            // Before the look: what is recorded between the look and the wait wakes us.
            let mut woken = std::pin::pin!(shared.revoked.notified());
            woken.as_mut().enable();
            self.look().await?;
            if self.read.is_empty() {
                // Woken or not, it is time to look.
                let _ = tokio::time::timeout(LOOK_AGAIN, woken).await;
                self.look().await?;
            }
        }
        Ok(self.read.pop_front())
    }
}

impl Watch {
    async fn look(&mut self) -> Result<(), StoreError> {
        let last = self.last;
        let found = self.store.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, record FROM revocations WHERE number > ? ORDER BY number LIMIT ?",
            )?;
            let rows = statement
                .query_map([last, READ_AT_ONCE], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (number, record): (i64, String) = row?;
                Ok((number, revocation(&record)?))
            })
            .collect::<Result<Vec<_>, Failure>>()
        });
        for (number, revocation) in found.await? {
            self.last = number;
            self.read.push_back(revocation);
        }
        Ok(())
    }
}

fn row(revocation: &Revocation) -> Result<Row, Failure> {
    let record = encode(revocation)?;
    Ok(match revocation {
        Revocation::Token { jti, exp, .. } => Row {
            kind: "token",
            subject: jti.clone(),
            issued_until: None,
            ends: Timestamp::from_unix_seconds(*exp).unix_millis(),
            record,
        },
        Revocation::Client { client_id, issued_until, forget_at } => Row {
            kind: "client",
            subject: client_id.clone(),
            issued_until: Some(issued_until.unix_millis()),
            ends: forget_at.unix_millis(),
            record,
        },
    })
}

/// Records the row, with a number above all others, unless the same or a later one is there.
fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT issued_until FROM revocations WHERE kind = ? AND subject = ?")?;
    let known: Option<Option<i64>> =
        statement.query_row(params![row.kind, row.subject], |found| found.get(0)).optional()?;
    // Of two tokens there is nothing to compare: None is not later than None.
    if known.is_some_and(|known| row.issued_until <= known) {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO revocations (kind, subject, issued_until, ends, record) VALUES (?, ?, ?, ?, ?)",
    )?;
    statement.execute(params![row.kind, row.subject, row.issued_until, row.ends, row.record])?;
    Ok(())
}

fn revocation(record: &str) -> Result<Revocation, Failure> {
    decode(|| "a revocation".to_owned(), record)
}

/// Removes some of the revocations whose end has passed.
pub(crate) fn forget_ended(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let ended_before = now.plus_seconds(MARGIN_SECONDS.saturating_neg()).unix_millis();
    let mut statement = connection.prepare_cached(
        "DELETE FROM revocations WHERE number IN
             (SELECT number FROM revocations WHERE ends < ? ORDER BY ends LIMIT ?)",
    )?;
    statement.execute([ended_before, FORGOTTEN_AT_ONCE])?;
    Ok(())
}
