//! Clients, in the platform's collection: one document each, of which other tools may have written parts.

use std::collections::HashMap;

use async_trait::async_trait;
use common::Timestamp;
use credentials::client::{
    AuthMethod, Client, ClientFilter, ClientId, ClientKey, ClientOrigin, ClientPage, ClientStore,
    DeleteOutcome, ReplaceOutcome,
};
use credentials::key::PublicKey;
use credentials::{InsertError, StoreError};
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::Error;
use serde_json::{Map, Value};

use crate::MongoStore;
use crate::document::{
    Stored, any_of, client_fields as fields, client_key_fields as key_fields, date, decode,
};
use crate::failure::{Unreadable, unless_duplicate, within_limit};
use crate::json;

#[async_trait]
impl ClientStore for MongoStore {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        let mut document = by_client_id(&client.id);
        let (set, _) = changeable_fields(client);
        document.extend(set);
        if let Some(at) = client.last_login {
            document.insert(fields::LAST_LOGIN, date(at));
        }
        let inserted = unless_duplicate(self.clients.insert_one(document)).await?;
        inserted.map(drop).ok_or(InsertError::Duplicate)
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let Some(found) = self.found_clients.ask(id.clone()).await? else { return Ok(None) };
        let document = decode(&found, || format!("client {id}"))?;
        Ok(Some(client(&document)?))
    }

    async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError> {
        if limit == 0 {
            return Ok(ClientPage::default());
        }
        self.page(filter, after, limit).await
    }

    async fn replace(&self, client: &Client, expected_version: u64) -> Result<ReplaceOutcome, StoreError> {
        // Only our fields are set, so that those of other tools stay.
        let (set, unset) = changeable_fields(client);
        let mut update = doc! { "$set": set };
        if !unset.is_empty() {
            update.insert("$unset", unset);
        }
        let mut expected = by_client_id(&client.id);
        expected.insert(fields::VERSION, version_filter(expected_version));
        let updated = within_limit(self.clients.update_one(expected, update)).await?;
        if updated.matched_count == 1 {
            return Ok(ReplaceOutcome::Replaced);
        }
        let exists = self.exists(&client.id).await?;
        Ok(if exists { ReplaceOutcome::VersionConflict } else { ReplaceOutcome::Missing })
    }

    async fn delete(
        &self,
        id: &ClientId,
        expected_version: Option<u64>,
    ) -> Result<DeleteOutcome, StoreError> {
        let mut expected = by_client_id(id);
        if let Some(version) = expected_version {
            expected.insert(fields::VERSION, version_filter(version));
        }
        let deleted = within_limit(self.clients.delete_one(expected)).await?;
        if deleted.deleted_count == 1 {
            return Ok(DeleteOutcome::Deleted);
        }
        let conflict = expected_version.is_some() && self.exists(id).await?;
        Ok(if conflict { DeleteOutcome::VersionConflict } else { DeleteOutcome::Missing })
    }

    async fn note_login(&self, id: &ClientId, at: Timestamp, kid: Option<&str>) -> Result<(), StoreError> {
        let later = doc! { "$max": { fields::LAST_LOGIN: date(at) } };
        within_limit(self.clients.update_one(by_client_id(id), later)).await?;
        let Some(kid) = kid else { return Ok(()) };
        let mut with_key = by_client_id(id);
        let of_key = |name: &str| format!("{}.{name}", fields::KEYS);
        with_key.insert(of_key(&format!("{}.kid", key_fields::KEY)), kid);
        let later = doc! { "$max": { of_key(&format!("$.{}", key_fields::LAST_USED_AT)): date(at) } };
        within_limit(self.clients.update_one(with_key, later)).await.map(drop)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        within_limit(self.database.run_command(doc! { "ping": 1 })).await.map(drop)
    }
}

impl MongoStore {
    /// The clients that match, read one after the other until the page is full and it is known whether another follows. There
    /// may be many that do not match: it is each step that must not take long.
    async fn page(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError> {
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        // Every id comes after the empty text.
        let after = after.map(ClientId::as_str).unwrap_or_default();
        let mut wanted = condition(filter);
        wanted.insert(fields::ID, doc! { "$gt": after });
        let mut found = within_limit(self.clients.find(wanted).sort(doc! { fields::ID: 1 })).await?;
        let mut page = ClientPage::default();
        while let Some(document) = within_limit(found.try_next()).await? {
            let client = match client(&document) {
                Ok(client) => client,
                Err(unreadable) => {
                    // Other tools write here too: one bad document must not hide the rest.
                    tracing::error!(error.message = %unreadable, "left out of the list");
                    continue;
                }
            };
            if !filter.matches(&client) {
                continue;
            }
            if page.clients.len() == full {
                page.next = page.clients.last().map(|client| client.id.clone());
                break;
            }
            page.clients.push(client);
        }
        Ok(page)
    }

    async fn exists(&self, id: &ClientId) -> Result<bool, StoreError> {
        Ok(within_limit(self.clients.find_one(by_client_id(id))).await?.is_some())
    }
}

/// Finds clients by their ids.
pub(crate) async fn find(
    clients: Collection<RawDocumentBuf>,
    ids: Vec<ClientId>,
) -> Result<Vec<Option<RawDocumentBuf>>, Error> {
    let wanted = any_of(fields::ID, ids.iter().map(ClientId::as_str));
    let found: Vec<RawDocumentBuf> = clients.find(wanted).await?.try_collect().await?;
    let by_id: HashMap<&str, &RawDocumentBuf> =
        found.iter().filter_map(|client| Some((client.get_str(fields::ID).ok()?, client))).collect();
    Ok(ids.iter().map(|id| by_id.get(id.as_str()).copied().cloned()).collect())
}

/// What the database can tell of a filter: it finds every client that matches, and may find others. The part of a name is
/// not in it, because letters of either case are told apart differently there.
fn condition(filter: &ClientFilter) -> Document {
    let mut all = Vec::new();
    if let Some(state) = filter.state {
        all.push(doc! { fields::STATE: spelling(state) });
    }
    if let Some(origin) = filter.origin {
        // Absent in documents of other tools.
        let absent = (origin == ClientOrigin::default()).then_some(Bson::Null);
        let spelled = [spelling(origin)].into_iter().chain(absent);
        all.push(doc! { fields::ORIGIN: { "$in": spelled.collect::<Vec<_>>() } });
    }
    if let Some(permission) = &filter.permission {
        all.push(doc! { fields::PERMISSIONS: { "$eq": permission } });
    }
    for (name, text) in &filter.metadata {
        // Some metadata is stored as text: see `json`.
        if let Some(name) = json::plain(name) {
            let member = format!("{}.{name}", fields::METADATA);
            let is_text = doc! { fields::METADATA: { "$type": "string" } };
            all.push(doc! { "$or": [{ member: { "$eq": text } }, is_text] });
        }
    }
    if let Some(end) = filter.created_before {
        all.push(doc! { fields::CREATED_AT: { "$lt": date(end) } });
    }
    if let Some(since) = filter.unused_since {
        let before = doc! { "$lt": date(since) };
        let never = doc! { fields::LAST_LOGIN: Bson::Null, fields::CREATED_AT: before.clone() };
        all.push(doc! { "$or": [{ fields::LAST_LOGIN: before }, never] });
    }
    if all.is_empty() {
        Document::new()
    } else {
        doc! { "$and": all }
    }
}

fn by_client_id(id: &ClientId) -> Document {
    doc! { fields::ID: id.as_str() }
}

/// All fields but the id, which never changes, and the last login, which has a method of its own: those to set, and
/// those to remove.
fn changeable_fields(client: &Client) -> (Document, Document) {
    let mut set = doc! {
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
    };
    let keys = client.keys.iter().map(key_document).collect::<Vec<_>>();
    let optional = [
        (fields::PUBLIC_KEY, client.public_key.as_ref().map(|key| json::to_bson(key.members()))),
        // Absent in documents of other tools, which all count as an operator's.
        (fields::ORIGIN, (client.origin != ClientOrigin::default()).then(|| spelling(client.origin))),
        (fields::KEYS, (!keys.is_empty()).then(|| Bson::from(keys))),
        (fields::JWKS_URI, client.jwks_uri.clone().map(Bson::from)),
        (fields::ASSERTION_ALGORITHM, client.assertion_algorithm.clone().map(Bson::from)),
        (
            fields::ASSERTION_ALGORITHM_PINNED,
            client.assertion_algorithm_pinned.then_some(Bson::Boolean(true)),
        ),
        (fields::STATIC_CLAIMS, some_object(&client.static_claims)),
        (fields::TOKEN_LIFETIME, client.token_lifetime_seconds.map(|seconds| Bson::Int64(seconds.into()))),
        (fields::REGISTRATION, some_object(&client.registration)),
        (
            fields::OWN_CHANGES,
            (client.own_changes > 0).then(|| Bson::Int64(stored_version(client.own_changes))),
        ),
    ];
    let mut unset = Document::new();
    for (name, value) in optional {
        match value {
            Some(value) => set.insert(name, value),
            None => unset.insert(name, ""),
        };
    }
    (set, unset)
}

fn some_object(object: &Map<String, Value>) -> Option<Bson> {
    (!object.is_empty()).then(|| json::to_bson(object))
}

fn key_document(key: &ClientKey) -> Document {
    doc! {
        key_fields::KEY: json::to_bson(key.key.members()),
        key_fields::ADDED_AT: date(key.added_at),
        key_fields::EXPIRES_AT: key.expires_at.map(date).map_or(Bson::Null, Bson::DateTime),
        key_fields::LAST_USED_AT: key.last_used_at.map(date).map_or(Bson::Null, Bson::DateTime),
    }
}

fn keys(client: &Stored<'_>) -> Result<Vec<ClientKey>, Unreadable> {
    let documents = client.documents(fields::KEYS)?;
    let keys = documents.into_iter().map(key).collect::<Result<_, _>>();
    keys.map_err(|_| client.unreadable(fields::KEYS))
}

fn key(document: &Document) -> Result<ClientKey, Unreadable> {
    let stored = Stored::new(document, "a key of a client".to_owned());
    Ok(ClientKey {
        key: PublicKey::from_checked(stored.object(key_fields::KEY)?),
        added_at: stored.date(key_fields::ADDED_AT)?,
        expires_at: stored.optional_date(key_fields::EXPIRES_AT)?,
        last_used_at: stored.optional_date(key_fields::LAST_USED_AT)?,
    })
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
        keys: keys(&stored)?,
        jwks_uri: stored.optional_text(fields::JWKS_URI)?,
        assertion_algorithm: stored.optional_text(fields::ASSERTION_ALGORITHM)?,
        assertion_algorithm_pinned: stored.flag(fields::ASSERTION_ALGORITHM_PINNED)?,
        static_claims: stored.object(fields::STATIC_CLAIMS)?,
        token_lifetime_seconds: token_lifetime(&stored)?,
        registration: stored.object(fields::REGISTRATION)?,
        origin: match stored.field(fields::ORIGIN) {
            Some(_) => stored.spelled(fields::ORIGIN)?,
            None => ClientOrigin::default(),
        },
        last_login: stored.optional_date(fields::LAST_LOGIN)?,
        created_at: stored.date(fields::CREATED_AT)?,
        updated_at: stored.date(fields::UPDATED_AT)?,
        version: stored.integer(fields::VERSION)?.cast_unsigned(),
        own_changes: stored.integer(fields::OWN_CHANGES)?.cast_unsigned(),
        id: id.ok_or_else(|| stored.unreadable(fields::ID))?,
    })
}

fn token_lifetime(stored: &Stored<'_>) -> Result<Option<u32>, Unreadable> {
    if stored.field(fields::TOKEN_LIFETIME).is_none() {
        return Ok(None);
    }
    let seconds = u32::try_from(stored.integer(fields::TOKEN_LIFETIME)?);
    seconds.map(Some).map_err(|_| stored.unreadable(fields::TOKEN_LIFETIME))
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
