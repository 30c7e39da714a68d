//! Used assertions in Redis, for deployments that have one (upstream contract §1.7, §2). One key each; `SET … NX` makes
//! a use single. It implements one port of `credentials` and knows nothing of those who call it.
//!
//! What Redis can promise and what it cannot is in `docs/adr/0005-redis-keeps-used-assertions.md`. The rule of this
//! crate: a use that is not surely new, or not surely kept, is not the first one.

mod connection;
mod guard;
mod node;
mod sentinel;
mod settings;

pub use connection::OpenError;
pub use guard::RedisGuard;
pub use settings::{Host, Login, NotAHost, Server, Settings, Tls};
