//! Hosts that clients chose and that never answer (R-16, T-SSRF-06): they keep their own clients waiting, and nobody else.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::ClientKey;
use testkit::tls::Authority;

use crate::jwks_uri::{KeyServer, client, description, present};
use crate::service::{Answer, BasicClient, FORM, GRANT, KeyClient, Service, call, form_with};

/// Fetches for one source at one time.
const SHARE: usize = 4;

/// As in the other tests of `jwks_uri`, and whoever connects may say whom it speaks for.
fn service(authority: &Authority, variables: &[(&str, &str)]) -> Service {
    let file = authority.authority();
    let ours = [
        ("JWKS_URI_ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("JWKS_URI_CA_FILE", file.to_str().unwrap()),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let variables: Vec<_> = ours.iter().chain(variables).copied().collect();
    Service::standard(&variables)
}

/// A client whose keys never come, at a URL of its own.
fn hanging(service: &Service, server: &KeyServer, n: usize) -> KeyClient {
    client(service, &format!("{}/{n}", server.uri()), ClientKey::generate("k"))
}

/// Presents an assertion from this source, and does not wait for the answer.
fn present_from(service: &Service, client: &KeyClient, source: &str) -> thread::JoinHandle<Answer> {
    let (address, form) = (service.public, form_with(&service.assertion(client, &json!({}))));
    let source = source.to_owned();
    thread::spawn(move || {
        call(address, "POST", "/oauth/token", &[FORM, ("X-Forwarded-For", &*source)], &form)
    })
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::yield_now();
    }
}

fn everywhere(service: &Service, client: &BasicClient) -> [u16; 3] {
    ["/oauth/token", "/oauth/introspect", "/oauth/revoke"]
        .map(|path| service.about(path, client, &format!("{GRANT}&token=x")).status)
}

#[test]
fn r_16_t_bru_03_who_waits_for_a_foreign_host_holds_no_place() {
    let authority = Authority::new();
    let service = service(&authority, &[("MAX_TOKEN_REQUESTS", "2")]);
    let server = KeyServer::start("127.0.0.1", &authority);
    let (honest, stranger) = (service.basic_client(&json!({})), hanging(&service, &server, 0));
    for _ in 0..24 {
        present_from(&service, &stranger, "192.0.2.1");
    }
    eventually("the keys are asked for", || server.asked() == 1);
    for _ in 0..4 {
        assert_eq!(everywhere(&service, &honest), [200; 3]);
    }
    assert_eq!(server.asked(), 1);
}

#[test]
fn r_16_so_many_wait_for_one_key_set_and_no_more() {
    let authority = Authority::new();
    let service = service(&authority, &[]);
    let server = KeyServer::start("127.0.0.1", &authority);
    let stranger = hanging(&service, &server, 0);
    let calls: Vec<_> = (0..64).map(|_| present_from(&service, &stranger, "192.0.2.1")).collect();
    let mut sent_away = 0;
    for call in calls {
        let answer = call.join().unwrap();
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
        if answer.body.contains("this service is fetching") {
            assert_eq!(answer.header("retry-after"), Some("5"));
            sent_away += 1;
        } else {
            assert!(answer.body.contains("check that it answers within 3 seconds"), "{answer:?}");
            assert_eq!(answer.header("retry-after"), Some("60"));
        }
    }
    assert!((1..=64 - 32).contains(&sent_away), "{sent_away}");
    assert_eq!(server.asked(), 1, "one fetch for all of them");
    // Another client's keys are not looked for there either, for a while.
    let accomplice = client(&service, &format!("{}/0", server.uri()), ClientKey::generate("k"));
    let answer = present(&service, &accomplice);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")));
    assert_eq!(server.asked(), 1);
    // The host itself has not been given up.
    let key = ClientKey::generate("k");
    server.publishes(&[key.public_jwk()]);
    assert_eq!(present(&service, &client(&service, &server.uri(), key)).status, 200);
}

#[test]
fn t_ssrf_06_hanging_hosts_of_one_source_take_a_share_and_leave_the_rest() {
    let authority = Authority::new();
    let service = service(&authority, &[]);
    let server = KeyServer::start("127.0.0.1", &authority);
    let good = KeyServer::start("127.0.0.1", &authority);
    let key = ClientKey::generate("k");
    good.publishes(&[key.public_jwk()]);
    let others: Vec<_> = (0..3).map(|_| client(&service, &good.uri(), ClientKey::generate("k"))).collect();
    let known = client(&service, &good.uri(), key);
    assert_eq!(present(&service, &known).status, 200);
    let strangers: Vec<_> = (0..20).map(|n| hanging(&service, &server, n)).collect();
    for stranger in &strangers {
        present_from(&service, stranger, "192.0.2.1");
    }
    eventually("one source has its share", || server.asked() >= SHARE);
    // Newcomers from elsewhere, and whoever is known, have theirs.
    for newcomer in &others {
        let answer = present_from(&service, newcomer, "192.0.2.2").join().unwrap();
        assert_eq!(answer.status, 401, "the keys were had, and are others: {answer:?}");
    }
    service.clock.advance_seconds(301);
    let by_operator = service.manage("POST", "/clients", Some(&description(&good.uri())));
    let made = KeyClient { id: by_operator.json()["client_id"].as_str().unwrap().to_owned(), key: known.key };
    assert_eq!(present_from(&service, &made, "192.0.2.1").join().unwrap().status, 200);
    let known = KeyClient { id: known.id, key: made.key };
    assert_eq!(present_from(&service, &known, "192.0.2.1").join().unwrap().status, 200);
}
