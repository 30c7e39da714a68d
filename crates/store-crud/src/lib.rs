//! Clients in a collection that a crud-service serves (upstream contract §1.7, §7). It implements one port of
//! `credentials` and knows nothing of those who call it.
//!
//! What this store cannot do as the others do is in `docs/adr/0006-clients-in-a-crud-service.md`: the crud-service sets
//! the times, the time of the last change is the version, and its schema decides which fields there are.

mod clients;
mod date;
mod document;
mod service;

pub use clients::CrudClients;
pub use service::{CallerHeaders, OpenError};
