//! The API behind the gateway: 200 to whoever gets there, a thread for each connection. Whatever fails, it is not this.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// Answers until the process ends.
pub(super) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("the API cannot listen")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // The caller went away: nothing to do for it.
            thread::spawn(move || drop(answer(&connection)));
        }
    });
    Ok(address)
}

fn answer(connection: &TcpStream) -> std::io::Result<()> {
    let (mut head, mut line) = (BufReader::new(connection), String::new());
    // The requests of callers have no body.
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut connection = connection;
    connection.write_all(ANSWER)
}
