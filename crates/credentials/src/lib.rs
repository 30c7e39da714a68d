//! The token domain: who a client is, how it proves it, what it may be issued, and what a store must guarantee.
//! Pure: no HTTP, no database, no cryptography beyond hashes. Signatures live in `jose`, stores in `store-*`, the
//! order of a request's steps in `client-credentials`.

pub mod access_token;
pub mod assertion;
pub mod audit;
pub mod client;
pub mod form;
pub mod grant;
pub mod id_and_secret;
pub mod jws;
pub mod key;
pub mod random;
pub mod replay;
pub mod revocation;
pub mod scope;
pub mod secret;
pub mod store;

pub use random::{Random, RandomError, SystemRandom};
pub use store::{InsertError, StoreError};
