//! Clients, in the platform's collection: one document each, of which other tools may have written parts.

use async_trait::async_trait;
use credentials::client::{AuthMethod, Client, ClientId, ClientPage, ClientStore, ReplaceOutcome};
use credentials::key::PublicKey;
use credentials::{InsertError, StoreError};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use crate::MongoStore;
use crate::document::{Stored, client_fields as fields, date};
use crate::failure::{Unreadable, unless_duplicate, within_limit};
use crate::json;

#[async_trait]
impl ClientStore for MongoStore {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        let mut document = by_client_id(&client.id);
        document.extend(changeable_fields(client));
        if let Some(key) = &client.public_key {
            document.insert(fields::PUBLIC_KEY, json::to_bson(key.members()));
        }
        let inserted = unless_duplicate(self.clients.insert_one(document)).await?;
        inserted.map(drop).ok_or(InsertError::Duplicate)
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = within_limit(self.clients.find_one(by_client_id(id))).await?;
        Ok(found.map(|document| client(&document)).transpose()?)
    }

    async fn list(&self, after: Option<&ClientId>, limit: u32) -> Result<ClientPage, StoreError> {
        if limit == 0 {
            // To MongoDB it would mean: no limit.
            return Ok(ClientPage::default());
        }
        // Every id comes after the empty text. One more than asked for tells whether a page follows.
        let after = after.map(ClientId::as_str).unwrap_or_default();
        let found = self
            .clients
            .find(doc! { fields::ID: { "$gt": after } })
            .sort(doc! { fields::ID: 1 })
            .limit(i64::from(limit).saturating_add(1));
        let documents: Vec<Document> = within_limit(async { found.await?.try_collect().await }).await?;
        let mut clients = documents.iter().map(client).collect::<Result<Vec<_>, _>>()?;
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = clients.len() > full;
        clients.truncate(full);
        let next = clients.last().filter(|_| more).map(|client| client.id.clone());
        Ok(ClientPage { clients, next })
    }

    async fn replace(&self, client: &Client, expected_version: u64) -> Result<ReplaceOutcome, StoreError> {
        // Only our fields are set, so that those of other tools stay.
        let mut set = changeable_fields(client);
        let mut update = Document::new();
        match &client.public_key {
            Some(key) => drop(set.insert(fields::PUBLIC_KEY, json::to_bson(key.members()))),
            None => drop(update.insert("$unset", doc! { fields::PUBLIC_KEY: "" })),
        }
        update.insert("$set", set);
        let mut expected = by_client_id(&client.id);
        expected.insert(fields::VERSION, version_filter(expected_version));
        let updated = within_limit(self.clients.update_one(expected, update)).await?;
        if updated.matched_count == 1 {
            return Ok(ReplaceOutcome::Replaced);
        }
        let exists = within_limit(self.clients.find_one(by_client_id(&client.id))).await?.is_some();
        Ok(if exists { ReplaceOutcome::VersionConflict } else { ReplaceOutcome::Missing })
    }

    async fn delete(&self, id: &ClientId) -> Result<bool, StoreError> {
        let deleted = within_limit(self.clients.delete_one(by_client_id(id))).await?;
        Ok(deleted.deleted_count == 1)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        within_limit(self.database.run_command(doc! { "ping": 1 })).await.map(drop)
    }
}

fn by_client_id(id: &ClientId) -> Document {
    doc! { fields::ID: id.as_str() }
}

/// All fields but the id, which never changes, and the key, which may be absent.
fn changeable_fields(client: &Client) -> Document {
    doc! {
        fields::NAME: &client.name,
        fields::STATE: spelling(client.state),
        fields::AUTH_METHOD: spelling(client.auth_method),
        fields::PERMISSIONS: &client.permissions,
        fields::AUDIENCE: &client.audience,
        fields::ALLOWED_CUSTOM_CLAIMS: &client.allowed_custom_claims,
        fields::METADATA: json::to_bson(&client.metadata),
        fields::CREATED_AT: date(client.created_at),
        fields::UPDATED_AT: date(client.updated_at),
        fields::VERSION: stored_version(client.version),
    }
}

fn client(document: &Document) -> Result<Client, Unreadable> {
    let id = document.get_str(fields::ID).ok().and_then(|text| ClientId::parse(text).ok());
    let name = id.as_ref().map_or_else(|| "a client".to_owned(), |id| format!("client {id}"));
    let stored = Stored::new(document, name);
    // What the platform does not require (contract §1.7) may be absent; an empty key is none.
    let auth_method = match stored.field(fields::AUTH_METHOD) {
        Some(_) => stored.spelled(fields::AUTH_METHOD)?,
        None => AuthMethod::ClientSecretBasic,
    };
    let public_key = stored.object(fields::PUBLIC_KEY)?;
    Ok(Client {
        name: stored.spelled(fields::NAME)?,
        state: stored.spelled(fields::STATE)?,
        auth_method,
        public_key: (!public_key.is_empty()).then(|| PublicKey::from_checked(public_key)),
        permissions: stored.strings(fields::PERMISSIONS)?,
        audience: stored.strings(fields::AUDIENCE)?,
        allowed_custom_claims: stored.strings(fields::ALLOWED_CUSTOM_CLAIMS)?,
        metadata: stored.object(fields::METADATA)?,
        created_at: stored.date(fields::CREATED_AT)?,
        updated_at: stored.date(fields::UPDATED_AT)?,
        version: stored.integer(fields::VERSION)?.cast_unsigned(),
        id: id.ok_or_else(|| stored.unreadable(fields::ID))?,
    })
}

/// The wire spelling of a state or a method.
fn spelling(term: impl serde::Serialize) -> Bson {
    match serde_json::to_value(term) {
        Ok(serde_json::Value::String(text)) => Bson::String(text),
        // Both are enums without data, whose spelling is always a string.
        _ => Bson::Null,
    }
}

/// BSON's integers are signed. Versions are compared for equality only, so the bits are what matters.
const fn stored_version(version: u64) -> i64 {
    version.cast_signed()
}

/// Documents that other tools wrote have no version; they count as version 0.
fn version_filter(version: u64) -> Bson {
    match version {
        0 => Bson::Document(doc! { "$in": [0_i64, Bson::Null] }),
        _ => Bson::Int64(stored_version(version)),
    }
}
