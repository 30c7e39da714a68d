//! `jwks_uri`: keys that clients publish, fetched from a real TLS server on this machine, which the configuration allows.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use testkit::ClientKey;
use testkit::tls::Authority;

use crate::service::{Answer, ISSUER, JSON, KeyClient, Service, jwt_part};

/// Answers every request with the bytes it was given last, and counts connections and requests.
pub(crate) struct KeyServer {
    address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    pub(crate) fn start(host: &str, authority: &Authority) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_file(authority.certificate()).unwrap();
        let key = PrivateKeyDer::from_pem_file(authority.key()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth();
        let tls = Arc::new(tls.with_single_cert(vec![certificate], key).unwrap());
        let this =
            Self { address: listener.local_addr().unwrap(), answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (Arc::clone(&this.answer), Arc::clone(&this.asked));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let session = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = rustls::StreamOwned::new(session, connection.unwrap());
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut byte = [0];
                    while !request.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut byte) {
                            Ok(1) => request.push(byte[0]),
                            _ => return,
                        }
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    let bytes = answer.lock().unwrap().clone();
                    if bytes.is_empty() {
                        // Never answers: waits until the other side has had enough.
                        let _ = stream.read(&mut byte);
                    }
                    let _ = stream.write_all(&bytes);
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                });
            }
        });
        this
    }

    pub(crate) fn uri(&self) -> String {
        format!("https://{}/keys", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn answers(&self, head: &str, body: &str) {
        let length = body.len();
        let bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        *self.answer.lock().unwrap() = bytes.into_bytes();
    }

    pub(crate) fn publishes(&self, keys: &[Value]) {
        self.answers("200 OK\r\nContent-Type: application/json", &json!({"keys": keys}).to_string());
    }
}

/// A service that may fetch from this machine, and trusts the authority.
pub(crate) fn service(authority: &Authority) -> Service {
    let file = authority.authority();
    Service::standard(&[
        ("JWKS_URI_ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("JWKS_URI_CA_FILE", file.to_str().unwrap()),
    ])
}

/// The head of an answer that could be a key set.
const OK_JSON: &str = "200 OK\r\nContent-Type: application/json";

pub(crate) fn description(uri: &str) -> Value {
    json!({"client_name": "c", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri})
}

pub(crate) fn client(service: &Service, uri: &str, key: ClientKey) -> KeyClient {
    let answer = service.register(&description(uri));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["jwks_uri"], uri);
    KeyClient { id: answer.json()["client_id"].as_str().unwrap().to_owned(), key }
}

pub(crate) fn present(service: &Service, client: &KeyClient) -> Answer {
    service.present(&service.assertion(client, &json!({})))
}

pub(crate) fn unknown() -> (u16, String) {
    (503, "temporarily_unavailable".to_owned())
}

#[test]
fn t_ssrf_06_keys_are_fetched_once_and_again_for_a_new_kid_after_a_minute() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let (old, new) = (ClientKey::generate("old"), ClientKey::generate("new"));
    server.publishes(&[old.public_jwk()]);
    let before = client(&service, &server.uri(), old);
    assert_eq!(server.asked(), 0, "not at registration");
    for _ in 0..3 {
        assert_eq!(present(&service, &before).status, 200);
    }
    assert_eq!(server.asked(), 1);
    let both = [before.key.public_jwk(), new.public_jwk()];
    server.publishes(&both);
    let after = KeyClient { id: before.id.clone(), key: new };
    for _ in 0..5 {
        assert_eq!(present(&service, &after).refusal(), (401, "invalid_client".to_owned()));
    }
    assert_eq!(server.asked(), 1, "whatever kids are presented");
    service.clock.advance_seconds(60);
    assert_eq!(present(&service, &after).status, 200);
    assert_eq!(present(&service, &before).status, 200);
    assert_eq!(server.asked(), 2);
    // A key that is withdrawn is gone five minutes later.
    server.publishes(&both[1..]);
    service.clock.advance_seconds(300);
    assert_eq!(present(&service, &before).refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(server.asked(), 3);
}

/// Else whoever may register would have us ask one server after the other.
#[test]
fn t_ssrf_06_a_client_that_moves_has_nothing_fetched_for_it() {
    let authority = Authority::new();
    let service = service(&authority);
    let places = [(); 2].map(|()| KeyServer::start("127.0.0.1", &authority));
    let told = service.register(&description(&places[0].uri())).json();
    let key = ClientKey::generate("k");
    places.iter().for_each(|place| place.publishes(&[key.public_jwk()]));
    let client = KeyClient { id: told["client_id"].as_str().unwrap().to_owned(), key };
    assert_eq!(present(&service, &client).status, 200);
    let token = format!("Bearer {}", told["registration_access_token"].as_str().unwrap());
    let moves = |place: &KeyServer| {
        let mut body = description(&place.uri());
        body["client_id"] = told["client_id"].clone();
        let path = format!("/register/{}", client.id);
        let answer = service.call("PUT", &path, &[JSON, ("Authorization", &token)], &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    for place in [&places[1], &places[0], &places[1]] {
        moves(place);
        assert_eq!(present(&service, &client).refusal(), unknown());
    }
    assert_eq!(places.each_ref().map(KeyServer::asked), [1, 0]);
    service.clock.advance_seconds(60);
    assert_eq!(present(&service, &client).status, 200);
    assert_eq!(places.each_ref().map(KeyServer::asked), [1, 1]);
}

#[test]
fn t_ssrf_06_parallel_requests_make_one_fetch() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let key = ClientKey::generate("k");
    server.publishes(&[key.public_jwk()]);
    let client = client(&service, &server.uri(), key);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| present(&service, &client).status)).collect();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 200));
    });
    assert_eq!(server.asked(), 1);
}

#[test]
fn t_ssrf_03_t_ssrf_05_t_ssrf_07_what_is_no_key_set_is_no_answer() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let elsewhere = KeyServer::start("127.0.0.1", &authority);
    let client = client(&service, &server.uri(), ClientKey::generate("k"));
    let jwk = client.key.public_jwk();
    elsewhere.publishes(std::slice::from_ref(&jwk));
    let changed = |name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        json!({"keys": [jwk]}).to_string()
    };
    let good = json!({"keys": [jwk]}).to_string();
    let many: Vec<_> = (0..21).map(|n| json!({"kty": "EC", "kid": n.to_string()})).collect();
    let rows = [
        ("200 OK\r\nContent-Type: text/html", "<html></html>".to_owned()),
        (OK_JSON, format!("[{jwk}]")),
        (OK_JSON, jwk.to_string()),
        (OK_JSON, changed("d", json!("AQAB"))),
        (OK_JSON, changed("alg", json!("none"))),
        (OK_JSON, json!({"keys": [jwk, {"kty": "EC", "d": "AQAB"}]}).to_string()),
        (OK_JSON, json!({"keys": [jwk, jwk]}).to_string()),
        (OK_JSON, json!({"keys": many}).to_string()),
        (OK_JSON, format!("{good}{}", " ".repeat(64 * 1024))),
        (&*format!("{OK_JSON}\r\nContent-Encoding: gzip"), good.clone()),
        ("200 OK\r\nContent-Type: text/html", good.clone()),
        ("200 OK\r\nContent-Type: application/jwt", good.clone()),
        ("200 OK", good.clone()),
        ("201 Created\r\nContent-Type: application/json", good.clone()),
        ("404 Not Found", good.clone()),
        ("204 No Content", String::new()),
        (&*format!("302 Found\r\nLocation: {}", elsewhere.uri()), good.clone()),
        (&*format!("307 Temporary Redirect\r\nLocation: {}", elsewhere.uri()), good.clone()),
    ];
    for (asked, (head, body)) in (1..).zip(rows) {
        server.answers(head, &body);
        assert_eq!(present(&service, &client).refusal(), unknown(), "{head} {body:.60}");
        // Nor is it asked again at once.
        assert_eq!(present(&service, &client).refusal(), unknown(), "{head} {body:.60}");
        assert_eq!(server.asked(), asked, "{head}");
        service.clock.advance_seconds(60);
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
    // Keys for something else do no harm, nor does one that is too weak.
    let rsa_oaep = json!({"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"], "alg": "RSA-OAEP"});
    let others = [
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        rsa_oaep,
        json!({"kty": "oct2"}),
        json!({"kty": "EC", "crv": "secp256k1"}),
        json!({"kty": "RSA", "use": "enc"}),
        jwk.clone(),
    ];
    let others = json!({"keys": others}).to_string();
    server.answers("200 OK\r\nContent-Type: application/jwk-set+json; charset=utf-8", &others);
    assert_eq!(present(&service, &client).status, 200);
}

#[test]
fn t_ssrf_07_the_last_good_keys_do_for_a_day() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let key = ClientKey::generate("k");
    server.publishes(&[key.public_jwk()]);
    let known = client(&service, &server.uri(), key);
    assert_eq!(present(&service, &known).status, 200);
    server.answers("500 Internal Server Error", "");
    service.clock.advance_seconds(301);
    assert_eq!(present(&service, &known).status, 200);
    assert_eq!(server.asked(), 2);
    // A key that is not among them may be a new one.
    let other = KeyClient { id: known.id.clone(), key: ClientKey::generate("new") };
    assert_eq!(present(&service, &other).refusal(), unknown());
    service.clock.advance_seconds(24 * 3600 - 302);
    assert_eq!(present(&service, &known).status, 200);
    service.clock.advance_seconds(1);
    assert_eq!(present(&service, &known).refusal(), unknown());
    server.publishes(&[known.key.public_jwk()]);
    service.clock.advance_seconds(60);
    assert_eq!(present(&service, &known).status, 200);
}

#[test]
fn t_ssrf_05_who_does_not_answer_is_given_three_seconds() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let client = client(&service, &server.uri(), ClientKey::generate("k"));
    let started = Instant::now();
    assert_eq!(present(&service, &client).refusal(), unknown());
    let taken = started.elapsed();
    assert!(Duration::from_millis(2_900) < taken && taken < Duration::from_secs(10), "{taken:?}");
    // The status routes answered meanwhile: nobody waits with a worker in hand.
    assert_eq!(server.asked(), 1);
}

#[test]
fn t_ssrf_10_certificates_are_checked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let service = service(&authority);
    // The certificate names 127.0.0.1.
    let other_host = KeyServer::start("127.0.0.2", &authority);
    let other_authority = KeyServer::start("127.0.0.1", &stranger);
    for server in [&other_host, &other_authority] {
        let client = client(&service, &server.uri(), ClientKey::generate("k"));
        server.publishes(&[client.key.public_jwk()]);
        assert_eq!(present(&service, &client).refusal(), unknown());
        assert_eq!(server.asked(), 0, "the handshake failed");
    }
}

#[test]
fn t_ssrf_01_t_ssrf_04_t_ssrf_09_c_8725_09_urls_that_lead_inside_are_refused() {
    let services = [(Service::standard(&[]), 400), (Service::drop_in(&[]), 401)];
    for uri in [
        "https://127.0.0.1/k",
        "https://[::1]/k",
        "https://0.0.0.0/k",
        "https://169.254.169.254/latest/",
        "https://10.1.2.3/k",
        "https://100.64.0.1/k",
        "https://[fd00::1]/k",
        "https://[::ffff:127.0.0.1]/k",
        "https://2130706433/k",
        "https://0x7f.1/k",
        "https://metadata.google.internal/k",
        "https://localhost/k",
        "http://client.example/k",
        "file:///etc/passwd",
        "gopher://client.example/k",
        "https://a@client.example/k",
        "https://client.example:22/k",
        "https://client.example./k",
        "https://clіent.example/k",
        "https://auth.example/register",
        "https://auth.example/.well-known/jwks.json",
        "",
    ] {
        for (service, status) in &services {
            let answer = service.register(&description(uri));
            assert_eq!(answer.refusal(), (*status, "invalid_client_metadata".to_owned()), "{uri}");
            assert!(answer.body.contains("jwks_uri must"), "{answer:?}");
        }
    }
}

#[test]
fn t_ssrf_01_what_was_stored_is_checked_again_before_it_is_fetched() {
    let authority = Authority::new();
    let (allowing, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let client = client(&allowing, &server.uri(), ClientKey::generate("k"));
    server.publishes(&[client.key.public_jwk()]);
    let refusing = allowing.replica(&[]);
    assert_eq!(present(&refusing, &client).refusal(), unknown());
    assert_eq!(server.asked(), 0);
    assert_eq!(present(&allowing, &client).status, 200);
}

#[test]
fn t_key_10_our_key_published_as_theirs_verifies_nothing() {
    let authority = Authority::new();
    let (service, server) = (service(&authority), KeyServer::start("127.0.0.1", &authority));
    let client = client(&service, &server.uri(), ClientKey::generate("k"));
    let ours = service.get("/.well-known/jwks.json").json()["keys"][0].clone();
    server.publishes(&[ours, client.key.public_jwk()]);
    assert_eq!(present(&service, &client).status, 200);
    // Signed by us, it would be a good assertion in every other respect.
    let pem = std::fs::read(service.folder.path().join("files-1/signing-key.pem")).unwrap();
    let key = jose::SigningKey::from_pem(jose::Algorithm::Rs256, &pem, None, Some("keyID")).unwrap();
    let now = service.clock_seconds();
    let claims = json!({"iss": client.id, "sub": client.id, "client_id": client.id, "aud": [ISSUER], "iat": now, "exp": now + 60,
        "jti": "j", "permissions": []});
    let token = key.sign("JWT", &serde_json::from_value(claims).unwrap()).unwrap();
    assert_eq!(jwt_part(&token, 1)["iss"], json!(client.id));
    assert_eq!(service.present(&token).refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(server.asked(), 1);
}
