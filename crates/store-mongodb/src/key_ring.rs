//! The signing keys that all replicas share: one document, replaced whole.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::key::{KeyRing, KeyRingStore, StoredRing};
use mongodb::bson::doc;
use serde_json::Value;

use crate::MongoStore;
use crate::document::{Stored, by_id};
use crate::failure::{unless_duplicate, within_limit};
use crate::json;

const ID: &str = "ring";
const VERSION: &str = "version";
const RING: &str = "ring";

#[async_trait]
impl KeyRingStore for MongoStore {
    async fn key_ring(&self) -> Result<StoredRing, StoreError> {
        let found = within_limit(self.key_ring.find_one(by_id(ID))).await?;
        let Some(document) = found else { return Ok(StoredRing::default()) };
        let stored = Stored::new(&document, "the ring of signing keys".to_owned());
        let members = Value::Object(stored.object(RING)?);
        let ring = serde_json::from_value(members).map_err(|_| stored.unreadable(RING))?;
        Ok(StoredRing { ring, version: stored.integer(VERSION)?.cast_unsigned() })
    }

    async fn replace_key_ring(&self, ring: &KeyRing, expected_version: u64) -> Result<bool, StoreError> {
        let ring = serde_json::to_value(ring).map_err(|error| StoreError::Unavailable(error.into()))?;
        let members = ring.as_object().map(json::to_bson);
        let next = expected_version.wrapping_add(1).cast_signed();
        let mut document = doc! { VERSION: next, RING: members };
        if expected_version == 0 {
            document.insert("_id", ID);
            return Ok(unless_duplicate(self.key_ring.insert_one(document)).await?.is_some());
        }
        let expected = doc! { "_id": ID, VERSION: expected_version.cast_signed() };
        let replaced = within_limit(self.key_ring.replace_one(expected, document)).await?;
        Ok(replaced.matched_count == 1)
    }
}
