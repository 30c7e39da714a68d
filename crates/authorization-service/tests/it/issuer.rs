//! An issuer of access tokens as a test wants it: its key set, its revocation feed, its token endpoint and its
//! `/tokeninfo`, on one port. It signs with another library than the one that verifies.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::Clock;
use common::revocation::{FeedEvent, Revocation};
use serde_json::{Value, json};
use service_kit::SystemClock;
use testkit::ClientKey;
use testkit::openmetrics::Page;

use crate::service::{Answer, Service};
use crate::stub::{Reply, Seen, Stub};

pub(crate) const ISSUER: &str = "https://auth.example";

pub(crate) struct Issuer {
    pub(crate) stub: Stub,
    pub(crate) key: ClientKey,
    inner: Arc<Inner>,
}

struct Inner {
    /// `None`: the address fails.
    key_set: Mutex<Option<Value>>,
    feed: Mutex<Feed>,
    /// How `/tokeninfo` answers.
    tokeninfo: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
}

/// What readers of the feed are told.
#[derive(Default)]
struct Feed {
    is_down: bool,
    revoked: Vec<Revocation>,
    readers: Vec<Sender<Vec<u8>>>,
}

impl Issuer {
    /// With a `/tokeninfo` that knows everybody as `from-userinfo`.
    pub(crate) fn start() -> Self {
        Self::with_tokeninfo(|_| Reply::json(&json!({"sub": "from-userinfo"})))
    }

    pub(crate) fn with_tokeninfo(tokeninfo: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let key = ClientKey::generate("k1");
        let inner = Arc::new(Inner {
            key_set: Mutex::new(Some(json!({"keys": [key.public_jwk()]}))),
            feed: Mutex::default(),
            tokeninfo: Box::new(tokeninfo),
        });
        let replies = Arc::clone(&inner);
        let stub = Stub::start(move |seen| replies.reply(seen));
        Self { stub, key, inner }
    }

    /// A service in local mode that believes this issuer; with further variables. Ready, unless the issuer cannot help it.
    pub(crate) fn service(&self, rules: &Value, further: &[(&str, &str)]) -> Service {
        let [feed, userinfo] = ["/revocations", "/tokeninfo"].map(|path| self.stub.url_of(path));
        let ours = [
            ("USERINFO_MODE", "local"),
            ("MIA_JWT_ISSUER", ISSUER),
            ("REVOCATION_FEED_URL", &feed),
            ("REVOCATION_FEED_CLIENT_ID", "authz"),
            ("REVOCATION_FEED_CLIENT_SECRET", "s/ecret"),
            ("USERINFO_URL", &userinfo),
            ("MANAGEMENT_PORT", "0"),
            ("CUSTOM_PERMISSIONS_KEY", "permissions"),
        ];
        let kept = ours.into_iter().filter(|(name, _)| further.iter().all(|(other, _)| other != name));
        let variables: Vec<_> = kept.chain(further.iter().copied()).collect();
        Service::start(rules, &variables)
    }

    /// The same without anybody else to ask.
    pub(crate) fn service_alone(&self, rules: &Value, further: &[(&str, &str)]) -> Service {
        let [keys, token] = ["/.well-known/jwks.json", "/oauth/token"].map(|path| self.stub.url_of(path));
        let alone = [("USERINFO_URL", ""), ("JWKS_URL", &keys), ("TOKEN_URL", &token)];
        self.service(rules, &alone.iter().chain(further).copied().collect::<Vec<_>>())
    }

    /// How often this path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let seen = self.stub.seen();
        seen.iter().filter(|seen| seen.line.split(' ').nth(1) == Some(path)).count()
    }

    pub(crate) fn show_keys(&self, keys: &[&ClientKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        *self.inner.key_set.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    pub(crate) fn lose_keys(&self) {
        *self.inner.key_set.lock().unwrap() = None;
    }

    /// Ends the feed, and lets nobody open it until [`Self::mend_feed`].
    pub(crate) fn break_feed(&self) {
        let mut feed = self.inner.feed.lock().unwrap();
        feed.is_down = true;
        feed.readers.clear();
    }

    pub(crate) fn mend_feed(&self) {
        self.inner.feed.lock().unwrap().is_down = false;
    }

    /// Sends these bytes to whoever reads the feed.
    pub(crate) fn tell(&self, bytes: &[u8]) {
        self.inner.feed.lock().unwrap().readers.retain(|reader| reader.send(bytes.to_vec()).is_ok());
    }

    pub(crate) fn revoke(&self, revocation: Revocation) {
        let mut feed = self.inner.feed.lock().unwrap();
        feed.revoked.push(revocation.clone());
        let number = feed.revoked.len();
        let bytes = event(&FeedEvent::Revocation(revocation), Some(number));
        feed.readers.retain(|reader| reader.send(bytes.clone()).is_ok());
    }
}

impl Inner {
    fn reply(&self, seen: &Seen) -> Reply {
        match seen.line.split(' ').nth(1).unwrap() {
            "/.well-known/jwks.json" => {
                self.key_set.lock().unwrap().as_ref().map_or_else(|| Reply::status(500), Reply::json)
            }
            "/oauth/token" => match seen.all("authorization").as_slice() {
                // authz and s/ecret, each form-encoded.
                ["Basic YXV0aHo6cyUyRmVjcmV0"] => {
                    Reply::json(&json!({"access_token": "feed-token", "expires_in": 3600}))
                }
                _ => Reply::status(401),
            },
            "/revocations" => match seen.all("authorization").as_slice() {
                ["Bearer feed-token"] => self.open_feed(seen),
                _ => Reply::status(401),
            },
            _ => (self.tokeninfo)(seen),
        }
    }

    fn open_feed(&self, seen: &Seen) -> Reply {
        let mut feed = self.feed.lock().unwrap();
        if feed.is_down {
            return Reply::status(503);
        }
        let (sender, receiver): (_, Receiver<Vec<u8>>) = channel();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        sender.send(head.into()).unwrap();
        let cursor = seen.all("last-event-id").first().and_then(|cursor| cursor.parse().ok());
        match cursor {
            Some(cursor) => {
                for (number, one) in (1..).zip(&feed.revoked).skip(cursor) {
                    sender.send(event(&FeedEvent::Revocation(one.clone()), Some(number))).unwrap();
                }
            }
            // In more than one part, and at least in one.
            None => {
                let parts = feed.revoked.chunks(2).map(<[_]>::to_vec).chain([Vec::new()]);
                parts.for_each(|part| sender.send(event(&FeedEvent::Snapshot(part), None)).unwrap());
            }
        }
        sender.send(event(&FeedEvent::UpToDate, Some(feed.revoked.len()))).unwrap();
        feed.readers.push(sender);
        Reply::Stream(receiver)
    }
}

/// An event on the wire.
pub(crate) fn event(event: &FeedEvent, id: Option<usize>) -> Vec<u8> {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {}\nretry: 1000\ndata: {}\n\n", event.name(), event.data().unwrap()).into_bytes()
}

pub(crate) fn now() -> i64 {
    SystemClock.now().unix_seconds()
}

/// Claims of a good access token; `changes` replaces members, and `null` removes one.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "client-1", "client_id": "client-1", "aud": ["urn:gettone:api"],
        "iat": now(), "exp": now() + 600, "jti": "j1", "permissions": ["read:orders"],
    });
    for (name, value) in changes.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        claims.insert(name.clone(), value.clone());
        if value.is_null() {
            claims.remove(name);
        }
    }
    claims
}

/// A token with these claims and the header of an access token.
pub(crate) fn signed(key: &ClientKey, kid: &str, claims: &Value) -> String {
    key.sign_with_header(&json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}), claims)
}

pub(crate) fn ask(service: &Service, target: &str, token: &str) -> Answer {
    service.ask("GET", target, &[("authorization", &format!("Bearer {token}"))])
}

pub(crate) fn metric(service: &Service, series: &str) -> f64 {
    Page::parse(&service.manage("GET", "/-/metrics").body).value(series)
}

pub(crate) fn tokens(service: &Service, outcome: &str) -> f64 {
    metric(service, &format!(r#"access_tokens_total{{outcome="{outcome}"}}"#))
}

/// Waits until it wants traffic.
pub(crate) fn until_ready(service: &Service) {
    until(|| service.manage("GET", "/-/ready").status == 200);
}

/// Asks again and again, for 20 seconds at most.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never was so");
        thread::yield_now();
    }
}
