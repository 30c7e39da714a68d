//! The few commands that make `mongod` a replica set and ask about it, spoken by hand: OP_MSG with a BSON body. The driver
//! belongs to `store-mongodb` alone, and a launcher that used it would bring it into every test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const OP_MSG: i32 = 2013;

/// What a member says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Secondary,
    /// Starting, rolling back, or a member of something else.
    Other,
}

/// Makes the servers the members of the replica set `name`; `address` is one of them. They elect
/// another primary when they have not heard of theirs for as long as `election`.
pub(super) fn initiate(
    address: SocketAddr,
    name: &str,
    members: &[String],
    election: Duration,
) -> io::Result<()> {
    let places: Vec<String> = (0..members.len()).map(|place| place.to_string()).collect();
    let members: Vec<_> = (0..)
        .zip(members)
        .map(|(id, host)| document(&[("_id", Element::Int(id)), ("host", Element::Text(host))]))
        .collect();
    let members: Vec<_> =
        places.iter().map(String::as_str).zip(members.into_iter().map(Element::Document)).collect();
    let millis = i32::try_from(election.as_millis()).expect("a short time");
    let settings = document(&[("electionTimeoutMillis", Element::Int(millis))]);
    let config = [
        ("_id", Element::Text(name)),
        ("version", Element::Int(1)),
        ("members", Element::Array(document(&members))),
        ("settings", Element::Document(settings)),
    ];
    let command =
        [("replSetInitiate", Element::Document(document(&config))), ("$db", Element::Text("admin"))];
    let answer = run(address, &command)?;
    if contains(&answer, &field("ok", &Element::Double(1.0))) {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}

/// What the server at `address` is in the replica set `name`. A primary accepts writes.
pub(super) fn role(address: SocketAddr, name: &str) -> io::Result<Role> {
    let answer = run(address, &[("hello", Element::Int(1)), ("$db", Element::Text("admin"))])?;
    let says = |flag| contains(&answer, &field(flag, &Element::Bool(true)));
    Ok(match contains(&answer, &field("setName", &Element::Text(name))) {
        true if says("isWritablePrimary") => Role::Primary,
        true if says("secondary") => Role::Secondary,
        _ => Role::Other,
    })
}

/// Makes the server at `address` give up being primary for a second, whether or not another could take over.
pub(super) fn step_down(address: SocketAddr) -> io::Result<()> {
    let command = [
        ("replSetStepDown", Element::Int(1)),
        ("force", Element::Bool(true)),
        ("$db", Element::Text("admin")),
    ];
    let answer = run(address, &command)?;
    if contains(&answer, &field("ok", &Element::Double(1.0))) {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}

/// A BSON value (bsonspec.org), as far as the commands need it.
enum Element<'a> {
    Double(f64),
    Text(&'a str),
    Document(Vec<u8>),
    Array(Vec<u8>),
    Bool(bool),
    Int(i32),
}

fn field(name: &str, value: &Element<'_>) -> Vec<u8> {
    let (kind, bytes) = match value {
        Element::Double(number) => (0x01, number.to_le_bytes().to_vec()),
        Element::Text(text) => (0x02, [&length(text.len() + 1), text.as_bytes(), &[0]].concat()),
        Element::Document(bytes) => (0x03, bytes.clone()),
        Element::Array(bytes) => (0x04, bytes.clone()),
        Element::Bool(flag) => (0x08, vec![u8::from(*flag)]),
        Element::Int(number) => (0x10, number.to_le_bytes().to_vec()),
    };
    [&[kind], name.as_bytes(), &[0], &bytes].concat()
}

fn document(fields: &[(&str, Element<'_>)]) -> Vec<u8> {
    let body: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    [&length(body.len() + 5)[..], &body, &[0]].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).expect("a small message").to_le_bytes()
}

/// Sends one command and returns the BSON of its answer.
fn run(address: SocketAddr, command: &[(&str, Element<'_>)]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = document(command);
    // Header: length, request id, response to, opcode; then flags and one section of kind 0.
    let header = [length(body.len() + 21), [0; 4], [0; 4], OP_MSG.to_le_bytes(), [0; 4]].concat();
    stream.write_all(&[&header, &[0][..], &body].concat())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let rest = usize::try_from(i32::from_le_bytes(size)).unwrap_or(0).saturating_sub(4);
    let mut answer = vec![0; rest];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
