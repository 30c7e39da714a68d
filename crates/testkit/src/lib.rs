//! What tests need and nothing ships: a clock and a random source that a test controls, client records, the contract
//! suite every store must pass, and launchers for real processes. It knows the ports of `credentials` and no
//! implementation of them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test support: a broken precondition should stop the test loudly"
)]

mod client_key;
mod clients;
mod clock;
pub mod collector;
pub mod contract;
pub mod crud_service;
pub mod gateway;
pub mod mongod;
pub mod openapi;
pub mod openmetrics;
pub mod port;
pub mod process;
mod random;
pub mod redis;
pub mod relay;
pub mod tls;
pub mod tools;

pub use client_key::ClientKey;
pub use clients::{client, client_id, demanding_clients, public_key};
pub use clock::FakeClock;
pub use random::{FailingRandom, SeededRandom, unique_name};
