//! Public signing keys of the replicas: one row each.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::key::{KeyDirectory, PublishedKey};
use rusqlite::params;

use crate::SqliteStore;
use crate::failure::{decode, encode};

#[async_trait]
impl KeyDirectory for SqliteStore {
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError> {
        let (kid, last_seen) = (key.kid.clone(), key.last_seen.unix_millis());
        let record = encode(key)?;
        let published = self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO signing_keys (kid, last_seen, record) VALUES (?, ?, ?)
                     ON CONFLICT (kid) DO UPDATE SET last_seen = excluded.last_seen, record = excluded.record",
            )?;
            statement.execute(params![kid, last_seen, record])?;
            Ok(())
        });
        Ok(published.await?)
    }

    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
        let rows = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT kid, record FROM signing_keys ORDER BY kid")?;
            let rows =
                statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        let readable = rows.await?.into_iter().filter_map(|(kid, record)| {
            decode(|| format!("signing key {kid}"), &record)
                .inspect_err(
                    |failure| tracing::error!(error.message = %failure, "a published key is left out"),
                )
                .ok()
        });
        Ok(readable.collect())
    }

    async fn forget_unseen(&self, since: Timestamp) -> Result<(), StoreError> {
        let forgotten = self.write(move |connection| {
            let mut statement = connection.prepare_cached("DELETE FROM signing_keys WHERE last_seen <= ?")?;
            statement.execute([since.unix_millis()])?;
            Ok(())
        });
        Ok(forgotten.await?)
    }

    async fn withdraw(&self, kid: &str) -> Result<bool, StoreError> {
        let kid = kid.to_owned();
        let withdrawn = self.write(move |connection| {
            let mut statement = connection.prepare_cached("DELETE FROM signing_keys WHERE kid = ?")?;
            Ok(statement.execute([kid])? == 1)
        });
        Ok(withdrawn.await?)
    }
}
