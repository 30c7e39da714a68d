//! A collector of traces, over real sockets: it takes what an OTLP exporter posts to `/v1/traces`, decodes it, and keeps the
//! spans.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as WireSpan};
use prost::Message;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A finished span, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub service: String,
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: i32,
    pub trace: String,
    pub id: String,
    /// Empty if there is none.
    pub parent: String,
    pub is_error: bool,
    /// Numbers as text.
    pub attributes: BTreeMap<String, String>,
}

/// A running collector. It ends with the test process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Arc<(Mutex<Vec<Span>>, Condvar)>,
}

impl Collector {
    /// Starts one that answers every export with `status`.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || while exchange(&stream, status, &shared).is_some() {});
            }
        });
        Self { address, received }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that has arrived, once `wanted` is true of them.
    ///
    /// # Panics
    /// If it does not become true.
    #[must_use]
    pub fn spans_when(&self, wanted: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let (spans, arrival) = &*self.received;
        let spans = spans.lock().expect("a lock");
        let (spans, timeout) =
            arrival.wait_timeout_while(spans, PATIENCE, |spans| !wanted(spans)).expect("a lock");
        assert!(!timeout.timed_out(), "not among {spans:#?}");
        spans.clone()
    }

    /// How many spans have arrived until now.
    ///
    /// # Panics
    /// If the collector broke.
    #[must_use]
    pub fn count(&self) -> usize {
        self.received.0.lock().expect("a lock").len()
    }
}

/// One export; `None` if the connection ends.
fn exchange(mut stream: &TcpStream, status: u16, received: &(Mutex<Vec<Span>>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_ascii_lowercase());
    }
    assert_eq!(lines[0], "post /v1/traces http/1.1");
    assert!(lines.iter().any(|line| line == "content-type: application/x-protobuf"), "{lines:?}");
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(&*body).expect("an OTLP export");
    if status == 200 {
        let spans = request.resource_spans.into_iter().flat_map(spans_of);
        received.0.lock().expect("a lock").extend(spans);
        received.1.notify_all();
    }
    write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").ok()
}

fn spans_of(of_one_service: ResourceSpans) -> Vec<Span> {
    let resource = texts(of_one_service.resource.unwrap_or_default().attributes);
    let service = resource.get("service.name").cloned().unwrap_or_default();
    let spans = of_one_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| read(span, service.clone())).collect()
}

fn read(span: WireSpan, service: String) -> Span {
    assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
    Span {
        service,
        name: span.name,
        kind: span.kind,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        is_error: span.status.is_some_and(|status| status.code == 2),
        attributes: texts(span.attributes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        any_value::Value::StringValue(text) => Some((attribute.key, text)),
        any_value::Value::IntValue(number) => Some((attribute.key, number.to_string())),
        other => panic!("{}: {other:?}", attribute.key),
    };
    attributes.into_iter().filter_map(text).collect()
}
