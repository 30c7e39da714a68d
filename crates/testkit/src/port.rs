//! Ports for servers that a test starts. A port is held for one test at a time by a locked file, comes from below the
//! range the kernel takes for outgoing connections, and was free when it was handed out. What remains is a stranger
//! that binds it in the moment before the server does; launchers try again with another port then.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that no other test is given while this value lives.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    /// The operating system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl ReservedPort {
    /// Reserves a free port.
    ///
    /// # Panics
    /// If none of 12,000 is free.
    #[must_use]
    pub fn new() -> Self {
        static CALLS: AtomicU16 = AtomicU16::new(0);
        // Tests that run at the same time begin their search in different places.
        let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
        (0..COUNT)
            .find_map(|_| {
                let step = CALLS.fetch_add(1, Ordering::SeqCst).wrapping_mul(7);
                Self::reserve(FIRST + (start.wrapping_add(step) % COUNT))
            })
            .expect("a free port between 20000 and 31999")
    }

    fn reserve(number: u16) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("gettone-test-port-{number}.lock"));
        let lock = OpenOptions::new().create(true).append(true).open(path).ok()?;
        lock.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// The port.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// 127.0.0.1 with this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

impl Default for ReservedPort {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_is_handed_out_twice_and_all_can_be_bound() {
        let ports: Vec<_> = (0..50).map(|_| ReservedPort::new()).collect();
        let numbers: HashSet<_> = ports.iter().map(ReservedPort::number).collect();
        assert_eq!(numbers.len(), 50);
        assert!(ports.iter().all(|port| TcpListener::bind(port.address()).is_ok()));
    }

    #[test]
    fn a_reserved_or_taken_port_is_not_handed_out() {
        let port = ReservedPort::new();
        assert!(ReservedPort::reserve(port.number()).is_none(), "reserved");
        let number = port.number();
        let _listener = TcpListener::bind(port.address()).unwrap();
        drop(port);
        assert!(ReservedPort::reserve(number).is_none(), "taken");
    }
}
