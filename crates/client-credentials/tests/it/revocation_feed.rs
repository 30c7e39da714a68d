//! `GET /revocations` and `POST /clients/{client_id}/revoke-tokens` on the management listener.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::revocation::{FeedEvent, Revocation};
use serde_json::{Value, json};

use crate::service::{BOOTSTRAP_TOKEN, BasicClient, Service};

/// A reader of the feed, over a socket of its own.
struct Reader {
    lines: BufReader<TcpStream>,
    /// The `id` of the last event that had one.
    cursor: Option<String>,
}

impl Reader {
    fn open(service: &Service, cursor: Option<&str>) -> Self {
        let (head, lines) = Self::request(service, cursor);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream") && head.contains("no-store"), "{head}");
        Self { lines, cursor: cursor.map(str::to_owned) }
    }

    fn request(service: &Service, cursor: Option<&str>) -> (String, BufReader<TcpStream>) {
        Self::request_as(service, BOOTSTRAP_TOKEN, cursor)
    }

    fn request_as(service: &Service, token: &str, cursor: Option<&str>) -> (String, BufReader<TcpStream>) {
        let mut connection = TcpStream::connect(service.management).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let cursor = cursor.map(|cursor| format!("Last-Event-ID: {cursor}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /revocations HTTP/1.1\r\nHost: auth\r\nAuthorization: Bearer {token}\r\n{cursor}\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut lines = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "no answer: {head}");
        }
        (head, lines)
    }

    /// The next event. Lines that only frame the chunks of the body are passed over.
    fn next(&mut self) -> FeedEvent {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the feed ended");
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data = value.to_owned(),
                Some(("id", value)) => self.cursor = Some(value.to_owned()),
                Some(_) => {}
                None if !data.is_empty() => return FeedEvent::parse(&name, &data).unwrap().unwrap(),
                None => {}
            }
        }
    }

    /// What comes before `up-to-date`: whether it was a snapshot, and what it says.
    fn first(&mut self) -> (bool, Vec<Revocation>) {
        let (mut is_snapshot, mut all) = (false, Vec::new());
        loop {
            match self.next() {
                FeedEvent::Snapshot(part) => {
                    is_snapshot = true;
                    all.extend(part);
                }
                FeedEvent::Revocation(revocation) => all.push(revocation),
                FeedEvent::UpToDate => return (is_snapshot, all),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn revoke(service: &Service, client: &BasicClient) -> String {
    let token = service.token_of(client);
    assert_eq!(service.about("/oauth/revoke", client, &format!("token={token}")).status, 200);
    let claims = crate::service::jwt_part(&token, 1);
    claims["jti"].as_str().unwrap().to_owned()
}

fn is_token(revocation: &Revocation, wanted: &str) -> bool {
    matches!(revocation, Revocation::Token { jti, .. } if jti == wanted)
}

#[test]
fn c_7009_09_a_reader_gets_everything_and_then_each_new_one() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    let before = revoke(&service, &client);
    let mut reader = Reader::open(&service, None);
    let (is_snapshot, first) = reader.first();
    assert!(is_snapshot && first.len() == 1 && is_token(&first[0], &before), "{first:?}");
    for _ in 0..3 {
        let jti = revoke(&service, &client);
        let FeedEvent::Revocation(revocation) = reader.next() else { panic!("not a revocation") };
        assert!(is_token(&revocation, &jti), "{revocation:?}");
    }
    let deleted = service.manage("DELETE", &format!("/clients/{}", client.id), None);
    assert_eq!(deleted.status, 204);
    let FeedEvent::Revocation(Revocation::Client { client_id, .. }) = reader.next() else {
        panic!("not a client")
    };
    assert_eq!(client_id, client.id);
}

#[test]
fn a_reader_that_comes_back_gets_what_it_missed_and_a_stranger_everything() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({}));
    revoke(&service, &client);
    let mut reader = Reader::open(&service, None);
    reader.first();
    let cursor = reader.cursor.clone().unwrap();
    drop(reader);
    let missed = [revoke(&service, &client), revoke(&service, &client)];

    let mut back = Reader::open(&service, Some(&cursor));
    let (is_snapshot, first) = back.first();
    assert!(!is_snapshot, "it goes on where it was");
    assert_eq!(first.len(), 2);
    assert!(first.iter().zip(&missed).all(|(revocation, jti)| is_token(revocation, jti)), "{first:?}");
    // Nothing was missed since.
    let (is_snapshot, first) = Reader::open(&service, back.cursor.as_deref()).first();
    assert_eq!((is_snapshot, first), (false, Vec::new()));

    let (name, _) = cursor.split_once('-').unwrap();
    let future = format!("{name}-99999");
    for stranger in ["", "x", "another-1", future.as_str(), "-", &"9".repeat(300)] {
        let (is_snapshot, first) = Reader::open(&service, Some(stranger)).first();
        assert!(is_snapshot && first.len() == 3, "{stranger}: {first:?}");
    }
}

#[test]
fn what_another_replica_revokes_is_told_too() {
    let first = Service::standard(&[]);
    let second = first.replica(&[("PRIVATE_RSA_KEY_ID", "second")]);
    let client = first.basic_client(&json!({}));
    let mut reader = Reader::open(&second, None);
    reader.first();
    let jti = revoke(&first, &client);
    let FeedEvent::Revocation(revocation) = reader.next() else { panic!("not a revocation") };
    assert!(is_token(&revocation, &jti));
}

#[test]
fn c_6750_05_a_client_with_the_permission_may_read() {
    let service = Service::standard(&[]);
    let reader = service.basic_client(&json!({"permissions": ["gettone:revocations:read"]}));
    let (head, _) = Reader::request_as(&service, &service.token_of(&reader), None);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

/// The head of the answer to one more reader with this token.
fn one_more(service: &Service, token: &str) -> String {
    Reader::request_as(service, token, None).0
}

#[test]
fn there_is_room_for_64_readers_and_48_of_one_client() {
    let service = Service::standard(&[]);
    let reader = service.basic_client(&json!({"permissions": ["gettone:revocations:read"]}));
    let token = service.token_of(&reader);
    let of_operator: Vec<_> = (0..48).map(|_| Reader::open(&service, None)).collect();
    assert!(one_more(&service, BOOTSTRAP_TOKEN).starts_with("HTTP/1.1 503"));
    let of_client: Vec<_> = (48..64).map(|_| Reader::request_as(&service, &token, None)).collect();
    assert!(of_client.iter().all(|(head, _)| head.starts_with("HTTP/1.1 200")));
    assert!(one_more(&service, &token).starts_with("HTTP/1.1 503"));
    // Who leaves makes room, long before it would be missed at the next heartbeat.
    drop(of_operator);
    let start = Instant::now();
    while !one_more(&service, BOOTSTRAP_TOKEN).starts_with("HTTP/1.1 200") {
        assert!(start.elapsed() < Duration::from_secs(8), "the places are not free yet");
    }
}

#[test]
fn t_tok_04_a_feed_ends_with_the_token_it_was_opened_with() {
    type End = fn(&Service, &BasicClient, &str);
    let ends: [(&str, End); 4] = [
        ("deleted", |service, client, _| {
            assert_eq!(service.manage("DELETE", &format!("/clients/{}", client.id), None).status, 204);
        }),
        ("not PUBLIC any more", |service, client, _| {
            let path = format!("/clients/{}", client.id);
            assert_eq!(service.manage("PATCH", &path, Some(&json!({"__STATE__": "TRASH"}))).status, 200);
        }),
        ("revoked", |service, client, token| {
            assert_eq!(service.about("/oauth/revoke", client, &format!("token={token}")).status, 200);
        }),
        ("expired", |service, _, _| service.clock.advance_seconds(24 * 3600)),
    ];
    for (how, end) in ends {
        let service = Service::standard(&[]);
        let client = service.basic_client(&json!({"permissions": ["gettone:revocations:read"]}));
        let (token, other) = (service.token_of(&client), service.basic_client(&json!({})));
        let (head, lines) = Reader::request_as(&service, &token, None);
        assert!(head.starts_with("HTTP/1.1 200"), "{how}: {head}");
        let mut reader = Reader { lines, cursor: None };
        reader.first();
        revoke(&service, &other);
        assert!(matches!(reader.next(), FeedEvent::Revocation(_)), "{how}");
        end(&service, &client, &token);
        assert_eq!(reader.next(), FeedEvent::Goodbye, "{how}: nothing more, not even that");
    }
}

#[test]
fn a_feed_ends_soon_after_the_permission_is_taken_away() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"permissions": ["gettone:revocations:read"]}));
    let (head, lines) = Reader::request_as(&service, &service.token_of(&client), None);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut reader = Reader { lines, cursor: None };
    reader.first();
    let path = format!("/clients/{}", client.id);
    assert_eq!(service.manage("PATCH", &path, Some(&json!({"permissions": []}))).status, 200);
    assert_eq!(reader.next(), FeedEvent::Goodbye);
}

/// Whoever is not known to have lost it goes on.
#[test]
fn a_feed_goes_on_while_the_clients_cannot_be_read() {
    let service = Service::standard(&[]);
    let client = service.basic_client(&json!({"permissions": ["gettone:revocations:read"]}));
    let (_, lines) = Reader::request_as(&service, &service.token_of(&client), None);
    let mut reader = Reader { lines, cursor: None };
    reader.first();
    service.stores.clients.fail();
    let before = service.stores.clients.calls();
    service.stores.clients.await_calls(before + 2);
    service.stores.clients.work();
    let jti = revoke(&service, &service.basic_client(&json!({})));
    let FeedEvent::Revocation(revocation) = reader.next() else { panic!("not a revocation") };
    assert!(is_token(&revocation, &jti));
}

#[test]
fn a_client_that_nobody_touched_is_remembered_for_as_long_as_its_tokens_live() {
    let service = Service::standard(&[("MIA_JWT_EXPIRES_IN", "600")]);
    let [untouched, touched] = [(); 2].map(|()| {
        let client = service.register(&json!({"client_name": "c"})).json();
        format!("/clients/{}", client["client_id"].as_str().unwrap())
    });
    let lifetime = json!({"tokenLifetimeSeconds": 7200});
    assert_eq!(service.manage("PATCH", &touched, Some(&lifetime)).status, 200);
    let made = format!("/clients/{}", service.basic_client(&json!({"tokenLifetimeSeconds": 7200})).id);
    for (path, seconds) in [(untouched, 600), (touched, 86_400), (made, 86_400)] {
        assert_eq!(service.manage("DELETE", &path, None).status, 204);
        let (_, known) = Reader::open(&service, None).first();
        let kept = known.iter().find_map(|revocation| match revocation {
            Revocation::Client { client_id, issued_until, forget_at }
                if path.ends_with(client_id.as_str()) =>
            {
                Some(forget_at.unix_seconds() - issued_until.unix_seconds())
            }
            _ => None,
        });
        assert_eq!(kept, Some(seconds), "{path}");
    }
}

#[test]
fn an_operator_revokes_all_tokens_of_a_client_and_the_client_goes_on() {
    let service = Service::standard(&[]);
    let (client, other) = (service.basic_client(&json!({})), service.basic_client(&json!({})));
    let tokens = [service.token_of(&client), service.token_of(&client)];
    let bystander = service.token_of(&other);
    let path = format!("/clients/{}/revoke-tokens", client.id);
    assert_eq!(service.manage("POST", &path, None).status, 204);
    for token in &tokens {
        assert_eq!(service.tokeninfo(token).status, 401);
        assert!(!service.active(&client, token));
    }
    let new = service.token_of(&client);
    assert_eq!(service.tokeninfo(&new).status, 200, "a new one is good in the same moment");
    assert_eq!(service.tokeninfo(&bystander).status, 200);
    assert_eq!(
        service.manage("POST", "/clients/nobody/revoke-tokens", None).refusal(),
        (404, "not_found".to_owned())
    );
    let record: Value = service.manage("GET", &format!("/clients/{}", client.id), None).json();
    assert_eq!(record["version"], 1, "the client itself is as it was");
}
