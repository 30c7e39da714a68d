//! How long callers wait. Requests leave when they are due, whether the ones before were answered or not (open loop), so
//! that a stall is counted for everybody who would have met it.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::load;

/// How long requests are sent.
pub(super) const SECONDS: u32 = 10;
/// More than can be on their way at this rate, unless something stands still.
pub(super) const CONNECTIONS: u32 = 48;

/// What callers waited, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
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
