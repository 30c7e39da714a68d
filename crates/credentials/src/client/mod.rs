//! Clients: the record, its states, and what a store of clients guarantees.

mod id;
mod record;
mod store;

pub use id::{ClientId, NotAClientId};
pub use record::{AuthMethod, Client, ClientState};
pub use store::{ClientPage, ClientStore, ReplaceOutcome};
