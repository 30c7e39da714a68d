//! `healthcheck`: asks the running service whether it is well, for containers without a shell or curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Where a listener on `host` answers, seen from this machine: one that listens on every address does on the loopback.
#[must_use]
pub fn local_host(host: &str) -> &str {
    match host.trim().parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
        _ => host.trim(),
    }
}

/// The same with a port, as it stands in a URL.
#[must_use]
pub fn local_authority(host: &str, port: impl std::fmt::Display) -> String {
    let host = local_host(host);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Asks `/-/healthz` of the service on this machine.
///
/// # Errors
/// If nothing answers within two seconds, or anything but 200.
pub(crate) fn check(host: &str, port: u16) -> io::Result<()> {
    let address = (local_host(host), port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /-/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0_u8; 12];
    stream.read_exact(&mut answer)?;
    if &answer == b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(io::Error::other("the service answered, but not with 200"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_the_loopback() {
        for (host, authority) in [
            ("0.0.0.0", "127.0.0.1:3000"),
            ("::", "[::1]:3000"),
            ("127.0.0.2", "127.0.0.2:3000"),
            (" fd00::7 ", "[fd00::7]:3000"),
            ("auth.internal", "auth.internal:3000"),
        ] {
            assert_eq!(local_authority(host, 3000), authority);
        }
    }

    #[test]
    fn the_address_that_is_listened_on_is_asked() {
        let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 256]);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        });
        check("127.0.0.2", port).unwrap();
        answering.join().unwrap();
    }
}
