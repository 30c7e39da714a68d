//! Used assertions: one document each, whose `_id` is the digest of client and jti. The `_id` makes a use single, over
//! all replicas. `mongod` removes a document some time after its end; nothing depends on when.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::replay::{ReplayGuard, UseId};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};

use crate::MongoStore;
use crate::document::{date, used_assertion_fields as fields};
use crate::failure::unless_duplicate;

#[async_trait]
impl ReplayGuard for MongoStore {
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError> {
        let digest = Binary { subtype: BinarySubtype::Generic, bytes: id.as_bytes().to_vec() };
        let document = doc! { "_id": digest, fields::UNTIL: date(until) };
        Ok(unless_duplicate(self.used_assertions.insert_one(document)).await?.is_some())
    }
}
