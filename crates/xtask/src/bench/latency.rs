//! How long callers wait for a decision, through nginx as it ships: the same load with the question and without it, one after
//! the other. Requests leave when they are due, whether the ones before were answered or not (open loop), so that a
//! stall is counted for everybody who would have met it.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;

use super::load;
use crate::server::Server;
use crate::tools;

/// Requests a second.
pub(super) const RATE: u32 = 2_000;
const SECONDS: u32 = 10;
/// More than can be on their way at this rate, unless something stands still.
const CONNECTIONS: u32 = 48;

/// What callers waited, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
}

/// Waits without the question, and with it. `request` is one that passes.
pub(super) async fn through_nginx(
    workspace: &Path,
    decisions: SocketAddr,
    service: SocketAddr,
    request: &[u8],
) -> Result<[Waits; 2]> {
    tools::NGINX.ready(workspace)?;
    let without = nginx(workspace, decisions, service, false, request).await?;
    let with = nginx(workspace, decisions, service, true, request).await?;
    Ok([without, with])
}

async fn nginx(
    workspace: &Path,
    decisions: SocketAddr,
    service: SocketAddr,
    asks: bool,
    request: &[u8],
) -> Result<Waits> {
    let (folder, port) = (tempfile::tempdir()?, ReservedPort::new());
    let addresses = Addresses {
        gateway: port.address(),
        authorization_service: decisions,
        client_credentials: service,
        service,
    };
    let files = folder.path().join("nginx");
    let command = gateway::nginx(workspace, &files, &addresses)?;
    if !asks {
        let file = files.join("gettone/protected.conf");
        let shipped = std::fs::read_to_string(&file)?;
        let open = shipped
            .replace("auth_request /_gettone_authorize;", "auth_request off;")
            .replace("http://$gettone_target", "http://$gettone_service");
        ensure!(shipped != open, "the shipped file asks in another way now");
        std::fs::write(&file, open)?;
    }
    let server = Server::start("nginx", command, port.address(), folder.path()).await?;
    // Connections are opened and caches filled.
    load::send_all(port.address(), &vec![request.to_vec(); 2_000], CONNECTIONS)?;
    let waits = measure(port.address(), request, RATE).context("through nginx");
    drop(server);
    waits
}

/// Waits for answers at so many requests a second.
pub(super) fn measure(address: SocketAddr, request: &[u8], rate: u32) -> Result<Waits> {
    let start = Instant::now();
    let mut waits = thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|sender| scope.spawn(move || send(address, request, start, sender, rate)))
            .collect();
        let mut all = Vec::new();
        for sender in senders {
            all.extend(sender.join().map_err(|_| anyhow!("a sender failed"))??);
        }
        Ok::<Vec<Duration>, anyhow::Error>(all)
    })?;
    waits.sort_unstable();
    let at = |share: f64| {
        let place = (waits.len() as f64 * share) as usize;
        waits.get(place).map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
    };
    Ok(Waits { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
}

/// The requests whose turn is this sender's.
fn send(
    address: SocketAddr,
    request: &[u8],
    start: Instant,
    sender: u32,
    rate: u32,
) -> Result<Vec<Duration>> {
    let mut connection = load::connect(address)?;
    let mut waits = Vec::new();
    let mut turn = sender;
    while turn < rate.saturating_mul(SECONDS) {
        let after = Duration::from_secs_f64(f64::from(turn) / f64::from(rate));
        let due = start.checked_add(after).context("the clock ends")?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (status, body) = load::exchange(&mut connection, request)?;
        ensure!(status == 200, "{status} {body}");
        waits.push(due.elapsed());
        turn = turn.saturating_add(CONNECTIONS);
    }
    Ok(waits)
}
