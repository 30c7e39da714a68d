//! Clients: one row each, the record as JSON, the version beside it for comparison.

use async_trait::async_trait;
use common::Timestamp;
use credentials::client::{
    Client, ClientFilter, ClientId, ClientPage, ClientStore, DeleteOutcome, ReplaceOutcome,
};
use credentials::{InsertError, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::failure::{Failure, decode, encode};

#[async_trait]
impl ClientStore for SqliteStore {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        let (id, version) = (client.id.as_str().to_owned(), stored_version(client.version));
        let last_login = client.last_login.map(Timestamp::unix_millis);
        let record = encode(client).map_err(StoreError::from)?;
        let inserted = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO clients (id, version, record, last_login) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?;
            Ok(statement.execute(params![id, version, record, last_login])? == 1)
        });
        if inserted.await.map_err(StoreError::from)? { Ok(()) } else { Err(InsertError::Duplicate) }
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let id = id.as_str().to_owned();
        let found = self.look_up(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT id, record, last_login FROM clients WHERE id = ?")?;
            let row = statement.query_row([&id], StoredClient::read).optional()?;
            row.map(StoredClient::decode).transpose()
        });
        Ok(found.await?)
    }

    async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError> {
        // Every id comes after the empty text.
        let after = after.map(ClientId::as_str).unwrap_or_default().to_owned();
        let filter = filter.clone();
        if limit == 0 {
            return Ok(ClientPage::default());
        }
        Ok(self.scan(move |connection| page(connection, &filter, &after, limit)).await?)
    }

    async fn replace(&self, client: &Client, expected_version: u64) -> Result<ReplaceOutcome, StoreError> {
        let (id, version) = (client.id.as_str().to_owned(), stored_version(client.version));
        let expected = stored_version(expected_version);
        let record = encode(client)?;
        let outcome = self.write(move |connection| {
            let mut update = connection
                .prepare_cached("UPDATE clients SET version = ?, record = ? WHERE id = ? AND version = ?")?;
            if update.execute(params![version, record, id, expected])? == 1 {
                return Ok(ReplaceOutcome::Replaced);
            }
            Ok(if exists(connection, &id)? {
                ReplaceOutcome::VersionConflict
            } else {
                ReplaceOutcome::Missing
            })
        });
        Ok(outcome.await?)
    }

    async fn delete(
        &self,
        id: &ClientId,
        expected_version: Option<u64>,
    ) -> Result<DeleteOutcome, StoreError> {
        let id = id.as_str().to_owned();
        let expected = expected_version.map(stored_version);
        let outcome = self.write(move |connection| {
            let mut delete = connection
                .prepare_cached("DELETE FROM clients WHERE id = ?1 AND version = ifnull(?2, version)")?;
            if delete.execute(params![id, expected])? == 1 {
                return Ok(DeleteOutcome::Deleted);
            }
            Ok(if exists(connection, &id)? { DeleteOutcome::VersionConflict } else { DeleteOutcome::Missing })
        });
        Ok(outcome.await?)
    }

    async fn note_login(&self, id: &ClientId, at: Timestamp, kid: Option<&str>) -> Result<(), StoreError> {
        let (id, kid) = (id.as_str().to_owned(), kid.map(str::to_owned));
        let noted = self.write(move |connection| {
            if let Some(kid) = &kid {
                note_key(connection, &id, at, kid)?;
            }
            let mut update = connection.prepare_cached(
                "UPDATE clients SET last_login = ?2 WHERE id = ?1 AND ifnull(last_login < ?2, TRUE)",
            )?;
            update.execute(params![id, at.unix_millis()])?;
            Ok(())
        });
        Ok(noted.await?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.shared.writer.check()?;
        if self.shared.writer.is_failing() {
            // Until a write succeeds nobody is told that all is well. Else no write is made to find out: anybody may ask.
            // It takes two pages, so that a few bytes left over do not pass for room.
            let probe = self.write(|connection| {
                let mut probe = connection.prepare_cached(
                    "INSERT INTO deployment (name, value) VALUES ('write_probe', randomblob(8192))
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?;
                probe.execute(())?;
                Ok(())
            });
            probe.await?;
        }
        let answer = self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM clients LIMIT 1")?.exists(())?;
            Ok(())
        });
        Ok(answer.await?)
    }
}

/// A row as it is stored.
struct StoredClient {
    id: String,
    record: String,
    last_login: Option<i64>,
}

impl StoredClient {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, record: row.get(1)?, last_login: row.get(2)? })
    }

    fn decode(self) -> Result<Client, Failure> {
        let client: Client = decode(|| format!("client {}", self.id), &self.record)?;
        Ok(Client { last_login: self.last_login.map(Timestamp::from_unix_millis), ..client })
    }
}

/// The clients that match, read one after the other until the page is full and it is known whether another follows.
fn page(
    connection: &Connection,
    filter: &ClientFilter,
    after: &str,
    limit: u32,
) -> Result<ClientPage, Failure> {
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut statement =
        connection.prepare_cached("SELECT id, record, last_login FROM clients WHERE id > ? ORDER BY id")?;
    let mut page = ClientPage::default();
    for row in statement.query_map([after], StoredClient::read)? {
        let client = row?.decode()?;
        if !filter.matches(&client) {
            continue;
        }
        if page.clients.len() == full {
            page.next = page.clients.last().map(|client| client.id.clone());
            break;
        }
        page.clients.push(client);
    }
    Ok(page)
}

/// A key is a part of the record.
fn note_key(connection: &Connection, id: &str, at: Timestamp, kid: &str) -> Result<(), Failure> {
    let mut select = connection.prepare_cached("SELECT record FROM clients WHERE id = ?")?;
    let record: Option<String> = select.query_row([id], |row| row.get(0)).optional()?;
    let Some(record) = record else { return Ok(()) };
    let mut client: Client = decode(|| format!("client {id}"), &record)?;
    for key in client.keys.iter_mut().filter(|key| key.key.kid() == Some(kid)) {
        key.last_used_at = key.last_used_at.max(Some(at));
    }
    let mut update = connection.prepare_cached("UPDATE clients SET record = ? WHERE id = ?")?;
    update.execute(params![encode(&client)?, id])?;
    Ok(())
}

fn exists(connection: &Connection, id: &str) -> Result<bool, Failure> {
    Ok(connection.prepare_cached("SELECT 1 FROM clients WHERE id = ?")?.exists([id])?)
}

/// SQLite's integers are signed. Versions are compared for equality only, so the bits are what matters.
const fn stored_version(version: u64) -> i64 {
    version.cast_signed()
}
