//! Userinfo, key set and feed are lost in turn while callers of every kind ask for an API through the shipped nginx, in
//! front of a door that asks userinfo and of one that verifies tokens itself. The API counts who reached it.
//!
//! The counts are small, so that the gate can afford them. By hand: `GETTONE_TEST_SCALE=full`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};
use testkit::relay::Relay;

use crate::deployment::{DecisionService, http, workspace};
use crate::house::House;
use crate::scale;
use crate::upstream::{Upstream, header};

/// Requests on their way at once.
const WORKERS: usize = 8;
/// The feed by itself comes last: with userinfo there, nobody sees from outside when it is followed again.
const PHASES: [(&str, &[Lost]); 4] = [
    ("userinfo", &[Lost::Userinfo]),
    ("key set", &[Lost::KeySet]),
    ("all three", &[Lost::Userinfo, Lost::KeySet, Lost::Feed]),
    ("feed", &[Lost::Feed]),
];
const NOTHING_LOST: usize = PHASES.len();

#[derive(Clone, Copy, PartialEq)]
enum Lost {
    Userinfo,
    KeySet,
    Feed,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Proxy,
    Local,
}

/// An authorization service, and nginx that asks it.
struct Front {
    mode: Mode,
    address: SocketAddr,
    _door: DecisionService,
    _nginx: Process,
    _port: ReservedPort,
    _folder: TempDir,
}

impl Front {
    async fn start(mode: Mode, house: &House, api: SocketAddr) -> Self {
        let door = match mode {
            Mode::Proxy => house.proxy_door(&[]).await,
            Mode::Local => house.local_door(&[]).await,
        };
        let folder = tempfile::tempdir().unwrap();
        let (port, nginx) = Process::start_on_free_port(|port| {
            let addresses = Addresses {
                gateway: port.address(),
                authorization_service: door.address,
                client_credentials: house.tokens.public,
                service: api,
            };
            let command = gateway::nginx(workspace(), folder.path(), &addresses).unwrap();
            (command, Ready::Listens(port.address()))
        })
        .await;
        Self { mode, address: port.address(), _door: door, _nginx: nginx, _port: port, _folder: folder }
    }
}

struct Caller {
    /// The API is told, as `x-caller`.
    name: &'static str,
    token: Option<String>,
    has_right: bool,
}

/// Callers of every kind. Two in eight have the right to ask.
async fn callers(house: &House) -> Vec<Caller> {
    let (reader, other) = (house.client(&["read:orders"]).await, house.client(&["other"]).await);
    let valid = house.token(&reader).await;
    let revoked = house.token(&reader).await;
    house.revoke(&reader, &revoked).await;
    let mut forged = valid.clone();
    forged.replace_range(valid.len() - 20.., "AAAAAAAAAAAAAAAAAAAA");
    let caller =
        |name, token: Option<&str>, has_right| Caller { name, token: token.map(str::to_owned), has_right };
    vec![
        caller("valid", Some(&valid), true),
        caller("revoked", Some(&revoked), false),
        caller("forged", Some(&forged), false),
        caller("of an unknown key", Some(&of_an_unknown_key(&valid)), false),
        caller("also valid", Some(&house.token(&reader).await), true),
        caller("without the right", Some(&house.token(&other).await), false),
        caller("opaque", Some("opaque"), false),
        caller("anonymous", None, false),
    ]
}

fn of_an_unknown_key(token: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"] = json!("unknown");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// What callers saw in one phase, at doors of one mode.
#[derive(Debug, Default)]
struct Seen {
    allowed: AtomicUsize,
    refused: AtomicUsize,
    cannot_know: AtomicUsize,
    /// By callers without a right, whatever they saw.
    without_right: AtomicUsize,
}

impl Seen {
    fn allowed(&self) -> usize {
        self.allowed.load(Ordering::Relaxed)
    }

    fn cannot_know(&self) -> usize {
        self.cannot_know.load(Ordering::Relaxed)
    }

    fn all(&self) -> usize {
        self.allowed() + self.cannot_know() + self.refused.load(Ordering::Relaxed)
    }
}

struct Load {
    http: reqwest::Client,
    callers: Vec<Caller>,
    fronts: Vec<(Mode, SocketAddr)>,
    /// Of [`PHASES`], or [`NOTHING_LOST`].
    phase: AtomicUsize,
    seen: [[Seen; 2]; PHASES.len() + 1],
    /// Answers 200, whoever asked.
    passed: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    async fn ask(&self, front: SocketAddr, caller: &Caller) -> u16 {
        let request = self.http.get(format!("http://{front}/orders")).header("x-caller", caller.name);
        let request = caller.token.iter().fold(request, |request, token| request.bearer_auth(token));
        let status = request.send().await.unwrap().status().as_u16();
        if status == 200 {
            self.passed.fetch_add(1, Ordering::Relaxed);
        }
        status
    }

    fn seen(&self, phase: usize, mode: Mode) -> &Seen {
        &self.seen[phase][usize::from(mode == Mode::Local)]
    }

    /// Asks until the load is over. Nobody without a right may see anything but a refusal, and a valid caller is never
    /// told that it is not.
    async fn run(self: Arc<Self>, worker: usize) {
        let mut number = worker;
        while !self.is_over.load(Ordering::Relaxed) {
            let caller = &self.callers[number / 2 % self.callers.len()];
            let (mode, front) = self.fronts[number % 2];
            let phase = self.phase.load(Ordering::SeqCst);
            let status = self.ask(front, caller).await;
            // What was begun in one phase and ended in another says nothing about either.
            let is_of_this = phase == self.phase.load(Ordering::SeqCst);
            let seen = self.seen(if is_of_this { phase } else { NOTHING_LOST }, mode);
            let count = match (caller.has_right, status) {
                (true, 200) => &seen.allowed,
                (false, 401 | 403) => &seen.refused,
                (_, 503) => &seen.cannot_know,
                (_, other) => panic!("{} was answered {other}", caller.name),
            };
            count.fetch_add(1, Ordering::Relaxed);
            if !caller.has_right {
                seen.without_right.fetch_add(1, Ordering::Relaxed);
            }
            // Odd, so that every worker comes to every caller at both doors.
            number += WORKERS * 2 + 1;
        }
    }

    /// Until valid callers pass at every door, and userinfo is asked again about what is not of our issuer.
    async fn until_all_is_well(&self) {
        let began = Instant::now();
        for (_, front) in &self.fronts {
            for (name, expected) in [("valid", 200), ("revoked", 401), ("opaque", 401)] {
                let caller = self.callers.iter().find(|caller| caller.name == name).unwrap();
                while self.ask(*front, caller).await != expected {
                    assert!(began.elapsed() < Duration::from_secs(30), "{name} is not answered {expected}");
                }
            }
        }
    }
}

/// Whether a request that reached the API is of a caller who may ask for it.
fn may_ask(callers: &[Caller], head: &str) -> bool {
    let name = header(head, "x-caller");
    callers.iter().any(|caller| caller.has_right && Some(caller.name) == name)
}

fn relay(house: &House, lost: Lost) -> &Relay {
    match lost {
        Lost::Userinfo => &house.userinfo,
        Lost::KeySet => &house.key_set,
        Lost::Feed => &house.feed,
    }
}

mod through_nginx {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r_17_an_outage_lets_nobody_without_a_right_reach_the_api_and_sends_no_valid_caller_away() {
        // In the full run a phase is longer than a feed may be silent, and 100,000 requests have no right.
        let (requests, lasts) =
            if scale::is_full() { (35_000, Duration::from_secs(40)) } else { (400, Duration::ZERO) };
        let (house, api) = (House::start().await, Upstream::start());
        let fronts = [
            Front::start(Mode::Proxy, &house, api.address).await,
            Front::start(Mode::Local, &house, api.address).await,
        ];
        let load = Arc::new(Load {
            http: http(),
            callers: callers(&house).await,
            fronts: fronts.iter().map(|front| (front.mode, front.address)).collect(),
            phase: NOTHING_LOST.into(),
            seen: Default::default(),
            passed: 0.into(),
            is_over: false.into(),
        });
        load.until_all_is_well().await;
        let workers: Vec<_> =
            (0..WORKERS).map(|worker| tokio::spawn(Arc::clone(&load).run(worker))).collect();

        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for (phase, (what, lost)) in PHASES.into_iter().enumerate() {
            lost.iter().for_each(|lost| relay(&house, *lost).cut());
            load.phase.store(phase, Ordering::SeqCst);
            let began = Instant::now();
            let [proxy, local] = [Mode::Proxy, Mode::Local].map(|mode| load.seen(phase, mode));
            while proxy.all() + local.all() < requests || began.elapsed() < lasts {
                assert!(workers.iter().all(|worker| !worker.is_finished()), "{what} lost: a caller gave up");
                ticks.tick().await;
            }
            load.phase.store(NOTHING_LOST, Ordering::SeqCst);
            lost.iter().for_each(|lost| relay(&house, *lost).mend());
            let lasted = began.elapsed();
            println!("{what} lost for {lasted:?}:\n  proxy mode {proxy:?}\n  local mode {local:?}");
            // Nothing is remembered in proxy mode. In local mode nobody knows anything only when all have been lost for
            // longer than a feed may be silent, which happens in the full run alone.
            let userinfo_is_there = !lost.contains(&Lost::Userinfo);
            assert_eq!(proxy.allowed() > 0, userinfo_is_there, "{what}");
            assert!(proxy.cannot_know() > 0 || userinfo_is_there, "{what}");
            assert!(local.allowed() > 0, "{what}");
            load.until_all_is_well().await;
        }
        load.is_over.store(true, Ordering::Relaxed);
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        let reached = api.heads();
        let without_right: Vec<_> = reached.iter().filter(|head| !may_ask(&load.callers, head)).collect();
        assert!(
            without_right.is_empty(),
            "{} reached the API: {:?}",
            without_right.len(),
            without_right.first()
        );
        // The API saw what it should have: the line above could otherwise not fail.
        assert_eq!(reached.len(), load.passed.load(Ordering::Relaxed));
        let asked: usize =
            load.seen.iter().flatten().map(|seen| seen.without_right.load(Ordering::Relaxed)).sum();
        println!("{asked} requests without a right: none reached the API. {} with one did", reached.len());
        assert!(asked >= if scale::is_full() { 100_000 } else { 1000 });
    }
}
