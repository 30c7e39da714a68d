//! Values that all replicas of a deployment agree on: one document each, whose `_id` is the name.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::store::DeploymentStore;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use mongodb::options::ReturnDocument;

use crate::MongoStore;
use crate::document::{Stored, by_id};
use crate::failure::{unless_duplicate, within_limit};

const VALUE: &str = "value";

#[async_trait]
impl DeploymentStore for MongoStore {
    async fn agree(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        // One step: a value that is there stays, and the answer waits until a majority has it, even if nothing was
        // written. A read after an insert could see neither.
        let proposal = Binary { subtype: BinarySubtype::Generic, bytes: proposal.to_vec() };
        let agree = || {
            self.deployment
                .find_one_and_update(by_id(name), doc! { "$setOnInsert": { VALUE: proposal.clone() } })
                .upsert(true)
                .return_document(ReturnDocument::After)
        };
        let agreed: Option<Document> = match unless_duplicate(agree()).await? {
            Some(agreed) => agreed,
            // Another replica inserted in the same moment; now it is there to be read.
            None => within_limit(agree()).await?,
        };
        let document = agreed.unwrap_or_default();
        match document.get(VALUE) {
            Some(Bson::Binary(value)) => Ok(value.bytes.clone()),
            _ => Err(Stored::new(&document, "a value of the deployment".to_owned()).unreadable(VALUE).into()),
        }
    }
}
