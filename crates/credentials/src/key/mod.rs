//! Keys: the algorithms they are for, the public keys of clients, and those our replicas sign with. Pure; `jose` checks
//! and uses keys.

mod algorithm;
mod directory;
mod public_key;
pub mod ring;

pub use algorithm::Algorithm;
pub use directory::{KeyDirectory, KeyRingStore, PublishedKey, StoredRing};
pub use public_key::PublicKey;
pub use ring::KeyRing;
