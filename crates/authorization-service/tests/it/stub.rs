//! A userinfo server that does what a test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// What the stub does with a request.
pub(crate) enum Reply {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// Nothing, for ever.
    Silence,
    /// This head, and then one byte after the other for as long as somebody reads.
    Endless(Vec<u8>),
    /// Whatever comes out, until nothing more can: then the connection ends.
    Stream(Receiver<Vec<u8>>),
}

impl Reply {
    /// A complete answer.
    pub(crate) fn new(status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(
            format!("HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
                .into_bytes(),
        )
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, "application/json", &body.to_string())
    }

    /// A status without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::new(status, "application/json", "")
    }
}

/// One request that the stub received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter().filter(|(other, _)| other == name);
        values.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

pub(crate) struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
}

/// A stub that answers nobody for as long as `open` is there.
pub(crate) struct Closed {
    pub(crate) stub: Stub,
    pub(crate) open: Sender<()>,
    /// Hears of each request.
    pub(crate) asked: Receiver<()>,
}

impl Stub {
    /// Answers every request with this, once it is opened.
    pub(crate) fn closed(body: Value) -> Closed {
        let (open, opened) = mpsc::channel();
        let (ask, asked) = mpsc::channel();
        let opened = Mutex::new(opened);
        let stub = Self::start(move |_| {
            let _ = ask.send(());
            let _ = opened.lock().unwrap().recv();
            Reply::json(&body)
        });
        Closed { stub, open, asked }
    }

    /// Answers every request with what `reply` makes of it. `reply` may block.
    pub(crate) fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections, reply) =
            (Arc::clone(&stub.seen), Arc::clone(&stub.connections), Arc::new(reply));
        thread::spawn(move || {
            for connection in listener.incoming() {
                *connections.lock().unwrap() += 1;
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                thread::spawn(move || serve(connection.unwrap(), &seen, &*reply));
            }
        });
        stub
    }

    /// Answers everybody with the same JSON.
    pub(crate) fn json(body: Value) -> Self {
        Self::start(move |_| Reply::json(&body))
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("/tokeninfo")
    }

    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// A URL where nobody listens.
pub(crate) fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/tokeninfo", listener.local_addr().unwrap())
}

fn serve(mut connection: TcpStream, seen: &Mutex<Vec<Seen>>, reply: &(dyn Fn(&Seen) -> Reply + Sync)) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    while let Some(request) = read_head(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let sent = match reply(&request) {
            Reply::Bytes(bytes) => connection.write_all(&bytes),
            Reply::Last(bytes) => {
                let _ = connection.write_all(&bytes);
                return;
            }
            Reply::Silence => Ok(()),
            Reply::Endless(head) => {
                let mut sent = connection.write_all(&head);
                while sent.is_ok() {
                    sent = connection.write_all(b" ");
                }
                sent
            }
            Reply::Stream(bytes) => {
                for piece in bytes {
                    if connection.write_all(&piece).is_err() {
                        break;
                    }
                }
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next()?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Some(Seen { line, headers: headers.collect() })
}
