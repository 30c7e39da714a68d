//! Secret hashes: one document each, under the keyed hash of the client id.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::secret::{SecretHash, SecretLookup, SecretStore, StoredSecret};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use crate::MongoStore;
use crate::document::{Stored, date, secret_fields as fields};
use crate::failure::{Unreadable, within_limit};

#[async_trait]
impl SecretStore for MongoStore {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        within_limit(self.credentials.insert_one(document(owner, secret))).await.map(drop)
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let found = self.credentials.find(by_owner(owner)).sort(doc! { fields::CREATED_AT: 1, "_id": 1 });
        let documents: Vec<Document> = within_limit(async { found.await?.try_collect().await }).await?;
        Ok(documents.iter().map(secret).collect::<Result<_, _>>()?)
    }

    async fn rotate(
        &self,
        owner: &SecretLookup,
        new: &StoredSecret,
        others_end: Timestamp,
    ) -> Result<(), StoreError> {
        // First the new one: between the two writes more secrets are good, never none.
        let inserted = within_limit(self.credentials.insert_one(document(owner, new))).await?;
        let others = doc! { fields::OWNER: owner.as_str(), "_id": { "$ne": inserted.inserted_id } };
        // Of null, which is never, and a date, this is the date.
        let earlier = doc! { "$min": [format!("${}", fields::EXPIRES_AT), date(others_end)] };
        let update = vec![doc! { "$set": { fields::EXPIRES_AT: earlier } }];
        within_limit(self.credentials.update_many(others, update)).await.map(drop)
    }

    async fn upgrade(
        &self,
        owner: &SecretLookup,
        old: &SecretHash,
        new: &StoredSecret,
    ) -> Result<bool, StoreError> {
        let this = doc! { fields::OWNER: owner.as_str(), fields::HASH: old.as_str() };
        let mut set = document(owner, new);
        for kept in [fields::OWNER, fields::CREATED_AT, fields::EXPIRES_AT] {
            set.remove(kept);
        }
        let upgraded = within_limit(self.credentials.update_one(this, doc! { "$set": set })).await?;
        Ok(upgraded.modified_count == 1)
    }

    async fn note_use(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let this = doc! { fields::OWNER: owner.as_str(), fields::HASH: hash.as_str() };
        let later = doc! { "$max": { fields::LAST_USED_AT: date(at) } };
        within_limit(self.credentials.update_one(this, later)).await.map(drop)
    }

    async fn any_imported(&self) -> Result<Option<SecretHash>, StoreError> {
        let imported = doc! { fields::HASH: { "$gte": "$", "$lt": "%" } };
        let found = within_limit(self.credentials.find_one(imported)).await?;
        Ok(found.as_ref().map(secret).transpose()?.map(|secret| secret.hash))
    }

    async fn remove(&self, owner: &SecretLookup, hash: &SecretHash) -> Result<bool, StoreError> {
        let this = doc! { fields::OWNER: owner.as_str(), fields::HASH: hash.as_str() };
        Ok(within_limit(self.credentials.delete_one(this)).await?.deleted_count > 0)
    }

    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError> {
        within_limit(self.credentials.delete_many(by_owner(owner))).await.map(drop)
    }
}

fn by_owner(owner: &SecretLookup) -> Document {
    doc! { fields::OWNER: owner.as_str() }
}

fn document(owner: &SecretLookup, secret: &StoredSecret) -> Document {
    let mut document = doc! {
        fields::OWNER: owner.as_str(),
        fields::HASH: secret.hash.as_str(),
        fields::GUESSABLE: secret.guessable,
        fields::CREATED_AT: date(secret.created_at),
        fields::EXPIRES_AT: secret.expires_at.map(date).map_or(Bson::Null, Bson::DateTime),
    };
    if let Some(letters) = &secret.last_four {
        document.insert(fields::LAST_FOUR, letters);
    }
    if let Some(at) = secret.last_used_at {
        document.insert(fields::LAST_USED_AT, date(at));
    }
    document
}

fn secret(document: &Document) -> Result<StoredSecret, Unreadable> {
    let stored = Stored::new(document, "a client secret".to_owned());
    Ok(StoredSecret {
        hash: stored.spelled(fields::HASH)?,
        guessable: stored.flag(fields::GUESSABLE)?,
        last_four: stored.optional_text(fields::LAST_FOUR)?,
        created_at: stored.date(fields::CREATED_AT)?,
        expires_at: stored.optional_date(fields::EXPIRES_AT)?,
        last_used_at: stored.optional_date(fields::LAST_USED_AT)?,
    })
}
