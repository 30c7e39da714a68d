//! The guard over real servers: alone, with logins, with TLS, dead, hanging, and failing over.
#![expect(clippy::unwrap_used, reason = "tests fail loudly, also in the functions they share")]

mod contract;
mod failover;
mod logins;
mod outage;
mod records;

use std::net::SocketAddr;
use std::sync::Arc;

use common::{Clock, Timestamp};
use credentials::replay::UseId;
use store_redis::{Host, OpenError, RedisGuard, Server, Settings};
use testkit::{FakeClock, client_id};

/// One server, without login and TLS.
fn at(address: SocketAddr) -> Settings {
    Settings {
        server: Server::At(host(&address.to_string())),
        login: None,
        tls: None,
        replicas_to_wait_for: 0,
    }
}

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

async fn connect(settings: Settings) -> Result<RedisGuard, OpenError> {
    RedisGuard::connect(settings, Arc::new(FakeClock::default())).await
}

fn use_of(jti: &str) -> UseId {
    UseId::of(&client_id("client"), jti)
}

/// A minute after the time of the guard.
fn soon() -> Timestamp {
    FakeClock::default().now().plus_seconds(60)
}
