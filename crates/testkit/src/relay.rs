//! A way to servers that a test can take away: what goes in at one end comes out at the other, until the way is cut (every
//! connection ends at once), silenced (connections stay open and nothing arrives, as when a cable is pulled) or closed
//! (connections are refused, as by a host on which nobody listens).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::port::ReservedPort;

/// Whether anything gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Cut,
    Silent,
    Closed,
}

/// A listener on a free port that passes everything on.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    _port: ReservedPort,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    way: Way,
    next: u64,
    /// Both ends of each connection that is open.
    connections: HashMap<u64, [Arc<TcpStream>; 2]>,
}

impl Relay {
    /// A way to `target`.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        Self::to_any(vec![target])
    }

    /// A way to whichever of the servers takes connections, in turn, as a Service of Kubernetes is one.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to_any(targets: Vec<SocketAddr>) -> Self {
        let port = ReservedPort::new();
        let address = port.address();
        let state = State { way: Way::Open, next: 0, connections: HashMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let mut listener = listen(address);
        let turn = AtomicUsize::new(0);
        let relay = Self { address, shared: Arc::clone(&shared), _port: port };
        thread::spawn(move || {
            loop {
                let Ok((connection, _)) = listener.accept() else { continue };
                if shared.lock().way == Way::Closed {
                    drop((listener, connection));
                    shared.wait_while(Way::Closed);
                    listener = listen(address);
                    continue;
                }
                let (shared, targets) = (Arc::clone(&shared), targets.clone());
                let first = turn.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || shared.pass_on(connection, &targets, first));
            }
        });
        relay
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL at its address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        for ends in self.shared.set(Way::Cut).connections.values() {
            close(ends);
        }
    }

    /// Lets nothing through; connections stay open, and new ones are taken.
    pub fn silence(&self) {
        drop(self.shared.set(Way::Silent));
    }

    /// Ends all connections, and refuses new ones.
    pub fn close(&self) {
        for ends in self.shared.set(Way::Closed).connections.values() {
            close(ends);
        }
        // Wakes the thread that waits for connections, so that it stops listening.
        let _ = TcpStream::connect(self.address);
    }

    /// Opens the way again. What was on its way while it was silent arrives now.
    pub fn mend(&self) {
        drop(self.shared.set(Way::Open));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    fn set(&self, way: Way) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.way = way;
        self.changed.notify_all();
        state
    }

    /// Waits until the way is another; how it is then.
    fn wait_while(&self, way: Way) -> Way {
        self.changed.wait_while(self.lock(), |state| state.way == way).expect("the state").way
    }

    /// Carries one connection to its end. A caller that finds the way cut, or nobody behind it, is dropped.
    fn pass_on(self: Arc<Self>, connection: TcpStream, targets: &[SocketAddr], first: usize) {
        if self.wait_while(Way::Silent) != Way::Open {
            return;
        }
        let mut in_turn = (0..targets.len()).map(|step| targets[(first + step) % targets.len()]);
        let Some(onwards) = in_turn.find_map(|target| TcpStream::connect(target).ok()) else { return };
        let ends = [connection, onwards].map(|end| {
            // Fails if the peer is gone already.
            let _ = end.set_nodelay(true);
            Arc::new(end)
        });
        let id = {
            let mut state = self.lock();
            if matches!(state.way, Way::Cut | Way::Closed) {
                return;
            }
            state.next += 1;
            let id = state.next;
            state.connections.insert(id, ends.clone());
            id
        };
        let [caller, server] = ends.clone();
        let answers = thread::spawn({
            let (shared, server, caller) = (Arc::clone(&self), Arc::clone(&server), Arc::clone(&caller));
            move || shared.carry(&server, &caller)
        });
        self.carry(&caller, &server);
        let _ = answers.join();
        self.lock().connections.remove(&id);
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.wait_while(Way::Silent) != Way::Open || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // That somebody closed a connection is not heard through silence either.
        self.wait_while(Way::Silent);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// Listens where it may have listened before: what is left of old connections may need a moment.
fn listen(address: SocketAddr) -> TcpListener {
    for _ in 0..500 {
        if let Ok(listener) = TcpListener::bind(address) {
            return listener;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{address} cannot be listened on")
}

fn close(ends: &[Arc<TcpStream>; 2]) {
    for end in ends {
        let _ = end.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A server that says its name and repeats what it is told.
    fn server(name: &'static [u8; 1]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                thread::spawn(move || {
                    let _ = connection.write_all(name);
                    let _ = io::copy(&mut connection.try_clone().unwrap(), &mut connection);
                });
            }
        });
        address
    }

    fn connect(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect(relay.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        stream
    }

    fn byte(stream: &mut TcpStream) -> io::Result<u8> {
        let mut byte = [0];
        stream.read_exact(&mut byte).map(|()| byte[0])
    }

    #[test]
    fn a_cut_way_ends_connections_and_takes_none_until_it_is_mended() {
        let relay = Relay::to(server(b"a"));
        let mut before = connect(&relay);
        assert_eq!(byte(&mut before).unwrap(), b'a');
        relay.cut();
        assert_ne!(byte(&mut before).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let refused = byte(&mut connect(&relay)).unwrap_err();
        assert_ne!(refused.kind(), io::ErrorKind::WouldBlock, "ended, and not just quiet");
        relay.mend();
        assert_eq!(byte(&mut connect(&relay)).unwrap(), b'a');
    }

    #[test]
    fn a_closed_way_refuses_connections_until_it_is_mended() {
        let relay = Relay::to(server(b"a"));
        let mut before = connect(&relay);
        assert_eq!(byte(&mut before).unwrap(), b'a');
        relay.close();
        assert_ne!(byte(&mut before).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        while TcpStream::connect(relay.address()).is_ok() {}
        relay.mend();
        let mut after = loop {
            if let Ok(stream) = TcpStream::connect(relay.address()) {
                break stream;
            }
        };
        assert_eq!(byte(&mut after).unwrap(), b'a');
    }

    #[test]
    fn a_silent_way_keeps_connections_and_what_was_said_arrives_later() {
        let relay = Relay::to(server(b"a"));
        let mut stream = connect(&relay);
        assert_eq!(byte(&mut stream).unwrap(), b'a');
        relay.silence();
        stream.write_all(b"x").unwrap();
        let mut new = connect(&relay);
        for quiet in [&mut stream, &mut new] {
            assert_eq!(byte(quiet).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        relay.mend();
        stream.set_read_timeout(None).unwrap();
        new.set_read_timeout(None).unwrap();
        assert_eq!(byte(&mut stream).unwrap(), b'x');
        assert_eq!(byte(&mut new).unwrap(), b'a');
    }

    #[test]
    fn a_server_that_is_gone_is_passed_over() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let relay = Relay::to_any(vec![gone, server(b"b")]);
        for _ in 0..4 {
            let mut stream = connect(&relay);
            stream.set_read_timeout(None).unwrap();
            assert_eq!(byte(&mut stream).unwrap(), b'b');
        }
    }
}
