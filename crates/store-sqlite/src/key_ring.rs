//! The signing keys that all processes share: one row, replaced whole.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::key::{KeyRing, KeyRingStore, StoredRing};
use rusqlite::{OptionalExtension, params};

use crate::SqliteStore;
use crate::failure::{decode, encode};

#[async_trait]
impl KeyRingStore for SqliteStore {
    async fn key_ring(&self) -> Result<StoredRing, StoreError> {
        let ring = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT version, record FROM key_ring")?;
            let row = statement
                .query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
                .optional()?;
            let Some((version, record)) = row else { return Ok(StoredRing::default()) };
            let ring = decode(|| "the ring of signing keys".to_owned(), &record)?;
            Ok(StoredRing { ring, version: version.cast_unsigned() })
        });
        Ok(ring.await?)
    }

    async fn replace_key_ring(&self, ring: &KeyRing, expected_version: u64) -> Result<bool, StoreError> {
        let record = encode(ring)?;
        let (expected, next) =
            (expected_version.cast_signed(), expected_version.wrapping_add(1).cast_signed());
        let replaced = self.write(move |connection| {
            let changed = if expected == 0 {
                connection
                    .prepare_cached(
                        "INSERT INTO key_ring (id, version, record) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![next, record])?
            } else {
                connection
                    .prepare_cached("UPDATE key_ring SET version = ?, record = ? WHERE version = ?")?
                    .execute(params![next, record, expected])?
            };
            Ok(changed == 1)
        });
        Ok(replaced.await?)
    }
}
