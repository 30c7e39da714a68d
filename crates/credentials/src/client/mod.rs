//! Clients: the record, its states, how one is registered and changed, and what a store of clients guarantees.

mod brought_along;
mod filter;
mod id;
mod keys;
mod members;
mod patch;
mod presented_keys;
mod record;
mod registered_metadata;
mod registration;
mod replacement;
mod self_description;
mod store;

pub use brought_along::BroughtAlong;
pub use filter::ClientFilter;
pub use id::{ClientId, NotAClientId};
pub use keys::ClientKeyDefect;
pub use members::ClientDefect;
pub use presented_keys::{PresentedKeys, RegisteredKeys};
pub use record::{AuthMethod, Client, ClientKey, ClientOrigin, ClientState};
pub use registration::NewClient;
pub use store::{ClientPage, ClientStore, DeleteOutcome, ReplaceOutcome};
