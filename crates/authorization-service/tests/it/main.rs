//! The service over real sockets: its own router and listener, a scripted userinfo server, raw requests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly, also in the functions it shares with others"
)]

mod answers;
mod circuit;
mod commands;
mod connections;
mod decision_table;
mod decisions;
mod explain;
mod grpc;
mod grpc_limits;
mod issuer;
mod local_mode;
mod local_mode_feed;
mod metrics;
mod original_request;
mod process;
mod reload;
mod service;
mod shadow;
mod start;
mod stub;
mod traces;
mod trust_mode;
mod userinfo;
mod userinfo_calls;
