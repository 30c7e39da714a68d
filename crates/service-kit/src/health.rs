//! `healthcheck`: asks the running service whether it is well, for containers without a shell or curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
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

/// Asks `/-/healthz` of the service that listens on `host` and `port` of this machine.
///
/// # Errors
/// If nothing answers within two seconds, or anything but 200.
pub(crate) fn check(host: &str, port: u16) -> io::Result<()> {
    // The service listens on the first of them that it can bind.
    let mut outcome = Err(io::Error::other("the host has no address"));
    for address in (local_host(host), port).to_socket_addrs()? {
        outcome = ask(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn ask(address: SocketAddr) -> io::Result<()> {
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
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A service on this address that answers every question so: its port.
    fn answering(host: &str, status: &'static str) -> u16 {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut question = [0_u8; 1024];
                let length = stream.read(&mut question).unwrap();
                assert!(question[..length].starts_with(b"GET /-/healthz HTTP/1.1\r\n"));
                write!(stream, "HTTP/1.1 {status}\r\n\r\n").unwrap();
            }
        });
        port
    }

    #[test]
    fn the_service_is_asked_where_it_listens() {
        for (listens_on, is_asked_at, well) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "localhost", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0", "0.0.0.0", true),
            ("0.0.0.0", "127.0.0.1", true),
            ("127.0.0.1", "no such host", false),
        ] {
            let port = answering(listens_on, "200 OK");
            assert_eq!(check(is_asked_at, port).is_ok(), well, "{listens_on} {is_asked_at}");
        }
    }

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
    fn another_answer_is_not_well() {
        for status in ["503 Service Unavailable", "404 Not Found", "500 x"] {
            assert!(check("127.0.0.1", answering("127.0.0.1", status)).is_err(), "{status}");
        }
    }
}
