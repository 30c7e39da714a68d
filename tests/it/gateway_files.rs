//! The gateway files as they ship, read without starting anything (conformance §3.7): what a later edit must not undo. What
//! they do when they run is shown by `gateways` and `differential`.

mod envoy;
mod nginx;
