//! Bytes in, bytes out: a caller that sends a target as it is, and a server that tells which target it was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Header in which the server tells the target it was sent, in hexadecimal.
const REACHED: &str = "x-reached";

/// Starts a server that answers 200 to everything; it ends with the test.
pub(super) fn start_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut received = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut received) {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words =
            line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default().rsplitn(2, |byte| *byte == b' ');
        let target = words.nth(1).unwrap_or_default();
        let shown: String = target.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{REACHED}: {shown}\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server behind the gateway was sent this target.
    Reached(Vec<u8>),
    Refused(u16),
    /// The connection was closed without a word.
    Closed,
}

/// A caller with one connection to the gateway, opened anew when the gateway closes it.
pub(super) struct Caller {
    gateway: SocketAddr,
    stream: Option<TcpStream>,
}

impl Caller {
    pub(super) fn new(gateway: SocketAddr) -> Self {
        Self { gateway, stream: None }
    }

    /// Sends a request with exactly this target, and nothing but a Host beside it.
    pub(super) fn ask(&mut self, verb: &str, target: &str, version: &str) -> Outcome {
        // A connection that was kept may have been closed meanwhile; a fresh one has not.
        let kept = self.stream.is_some();
        match self.try_ask(verb, target, version) {
            Outcome::Closed if kept => self.try_ask(verb, target, version),
            outcome => outcome,
        }
    }

    fn try_ask(&mut self, verb: &str, target: &str, version: &str) -> Outcome {
        let mut stream = self.stream.take().unwrap_or_else(|| connect(self.gateway));
        let length = if verb == "GET" || verb == "HEAD" { "" } else { "content-length: 0\r\n" };
        let request = format!("{verb} {target} HTTP/{version}\r\nhost: localhost\r\n{length}\r\n");
        if stream.write_all(request.as_bytes()).is_err() {
            return Outcome::Closed;
        }
        let mut received = Vec::new();
        let Some(head) = read_head(&mut stream, &mut received) else { return Outcome::Closed };
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let header = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let length: Option<usize> = header("content-length").and_then(|length| length.parse().ok());
        let left = length.map(|length| length.saturating_sub(received.len()));
        let has_no_body = verb == "HEAD";
        let is_kept = version == "1.1" && header("connection") != Some("close");
        if is_kept && (has_no_body || left.is_some_and(|left| stream.read_exact(&mut vec![0; left]).is_ok()))
        {
            self.stream = Some(stream);
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        match header(REACHED) {
            Some(target) => Outcome::Reached(from_hexadecimal(target)),
            None => Outcome::Refused(status),
        }
    }
}

fn connect(gateway: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(gateway).expect("the gateway listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Reads up to the empty line; what came behind it stays in `received`.
pub(super) fn read_head(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = received.split_off(end + 4);
            return Some(std::mem::replace(received, rest));
        }
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => received.extend_from_slice(&buffer[..length]),
            _ => return None,
        }
    }
}

fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}
