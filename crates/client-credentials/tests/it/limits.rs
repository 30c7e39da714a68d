//! What a connection may cost: heads, bodies and framing, byte by byte (T-FRM rows).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::service::{FORM, GRANT, JSON, Service, call, send};

/// Everything that comes back until the server closes.
fn whole_answer(service: &Service, request: &str) -> String {
    let mut connection = TcpStream::connect(service.public).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = connection.write_all(request.as_bytes());
    let mut text = String::new();
    let _ = connection.read_to_string(&mut text);
    text
}

#[test]
fn t_frm_09_heads_that_are_too_large_are_answered_431() {
    let service = Service::standard(&[]);
    let long = "x".repeat(64 * 1024);
    let many = "a: b\r\n".repeat(500);
    for request in [
        format!("GET /tokeninfo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {long}\r\n\r\n"),
        format!("GET /tokeninfo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {long}{long}{long}\r\n\r\n"),
        format!("GET /tokeninfo HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
    ] {
        let answer = send(service.public, request.as_bytes());
        assert_eq!(answer.refusal(), (431, "invalid_request".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let answer =
        send(service.public, format!("GET /tokeninfo?{long} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert_eq!(answer.refusal(), (414, "invalid_request".to_owned()));
    // What gateways let through is served.
    let token = "x".repeat(16 * 1024);
    let answer = service.call("GET", "/tokeninfo", &[("Authorization", &format!("Bearer {token}"))], "");
    assert_eq!(answer.refusal().0, 401);
}

#[test]
fn t_frm_11_what_a_gateway_could_read_otherwise_is_refused_and_the_connection_closed() {
    let service = Service::standard(&[]);
    let next = "GET /-/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let length = "Content-Length: 5\r\n";
    for (name, head, body) in [
        ("CL.TE", format!("{length}{chunked}"), "0\r\n\r\n"),
        ("TE.CL", format!("{chunked}{length}"), "0\r\n\r\n"),
        ("unknown coding", "Transfer-Encoding: xchunked\r\n".to_owned(), ""),
        ("two codings", "Transfer-Encoding: chunked, identity\r\n".to_owned(), ""),
        ("two lengths", length.repeat(2), "hello"),
        ("folded", "X-A: b\r\n c\r\n".to_owned(), ""),
        ("bare LF", "X-A: b\n".to_owned(), ""),
        ("bare LF before a header", format!("X-A: b\n{chunked}"), "0\r\n\r\n"),
        ("bare CR", "X-A: b\rX-B: c\r\n".to_owned(), ""),
        ("space before colon", "Transfer-Encoding : chunked\r\n".to_owned(), "0\r\n\r\n"),
        ("no host", "X-A: b\r\nHost: a b@/c\r\n".to_owned(), ""),
        ("sign", "Content-Length: +5\r\n".to_owned(), "hello"),
    ] {
        let request = format!("POST /oauth/token HTTP/1.1\r\nHost: a\r\n{head}\r\n{body}{next}");
        let answer = whole_answer(&service, &request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
    }
    // A body that breaks its own framing: its handler says so, and nothing behind it is read.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for body in [format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(300)), "5\nhello\r\n0\r\n\r\n".to_owned()] {
        let request = format!("POST /oauth/token HTTP/1.1\r\nHost: a\r\n{form}{chunked}\r\n{body}{next}");
        let answer = whole_answer(&service, &request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body}: {answer}");
    }
}

#[test]
fn t_frm_11_good_requests_before_a_bad_one_are_answered() {
    let service = Service::standard(&[]);
    let good = "GET /-/healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = whole_answer(&service, &format!("{good}{good}GET /-/healthz HTTP/1.1\nHost: a\r\n\r\n"));
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
}

#[test]
fn t_frm_06_bodies_are_read_on_a_connection_that_goes_on() {
    let service = Service::standard(&[]);
    let client = json!({"client_name": "c"}).to_string();
    let chunked = format!("{:x}\r\n{client}\r\n0\r\n\r\n", client.len());
    let head = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let answer = whole_answer(
        &service,
        &format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{chunked}{head}Content-Length: {}\r\nConnection: close\r\n\r\n{client}",
            client.len()
        ),
    );
    assert_eq!(answer.matches("HTTP/1.1 201 Created").count(), 2, "{answer}");
}

#[test]
fn t_frm_09_refusals_before_reading_are_counted() {
    let service = Service::standard(&[]);
    for request in ["GET / HTTP/1.1\nHost: a\r\n\r\n", "GET  / / HTTP/9\r\n\r\n"] {
        assert_eq!(send(service.public, request.as_bytes()).status, 400);
    }
    let page = call(service.management, "GET", "/-/metrics", &[], "").body;
    for reason in ["head_malformed", "unreadable"] {
        let line = format!("http_server_malformed_requests_total{{reason=\"{reason}\"}} 1");
        assert!(page.contains(&line), "{line}: {page}");
    }
}

#[test]
fn t_frm_02_parameters_in_the_query_do_not_count() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let headers = [("Authorization", &*client.basic()), JSON];
    let answer = service.call("POST", &format!("/oauth/token?{GRANT}"), &headers, "{}");
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
}

#[test]
fn c_9110_upgrade_another_protocol_that_is_offered_is_passed_over() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: {}\r\n{}: {}\r\n\
         Content-Length: {}\r\n\r\n{GRANT}",
        client.basic(),
        FORM.0,
        FORM.1,
        GRANT.len()
    );
    let answer = send(service.public, request.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn r_18_a_client_that_takes_its_answers_gets_all_of_them_however_far_ahead_it_sends() {
    let service = Service::standard(&[]);
    let requests = 3_000;
    let mut connection = TcpStream::connect(service.public).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut sender = connection.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let many = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests - 1);
        sender.write_all(many.as_bytes()).unwrap();
        sender
            .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
    });
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    sending.join().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), requests);
}

#[test]
fn t_frm_08_connections_that_say_nothing_do_not_shut_out_the_next_one() {
    let service = Service::standard(&[("MAX_CONNECTIONS", "20")]);
    for (address, most) in [(service.management, 256), (service.public, 20)] {
        let mut silent: Vec<_> = (0..most + 50).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(call(address, "GET", "/-/healthz", &[], "").status, 200);
        // The first ones made room, before their time was over: then they would be told so.
        silent[0].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut text = String::new();
        silent[0].read_to_string(&mut text).unwrap();
        assert_eq!(text, "");
    }
}
