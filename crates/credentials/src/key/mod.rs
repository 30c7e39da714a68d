//! Public keys: those of clients, and those our replicas sign with. Pure data; `jose` checks and uses them.

mod directory;
mod public_key;

pub use directory::{KeyDirectory, PublishedKey};
pub use public_key::PublicKey;
