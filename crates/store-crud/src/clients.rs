//! The port: each method in the requests of a crud-service.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use common::Timestamp;
use credentials::client::{
    Client, ClientFilter, ClientId, ClientPage, ClientStore, DeleteOutcome, ReplaceOutcome,
};
use credentials::{InsertError, StoreError};
use serde_json::{Value, json};

use crate::date;
use crate::document::{self, CLIENT_ID, ID, LAST_LOGIN, STATE, UPDATED_AT};
use crate::service::{CallerHeaders, Collection, Document, EVERY_STATE, Failure, LONGEST_PAGE, OpenError};

/// Clients, kept by a crud-service.
pub struct CrudClients {
    collection: Collection,
    /// Until the schema of the collection turned out to lack the field.
    logins_are_kept: AtomicBool,
}

impl CrudClients {
    /// Connects to the collection at `base_url`.
    ///
    /// # Errors
    /// [`OpenError`] that says what to check.
    pub async fn connect(base_url: &str) -> Result<Self, OpenError> {
        let collection = Collection::new(base_url)?;
        collection.ping().await.map_err(OpenError::Unusable)?;
        Ok(Self { collection, logins_are_kept: AtomicBool::new(true) })
    }

    /// Has each call made with the headers that `caller` tells at that time (contract §2).
    #[must_use]
    pub fn passing_on(mut self, caller: CallerHeaders) -> Self {
        self.collection.caller = Some(caller);
        self
    }

    async fn document(&self, id: &ClientId) -> Result<Option<Document>, Failure> {
        let mut found = self.collection.list(&json!({ CLIENT_ID: id.as_str() }), CLIENT_ID, 2).await?;
        // One of two would be a guess about who may do what.
        if found.len() > 1 { Err(Failure::Ambiguous) } else { Ok(found.pop()) }
    }
}

/// Whether it is worth to send `fields` again: the collection lacks some that are only for show, and they are gone now.
fn fits_now<T>(answer: &Result<T, Failure>, fields: &mut Document) -> bool {
    let Err(Failure::NotInSchema(message)) = answer else { return false };
    let shorter = document::drop_what_is_for_show(fields);
    if shorter {
        tracing::warn!(
            error.message = message,
            "the collection has no field for what this client says of itself"
        );
    }
    shorter
}

#[async_trait]
impl ClientStore for CrudClients {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        // The collection may have no unique index (contract §1.7).
        if self.document(&client.id).await.map_err(store_error)?.is_some() {
            return Err(InsertError::Duplicate);
        }
        let mut fields = document::fields(client);
        fields.insert(STATE.to_owned(), json!(client.state.as_str()));
        let mut added = self.collection.add(&fields).await;
        if fits_now(&added, &mut fields) {
            added = self.collection.add(&fields).await;
        }
        added.map_err(|failure| match failure {
            Failure::Duplicate => InsertError::Duplicate,
            failure => InsertError::Store(store_error(failure)),
        })
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.document(id).await.map_err(store_error)?;
        found.map(|document| document::client(id, document)).transpose()
    }

    async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError> {
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut page = ClientPage::default();
        let mut after = after.map(|id| id.as_str().to_owned()).unwrap_or_default();
        if full == 0 {
            return Ok(page);
        }
        loop {
            let follows = json!({ CLIENT_ID: { "$gt": after } });
            let documents =
                self.collection.list(&follows, CLIENT_ID, LONGEST_PAGE).await.map_err(store_error)?;
            let Some(last) = documents.last().and_then(client_id) else { return Ok(page) };
            last.clone_into(&mut after);
            for document in documents {
                let Some(id) = client_id(&document).and_then(|text| ClientId::parse(text).ok()) else {
                    continue;
                };
                let client = match document::client(&id, document) {
                    Ok(client) if filter.matches(&client) => client,
                    Ok(_) => continue,
                    Err(unreadable) => {
                        // Other tools write here too: one bad document must not hide the rest.
                        tracing::error!(error.message = %unreadable, "left out of the list");
                        continue;
                    }
                };
                if page.clients.len() == full {
                    page.next = page.clients.last().map(|client| client.id.clone());
                    return Ok(page);
                }
                page.clients.push(client);
            }
        }
    }

    async fn replace(&self, client: &Client, expected_version: u64) -> Result<ReplaceOutcome, StoreError> {
        let Some(found) = self.document(&client.id).await.map_err(store_error)? else {
            return Ok(ReplaceOutcome::Missing);
        };
        let stored = document::client(&client.id, found.clone())?;
        if stored.version != expected_version {
            return Ok(ReplaceOutcome::VersionConflict);
        }
        let expected = unchanged(&client.id, &found);
        let mut fields = document::fields(client);
        let (state, moves) = (client.state.as_str(), stored.state != client.state);
        if moves && fields == document::fields(&stored) {
            let moved = self.collection.change_state(&expected, state).await.map_err(store_error)?;
            return Ok(if moved { ReplaceOutcome::Replaced } else { ReplaceOutcome::VersionConflict });
        }
        let from = stored.state.as_str();
        let mut replaced =
            self.collection.change(&expected, from, &document::change(&found, fields.clone())).await;
        if fits_now(&replaced, &mut fields) {
            let change = document::change(&found, fields);
            replaced = self.collection.change(&expected, from, &change).await;
        }
        if moves && matches!(replaced, Ok(true)) {
            let by_id = json!({ CLIENT_ID: client.id.as_str() });
            replaced = self.collection.change_state(&by_id, state).await;
        }
        let replaced = replaced.map_err(store_error)?;
        Ok(if replaced { ReplaceOutcome::Replaced } else { ReplaceOutcome::VersionConflict })
    }

    async fn delete(
        &self,
        id: &ClientId,
        expected_version: Option<u64>,
    ) -> Result<DeleteOutcome, StoreError> {
        let Some(found) = self.document(id).await.map_err(store_error)? else {
            return Ok(DeleteOutcome::Missing);
        };
        let stored = document::client(id, found.clone())?;
        if expected_version.is_some_and(|version| version != stored.version) {
            return Ok(DeleteOutcome::VersionConflict);
        }
        let expected = if expected_version.is_some() {
            unchanged(id, &found)
        } else {
            json!({ CLIENT_ID: id.as_str() })
        };
        let key = found.get(ID).and_then(Value::as_str).unwrap_or_default();
        let removed = self.collection.remove(key, EVERY_STATE, &expected).await.map_err(store_error)?;
        Ok(match (removed, expected_version) {
            (true, _) => DeleteOutcome::Deleted,
            (false, Some(_)) => DeleteOutcome::VersionConflict,
            (false, None) => DeleteOutcome::Missing,
        })
    }

    /// As the service we replace does it, best effort (contract §1.3, §7.4): the shipped collection has no such field.
    /// The crud-service counts a note as a change, so it makes a new version; so which key it was is not noted.
    async fn note_login(&self, id: &ClientId, at: Timestamp, _: Option<&str>) -> Result<(), StoreError> {
        let Some(date) = date::format(at).filter(|_| self.logins_are_kept.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let (filter, change) = (json!({ CLIENT_ID: id.as_str() }), json!({ "$set": { LAST_LOGIN: date } }));
        match self.collection.change(&filter, EVERY_STATE, &change).await {
            Ok(_) => Ok(()),
            Err(Failure::NotInSchema(message)) => {
                self.logins_are_kept.store(false, Ordering::Relaxed);
                tracing::warn!(
                    error.message = message,
                    "the collection has no lastLogin: logins are not noted"
                );
                Ok(())
            }
            Err(failure) => Err(store_error(failure)),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.collection.ping().await.map_err(store_error)
    }
}

/// Matches the document as long as nobody has changed it.
fn unchanged(id: &ClientId, document: &Document) -> Value {
    json!({ CLIENT_ID: id.as_str(), UPDATED_AT: document.get(UPDATED_AT) })
}

fn client_id(document: &Document) -> Option<&str> {
    document.get(CLIENT_ID).and_then(Value::as_str)
}

fn store_error(failure: Failure) -> StoreError {
    match failure {
        Failure::Ambiguous | Failure::NotUnderstood => StoreError::Corrupt(Box::new(failure)),
        _ => StoreError::Unavailable(Box::new(failure)),
    }
}

impl fmt::Debug for CrudClients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CrudClients(..)")
    }
}
