//! The core test of conformance §3: the same bytes for the gateway, the rules, and the servers behind them. Raw targets go
//! through the real gateways as they ship; whoever has no right must never reach a handler whose own rule would have refused
//! them, whichever way the server reads what it was sent (G-PATH-01 to G-PATH-27, R-05, R-17).
//!
//! The gate sends a few thousand. By hand, 100,000 to each gateway in each profile: `GETTONE_TEST_SCALE=full`.

mod corpus;
mod rules;
mod servers;
mod smuggling;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::deployment::{DecisionService, workspace};
use crate::scale;
use servers::Server;
use wire::{Caller, Outcome};

/// A gateway as we ship it.
#[derive(Clone, Copy)]
struct Gateway {
    /// Makes the command that starts it from our files.
    command: fn(&Path, &Path, &Addresses) -> io::Result<Command>,
    /// What the authorization service has to know about it.
    original_request_from: &'static str,
}

const NGINX: Gateway = Gateway { command: gateway::nginx, original_request_from: "headers" };
const ENVOY: Gateway = Gateway { command: gateway::envoy, original_request_from: "headers" };
const TRAEFIK: Gateway = Gateway { command: gateway::traefik, original_request_from: "x-forwarded" };
const CADDY: Gateway = Gateway { command: gateway::caddy, original_request_from: "x-forwarded" };
const HAPROXY: Gateway = Gateway { command: gateway::haproxy, original_request_from: "headers" };

/// Open to everybody. Some gateways listen before they know their routes: one that answers this does.
const ROUTED: &str = "/.well-known/jwks.json";

/// A gateway, the rules, and a server behind.
struct Front {
    address: SocketAddr,
    _decisions: DecisionService,
    _gateway: Process,
    _port: ReservedPort,
    _folder: TempDir,
}

impl Front {
    async fn start(gateway: Gateway, profile: &str, rules: &Value) -> Self {
        Self::before(wire::start_server(), gateway, profile, rules).await
    }

    /// In front of this server.
    async fn before(server: SocketAddr, gateway: Gateway, profile: &str, rules: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.json"), rules.to_string()).unwrap();
        let decisions = DecisionService::start(
            "http://127.0.0.1:1/tokeninfo",
            &[
                ("CONFIGURATION_PATH", folder.path().to_str().unwrap()),
                ("CONFIGURATION_FILE_NAME", "rules"),
                ("AUTHORIZATION_HEADERS_TO_PROXY", "authorization"),
                ("ORIGINAL_REQUEST_FROM", gateway.original_request_from),
                ("PROFILE", profile),
                ("LOG_LEVEL", "silent"),
            ],
        )
        .await;
        let (port, process) = Process::start_on_free_port(|port| {
            let addresses = Addresses {
                gateway: port.address(),
                authorization_service: decisions.address,
                client_credentials: server,
                service: server,
            };
            let command = (gateway.command)(workspace(), &folder.path().join("gateway"), &addresses);
            (command.unwrap(), Ready::Answers(port.address(), ROUTED.to_owned()))
        })
        .await;
        Self {
            address: port.address(),
            _decisions: decisions,
            _gateway: process,
            _port: port,
            _folder: folder,
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Report {
    sent: usize,
    reached: usize,
    closed: usize,
    refused: BTreeMap<u16, usize>,
    bypasses: Vec<String>,
}

impl Report {
    fn note(&mut self, verb: &str, target: &str, version: &str, outcome: &Outcome) {
        self.sent += 1;
        match outcome {
            Outcome::Closed => self.closed += 1,
            Outcome::Refused(status) => *self.refused.entry(*status).or_default() += 1,
            Outcome::Reached(received) => {
                self.reached += 1;
                // The server with the fewest habits says most.
                if let Some((server, handler)) =
                    Server::handlers(received).find(|(_, handler)| !handler.is_public(verb))
                {
                    let received = String::from_utf8_lossy(received);
                    self.bypasses.push(format!(
                        "{verb} {target} HTTP/{version} arrived as {received}, which is {handler:?} for {server:?}"
                    ));
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.reached += other.reached;
        self.closed += other.closed;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.bypasses.extend(other.bypasses);
    }
}

/// Every target of the table with a verb and a version in turn (at full scale with each), and then made ones until there are
/// `count` in all.
fn requests(count: usize) -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let each = if scale::is_full() { corpus::VERBS.len() } else { 1 };
    let table = corpus::table()
        .enumerate()
        .flat_map(move |(row, target)| (0..each).map(move |turn| (row + turn, target.clone())));
    let made = corpus::made(20_261_122).enumerate();
    table.chain(made).take(count).map(|(turn, target)| {
        let verb = corpus::VERBS[turn % corpus::VERBS.len()];
        let version = corpus::VERSIONS[turn / corpus::VERBS.len() % corpus::VERSIONS.len()];
        (verb, target, version)
    })
}

/// Sends them over a few connections at a time.
fn send(gateway: SocketAddr, count: usize) -> Report {
    let (requests, report) = (Mutex::new(requests(count)), Mutex::new(Report::default()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut caller, mut seen) = (Caller::new(gateway), Report::default());
                loop {
                    let next = requests.lock().unwrap().next();
                    let Some((verb, target, version)) = next else { break };
                    let outcome = caller.ask(verb, &target, version);
                    seen.note(verb, &target, version, &outcome);
                }
                report.lock().unwrap().add(seen);
            });
        }
    });
    report.into_inner().unwrap()
}

async fn g_path_01_to_27_no_target_reaches_a_handler_that_its_own_rule_refuses(gateway: Gateway) {
    let count = if scale::is_full() { 100_000 } else { 5_000 };
    for profile in ["standard", "drop-in"] {
        let front = Front::start(gateway, profile, &rules::rules()).await;
        let report = send(front.address, count);
        println!(
            "{profile}: {} targets, {} reached the server, {} closed, refused by status {:?}",
            report.sent, report.reached, report.closed, report.refused
        );
        assert_eq!(report.sent, count);
        assert!(report.reached > count / 100, "too few pass for the rest to mean anything: {report:?}");
        assert!(!report.refused.contains_key(&0), "{report:?}");
        let shown = report.bypasses.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(report.bypasses.is_empty(), "{} bypasses:\n{shown}", report.bypasses.len());
    }
}

async fn rules_that_forget_a_path_are_found(gateway: Gateway) {
    let front = Front::start(gateway, "standard", &rules::careless_rules()).await;
    let report = send(front.address, 500);
    assert!(report.bypasses.len() > 20, "{report:?}");
}

macro_rules! through {
    ($module:ident, $gateway:path) => {
        mod $module {
            #[tokio::test]
            async fn g_path_01_to_27_no_target_reaches_a_handler_that_its_own_rule_refuses() {
                super::g_path_01_to_27_no_target_reaches_a_handler_that_its_own_rule_refuses($gateway).await;
            }

            #[tokio::test]
            async fn rules_that_forget_a_path_are_found() {
                super::rules_that_forget_a_path_are_found($gateway).await;
            }
        }
    };
}

through!(through_nginx, super::NGINX);
through!(through_envoy, super::ENVOY);
through!(through_traefik, super::TRAEFIK);
through!(through_caddy, super::CADDY);
through!(through_haproxy, super::HAPROXY);
