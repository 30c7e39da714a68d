//! Revocations: one document each, whose `_id` says of what: a token's jti, or a client. Replicas follow a change stream,
//! which shows a document once a majority has it. `mongod` removes a document some time after its end.

use std::time::Duration;

use async_trait::async_trait;
use common::revocation::Revocation;
use credentials::StoreError;
use credentials::revocation::{RevocationStore, RevocationWatch};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::ChangeStreamEvent;
use mongodb::options::FullDocumentType;

use crate::MongoStore;
use crate::document::{Stored, by_id, date, revocation_fields as fields};
use crate::failure::{Unreadable, unless_duplicate, within_limit};

/// How long the database waits for a change before it says that there is none.
const IDLE: Duration = Duration::from_secs(1);

#[async_trait]
impl RevocationStore for MongoStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let (id, update) = match revocation {
            Revocation::Token { jti, client_id, exp } => {
                let end = common::Timestamp::from_unix_seconds(*exp);
                let set = doc! { fields::CLIENT: client_id, fields::EXP: exp, fields::END: date(end) };
                (doc! { fields::JTI: jti }, doc! { "$setOnInsert": set })
            }
            Revocation::Client { client_id, issued_until, forget_at } => {
                let later = doc! { fields::ISSUED_UNTIL: date(*issued_until), fields::END: date(*forget_at) };
                (doc! { fields::CLIENT: client_id }, doc! { "$max": later })
            }
        };
        let record = || self.revocations.update_one(by_id(id.clone()), update.clone()).upsert(true);
        if unless_duplicate(record()).await?.is_none() {
            // Another replica recorded the same in the same moment; now it is there to be raised.
            within_limit(record()).await?;
        }
        Ok(())
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        let mut found = within_limit(self.revocations.find(Document::new())).await?;
        let mut revocations = Vec::new();
        // There may be many: it is each step that must not take long.
        while let Some(document) = within_limit(found.try_next()).await? {
            revocations.push(revocation(&document)?);
        }
        Ok(revocations)
    }

    async fn watch(&self) -> Result<Box<dyn RevocationWatch>, StoreError> {
        let new_and_raised =
            doc! { "$match": { "operationType": { "$in": ["insert", "update", "replace"] } } };
        let stream = self
            .revocations
            .watch()
            .pipeline([new_and_raised])
            .full_document(FullDocumentType::UpdateLookup)
            .max_await_time(IDLE);
        Ok(Box::new(Watch(within_limit(stream).await?)))
    }
}

struct Watch(ChangeStream<ChangeStreamEvent<Document>>);

#[async_trait]
impl RevocationWatch for Watch {
    async fn next(&mut self) -> Result<Option<Revocation>, StoreError> {
        let Some(event) = within_limit(self.0.next_if_any()).await? else { return Ok(None) };
        // Gone by the time it was looked up: it has ended.
        Ok(event.full_document.as_ref().map(revocation).transpose()?)
    }
}

fn revocation(document: &Document) -> Result<Revocation, Unreadable> {
    let whole = Stored::new(document, "a revocation".to_owned());
    let of = document.get_document("_id").map_err(|_| whole.unreadable("_id"))?;
    let id = Stored::new(of, "the subject of a revocation".to_owned());
    match id.field(fields::JTI) {
        Some(_) => Ok(Revocation::Token {
            jti: id.spelled(fields::JTI)?,
            client_id: whole.spelled(fields::CLIENT)?,
            exp: whole.integer(fields::EXP)?,
        }),
        None => Ok(Revocation::Client {
            client_id: id.spelled(fields::CLIENT)?,
            issued_until: whole.date(fields::ISSUED_UNTIL)?,
            forget_at: whole.date(fields::END)?,
        }),
    }
}
