//! Requests that two readers could cut in different places, upgrades, and the other version of HTTP: through the gateways as
//! they ship, nothing may reach the server that was not asked about (G-SMUG-01, G-HDR-06, G-WS-01, G-H2C-01, G-GRPC-01).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Front, Gateway, ROUTED, rules};

/// The heads that a server got, in lower case. It cuts requests as RFC 9112 says.
#[derive(Clone, Default)]
struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heads = heads.clone();
                thread::spawn(move || heads.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut received = Vec::new();
        while let Some(head) = super::wire::read_head(&mut stream, &mut received) {
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let values = |name: &str| -> Vec<String> {
                let lines = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                lines.map(|value| value.trim().to_owned()).collect()
            };
            let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
            self.0.lock().expect("no panic while held").push(head.clone());
            let whole = match (lengths.as_slice(), codings.as_slice()) {
                ([], []) => true,
                ([length], []) => skip(&mut stream, &mut received, length.parse().unwrap_or(0)),
                ([], [coding]) if coding == "chunked" => skip_chunks(&mut stream, &mut received),
                _ => false,
            };
            if !whole || stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }

    /// All but those of [`END`], and of the questions whether the gateway has started.
    fn all(&self) -> Vec<String> {
        let heads = self.0.lock().expect("no panic while held");
        let counts = |head: &&String| !head.contains("?end ") && !head.contains(ROUTED);
        heads.iter().filter(counts).cloned().collect()
    }
}

fn skip(stream: &mut TcpStream, received: &mut Vec<u8>, bytes: usize) -> bool {
    while received.len() < bytes {
        if !read_more(stream, received) {
            return false;
        }
    }
    received.drain(..bytes);
    true
}

fn skip_chunks(stream: &mut TcpStream, received: &mut Vec<u8>) -> bool {
    loop {
        let Some(end) = received.windows(2).position(|pair| pair == b"\r\n") else {
            if read_more(stream, received) {
                continue;
            }
            return false;
        };
        let size = String::from_utf8_lossy(&received[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else { return false };
        if !skip(stream, received, end + 2 + size + 2) {
            return false;
        }
        if size == 0 {
            return true;
        }
    }
}

fn read_more(stream: &mut TcpStream, received: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(length @ 1..) => {
            received.extend_from_slice(&buffer[..length]);
            true
        }
        _ => false,
    }
}

async fn start(gateway: Gateway) -> (Front, Heads) {
    let heads = Heads::default();
    let front = Front::before(heads.start(), gateway, "standard", &rules::rules()).await;
    (front, heads)
}

/// What ends every connection, if the gateway still listens by then.
const END: &[u8] = b"GET /public?end HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Sends these bytes on a connection of their own and reads until the gateway is done with it. A gateway that was told of more
/// than is sent waits for it; nothing comes of that, so it is left waiting.
fn send(gateway: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // A gateway may close before it has read everything.
    let _ = stream.write_all(&[bytes, END].concat());
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    String::from_utf8_lossy(&answers).into_owned()
}

const HIDDEN: &str = "GET /admin HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn g_smug_01_t_frm_11_no_request_hides_in_another(gateway: Gateway) {
    let (front, heads) = start(gateway).await;
    let length = HIDDEN.len();
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let codings = [
        "transfer-encoding: chunked",
        "transfer-encoding : chunked",
        "transfer-encoding:\tchunked",
        "transfer-encoding:\x0bchunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: x",
        "transfer-encoding: x\r\ntransfer-encoding: chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: y\ntransfer-encoding: chunked",
        "transfer-encoding\r\n: chunked",
        "transfer_encoding: chunked",
        "transfer-encoding: \"chunked\"",
    ];
    let mut bodies: Vec<(String, &str)> = Vec::new();
    for coding in codings {
        bodies.push((format!("content-length: {}\r\n{coding}", chunked.len()), &chunked));
        bodies.push((format!("{coding}\r\ncontent-length: 4"), &chunked));
        bodies.push((coding.to_owned(), &chunked));
    }
    for lengths in [
        "0\r\ncontent-length: N",
        "N\r\ncontent-length: 0",
        "+N",
        "N, 0",
        "0, N",
        "0xN",
        "-1",
        "N N",
        "",
        "1e1",
    ] {
        bodies.push((format!("content-length: {}", lengths.replace('N', &length.to_string())), HIDDEN));
    }
    let broken_chunks: Vec<String> =
        ["1;a\nb\r\nx\r\n", "1\nx\r\n", "1\r\nxx", "-1\r\n", "0x1\r\nx\r\n", "fffffffffffffffff\r\n"]
            .iter()
            .map(|chunk| format!("{chunk}0\r\n\r\n{HIDDEN}"))
            .collect();
    bodies.extend(broken_chunks.iter().map(|body| ("transfer-encoding: chunked".to_owned(), body.as_str())));
    let requests: Vec<String> = ["GET", "POST"]
        .iter()
        .flat_map(|verb| {
            bodies.iter().map(move |(headers, body)| {
                format!("{verb} /public HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n{body}")
            })
        })
        .collect();
    // Many at a time: a gateway lingers over a connection that it refuses.
    thread::scope(|scope| {
        for some in requests.chunks(requests.len().div_ceil(16)) {
            scope.spawn(|| some.iter().for_each(|request| drop(send(front.address, request.as_bytes()))));
        }
    });
    assert!(heads.all().len() > 5, "some are good requests with a body: {:?}", heads.all());
    for head in heads.all() {
        assert!(head.contains(" /public "), "{head}");
        let framings =
            head.matches("\r\ncontent-length:").count() + head.matches("\r\ntransfer-encoding:").count();
        assert!(framings <= 1, "two readers would cut this differently: {head}");
    }
    let two = format!("GET /public HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}");
    let answers = send(front.address, two.as_bytes());
    assert!(
        answers.contains("HTTP/1.1 200") && answers.contains("HTTP/1.1 401"),
        "each is asked about: {answers}"
    );
    assert!(heads.all().iter().all(|head| head.contains(" /public ")));
}

async fn g_hdr_06_headers_that_break_out_reach_nobody(gateway: Gateway) {
    let (front, heads) = start(gateway).await;
    for header in [
        &b"a: b\r\n miauserid: admin"[..],
        b"a: b\r\n\tmiauserid: admin",
        b"a: b\0\r\nx: y",
        b"a\0: b",
        b"a b: c",
        b"a: b\rmiauserid: admin",
        b"a: b\nmiauserid: admin",
        b"miauserid : admin",
        b": admin",
        b"a\x7f: b",
        b"mia\xc3\xbcserid: admin",
    ] {
        let request = [b"GET /public HTTP/1.1\r\nhost: localhost\r\n", header, b"\r\n\r\n"].concat();
        let answer = send(front.address, &request);
        let shown = String::from_utf8_lossy(header);
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 200"),
            "{shown:?}: {answer}"
        );
        let has_identity = |head: &String| {
            head.contains('\0') || head.lines().any(|line| line.starts_with("mia") && line.ends_with("admin"))
        };
        assert!(!heads.all().iter().any(has_identity), "{shown:?}: {:?}", heads.all());
    }
}

async fn g_ws_01_g_ws_02_g_h2c_01_an_upgrade_is_asked_about_like_any_request(gateway: Gateway) {
    let (front, heads) = start(gateway).await;
    let upgrades = [
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: websocket, h2c\r\n",
        "connection: upgrade\r\nupgrade: TLS/1.0\r\n",
    ];
    for upgrade in upgrades {
        let request = format!("GET /admin HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n");
        let answer = send(front.address, request.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "401", "403"].contains(&status), "{upgrade}: {answer}");
    }
    assert_eq!(heads.all(), [""; 0]);
    for upgrade in &upgrades[1..] {
        let request = format!("GET /public HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n");
        let answer = send(front.address, request.as_bytes());
        assert!(!answer.contains("101"), "{upgrade}: {answer}");
    }
    assert!(
        heads.all().iter().all(|head| !head.contains("h2c") && !head.contains("http2-settings")),
        "{:?}",
        heads.all()
    );
}

/// Over HTTP/2, which the Envoy file takes without TLS from whoever begins with it.
async fn g_grpc_01_calls_over_http_2_are_asked_about_like_any_request(gateway: Gateway) {
    let (front, heads) = start(gateway).await;
    let call = |target: &str, kind: &str| {
        let url = format!("http://{}/", front.address);
        let output = Command::new("curl")
            .args(["--http2-prior-knowledge", "--silent", "--max-time", "20", "--output", "/dev/null"])
            .args(["--write-out", "%{http_version} %{http_code}", "--request", "POST", "--data", ""])
            .args(["--header", &format!("content-type: {kind}"), "--header", "te: trailers"])
            .args(["--request-target", target, &url])
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for kind in ["application/grpc", "application/grpc-web", "application/grpc+proto"] {
        assert_eq!(call("/public/Do", kind), "2 200", "{kind}");
        let passed = heads.all().len();
        for target in [
            "/admin/Do",
            "admin",
            "/public/../admin",
            "//admin",
            "/admin.Service/Do",
            "/ADMIN/Do",
            "*",
            "/public/..%2fadmin",
        ] {
            let answer = call(target, kind);
            // gRPC tells its errors in trailers of a 200; what counts is that nothing arrives.
            assert!(heads.all().len() == passed, "{kind} {target}: {answer} {:?}", heads.all().last());
        }
    }
}

macro_rules! through {
    ($module:ident, $gateway:path; $($promise:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($gateway).await;
                }
            )+
        }
    };
}

through!(through_nginx, crate::differential::NGINX;
    g_smug_01_t_frm_11_no_request_hides_in_another,
    g_hdr_06_headers_that_break_out_reach_nobody,
    g_ws_01_g_ws_02_g_h2c_01_an_upgrade_is_asked_about_like_any_request);
through!(through_envoy, crate::differential::ENVOY;
    g_smug_01_t_frm_11_no_request_hides_in_another,
    g_hdr_06_headers_that_break_out_reach_nobody,
    g_ws_01_g_ws_02_g_h2c_01_an_upgrade_is_asked_about_like_any_request,
    g_grpc_01_calls_over_http_2_are_asked_about_like_any_request);
