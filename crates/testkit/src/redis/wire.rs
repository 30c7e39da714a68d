//! One command to a Redis or a sentinel, spoken by hand (RESP2): the client crate belongs to `store-redis` alone, and
//! what a test learns of a server should not come through the code under test.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends `command` and returns the answer as text: the elements of a list on lines of their own.
pub(super) async fn ask(address: SocketAddr, command: &[&str]) -> io::Result<String> {
    let request = request(command);
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(&request)?;
        answer(&mut BufReader::new(stream))
    })
    .await
    .expect("a question to Redis")
}

fn request(command: &[&str]) -> Vec<u8> {
    let words = command.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", command.len(), words.collect::<String>()).into_bytes()
}

fn answer(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let text = line.get(1..).unwrap_or_default().trim_end();
    let length = || text.parse::<i64>().map_err(io::Error::other).map(|length| usize::try_from(length).ok());
    match line.bytes().next() {
        Some(b'+' | b':') => Ok(text.to_owned()),
        Some(b'$') => match length()? {
            Some(length) => {
                let mut bytes = vec![0; length + 2];
                reader.read_exact(&mut bytes)?;
                bytes.truncate(length);
                String::from_utf8(bytes).map_err(io::Error::other)
            }
            None => Ok(String::new()),
        },
        Some(b'*') => {
            let elements = (0..length()?.unwrap_or(0)).map(|_| answer(reader));
            Ok(elements.collect::<io::Result<Vec<_>>>()?.join("\n"))
        }
        _ => Err(io::Error::other(text.to_owned())),
    }
}
