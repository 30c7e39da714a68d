//! Secret hashes: one document each, under the keyed hash of the client id.

use async_trait::async_trait;
use credentials::StoreError;
use credentials::secret::{SecretLookup, SecretStore, StoredSecret};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};

use crate::MongoStore;
use crate::document::{Stored, date, secret_fields as fields};
use crate::failure::{Unreadable, within_limit};

#[async_trait]
impl SecretStore for MongoStore {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        let hash = serialize_to_bson(&secret.hash).map_err(|error| StoreError::Unavailable(error.into()))?;
        let document = doc! {
            fields::OWNER: owner.as_str(),
            fields::HASH: hash,
            fields::CREATED_AT: date(secret.created_at),
            fields::EXPIRES_AT: secret.expires_at.map(date).map_or(Bson::Null, Bson::DateTime),
        };
        within_limit(self.credentials.insert_one(document)).await.map(drop)
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let found = self.credentials.find(by_owner(owner)).sort(doc! { fields::CREATED_AT: 1, "_id": 1 });
        let documents: Vec<Document> = within_limit(async { found.await?.try_collect().await }).await?;
        Ok(documents.iter().map(secret).collect::<Result<_, _>>()?)
    }

    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError> {
        within_limit(self.credentials.delete_many(by_owner(owner))).await.map(drop)
    }
}

fn by_owner(owner: &SecretLookup) -> Document {
    doc! { fields::OWNER: owner.as_str() }
}

fn secret(document: &Document) -> Result<StoredSecret, Unreadable> {
    let stored = Stored::new(document, "a client secret".to_owned());
    Ok(StoredSecret {
        hash: stored.spelled(fields::HASH)?,
        created_at: stored.date(fields::CREATED_AT)?,
        expires_at: stored.optional_date(fields::EXPIRES_AT)?,
    })
}
