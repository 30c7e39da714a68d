//! A client as a document of the collection, and back. The names are those of the record; what the crud-service sets
//! itself is never sent.

use credentials::StoreError;
use credentials::client::{Client, ClientId, ClientOrigin};
use serde_json::{Map, Value, json};

use crate::date;

pub(crate) const ID: &str = "_id";
pub(crate) const CLIENT_ID: &str = "clientId";
pub(crate) const STATE: &str = "__STATE__";
pub(crate) const UPDATED_AT: &str = "updatedAt";
const CREATED_AT: &str = "createdAt";
const VERSION: &str = "version";
pub(crate) const LAST_LOGIN: &str = "lastLogin";
/// Never kept, and so never known: where a login may not be noted, no client may be removed for never having been used (T-REG-11).
const ORIGIN: &str = "origin";
/// Never kept, as the version is the crud-service's own.
const OWN_CHANGES: &str = "ownChanges";
/// Never kept: whichever algorithm is in the document counts as chosen by an operator.
const ALGORITHM_PINNED: &str = "assertionAlgorithmPinned";
const ALGORITHM: &str = "assertionAlgorithm";

/// Fields that a collection may lack without harm: they are shown and never acted upon (contract §7.4).
const FOR_SHOW: [&str; 2] = ["metadata", "registration"];
/// Fields that a client may have or not.
const OPTIONAL: [&str; 8] = [
    "publicKey",
    "keys",
    "jwksUri",
    ALGORITHM,
    "staticClaims",
    "tokenLifetimeSeconds",
    "metadata",
    "registration",
];

/// A stored document is not a client. Never holds a stored value.
#[derive(Debug, thiserror::Error)]
#[error("the document of client {0} has no usable {1}")]
struct Unreadable(ClientId, &'static str);

/// What the collection holds of a client, but for its state.
pub(crate) fn fields(client: &Client) -> Map<String, Value> {
    let mut fields = match serde_json::to_value(client) {
        Ok(Value::Object(fields)) => fields,
        // A record of texts, numbers and lists is always an object.
        _ => Map::new(),
    };
    for name in [STATE, VERSION, CREATED_AT, UPDATED_AT, LAST_LOGIN, ORIGIN, OWN_CHANGES, ALGORITHM_PINNED] {
        fields.remove(name);
    }
    // A schema that does not know a field refuses it even if it says nothing.
    if client.metadata.is_empty() {
        fields.remove("metadata");
    }
    fields
}

/// Removes what is only for show. `true` if there was some.
pub(crate) fn drop_what_is_for_show(fields: &mut Map<String, Value>) -> bool {
    FOR_SHOW.into_iter().filter(|name| fields.remove(*name).is_some()).count() > 0
}

/// The change from the stored `document` to `fields`.
pub(crate) fn change(document: &Map<String, Value>, mut fields: Map<String, Value>) -> Value {
    fields.remove(CLIENT_ID);
    let gone =
        OPTIONAL.into_iter().filter(|name| document.contains_key(*name) && !fields.contains_key(*name));
    let unset: Map<String, Value> = gone.map(|name| (name.to_owned(), json!(true))).collect();
    if unset.is_empty() { json!({ "$set": fields }) } else { json!({ "$set": fields, "$unset": unset }) }
}

/// The client in a document. Its version is the time of its last change, in milliseconds: the crud-service keeps no
/// other.
///
/// # Errors
/// [`StoreError::Corrupt`] if it is none.
pub(crate) fn client(id: &ClientId, mut document: Map<String, Value>) -> Result<Client, StoreError> {
    document.retain(|_, value| !value.is_null());
    let millis = |document: &Map<String, Value>, name| {
        let text = document.get(name).and_then(Value::as_str);
        text.and_then(date::parse).map(|date| date.unix_millis())
    };
    let (Some(created), Some(updated)) = (millis(&document, CREATED_AT), millis(&document, UPDATED_AT))
    else {
        return Err(corrupt(id, "createdAt or updatedAt"));
    };
    match millis(&document, LAST_LOGIN) {
        Some(at) => drop(document.insert(LAST_LOGIN.to_owned(), json!(at))),
        None => drop(document.remove(LAST_LOGIN)),
    }
    document.insert(ORIGIN.to_owned(), json!(ClientOrigin::Unknown));
    document.remove(OWN_CHANGES);
    document.insert(ALGORITHM_PINNED.to_owned(), json!(document.contains_key(ALGORITHM)));
    document.insert(CREATED_AT.to_owned(), json!(created));
    document.insert(UPDATED_AT.to_owned(), json!(updated));
    document.insert(VERSION.to_owned(), json!(updated.cast_unsigned()));
    // What the platform does not require may be absent; an empty key is none (contract §1.7).
    document.entry("authMethod").or_insert_with(|| json!("client_secret_basic"));
    document.entry("permissions").or_insert_with(|| json!([]));
    if document.get("publicKey").and_then(Value::as_object).is_some_and(Map::is_empty) {
        document.remove("publicKey");
    }
    serde_json::from_value(Value::Object(document)).map_err(|_| corrupt(id, "field of the right type"))
}

fn corrupt(id: &ClientId, field: &'static str) -> StoreError {
    StoreError::Corrupt(Box::new(Unreadable(id.clone(), field)))
}
