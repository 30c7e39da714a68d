//! The calls to userinfo: which, with which headers, and how many (upstream contract §3.2; G-UI-13, G-CACHE).

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::service::{Answer, Service, request};
use crate::stub::{Reply, Seen, Stub};

fn rules() -> Value {
    let rule = |expression: &str, public: bool| json!({"GET":{"authorization":{"expression":expression,"public":public}}});
    json!({"/any": rule("true", true), "/user": rule("true", false), "/office": {"GET":{"backofficeAuthorization":{"expression":"true","public":true}}}})
}

fn start(stub: &Stub, variables: &[(&str, &str)]) -> Service {
    let url = stub.url();
    let variables: Vec<_> = [("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect();
    Service::start(&rules(), &variables)
}

/// Says that the caller is who the token names.
fn by_token() -> Stub {
    Stub::start(|seen| {
        Reply::json(&json!({"sub": seen.all("authorization").concat().replace("Bearer ", "")}))
    })
}

#[test]
fn one_get_with_exactly_the_configured_headers() {
    let stub = by_token();
    let service = start(&stub, &[("HEADERS_TO_PROXY", "Authorization,cookie,x-tenant")]);
    let answer = service.ask(
        "GET",
        "/user",
        &[
            ("authorization", "Bearer u1"),
            ("Cookie", "a=1"),
            ("X-Tenant", "t1"),
            ("x-tenant", "t2"),
            ("x-other", "secret"),
            ("user-agent", "x"),
        ],
    );
    assert!(answer.allowed());
    let [seen] = <[Seen; 1]>::try_from(stub.seen()).unwrap();
    assert_eq!(seen.line, "GET /tokeninfo HTTP/1.1");
    assert_eq!(seen.all("x-tenant"), ["t1", "t2"]);
    let mut names = seen.names();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "cookie", "host", "x-tenant", "x-tenant"]);
    assert!(stub.url().contains(seen.all("host")[0]), "our own Host");
}

#[test]
fn g_ui_13_headers_of_the_connection_and_the_body_are_never_copied() {
    let stub = by_token();
    let forbidden = "connection,content-length,transfer-encoding,content-type,expect,te,trailer,upgrade,keep-alive,\
                     accept,accept-encoding,http2-settings,range,if-none-match";
    let service = start(&stub, &[("HEADERS_TO_PROXY", &format!("authorization,host,{forbidden}"))]);
    let mut connection = service.connect();
    let head = "POST /auth HTTP/1.1\r\nOriginal-Request-Uri: /user\r\nOriginal-Request-Method: GET\r\n";
    let hostile = "Host: public.example\r\nConnection: close, authorization\r\nContent-Length: 2\r\n\
                   Content-Type: text/x\r\nTE: trailers\r\nTrailer: x\r\nKeep-Alive: 1\r\nAccept-Encoding: gzip\r\n\
                   Accept: text/html\r\nHTTP2-Settings: AA\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\nAuthorization: Bearer u1\r\n\r\n{}";
    connection.write_all(format!("{head}{hostile}").as_bytes()).unwrap();
    let answer = Answer::read(connection);
    assert!(answer.allowed(), "{answer:?}");
    let [seen] = <[Seen; 1]>::try_from(stub.seen()).unwrap();
    let mut names = seen.names();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "host"]);
    assert_eq!(seen.all("accept"), ["application/json"]);
    assert_eq!(seen.all("host"), ["public.example"], "host is copied where it is named");
}

#[test]
fn without_an_authorization_header_nobody_is_asked_where_so_configured() {
    let stub = by_token();
    let service = start(
        &stub,
        &[
            ("HEADERS_TO_PROXY", "authorization,cookie"),
            ("AUTHORIZATION_HEADERS_TO_PROXY", "authorization,cookie"),
        ],
    );
    for headers in [&[][..], &[("x-other", "1")], &[("authorization", "")]] {
        assert_eq!(service.ask("GET", "/user", headers).status, 401);
        assert!(service.ask("GET", "/any", headers).allowed());
    }
    assert!(stub.seen().is_empty());
    assert!(service.ask("GET", "/user", &[("authorization", "Bearer u1")]).allowed());
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn without_that_list_userinfo_is_asked_for_every_request_that_has_a_rule() {
    let stub = by_token();
    let service = start(&stub, &[]);
    assert!(service.ask("GET", "/any", &[]).allowed());
    assert_eq!(stub.seen().len(), 1);
    for target in ["/nowhere", "/any/../user", "/office"] {
        assert_eq!(service.ask("GET", target, &[("authorization", "Bearer u1")]).status, 403);
    }
    assert_eq!(stub.seen().len(), 1, "without a rule there is nothing to know");
}

#[test]
fn backoffice_requests_ask_their_own_url_if_there_is_one() {
    let (front, back) = (by_token(), by_token());
    let url = back.url();
    let service = start(&front, &[("BACKOFFICE_USERINFO_URL", &url)]);
    let token = ("authorization", "Bearer u1");
    assert!(service.ask("GET", "/user", &[token]).allowed());
    assert_eq!((front.seen().len(), back.seen().len()), (1, 0));
    assert!(service.ask("GET", "/user", &[token, ("isbackoffice", "1")]).allowed());
    assert_eq!((front.seen().len(), back.seen().len()), (1, 1));
    let only_one = start(&front, &[("BACKOFFICE_USERINFO_URL", "")]);
    assert!(only_one.ask("GET", "/user", &[token, ("isbackoffice", "1")]).allowed());
    assert_eq!(front.seen().len(), 2);
}

#[test]
fn other_members_can_hold_id_and_permissions() {
    let stub = Stub::json(json!({"sub":"no","userId":7,"rights":["read:orders"]}));
    let rules = json!({"/": {"ALL":{"authorization":{"expression":"\"read:orders\" in permissions","public":false}}}});
    let url = stub.url();
    let start = |variables: &[(&str, &str)]| {
        Service::start(
            &rules,
            &[("USERINFO_URL", url.as_str())].iter().chain(variables).copied().collect::<Vec<_>>(),
        )
    };
    let chosen = start(&[("CUSTOM_USER_ID_KEY", "userId"), ("CUSTOM_PERMISSIONS_KEY", "rights")]);
    let answer = chosen.ask("GET", "/x", &[("authorization", "Bearer t")]);
    assert!(answer.allowed());
    assert_eq!(answer.header("mia-userid"), Some("7"));
    let unset = start(&[]);
    assert_eq!(unset.ask("GET", "/x", &[("authorization", "Bearer t")]).status, 403);
}

#[test]
fn connections_are_kept() {
    let stub = by_token();
    let service = start(&stub, &[]);
    for number in 0..20 {
        assert!(service.ask("GET", "/user", &[("authorization", &format!("Bearer u{number}"))]).allowed());
    }
    assert_eq!(stub.seen().len(), 20, "nothing is remembered");
    // The pool gets a connection back a moment after the answer; whoever asks in that moment opens another.
    assert!(stub.connections() < 5, "{} connections for 20 calls", stub.connections());
}

/// Holds the stub's answers back until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let _open = self.changed.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap();
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn gated() -> (Stub, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let inner = Arc::clone(&gate);
    let stub = Stub::start(move |seen| {
        inner.pass();
        let name = |header: &str| seen.all(header).concat().replace("Bearer ", "");
        Reply::json(&json!({"sub": name("authorization") + "|" + &name("x-tenant")}))
    });
    (stub, gate)
}

/// Sends all requests, each on a connection of its own, and returns once the service has taken them up: status
/// requests that came later, on connections to every worker, have been answered.
fn send_all(service: &Service, all: &[Vec<(&str, &str)>]) -> Vec<thread::JoinHandle<Answer>> {
    let waiting: Vec<_> = all
        .iter()
        .map(|headers| {
            let asked = [("Original-Request-Uri", "/user"), ("Original-Request-Method", "GET")];
            let headers: Vec<_> = asked.iter().chain(headers).copied().collect();
            let mut connection = service.connect();
            connection.write_all(&request("GET", "/auth", &headers)).unwrap();
            thread::spawn(move || Answer::read(connection))
        })
        .collect();
    for _ in 0..64 {
        assert_eq!(service.call("GET", "/-/healthz", &[]).status, 200);
    }
    waiting
}

#[test]
fn fifty_identical_requests_are_one_call() {
    let (stub, gate) = gated();
    let service = start(&stub, &[]);
    let waiting = send_all(&service, &vec![vec![("authorization", "Bearer u1")]; 50]);
    gate.open();
    for answer in waiting {
        let answer = answer.join().unwrap();
        assert!(answer.allowed());
        assert_eq!(answer.header("mia-userid"), Some("u1|"));
    }
    assert_eq!(stub.seen().len(), 1);
    assert!(service.ask("GET", "/user", &[("authorization", "Bearer u1")]).allowed());
    assert_eq!(stub.seen().len(), 2, "nothing is remembered");
}

#[test]
fn g_cache_01_g_cache_02_different_headers_never_share_a_call() {
    let (stub, gate) = gated();
    let service = start(&stub, &[("HEADERS_TO_PROXY", "authorization,x-tenant")]);
    let who = [("a", "b"), ("ab", ""), ("a|b", "c"), ("a", "b|c"), ("A", "b"), ("a", "")];
    let headers: Vec<_> =
        who.iter().map(|(user, tenant)| vec![("authorization", *user), ("x-tenant", *tenant)]).collect();
    let waiting = send_all(&service, &headers);
    gate.open();
    for (answer, (user, tenant)) in waiting.into_iter().zip(who) {
        let answer = answer.join().unwrap();
        assert!(answer.allowed());
        assert_eq!(answer.header("mia-userid"), Some(format!("{user}|{tenant}").as_str()));
    }
    assert_eq!(stub.seen().len(), who.len());
}

#[test]
fn g_cache_08_the_first_may_leave() {
    let (stub, gate) = gated();
    let service = start(&stub, &[]);
    let asked = [
        ("Original-Request-Uri", "/user"),
        ("Original-Request-Method", "GET"),
        ("authorization", "Bearer u1"),
    ];
    let mut first = service.connect();
    first.write_all(&request("GET", "/auth", &asked)).unwrap();
    while stub.seen().is_empty() {
        thread::yield_now();
    }
    let others = send_all(&service, &vec![vec![("authorization", "Bearer u1")]; 5]);
    drop(first);
    for _ in 0..64 {
        assert_eq!(service.call("GET", "/-/healthz", &[]).status, 200);
    }
    gate.open();
    for answer in others {
        assert_eq!(answer.join().unwrap().header("mia-userid"), Some("u1|"));
    }
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn g_cache_07_an_error_is_not_remembered() {
    let failing = Arc::new(Mutex::new(true));
    let inner = Arc::clone(&failing);
    let stub = Stub::start(move |_| {
        if *inner.lock().unwrap() { Reply::status(500) } else { Reply::json(&json!({"sub":"u1"})) }
    });
    let service = start(&stub, &[]);
    let token = [("authorization", "Bearer u1")];
    assert_eq!(service.ask("GET", "/user", &token).status, 503);
    *failing.lock().unwrap() = false;
    assert!(service.ask("GET", "/user", &token).allowed());
}
