//! Public signing keys of the replicas: one document each, whose `_id` is the `kid`.

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::key::{KeyDirectory, PublicKey, PublishedKey};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::MongoStore;
use crate::document::{Stored, by_id, date};
use crate::failure::{Unreadable, unless_duplicate, within_limit};
use crate::json;

const KEY: &str = "key";
const PUBLISHED_AT: &str = "publishedAt";
const LAST_SEEN: &str = "lastSeen";

#[async_trait]
impl KeyDirectory for MongoStore {
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError> {
        let fields = doc! {
            KEY: json::to_bson(key.key.members()),
            PUBLISHED_AT: date(key.published_at),
            LAST_SEEN: date(key.last_seen),
        };
        let update = doc! { "$set": fields };
        let publish = || self.signing_keys.update_one(by_id(&*key.kid), update.clone()).upsert(true);
        if unless_duplicate(publish()).await?.is_none() {
            // Another replica added the same key in the same moment; now it is there to be replaced.
            within_limit(publish()).await?;
        }
        Ok(())
    }

    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
        let found = self.signing_keys.find(Document::new()).sort(doc! { "_id": 1 });
        let documents: Vec<Document> = within_limit(async { found.await?.try_collect().await }).await?;
        let readable = documents.iter().filter_map(|document| {
            published_key(document)
                .inspect_err(|unreadable| {
                    tracing::error!(error.message = %unreadable, "a published key is left out");
                })
                .ok()
        });
        Ok(readable.collect())
    }

    async fn forget_unseen(&self, since: Timestamp) -> Result<(), StoreError> {
        // Documents of a version that did not write `lastSeen` are as old as their publication.
        let unseen = doc! { "$or": [
            { LAST_SEEN: { "$lte": date(since) } },
            { LAST_SEEN: null, PUBLISHED_AT: { "$lte": date(since) } },
        ] };
        within_limit(self.signing_keys.delete_many(unseen)).await.map(drop)
    }

    async fn withdraw(&self, kid: &str) -> Result<bool, StoreError> {
        Ok(within_limit(self.signing_keys.delete_one(by_id(kid))).await?.deleted_count == 1)
    }
}

fn published_key(document: &Document) -> Result<PublishedKey, Unreadable> {
    let kid: String = Stored::new(document, "a signing key".to_owned()).spelled("_id")?;
    let stored = Stored::new(document, format!("signing key {kid}"));
    let members = stored.object(KEY)?;
    if members.is_empty() {
        return Err(stored.unreadable(KEY));
    }
    let published_at = stored.date(PUBLISHED_AT)?;
    let last_seen = stored.optional_date(LAST_SEEN)?.unwrap_or(published_at);
    Ok(PublishedKey { kid, key: PublicKey::from_checked(members), published_at, last_seen })
}
