//! Used assertions: one document each, whose `_id` is the digest of client and jti. The `_id` makes a use single, over
//! all replicas. `mongod` removes a document some time after its end; nothing depends on when.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::replay::{ReplayGuard, UseId};
use mongodb::Collection;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::error::{Error, ErrorKind};

use crate::MongoStore;
use crate::document::{date, used_assertion_fields as fields};
use crate::failure::DUPLICATE_KEY;

/// A use to be recorded.
pub(crate) struct Use {
    id: UseId,
    until: Timestamp,
}

#[async_trait]
impl ReplayGuard for MongoStore {
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError> {
        self.first_uses.ask(Use { id, until }).await
    }
}

/// Records uses; of each whether it is the first.
pub(crate) async fn record(
    used_assertions: Collection<Document>,
    uses: Vec<Use>,
) -> Result<Vec<bool>, Error> {
    let documents: Vec<Document> = uses.iter().map(document).collect();
    // Unordered: one that was used before does not keep the others out.
    let inserted = used_assertions.insert_many(documents).ordered(false).await;
    let mut first = vec![true; uses.len()];
    let Err(error) = inserted else { return Ok(first) };
    let ErrorKind::InsertMany(failure) = &*error.kind else { return Err(error) };
    let errors = failure.write_errors.as_deref().unwrap_or_default();
    // Anything but a duplicate is a doubt, and then about all of them.
    if failure.write_concern_error.is_some() || errors.iter().any(|error| error.code != DUPLICATE_KEY) {
        return Err(error);
    }
    for error in errors {
        if let Some(first) = first.get_mut(error.index) {
            *first = false;
        }
    }
    Ok(first)
}

fn document(one: &Use) -> Document {
    let digest = Binary { subtype: BinarySubtype::Generic, bytes: one.id.as_bytes().to_vec() };
    doc! { "_id": digest, fields::UNTIL: date(one.until) }
}
