//! Whole walks, as a stranger sees them: the real binaries, started with variables, spoken to over HTTP, behind the
//! gateways as they ship. Nothing here links a service; assertions are signed by the openssl command.
//!
//! Names: a test that needs MongoDB, Redis, nginx or Envoy is in a module `on_mongodb`, `on_redis`, `through_nginx`,
//! `through_envoy`, so that `cargo xtask test --without NAME` can leave it out.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail loudly"
)]

mod commands;
mod deployment;
mod developer;
mod differential;
mod drills;
mod drop_in;
mod durability;
mod explain;
mod gateway_files;
mod gateways;
mod house;
mod import;
mod local_mode;
mod logs;
mod outage;
mod pages;
mod readme;
mod replicas;
mod revocation;
mod roll;
mod scale;
mod start;
mod upstream;
