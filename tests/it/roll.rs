//! A rolling restart under load: readiness flips first, the replica goes on answering, and nobody notices.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::gateway::{self, Addresses};
use testkit::port::ReservedPort;
use testkit::process::{Process, Ready};

use crate::deployment::{TokenService, http, json, service, workspace};
use crate::developer::Developer;
use crate::scale;
use crate::upstream::Upstream;

/// How long a replica that is told to stop goes on. Far above what a gateway takes to notice.
const DELAY_SECONDS: &str = "4";

struct Replica {
    port: ReservedPort,
    process: Process,
}

impl Replica {
    async fn start(userinfo: &str) -> Self {
        let port = ReservedPort::new();
        let process = Self::process(&port, userinfo).await;
        Self { port, process }
    }

    async fn process(port: &ReservedPort, userinfo: &str) -> Process {
        let (number, rules) = (port.number().to_string(), workspace().join("deploy/demo"));
        let mut command = service(
            "authorization-service",
            &[
                ("HTTP_HOST", "127.0.0.1"),
                ("HTTP_PORT", &number),
                ("USERINFO_URL", userinfo),
                ("CONFIGURATION_PATH", rules.to_str().unwrap()),
                ("CUSTOM_PERMISSIONS_KEY", "permissions"),
                ("LOG_LEVEL", "warn"),
            ],
        );
        command.env("DELAY_SHUTDOWN_SECONDS", DELAY_SECONDS);
        let ready = Ready::Answers(port.address(), "/-/ready".to_owned());
        Process::start(command, ready).await.unwrap()
    }

    async fn status(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.port.address());
        http().get(url).send().await.unwrap().status().as_u16()
    }
}

/// What a controller does when readiness changes: the upstream holds those that are ready, and nginx reads it again.
fn route_to(folder: &Path, nginx: &Process, before: &mut String, replicas: &[SocketAddr]) {
    let file = folder.join("upstreams.conf");
    let servers: Vec<_> = replicas.iter().map(|address| format!("server {address};")).collect();
    let now = servers.join(" ");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(before.as_str()), "{before} is not in {text}");
    std::fs::write(&file, text.replace(before.as_str(), &now)).unwrap();
    *before = now;
    nginx.hang_up();
}

/// Sends requests at a steady rate, whatever becomes of them, and tells what did not end as it should.
async fn load(url: String, token: String, rate: u32, stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut requests = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        // Every fifth is of somebody without a token: a restart lets nobody in either.
        let (request, expected) = match requests.len() % 5 {
            0 => (client.get(&url), 401),
            _ => (client.get(&url).bearer_auth(&token), 200),
        };
        requests.push(tokio::spawn(async move {
            match request.send().await {
                Ok(answer) if answer.status().as_u16() == expected => None,
                Ok(answer) => Some(format!("{expected} became {}", answer.status())),
                Err(error) => Some(format!("{error:?}")),
            }
        }));
    }
    let count = requests.len();
    let outcomes = futures_util::future::join_all(requests).await;
    (count, outcomes.into_iter().filter_map(Result::unwrap).collect())
}

mod through_nginx {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn two_replicas_are_restarted_one_after_the_other_and_no_request_fails() {
        let data = tempfile::tempdir().unwrap();
        let tokens = TokenService::start(data.path(), &[]).await;
        let userinfo = tokens.url("/tokeninfo");
        let mut replicas = [Replica::start(&userinfo).await, Replica::start(&userinfo).await];
        let addresses = [0, 1].map(|index: usize| replicas[index].port.address());
        let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
        let (port, nginx) = Process::start_on_free_port(|port| {
            let addresses = Addresses {
                gateway: port.address(),
                authorization_service: addresses[0],
                client_credentials: tokens.public,
                service: upstream.address,
            };
            let command = gateway::nginx(workspace(), folder.path(), &addresses).unwrap();
            (command, Ready::Listens(port.address()))
        })
        .await;
        let mut routed = format!("server {};", addresses[0]);
        route_to(folder.path(), &nginx, &mut routed, &addresses);

        let developer = Developer::register(&tokens).await;
        tokens.grant(&developer.client_id, &["read:orders"]).await;
        let assertion = developer.assertion(&tokens.issuer);
        let answer = developer.present(&tokens.url("/oauth/token"), &assertion).await;
        let token = json(answer, 200).await["access_token"].as_str().unwrap().to_owned();

        let rate = if scale::is_full() { 500 } else { 40 };
        let stop = Arc::new(AtomicBool::new(false));
        let url = format!("http://{}/orders", port.address());
        let running = tokio::spawn(load(url, token, rate, Arc::clone(&stop)));
        for index in [0, 1] {
            replicas[index].process.send_sigterm();
            while replicas[index].status("/-/ready").await == 200 {
                tokio::task::yield_now().await;
            }
            assert_eq!(replicas[index].status("/-/healthz").await, 200, "not ready, and well");
            assert_eq!(replicas[index].status("/auth").await, 403, "it still answers");
            route_to(folder.path(), &nginx, &mut routed, &[addresses[1 - index]]);
            assert!(replicas[index].process.wait().await.success(), "{:?}", replicas[index].process);
            replicas[index].process = Replica::process(&replicas[index].port, &userinfo).await;
            route_to(folder.path(), &nginx, &mut routed, &addresses);
        }
        stop.store(true, Ordering::Relaxed);
        let (count, failures) = running.await.unwrap();
        assert!(failures.is_empty(), "{} of {count} failed: {:?}", failures.len(), failures.first());
        assert!(count > usize::try_from(rate).unwrap(), "{count} requests were sent");
    }
}
