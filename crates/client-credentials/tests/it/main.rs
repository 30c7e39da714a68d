//! The service over real sockets and a real embedded store: its own router and listeners, raw requests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly, also in the functions it shares with others"
)]

mod assertions;
mod audit;
mod client_keys;
mod client_secret_post;
mod client_secrets;
mod clients;
mod commands;
mod conformance;
mod described;
mod discovery;
mod failing_stores;
mod hanging_jwks_uri;
mod imported_secrets;
mod introspect;
mod jwks_uri;
mod keys;
mod keys_of_a_client;
mod limits;
mod management_door;
mod metrics;
mod oauth_token;
mod openapi;
mod openssl_key;
mod overload;
mod paths;
mod process;
mod profiles;
mod rate_limits;
mod register;
mod registration_modes;
mod registration_of_one;
mod replicas;
mod revocation_feed;
mod revoke;
mod service;
mod store_down;
mod tokeninfo;
mod traces;
mod unauthorised;
mod unused_clients;
mod well_known;
