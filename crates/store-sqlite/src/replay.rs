//! Used assertions: one row each, keyed by the digest of client and jti. The key makes a use single, over all
//! processes that share the file.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::replay::{ReplayGuard, UseId};
use rusqlite::{Connection, params};

use crate::SqliteStore;

/// How long a use is kept beyond its end: a clock that was set back, or runs behind in another process, must not meet
/// an assertion that another one has forgotten (T-CLM-19, T-CLM-20).
const MARGIN_SECONDS: i64 = 600;
/// Rows removed at once: as many as can be added between two times (`QUEUE` of the writer, twice), so that they do not
/// pile up.
const FORGOTTEN_AT_ONCE: i64 = 2048;

#[async_trait]
impl ReplayGuard for SqliteStore {
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError> {
        let first = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO used_assertions (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING",
            )?;
            Ok(statement.execute(params![id.as_bytes(), until.unix_millis()])? == 1)
        });
        Ok(first.await?)
    }
}

/// Removes some of the uses whose end has passed.
pub(crate) fn forget_ended(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let ended_before = now.plus_seconds(MARGIN_SECONDS.saturating_neg()).unix_millis();
    let mut statement = connection.prepare_cached(
        "DELETE FROM used_assertions WHERE id IN
             (SELECT id FROM used_assertions WHERE until < ? ORDER BY until LIMIT ?)",
    )?;
    statement.execute([ended_before, FORGOTTEN_AT_ONCE])?;
    Ok(())
}
