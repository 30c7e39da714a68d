//! Requests over connections that stay open. Every answer must be a good one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

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

/// One request on a connection of its own: status and body.
pub(super) fn call(address: SocketAddr, request: &[u8]) -> Result<(u16, String)> {
    exchange(&mut connect(address)?, request)
}

pub(super) fn connect(address: SocketAddr) -> Result<BufReader<TcpStream>> {
    let connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(BufReader::new(connection))
}

pub(super) fn exchange(connection: &mut BufReader<TcpStream>, request: &[u8]) -> Result<(u16, String)> {
    connection.get_mut().write_all(request)?;
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no answer: {line:?}"))?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
