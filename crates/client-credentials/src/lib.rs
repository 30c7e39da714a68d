//! Issues and describes tokens. `app` builds everything, `http` speaks to the outside, and each use case has one file
//! that orders its steps: `register_client`, `manage_registration`, `registration_tokens`, `authenticate_client`,
//! `issue_token`, `describe_token`, `introspect_token`, `revoke_token`, `administer_clients`, `administer_secrets`,
//! `administer_keys`. What they share and keep is in `signing_keys`, `revocations`, `client_keys`, `key_checks`,
//! `imported_secrets`, `limits` and `audit`. The rules themselves are in `credentials`.

pub mod administer_client_keys;
pub mod administer_clients;
pub mod administer_keys;
pub mod administer_secrets;
mod app;
pub mod audit;
pub mod authenticate_client;
mod cli;
pub mod client_keys;
pub mod config;
mod data_dir;
pub mod describe_token;
mod generated_file;
pub mod http;
pub mod imported_secrets;
pub mod introspect_token;
pub mod issue_token;
pub mod key_checks;
mod limits;
pub mod manage_registration;
mod metrics;
mod presented_secret;
mod rate_limit;
pub mod register_client;
pub mod registration_tokens;
pub mod remove_unused_clients;
pub mod revocations;
pub mod revoke_token;
mod shares;
pub mod signing_keys;
mod slow_work;
pub mod source;
pub mod token_places;
mod token_rights;

pub use app::{ClientCredentials, Deps, Stores};
pub use metrics::Metrics;
pub use slow_work::Busy;
