//! The production store: MongoDB, for deployments of more than one replica. Every write waits for the majority and its
//! journal, every read comes from the primary and shows majority-committed data, and nothing takes longer than a few
//! seconds. It implements the ports of `credentials` and knows nothing of those who call them.
//!
//! What users wrote is only ever a value: never the name of a field, never an operator.

mod audit;
mod clients;
mod connection;
mod deployment;
mod document;
mod failure;
mod json;
mod key_ring;
mod keys;
mod layout;
mod replay;
mod revocations;
mod secrets;
mod together;

use std::fmt;

use credentials::client::ClientId;
use credentials::secret::SecretLookup;
use mongodb::bson::{Document, RawDocumentBuf};
use mongodb::{Collection, Database};

use replay::Use;
use together::Together;

pub use connection::OpenError;

/// All ports of `credentials` over one MongoDB database. Clones share the connections.
#[derive(Clone)]
pub struct MongoStore {
    database: Database,
    /// The platform's collection (contract §1.7); a crud-service may serve it as well.
    clients: Collection<Document>,
    credentials: Collection<Document>,
    revocations: Collection<Document>,
    signing_keys: Collection<Document>,
    key_ring: Collection<Document>,
    deployment: Collection<Document>,
    audit_events: Collection<Document>,
    // What every token needs, for many tokens at a time.
    found_clients: Together<ClientId, Option<RawDocumentBuf>>,
    found_secrets: Together<SecretLookup, Vec<RawDocumentBuf>>,
    first_uses: Together<Use, bool>,
}

impl fmt::Debug for MongoStore {
    /// The driver's own text holds the connection options.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MongoStore").field("database", &self.database.name()).finish_non_exhaustive()
    }
}
