//! Documents as they are stored: the names of their fields, and reading them with an error that names document and
//! field but shows no value.

use common::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, RawDocument, doc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::{NotBson, Unreadable};
use crate::json;

/// Fields of `clients`: those of the platform (contract §1.7), and ours.
pub(crate) mod client_fields {
    pub(crate) const ID: &str = "clientId";
    pub(crate) const NAME: &str = "name";
    pub(crate) const STATE: &str = "__STATE__";
    pub(crate) const AUTH_METHOD: &str = "authMethod";
    pub(crate) const PUBLIC_KEY: &str = "publicKey";
    pub(crate) const PERMISSIONS: &str = "permissions";
    pub(crate) const AUDIENCE: &str = "audience";
    pub(crate) const ALLOWED_CUSTOM_CLAIMS: &str = "allowedCustomClaims";
    pub(crate) const METADATA: &str = "metadata";
    pub(crate) const KEYS: &str = "keys";
    pub(crate) const JWKS_URI: &str = "jwksUri";
    pub(crate) const ASSERTION_ALGORITHM: &str = "assertionAlgorithm";
    pub(crate) const ASSERTION_ALGORITHM_PINNED: &str = "assertionAlgorithmPinned";
    pub(crate) const STATIC_CLAIMS: &str = "staticClaims";
    pub(crate) const TOKEN_LIFETIME: &str = "tokenLifetimeSeconds";
    pub(crate) const REGISTRATION: &str = "registration";
    pub(crate) const ORIGIN: &str = "origin";
    pub(crate) const LAST_LOGIN: &str = "lastLogin";
    pub(crate) const CREATED_AT: &str = "createdAt";
    pub(crate) const UPDATED_AT: &str = "updatedAt";
    pub(crate) const VERSION: &str = "version";
    pub(crate) const OWN_CHANGES: &str = "ownChanges";
}

/// Fields of each of the further keys in a client.
pub(crate) mod client_key_fields {
    pub(crate) const KEY: &str = "key";
    pub(crate) const ADDED_AT: &str = "addedAt";
    pub(crate) const EXPIRES_AT: &str = "expiresAt";
    pub(crate) const LAST_USED_AT: &str = "lastUsedAt";
}

/// Fields of the credentials collection; the last one is that of the document whose `_id` is the owner.
pub(crate) mod secret_fields {
    pub(crate) const OWNER: &str = "clientIdHash";
    pub(crate) const HASH: &str = "secretHash";
    pub(crate) const LAST_FOUR: &str = "lastFour";
    pub(crate) const GUESSABLE: &str = "guessable";
    pub(crate) const CREATED_AT: &str = "createdAt";
    pub(crate) const EXPIRES_AT: &str = "expiresAt";
    pub(crate) const LAST_USED_AT: &str = "lastUsedAt";
    pub(crate) const CHANGES: &str = "changes";
}

/// Fields of `used_assertions`; `_id` is the digest.
pub(crate) mod used_assertion_fields {
    pub(crate) const UNTIL: &str = "until";
}

/// Fields of `revocations`; `_id` is a document with one of the first two.
pub(crate) mod revocation_fields {
    pub(crate) const JTI: &str = "jti";
    pub(crate) const CLIENT: &str = "clientId";
    pub(crate) const EXP: &str = "exp";
    pub(crate) const ISSUED_UNTIL: &str = "issuedUntil";
    pub(crate) const END: &str = "end";
}

/// Fields of `audit_events`; `_id` is the id.
pub(crate) mod audit_event_fields {
    pub(crate) const AT: &str = "at";
    pub(crate) const ACTION: &str = "action";
    pub(crate) const ACTOR: &str = "actor";
    pub(crate) const ACTING_CLIENT: &str = "actingClientId";
    pub(crate) const CLIENT: &str = "clientId";
    pub(crate) const SUBJECT: &str = "subject";
    pub(crate) const REASON: &str = "reason";
    pub(crate) const REQUEST_ID: &str = "requestId";
    pub(crate) const SOURCE: &str = "source";
    pub(crate) const UNTIL: &str = "until";
}

/// A document that is being read. Other tools may have written it: absent and null are the same.
pub(crate) struct Stored<'a> {
    document: &'a Document,
    what: String,
}

impl<'a> Stored<'a> {
    /// `what` names the document in errors.
    pub(crate) const fn new(document: &'a Document, what: String) -> Self {
        Self { document, what }
    }

    pub(crate) fn field(&self, field: &'static str) -> Option<&'a Bson> {
        self.document.get(field).filter(|value| **value != Bson::Null)
    }

    pub(crate) fn unreadable(&self, field: &'static str) -> Unreadable {
        Unreadable { what: self.what.clone(), field }
    }

    fn read<T>(&self, field: &'static str, read: impl FnOnce(&Bson) -> Option<T>) -> Result<T, Unreadable> {
        self.field(field).and_then(read).ok_or_else(|| self.unreadable(field))
    }

    /// A string that spells a `T`.
    pub(crate) fn spelled<T: DeserializeOwned>(&self, field: &'static str) -> Result<T, Unreadable> {
        self.read(field, |value| {
            let text = value.as_str()?;
            serde_json::from_value(Value::String(text.to_owned())).ok()
        })
    }

    /// A text; an absent one is none.
    pub(crate) fn optional_text(&self, field: &'static str) -> Result<Option<String>, Unreadable> {
        self.field(field).map(|_| self.spelled(field)).transpose()
    }

    /// A list of documents; an absent one is empty.
    pub(crate) fn documents(&self, field: &'static str) -> Result<Vec<&'a Document>, Unreadable> {
        let Some(value) = self.field(field) else { return Ok(Vec::new()) };
        let documents = value.as_array().and_then(|items| items.iter().map(Bson::as_document).collect());
        documents.ok_or_else(|| self.unreadable(field))
    }

    /// A list of strings; an absent one is empty.
    pub(crate) fn strings(&self, field: &'static str) -> Result<Vec<String>, Unreadable> {
        if self.field(field).is_none() {
            return Ok(Vec::new());
        }
        self.read(field, |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    /// A JSON object; an absent one is empty.
    pub(crate) fn object(&self, field: &'static str) -> Result<Map<String, Value>, Unreadable> {
        if self.field(field).is_none() {
            return Ok(Map::new());
        }
        self.read(field, json::from_bson)
    }

    pub(crate) fn date(&self, field: &'static str) -> Result<Timestamp, Unreadable> {
        self.read(field, |value| {
            value.as_datetime().map(|date| Timestamp::from_unix_millis(date.timestamp_millis()))
        })
    }

    /// An absent date is none.
    pub(crate) fn optional_date(&self, field: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        self.field(field).map(|_| self.date(field)).transpose()
    }

    /// True or false; an absent one is false.
    pub(crate) fn flag(&self, field: &'static str) -> Result<bool, Unreadable> {
        if self.field(field).is_none() {
            return Ok(false);
        }
        self.read(field, Bson::as_bool)
    }

    /// An integer; an absent one is zero.
    pub(crate) fn integer(&self, field: &'static str) -> Result<i64, Unreadable> {
        match self.field(field) {
            None => Ok(0),
            Some(Bson::Int32(integer)) => Ok(i64::from(*integer)),
            Some(Bson::Int64(integer)) => Ok(*integer),
            Some(_) => Err(self.unreadable(field)),
        }
    }
}

/// A moment as BSON's Date, which has milliseconds as well.
pub(crate) fn date(moment: Timestamp) -> DateTime {
    DateTime::from_millis(moment.unix_millis())
}

/// The filter for the document with this `_id`.
pub(crate) fn by_id(id: impl Into<Bson>) -> Document {
    doc! { "_id": id.into() }
}

/// The filter for the documents whose `field` is one of `values`.
pub(crate) fn any_of<'a>(field: &str, values: impl ExactSizeIterator<Item = &'a str>) -> Document {
    let mut values: Vec<Bson> = values.map(Bson::from).collect();
    match values.pop() {
        // The plainest question has the fastest answer.
        Some(only) if values.is_empty() => doc! { field: only },
        last => {
            values.extend(last);
            doc! { field: { "$in": values } }
        }
    }
}

/// A document as it came from the database; `what` names it if it is not well-formed.
pub(crate) fn decode(raw: &RawDocument, what: impl FnOnce() -> String) -> Result<Document, NotBson> {
    Document::try_from(raw).map_err(|_| NotBson { what: what() })
}
