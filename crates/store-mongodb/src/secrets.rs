//! Secret hashes: one document each, under the keyed hash of the client id. Beside them stands a document per client that
//! whoever rotates or removes writes first (its `_id` is the same keyed hash): of two transactions that write it, `mongod`
//! lets one through, so that none decides upon secrets that another is about to change.

use std::collections::HashMap;

use async_trait::async_trait;
use common::Timestamp;
use credentials::StoreError;
use credentials::secret::{
    RemoveOutcome, RotateOutcome, Rotation, SecretHash, SecretLookup, SecretStore, StoredSecret,
};
use futures_util::{FutureExt, TryStreamExt};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::Error;
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Collection};

use crate::MongoStore;
use crate::document::{Stored, any_of, by_id, date, decode, secret_fields as fields};
use crate::failure::{Unreadable, unless_duplicate, within_limit};

#[async_trait]
impl SecretStore for MongoStore {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        within_limit(self.credentials.insert_one(document(owner, secret))).await.map(drop)
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let found = self.found_secrets.ask(owner.clone()).await?;
        let what = || "a client secret".to_owned();
        found.iter().map(|raw| Ok(secret(&decode(raw, what)?)?)).collect()
    }

    async fn rotate(&self, owner: &SecretLookup, rotation: &Rotation) -> Result<RotateOutcome, StoreError> {
        let rotate = |others: &[StoredSecret]| {
            if !rotation.fits_beside(others) {
                return (RotateOutcome::TooMany, Vec::new());
            }
            let edit = |other: &StoredSecret| match rotation.end_of(other) {
                Some(end) => Edit::End(other.hash.clone(), end),
                None => Edit::Forget(other.hash.clone()),
            };
            let edits = others.iter().map(edit).chain([Edit::Add(rotation.new.clone())]);
            (RotateOutcome::Rotated, edits.collect())
        };
        self.alone(owner, rotate).await
    }

    async fn upgrade(
        &self,
        owner: &SecretLookup,
        old: &SecretHash,
        new: &StoredSecret,
    ) -> Result<bool, StoreError> {
        let this = by_hash(owner, old);
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

    async fn remove(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        spare_last_at: Option<Timestamp>,
    ) -> Result<RemoveOutcome, StoreError> {
        let remove = |secrets: &[StoredSecret]| {
            let outcome = RemoveOutcome::expected(secrets, hash, spare_last_at);
            let edit = (outcome == RemoveOutcome::Removed).then(|| Edit::Forget(hash.clone()));
            (outcome, edit.into_iter().collect())
        };
        self.alone(owner, remove).await
    }

    async fn forget_ended(&self, before: Timestamp) -> Result<(), StoreError> {
        let ended = doc! { fields::EXPIRES_AT: { "$lt": date(before) } };
        within_limit(self.credentials.delete_many(ended)).await.map(drop)
    }

    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError> {
        let all = doc! { "$or": [by_owner(owner), by_id(owner.as_str())] };
        within_limit(self.credentials.delete_many(all)).await.map(drop)
    }
}

/// Finds the secrets of owners, the oldest of each first.
pub(crate) async fn find(
    secrets: Collection<RawDocumentBuf>,
    owners: Vec<SecretLookup>,
) -> Result<Vec<Vec<RawDocumentBuf>>, Error> {
    let wanted = any_of(fields::OWNER, owners.iter().map(SecretLookup::as_str));
    let found = secrets.find(wanted).sort(doc! { fields::CREATED_AT: 1, "_id": 1 });
    let mut by_owner: HashMap<String, Vec<RawDocumentBuf>> = HashMap::new();
    let mut found = found.await?;
    while let Some(secret) = found.try_next().await? {
        let owner = secret.get_str(fields::OWNER).unwrap_or_default().to_owned();
        by_owner.entry(owner).or_default().push(secret);
    }
    Ok(owners.iter().map(|owner| by_owner.get(owner.as_str()).cloned().unwrap_or_default()).collect())
}

/// A write on the secrets of one client.
enum Edit {
    Add(StoredSecret),
    End(SecretHash, Timestamp),
    Forget(SecretHash),
}

impl MongoStore {
    /// Has `decide` look at the secrets of the client and writes what it says, all in one transaction that no other change
    /// of them comes between.
    async fn alone<T, D>(&self, owner: &SecretLookup, decide: D) -> Result<T, StoreError>
    where
        T: Send,
        D: Fn(&[StoredSecret]) -> (T, Vec<Edit>) + Send + Sync,
    {
        let transaction = || async {
            let mut session = self.database.client().start_session().await?;
            let transaction = session.start_transaction().read_concern(ReadConcern::snapshot());
            let context = (&self.credentials, owner, &decide);
            let run = transaction.and_run(context, |session, (secrets, owner, decide)| {
                change(session, secrets, owner, *decide).boxed()
            });
            run.await
        };
        let changed = match unless_duplicate(transaction()).await? {
            Some(changed) => changed,
            // Another replica made the document of the client in the same moment; now it is there to be written.
            None => within_limit(transaction()).await?,
        };
        Ok(changed?)
    }
}

async fn change<T>(
    session: &mut ClientSession,
    secrets: &Collection<Document>,
    owner: &SecretLookup,
    decide: &(impl Fn(&[StoredSecret]) -> (T, Vec<Edit>) + Sync),
) -> Result<Result<T, Unreadable>, Error> {
    let another = doc! { "$inc": { fields::CHANGES: 1_i64 } };
    secrets.update_one(by_id(owner.as_str()), another).upsert(true).session(&mut *session).await?;
    let mut found = secrets.find(by_owner(owner)).session(&mut *session).await?;
    let documents: Vec<Document> = found.stream(session).try_collect().await?;
    let before = match documents.iter().map(secret).collect::<Result<Vec<_>, _>>() {
        Ok(before) => before,
        Err(unreadable) => return Ok(Err(unreadable)),
    };
    let (outcome, edits) = decide(&before);
    for edit in edits {
        match edit {
            Edit::Add(new) => {
                secrets.insert_one(document(owner, &new)).session(&mut *session).await.map(drop)?;
            }
            Edit::End(hash, end) => {
                let end = doc! { "$set": { fields::EXPIRES_AT: date(end) } };
                secrets.update_many(by_hash(owner, &hash), end).session(&mut *session).await.map(drop)?;
            }
            Edit::Forget(hash) => {
                secrets.delete_many(by_hash(owner, &hash)).session(&mut *session).await.map(drop)?;
            }
        }
    }
    Ok(Ok(outcome))
}

fn by_owner(owner: &SecretLookup) -> Document {
    doc! { fields::OWNER: owner.as_str() }
}

fn by_hash(owner: &SecretLookup, hash: &SecretHash) -> Document {
    doc! { fields::OWNER: owner.as_str(), fields::HASH: hash.as_str() }
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
