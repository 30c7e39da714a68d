//! Public signing keys of the deployment.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::key::{KeyDirectory, PublishedKey};
use rusqlite::params;

use crate::SqliteStore;
use crate::failure::{decode, encode};

#[async_trait]
impl KeyDirectory for SqliteStore {
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError> {
        let kid = key.kid.clone();
        let record = encode(key)?;
        let published = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO signing_keys (kid, record) VALUES (?, ?)
                     ON CONFLICT (kid) DO UPDATE SET record = excluded.record",
            )?;
            statement.execute(params![kid, record])?;
            Ok(())
        });
        Ok(published.await?)
    }

    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
        let keys = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT kid, record FROM signing_keys ORDER BY kid")?;
            let rows =
                statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (kid, record) = row?;
                decode(|| format!("signing key {kid}"), &record)
            })
            .collect()
        });
        Ok(keys.await?)
    }
}
