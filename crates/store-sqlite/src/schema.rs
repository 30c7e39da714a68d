//! Tables, their versions, and the settings that make a commit durable.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::failure::OpenError;

/// Each entry takes a file from the version before it to its own, counted from 1. Never edit one that was released. The
/// program before must be able to go on with the new file (ADR 14): add tables, indexes, and columns that may be left out,
/// and take away only what no program has used since the version before.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE clients (
        id TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;

    CREATE TABLE secrets (
        owner TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX secrets_by_owner ON secrets (owner, created_at);

    CREATE TABLE used_assertions (
        id BLOB NOT NULL PRIMARY KEY,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX used_assertions_by_end ON used_assertions (until);

    CREATE TABLE signing_keys (
        kid TEXT NOT NULL PRIMARY KEY,
        record TEXT NOT NULL
    ) STRICT;

    CREATE TABLE deployment (
        name TEXT NOT NULL PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT;
",
    "
    -- Beside the record: noting a login changes no version.
    ALTER TABLE clients ADD COLUMN last_login INTEGER;
",
    "
    -- Each replica publishes its key anew when it starts: nothing is lost.
    DROP TABLE signing_keys;
    CREATE TABLE signing_keys (
        kid TEXT NOT NULL PRIMARY KEY,
        last_seen INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;

    CREATE TABLE key_ring (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
",
    "
    -- Their ids are in the order of time.
    CREATE TABLE audit_events (
        id TEXT NOT NULL PRIMARY KEY,
        client TEXT,
        action TEXT NOT NULL,
        until INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX audit_events_by_client ON audit_events (client, id) WHERE client IS NOT NULL;
    CREATE INDEX audit_events_by_action ON audit_events (action, id);
    CREATE INDEX audit_events_by_end ON audit_events (until);
",
    "
    -- A change has a number above all before it, so that whoever knows one can ask for those after it.
    CREATE TABLE revocations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        issued_until INTEGER,
        ends INTEGER NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (kind, subject)
    ) STRICT;
    CREATE INDEX revocations_by_end ON revocations (ends);
",
];

/// Makes `connection` durable and its file current.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::of_file(path.to_owned(), source);
    // Before anything is changed: a file of a much newer program is left as it is.
    readable_version(connection, path)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: path.to_owned() });
    }
    // FULL: the log is on the disk before a commit returns, so that what was acknowledged survives a power cut.
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    migrate(connection, path)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::of_file(path.to_owned(), source);
    if readable_version(connection, path)? >= current() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Again, under the lock: another process may have been faster.
    let found = readable_version(&transaction, path)?;
    if found >= current() {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", current()).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The version of the file, which is that of this program, an older one, or the next.
fn readable_version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| OpenError::of_file(path.to_owned(), source))?;
    let supported = current().saturating_add(1);
    if found > supported {
        return Err(OpenError::Newer { path: path.to_owned(), found, supported });
    }
    Ok(found)
}

fn current() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
