//! A way to a service that a test can cut and mend: what goes in at one end comes out at the other.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    connections: Vec<TcpStream>,
}

impl Relay {
    /// A way to `target`.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let relay = Self { address: listener.local_addr().expect("its address"), state: Arc::default() };
        let state = Arc::clone(&relay.state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut state = state.lock().expect("the state");
                // Dropped at once, if the way is cut.
                if !state.is_cut
                    && let Ok(onwards) = TcpStream::connect(target)
                    && let (Ok(one), Ok(other)) = (connection.try_clone(), onwards.try_clone())
                {
                    let both = [(&connection, &onwards), (&onwards, &connection)];
                    for (from, to) in both {
                        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                        thread::spawn(move || carry(from, to));
                    }
                    state.connections.extend([one, other]);
                }
            }
        });
        relay
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends all connections, and every new one at once.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().expect("the state");
        state.is_cut = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.state.lock().expect("the state").is_cut = false;
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
