//! Secret hashes: one row each, under the keyed hash of the client id.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::secret::{SecretLookup, SecretStore, StoredSecret};
use rusqlite::params;

use crate::SqliteStore;
use crate::failure::{decode, encode};

#[async_trait]
impl SecretStore for SqliteStore {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        let (owner, created) = (owner.as_str().to_owned(), secret.created_at.unix_millis());
        let record = encode(secret)?;
        let added = self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("INSERT INTO secrets (owner, created_at, record) VALUES (?, ?, ?)")?;
            statement.execute(params![owner, created, record])?;
            Ok(())
        });
        Ok(added.await?)
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let owner = owner.as_str().to_owned();
        let found = self.look_up(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT record FROM secrets WHERE owner = ? ORDER BY created_at, rowid")?;
            let records = statement.query_map([&owner], |row| row.get::<_, String>(0))?;
            records.map(|record| decode(|| "a client secret".to_owned(), &record?)).collect()
        });
        Ok(found.await?)
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
