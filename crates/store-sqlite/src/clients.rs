//! Clients: one row each, the record as JSON, the version beside it for comparison.

use async_trait::async_trait;
use credentials::client::{Client, ClientId, ClientPage, ClientStore, ReplaceOutcome};
use credentials::{InsertError, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::failure::{Failure, decode, encode};

#[async_trait]
impl ClientStore for SqliteStore {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        let (id, version) = (client.id.as_str().to_owned(), stored_version(client.version));
        let record = encode(client).map_err(StoreError::from)?;
        let inserted = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO clients (id, version, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )?;
            Ok(statement.execute(params![id, version, record])? == 1)
        });
        if inserted.await.map_err(StoreError::from)? { Ok(()) } else { Err(InsertError::Duplicate) }
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let id = id.as_str().to_owned();
        let found = self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT id, record FROM clients WHERE id = ?")?;
            let row = statement.query_row([&id], columns).optional()?;
            row.map(|(id, record)| client(&id, &record)).transpose()
        });
        Ok(found.await?)
    }

    async fn list(&self, after: Option<&ClientId>, limit: u32) -> Result<ClientPage, StoreError> {
        // Every id comes after the empty text.
        let after = after.map(ClientId::as_str).unwrap_or_default().to_owned();
        if limit == 0 {
            return Ok(ClientPage::default());
        }
        let page = self.read(move |connection| {
            let mut clients = clients_after(connection, &after, i64::from(limit).saturating_add(1))?;
            let full = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = clients.len() > full;
            clients.truncate(full);
            let next = clients.last().filter(|_| more).map(|client| client.id.clone());
            Ok(ClientPage { clients, next })
        });
        Ok(page.await?)
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
            let mut exists = connection.prepare_cached("SELECT 1 FROM clients WHERE id = ?")?;
            Ok(if exists.exists([&id])? { ReplaceOutcome::VersionConflict } else { ReplaceOutcome::Missing })
        });
        Ok(outcome.await?)
    }

    async fn delete(&self, id: &ClientId) -> Result<bool, StoreError> {
        let id = id.as_str().to_owned();
        let deleted = self.write(move |connection| {
            Ok(connection.prepare_cached("DELETE FROM clients WHERE id = ?")?.execute([id])? == 1)
        });
        Ok(deleted.await?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.shared.writer.check()?;
        let answer = self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM clients LIMIT 1")?.exists(())?;
            Ok(())
        });
        Ok(answer.await?)
    }
}

fn clients_after(connection: &Connection, after: &str, limit: i64) -> Result<Vec<Client>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, record FROM clients WHERE id > ? ORDER BY id LIMIT ?")?;
    let rows = statement.query_map(params![after, limit], columns)?;
    rows.map(|row| row.map_err(Failure::from).and_then(|(id, record)| client(&id, &record))).collect()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn client(id: &str, record: &str) -> Result<Client, Failure> {
    decode(|| format!("client {id}"), record)
}

/// SQLite's integers are signed. Versions are compared for equality only, so the bits are what matters.
const fn stored_version(version: u64) -> i64 {
    version.cast_signed()
}
