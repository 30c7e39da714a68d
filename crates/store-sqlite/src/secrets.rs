//! Secret hashes: one row each, under the keyed hash of the client id.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::secret::{
    RemoveOutcome, RotateOutcome, Rotation, SecretHash, SecretLookup, SecretStore, StoredSecret,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::SqliteStore;
use crate::failure::{Failure, decode, encode};

#[async_trait]
impl SecretStore for SqliteStore {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        let (owner, secret) = (owner.as_str().to_owned(), secret.clone());
        Ok(self.write(move |connection| insert(connection, &owner, &secret)).await?)
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let owner = owner.as_str().to_owned();
        let found = self.look_up(move |connection| rows(connection, &owner));
        Ok(found.await?.into_iter().map(|(_, secret)| secret).collect())
    }

    async fn rotate(&self, owner: &SecretLookup, rotation: &Rotation) -> Result<RotateOutcome, StoreError> {
        let (owner, rotation) = (owner.as_str().to_owned(), rotation.clone());
        let rotated = self.write(move |connection| {
            let (numbers, others): (Vec<i64>, Vec<_>) = rows(connection, &owner)?.into_iter().unzip();
            if !rotation.fits_beside(&others) {
                return Ok(RotateOutcome::TooMany);
            }
            for (row, other) in numbers.into_iter().zip(others) {
                let Some(end) = rotation.end_of(&other) else {
                    delete(connection, row)?;
                    continue;
                };
                let ended = encode(&StoredSecret { expires_at: Some(end), ..other })?;
                let mut update =
                    connection.prepare_cached("UPDATE secrets SET record = ? WHERE rowid = ?")?;
                update.execute(params![ended, row])?;
            }
            insert(connection, &owner, &rotation.new)?;
            Ok(RotateOutcome::Rotated)
        });
        Ok(rotated.await?)
    }

    async fn upgrade(
        &self,
        owner: &SecretLookup,
        old: &SecretHash,
        new: &StoredSecret,
    ) -> Result<bool, StoreError> {
        let (owner, old, new) = (owner.as_str().to_owned(), old.clone(), new.clone());
        let upgraded = self.write(move |connection| {
            let found = rows(connection, &owner)?.into_iter().find(|(_, secret)| secret.hash == old);
            let Some((row, StoredSecret { created_at, expires_at, .. })) = found else { return Ok(false) };
            let record = encode(&StoredSecret { created_at, expires_at, ..new })?;
            let mut update = connection.prepare_cached("UPDATE secrets SET record = ? WHERE rowid = ?")?;
            Ok(update.execute(params![record, row])? == 1)
        });
        Ok(upgraded.await?)
    }

    async fn note_use(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (owner, hash) = (owner.as_str().to_owned(), hash.clone());
        let noted = self.write(move |connection| {
            let found = rows(connection, &owner)?.into_iter().find(|(_, secret)| secret.hash == hash);
            let Some((row, secret)) = found else { return Ok(()) };
            let record = encode(&StoredSecret { last_used_at: secret.last_used_at.max(Some(at)), ..secret })?;
            let mut update = connection.prepare_cached("UPDATE secrets SET record = ? WHERE rowid = ?")?;
            update.execute(params![record, row])?;
            Ok(())
        });
        Ok(noted.await?)
    }

    async fn any_imported(&self) -> Result<Option<SecretHash>, StoreError> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT record FROM secrets WHERE json_extract(record, '$.hash') LIKE '$%' LIMIT 1",
            )?;
            let record: Option<String> = statement.query_row((), |row| row.get(0)).optional()?;
            record.map(|record| decode(|| "a client secret".to_owned(), &record)).transpose()
        });
        Ok(found.await?.map(|secret: StoredSecret| secret.hash))
    }

    async fn remove(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        spare_last_at: Option<Timestamp>,
    ) -> Result<RemoveOutcome, StoreError> {
        let (owner, hash) = (owner.as_str().to_owned(), hash.clone());
        let removed = self.write(move |connection| {
            let (numbers, secrets): (Vec<i64>, Vec<_>) = rows(connection, &owner)?.into_iter().unzip();
            let outcome = RemoveOutcome::expected(&secrets, &hash, spare_last_at);
            if outcome == RemoveOutcome::Removed {
                let doomed = numbers.into_iter().zip(secrets).filter(|(_, secret)| secret.hash == hash);
                doomed.into_iter().try_for_each(|(row, _)| delete(connection, row))?;
            }
            Ok(outcome)
        });
        Ok(removed.await?)
    }

    async fn forget_ended(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = before.unix_millis();
        // Mostly there is nothing: no write waits while that is looked up.
        let ended = self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT rowid FROM secrets WHERE json_extract(record, '$.expiresAt') < ?")?;
            let rows = statement.query_map([before], |row| row.get(0))?;
            Ok(rows.collect::<Result<Vec<i64>, _>>()?)
        });
        let ended = ended.await?;
        if ended.is_empty() {
            return Ok(());
        }
        let forgotten = self.write(move |connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM secrets WHERE rowid = ? AND json_extract(record, '$.expiresAt') < ?",
            )?;
            ended.into_iter().try_for_each(|row| delete.execute([row, before]).map(drop))?;
            Ok(())
        });
        Ok(forgotten.await?)
    }

    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError> {
        let owner = owner.as_str().to_owned();
        let deleted = self.write(move |connection| {
            connection.prepare_cached("DELETE FROM secrets WHERE owner = ?")?.execute([owner])?;
            Ok(())
        });
        Ok(deleted.await?)
    }
}

/// The secrets of a client, oldest first, with the numbers of their rows.
fn rows(connection: &Connection, owner: &str) -> Result<Vec<(i64, StoredSecret)>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT rowid, record FROM secrets WHERE owner = ? ORDER BY created_at, rowid")?;
    let rows = statement.query_map([owner], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (number, record) = row?;
        Ok((number, decode(|| "a client secret".to_owned(), &record)?))
    })
    .collect()
}

fn delete(connection: &Connection, row: i64) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM secrets WHERE rowid = ?")?.execute([row])?;
    Ok(())
}

fn insert(connection: &Connection, owner: &str, secret: &StoredSecret) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("INSERT INTO secrets (owner, created_at, record) VALUES (?, ?, ?)")?;
    statement.execute(params![owner, secret.created_at.unix_millis(), encode(secret)?])?;
    Ok(())
}
