//! Follows where the requests on a connection begin and end, byte by byte, and refuses what the parser behind it would
//! let pass although a gateway may read it otherwise: bare line feeds, heads without end, two lengths (T-FRM-09,
//! T-FRM-11; RFC 9112 §11.2). It only ever refuses. It knows no URI and no meaning of a header but the length of a body.

use std::borrow::Cow;

/// Of a request line and its headers together. Upstream's servers took 16 KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The parser behind has no more places.
const MAX_HEADERS: usize = 96;
/// Of the line that says how long a chunk is, extensions included.
const MAX_CHUNK_LINE: usize = 256;

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingDefect {
    #[error("request line and headers are larger than 32 KiB together: send less")]
    HeadTooLarge,
    #[error("the target of the request is too long: send less in its path and query")]
    TargetTooLong,
    #[error("the request has more than 96 headers: send fewer")]
    TooManyHeaders,
    #[error("a line of the request ends with a line feed alone: end lines with CR LF")]
    BareLineFeed,
    #[error("a header is continued on a second line: send each on one line")]
    FoldedHeader,
    #[error(
        "the request must say once how long its body is: by Content-Length, or by Transfer-Encoding: chunked"
    )]
    BodyLength,
    #[error("the Host header is no host: send a name or an address, and a port if need be")]
    Host,
    /// Of a request whose head was good.
    #[error("the chunks of the body are malformed")]
    Chunk,
}

/// Where in a request the next byte is.
#[derive(Debug, Default)]
enum Place {
    #[default]
    RequestLine,
    Headers,
    Body {
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    ChunkEnd,
    Trailers,
    /// The rest of the connection belongs to this request: nothing after it is read as another.
    Unframed,
}

/// What the head has said so far about the body.
#[derive(Debug, Default)]
struct Body {
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    connect: bool,
}

/// The place on a connection, and what it depends on.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    place: Place,
    /// The line so far, if its start came with earlier bytes.
    line: Vec<u8>,
    /// Of this head, or of these trailers.
    bytes: usize,
    headers: usize,
    body: Body,
    requests: u64,
}

impl Framing {
    /// How many requests have ended.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Reads on. The number is how many of `bytes` the parser may see: all but a head with a defect, and what is behind it
    /// or behind a defect in a body.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, Result<(), FramingDefect>) {
        let (mut rest, mut whole) = (bytes, 0);
        while !rest.is_empty() {
            match self.step(rest) {
                Ok(after) => rest = after,
                Err(FramingDefect::Chunk) => {
                    return (bytes.len().saturating_sub(rest.len()), Err(FramingDefect::Chunk));
                }
                Err(defect) => return (whole, Err(defect)),
            }
            if self.between_requests() {
                whole = bytes.len().saturating_sub(rest.len());
            }
        }
        (bytes.len(), Ok(()))
    }

    /// A head has begun and not ended.
    pub(crate) fn in_head(&self) -> bool {
        match self.place {
            Place::RequestLine => self.bytes > 0,
            Place::Headers => true,
            _ => false,
        }
    }

    fn between_requests(&self) -> bool {
        matches!(self.place, Place::RequestLine) && self.bytes == 0
    }

    /// What remains of `bytes`, which are not empty, after the next part of the request.
    fn step<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], FramingDefect> {
        match self.place {
            Place::Unframed => Ok(&[]),
            Place::Body { left } => {
                let (left, rest) = skip(bytes, left);
                self.place = Place::Body { left };
                if left == 0 {
                    self.end_request();
                }
                Ok(rest)
            }
            Place::Chunk { left } => {
                let (left, rest) = skip(bytes, left);
                self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk { left } };
                Ok(rest)
            }
            Place::RequestLine | Place::Headers | Place::ChunkSize | Place::ChunkEnd | Place::Trailers => {
                self.step_line(bytes)
            }
        }
    }

    fn step_line<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], FramingDefect> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|newline| newline.saturating_add(1));
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.count(part.len())?;
        if end.is_none() {
            self.line.extend_from_slice(part);
            return Ok(rest);
        }
        let mut started = std::mem::take(&mut self.line);
        let line = if started.is_empty() {
            Cow::Borrowed(part)
        } else {
            started.extend_from_slice(part);
            Cow::Owned(started)
        };
        self.end_line(line.strip_suffix(b"\r\n").ok_or(self.unended())?)?;
        Ok(rest)
    }

    fn count(&mut self, bytes: usize) -> Result<(), FramingDefect> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.place {
            Place::ChunkSize | Place::ChunkEnd if self.bytes > MAX_CHUNK_LINE => Err(FramingDefect::Chunk),
            Place::Trailers if self.bytes > MAX_HEAD_BYTES => Err(FramingDefect::Chunk),
            // RFC 9112 §3, unless it is empty lines that are too many.
            Place::RequestLine if self.line.len().saturating_add(bytes) > MAX_HEAD_BYTES => {
                Err(FramingDefect::TargetTooLong)
            }
            _ if self.bytes > MAX_HEAD_BYTES => Err(FramingDefect::HeadTooLarge),
            _ => Ok(()),
        }
    }

    const fn unended(&self) -> FramingDefect {
        match self.place {
            Place::RequestLine | Place::Headers => FramingDefect::BareLineFeed,
            _ => FramingDefect::Chunk,
        }
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), FramingDefect> {
        match self.place {
            // RFC 9112 §2.2: empty lines before a request are skipped.
            Place::RequestLine if line.is_empty() => {}
            Place::RequestLine => {
                self.body.connect = line.starts_with(b"CONNECT ");
                self.place = Place::Headers;
            }
            Place::Headers if line.is_empty() => self.end_head()?,
            Place::Headers => self.header(line)?,
            Place::ChunkSize => {
                self.bytes = 0;
                self.place = match chunk_size(line).ok_or(FramingDefect::Chunk)? {
                    0 => Place::Trailers,
                    left => Place::Chunk { left },
                };
            }
            Place::ChunkEnd if line.is_empty() => {
                self.bytes = 0;
                self.place = Place::ChunkSize;
            }
            Place::ChunkEnd => return Err(FramingDefect::Chunk),
            Place::Trailers if line.is_empty() => self.end_request(),
            Place::Trailers | Place::Body { .. } | Place::Chunk { .. } | Place::Unframed => {}
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), FramingDefect> {
        self.headers = self.headers.saturating_add(1);
        if self.headers > MAX_HEADERS {
            return Err(FramingDefect::TooManyHeaders);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(FramingDefect::FoldedHeader);
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10).ok_or(FramingDefect::BodyLength)?;
            if self.body.length.replace(length).is_some() {
                return Err(FramingDefect::BodyLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.body.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(FramingDefect::BodyLength);
            }
            self.body.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if !value.iter().all(|byte| in_host(*byte)) {
                return Err(FramingDefect::Host);
            }
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.body.upgrade |= value.eq_ignore_ascii_case(b"websocket");
        }
        Ok(())
    }

    /// As the parser behind decides it.
    fn end_head(&mut self) -> Result<(), FramingDefect> {
        let place = match std::mem::take(&mut self.body) {
            Body { length: Some(_), chunked: true, .. } => return Err(FramingDefect::BodyLength),
            Body { chunked: true, .. } => Place::ChunkSize,
            Body { upgrade: true, .. } => Place::Unframed,
            Body { length: Some(left @ 1..), .. } => Place::Body { left },
            Body { connect: true, .. } => Place::Unframed,
            Body { .. } => {
                self.end_request();
                return Ok(());
            }
        };
        *self = Self { place, requests: self.requests, ..Self::default() };
        Ok(())
    }

    fn end_request(&mut self) {
        *self = Self { requests: self.requests.saturating_add(1), ..Self::default() };
    }
}

/// How much of `left` is still to come after `bytes`, and the bytes behind it.
fn skip(bytes: &[u8], left: u64) -> (u64, &[u8]) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (left.saturating_sub(taken as u64), bytes.get(taken..).unwrap_or_default())
}

/// What a name, an address or a port is made of (RFC 9110 §7.2, RFC 3986 §3.2.2). Whether they make sense is not asked.
const fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b':'
                | b'['
                | b']'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// RFC 9112 §7.1; extensions are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
    number(size, 16)
}

/// Digits and nothing else, not even a sign.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn outcome(bytes: &str) -> (usize, Result<(), FramingDefect>) {
        let at_once = Framing::default().advance(bytes.as_bytes());
        // The same, however the network cuts it.
        let mut framing = Framing::default();
        let piecewise =
            bytes.bytes().map(|byte| framing.advance(&[byte]).1).find(Result::is_err).unwrap_or(Ok(()));
        assert_eq!(at_once.1, piecewise, "{bytes:?}");
        at_once
    }

    #[test]
    fn good_requests_end_where_they_end() {
        for body in [
            "Content-Length: 3\r\n\r\na\nb",
            "Content-Length: 0\r\n\r\n",
            "content-length:\t3 \r\n\r\n\n\n\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n",
            "Transfer-Encoding: Chunked\r\n\r\nA;x=1\r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\n",
            "Upgrade: h2c\r\n\r\n",
        ] {
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}");
            let two = format!("\r\n{request}{GET}");
            assert_eq!(outcome(&two), (two.len(), Ok(())), "{body:?}");
            let mut framing = Framing::default();
            framing.advance(two.as_bytes()).1.unwrap();
            assert_eq!(framing.requests(), 2, "{body:?}");
            let and_a_bad_one = format!("{request}GET / HTTP/1.1\n");
            assert_eq!(
                outcome(&and_a_bad_one),
                (request.len(), Err(FramingDefect::BareLineFeed)),
                "{body:?}"
            );
        }
    }

    #[test]
    fn t_frm_11_what_two_readers_could_read_differently_is_refused() {
        for (request, defect) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", FramingDefect::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", FramingDefect::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", FramingDefect::BareLineFeed),
            ("\nGET / HTTP/1.1\r\n", FramingDefect::BareLineFeed),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n", FramingDefect::FoldedHeader),
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nContent-Length: +1\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nContent-Length: \r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n", FramingDefect::BodyLength),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n", FramingDefect::BodyLength),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                FramingDefect::BodyLength,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                FramingDefect::BodyLength,
            ),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", FramingDefect::Chunk),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n", FramingDefect::Chunk),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n", FramingDefect::Chunk),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", FramingDefect::Chunk),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n", FramingDefect::Chunk),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
                FramingDefect::Chunk,
            ),
        ] {
            let visible =
                if defect == FramingDefect::Chunk { request.find("\r\n\r\n").unwrap() + 4 } else { 0 };
            let (seen, found) = outcome(request);
            assert_eq!(found, Err(defect), "{request:?}");
            assert!(seen >= visible && seen < request.len(), "{request:?}: {seen}");
        }
        let extension = "x".repeat(MAX_CHUNK_LINE);
        let chunk = format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{extension}");
        assert_eq!(outcome(&chunk).1, Err(FramingDefect::Chunk));
    }

    #[test]
    fn t_frm_09_a_head_has_an_end() {
        let value = "x".repeat(MAX_HEAD_BYTES - GET.len() - "A: \r\n".len());
        let largest = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {value}\r\n\r\n");
        assert_eq!(outcome(&largest), (largest.len(), Ok(())));
        let larger = largest.replace("A: ", "AB: ");
        assert_eq!(outcome(&larger), (0, Err(FramingDefect::HeadTooLarge)));
        assert_eq!(outcome(&"\r\n".repeat(MAX_HEAD_BYTES)), (0, Err(FramingDefect::HeadTooLarge)));

        let most = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(outcome(&most), (most.len(), Ok(())));
        let more = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(outcome(&more), (0, Err(FramingDefect::TooManyHeaders)));
    }

    #[test]
    fn the_parser_reads_nothing_behind_an_upgrade() {
        for head in ["CONNECT a:1 HTTP/1.1\r\nHost: a", "GET / HTTP/1.1\r\nUpgrade: WebSocket"] {
            assert_eq!(outcome(&format!("{head}\r\n\r\n\n\n")).1, Ok(()), "{head}");
        }
    }

    #[test]
    fn a_head_that_has_begun_is_told_from_silence() {
        let mut framing = Framing::default();
        assert!(!framing.in_head());
        for part in ["G", "ET / HTTP/1.1\r\n", "Host: a\r\nContent-Length: 1\r\n"] {
            assert_eq!(framing.advance(part.as_bytes()).1, Ok(()));
            assert!(framing.in_head(), "{part}");
        }
        for part in ["\r\n", "x"] {
            assert_eq!(framing.advance(part.as_bytes()).1, Ok(()));
            assert!(!framing.in_head(), "{part}");
        }
    }
}
