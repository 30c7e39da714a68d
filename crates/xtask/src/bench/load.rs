//! Requests over connections that stay open. Every answer must be a good one.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Result, anyhow, ensure};

pub(super) use crate::http::{call, connect, exchange};

/// Sends every request, spread over so many connections, each one after the answer to the one before it.
pub(super) fn send_all(address: SocketAddr, requests: &[Vec<u8>], connections: u32) -> Result<()> {
    let share = requests.len().div_ceil(connections as usize).max(1);
    thread::scope(|scope| {
        let senders: Vec<_> =
            requests.chunks(share).map(|part| scope.spawn(|| send(address, part))).collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| anyhow!("a sender failed"))?)
    })
}

fn send(address: SocketAddr, requests: &[Vec<u8>]) -> Result<()> {
    let mut connection = connect(address)?;
    for request in requests {
        let (status, body) = exchange(&mut connection, request)?;
        ensure!(status == 200, "{status} {body}");
    }
    Ok(())
}
