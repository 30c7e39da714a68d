//! Userinfo servers that misbehave (conformance §3.4).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::{Answer, Service};
use crate::stub::{Reply, Stub};

fn rules() -> Value {
    let rule = |expression: &str| json!({"GET":{"authorization":{"expression":expression,"public":false}}});
    json!({"/any": rule("true"), "/admin": rule("groups.admin")})
}

fn start(stub: &Stub, variables: &[(&str, &str)]) -> Service {
    let url = stub.url();
    let variables: Vec<_> = [("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect();
    Service::start(&rules(), &variables)
}

/// The answer when userinfo replies so.
fn ask(reply: impl Fn() -> Reply + Send + Sync + 'static, target: &str) -> Answer {
    let stub = Stub::start(move |_| reply());
    let answer = start(&stub, &[]).ask("GET", target, &[("Authorization", "Bearer t")]);
    assert!(!stub.seen().is_empty(), "userinfo was asked");
    answer
}

fn raw(bytes: &'static [u8]) -> impl Fn() -> Reply {
    move || Reply::Last(bytes.to_vec())
}

#[test]
fn a_good_answer_passes_so_that_the_others_can_fail() {
    let answer = ask(|| Reply::json(&json!({"sub":"u1","groups":["admin"]})), "/admin");
    assert!(answer.allowed());
}

#[test]
fn g_ui_01_a_login_page_is_no_answer() {
    let page = r#"{"sub":"u1","groups":["admin"]}"#;
    let answer = ask(move || Reply::new(200, "text/html", page), "/any");
    assert!(!answer.allowed());
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
}

#[test]
fn g_ui_02_json_without_a_user_is_nobody() {
    for body in ["{}", "[]", "null", "\"x\"", r#"{"groups":["admin"]}"#, r#"{"sub":"","groups":["admin"]}"#] {
        let answer = ask(move || Reply::new(200, "application/json", body), "/any");
        assert!(!answer.allowed());
        assert_eq!(answer.status, 401, "{body}");
    }
}

#[test]
fn g_ui_03_repeated_members_and_wrong_types_are_no_answer() {
    for body in [
        r#"{"sub":"u1","groups":[],"groups":["admin"]}"#,
        r#"{"sub":"u1","groups":"admin"}"#,
        r#"{"sub":"u1","groups":{"admin":true}}"#,
        r#"{"sub":["u1"],"groups":["admin"]}"#,
    ] {
        let answer = ask(move || Reply::new(200, "application/json", body), "/admin");
        assert!(!answer.allowed());
        assert_eq!(answer.status, 503, "{body}");
    }
}

#[test]
fn g_ui_04_redirects_are_not_followed() {
    let attacker = Stub::json(json!({"sub":"u1","groups":["admin"]}));
    for status in [301, 302, 303, 307, 308] {
        let location = attacker.url();
        let stub = Stub::start(move |_| {
            Reply::Last(
                format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
                    .into_bytes(),
            )
        });
        let answer = start(&stub, &[]).ask("GET", "/any", &[("Authorization", "Bearer t")]);
        assert!(!answer.allowed());
        assert_eq!(answer.status, 503);
    }
    assert!(attacker.seen().is_empty(), "the token went nowhere else");
}

#[test]
fn g_ui_05_only_200_counts() {
    for status in [201, 202, 203, 206] {
        let user = r#"{"sub":"u1","groups":["admin"]}"#;
        let answer = ask(move || Reply::new(status, "application/json", user), "/admin");
        assert_eq!((answer.allowed(), answer.status), (false, 503), "{status}");
    }
    for status in [204, 304] {
        let answer = ask(move || Reply::Last(format!("HTTP/1.1 {status} x\r\n\r\n").into_bytes()), "/any");
        assert_eq!((answer.allowed(), answer.status), (false, 503), "{status}");
    }
}

#[test]
fn g_ui_06_a_refused_token_is_401() {
    for status in [401, 403] {
        let answer = ask(move || Reply::status(status), "/any");
        assert_eq!((answer.allowed(), answer.status), (false, 401), "{status}");
    }
}

/// What our own `/tokeninfo` answers to `Bearer a b` (C-6750-04): the caller's mistake is no outage.
#[test]
fn g_ui_06_a_malformed_token_is_401() {
    let answer = ask(|| Reply::status(400), "/any");
    assert_eq!((answer.allowed(), answer.status), (false, 401));
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
}

#[test]
fn g_ui_15_a_disabled_user_and_an_expired_token_are_401() {
    for body in [json!({"sub":"u1","active":false}), json!({"sub":"u1","exp":1})] {
        let answer = ask(move || Reply::json(&body), "/any");
        assert_eq!((answer.allowed(), answer.status), (false, 401));
    }
}

#[test]
fn g_ui_07_errors_are_503_and_a_429_hands_its_retry_after_on() {
    for status in [404, 429, 500, 502, 503] {
        let answer = ask(
            move || {
                Reply::Last(
                    format!("HTTP/1.1 {status} x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
                        .into_bytes(),
                )
            },
            "/any",
        );
        let wait = if status == 429 { "7" } else { "1" };
        assert_eq!((answer.allowed(), answer.status), (false, 503), "{status}");
        assert_eq!(answer.header("retry-after"), Some(wait));
    }
}

#[test]
fn g_ui_07_the_status_can_be_401_and_says_nothing_about_the_token() {
    let stub = Stub::start(|_| Reply::status(500));
    let service = start(&stub, &[("USERINFO_FAILURE_STATUS", "401")]);
    let answer = service.ask("GET", "/any", &[("Authorization", "Bearer t")]);
    assert_eq!((answer.status, answer.header("retry-after")), (401, None));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="gettone""#));
}

#[test]
fn g_ui_08_broken_connections_are_503() {
    let broken: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: appl",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"sub\":\"u1\"}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"sub\":\"u1\"}\r\n",
    ];
    for bytes in broken {
        let answer = ask(raw(bytes), "/any");
        assert_eq!((answer.allowed(), answer.status), (false, 503), "{}", bytes.escape_ascii());
    }
}

#[test]
fn g_ui_08_tls_that_fails_is_503() {
    let stub = Stub::json(json!({"sub":"u1"}));
    let url = stub.url().replace("http://", "https://");
    let service = Service::start(&rules(), &[("USERINFO_URL", &url), ("USERINFO_TIMEOUT_MS", "2000")]);
    let answer = service.ask("GET", "/any", &[("Authorization", "Bearer t")]);
    assert_eq!((answer.allowed(), answer.status), (false, 503));
}

#[test]
fn g_ui_08_a_name_without_an_address_is_503() {
    let service = Service::start(&rules(), &[("USERINFO_URL", "http://no-such-host.invalid/")]);
    let answer = service.ask("GET", "/any", &[("Authorization", "Bearer t")]);
    assert_eq!((answer.allowed(), answer.status), (false, 503));
}

#[test]
fn g_ui_09_one_deadline_for_silence_and_for_slowness() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n".to_vec();
    let slow_head = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    let replies: [fn(Vec<u8>) -> Reply; 2] = [|_| Reply::Silence, Reply::Bytes];
    for (reply, head) in [(replies[0], head.clone()), (replies[1], slow_head), (replies[1], head)] {
        let stub = Stub::start(move |_| reply(head.clone()));
        let service = start(&stub, &[("USERINFO_TIMEOUT_MS", "100")]);
        let started = Instant::now();
        for _ in 0..3 {
            let answer = service.ask("GET", "/any", &[("Authorization", "Bearer t")]);
            assert_eq!((answer.allowed(), answer.status), (false, 503));
        }
        assert!(started.elapsed() < Duration::from_secs(5), "no slot was lost: {:?}", started.elapsed());
    }
}

#[test]
fn g_ui_10_an_endless_body_is_cut_at_256_kib() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    let stub = Stub::start(|_| Reply::Endless(head.to_vec()));
    // Long before the deadline, which is longer than this test waits for an answer.
    let service = start(&stub, &[("USERINFO_TIMEOUT_MS", "60000")]);
    let answer = service.ask("GET", "/any", &[("Authorization", "Bearer t")]);
    assert_eq!((answer.allowed(), answer.status), (false, 503));
    let padded = |length: usize| {
        let body = format!(r#"{{"sub":"u1","x":"{}"}}"#, "x".repeat(length - 19));
        assert_eq!(body.len(), length);
        move || Reply::new(200, "application/json", &body)
    };
    assert!(ask(padded(256 * 1024), "/any").allowed());
    assert_eq!(ask(padded(256 * 1024 + 1), "/any").status, 503);
}

#[test]
fn g_ui_10_compressed_bodies_and_a_flood_of_headers_are_no_answer() {
    let gzip: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00";
    assert_eq!(ask(raw(gzip), "/any").status, 503);
    let flood = || {
        let headers: String = (0..100_000).map(|number| format!("x-{number}: 1\r\n")).collect();
        let tail = "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"sub\":\"u1\"}";
        Reply::Last(format!("HTTP/1.1 200 OK\r\n{headers}{tail}").into_bytes())
    };
    assert_eq!(ask(flood, "/any").status, 503);
}

#[test]
fn g_ui_11_framing_errors_are_no_answer() {
    let wrong: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{\"sub\":\"u1\"}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nContent-Length: 13\r\n\r\n{\"sub\":\"u1\"}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n{\"sub\":\"u1\"}",
    ];
    for bytes in wrong {
        let answer = ask(raw(bytes), "/any");
        assert_eq!((answer.allowed(), answer.status), (false, 503), "{}", bytes.escape_ascii());
    }
}

#[test]
fn g_ui_11_g_ui_12_a_second_answer_is_never_taken_for_that_of_the_next_request() {
    // The stub answers each request twice: for its user and, unasked, for an admin.
    let stub = Stub::start(|seen| {
        let user = |body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        let name = seen.all("authorization").concat().replace("Bearer ", "");
        let first = user(&json!({"sub":name}).to_string());
        Reply::Bytes((first + &user(r#"{"sub":"admin","groups":["admin"]}"#)).into_bytes())
    });
    let service = start(&stub, &[]);
    let mut allowed = 0;
    for number in 0..20 {
        let name = format!("u{number}");
        let answer = service.ask("GET", "/any", &[("Authorization", &format!("Bearer {name}"))]);
        if answer.allowed() {
            allowed += 1;
            assert_eq!(answer.header("mia-userid"), Some(name.as_str()));
        } else {
            assert_eq!(answer.status, 503);
        }
    }
    assert!(allowed > 0, "the first answer is good");
}
