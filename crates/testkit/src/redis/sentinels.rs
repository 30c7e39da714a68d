//! A master with two replicas, watched by three sentinels that agree on a failover in about two seconds.

use std::fs;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{RedisServer, wire};
use crate::port::ReservedPort;
use crate::process::{Process, Ready};
use crate::tools;

/// How long to wait for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A sentinel. Killed and removed when dropped.
#[derive(Debug)]
struct Sentinel {
    _directory: TempDir,
    port: ReservedPort,
    _process: Process,
}

/// Redis with failover. Everything is killed and removed when dropped.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

impl Sentinels {
    /// The name of the master.
    pub const MASTER_NAME: &'static str = "gettone-master";
    const REPLICAS: usize = 2;
    const COUNT: usize = 3;

    /// Starts all of it and waits until a failover could begin. `server` are arguments of the servers, `sentinel` are
    /// lines for the configuration of the sentinels.
    ///
    /// # Panics
    /// If something does not start, or they do not find each other.
    pub async fn start(server: &[&str], sentinel: &[&str]) -> Self {
        let mut servers = vec![RedisServer::start(server).await];
        let master = servers[0].address().port().to_string();
        for _ in 0..Self::REPLICAS {
            let replica = [server, &["--replicaof", "127.0.0.1", &master]].concat();
            servers.push(RedisServer::start(&replica).await);
        }
        let mut sentinels = Vec::new();
        for _ in 0..Self::COUNT {
            sentinels.push(Sentinel::start(&master, sentinel).await);
        }
        Self { servers, sentinels }
    }

    /// Waits until every sentinel sees the replicas and the other sentinels, so that a failover can begin.
    ///
    /// # Panics
    /// If that takes longer than a minute.
    pub async fn wait_until_watched(&self) {
        let deadline = Instant::now() + PATIENCE;
        for sentinel in &self.sentinels {
            while !sentinel.sees_all().await.unwrap_or(false) {
                assert!(Instant::now() < deadline, "{:?}", sentinel.ask(&["SENTINEL", "MASTERS"]).await);
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// `host:port` of each sentinel.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| sentinel.port.address().to_string()).collect()
    }

    /// The server that most sentinels take for the master.
    ///
    /// # Panics
    /// If they know none of ours.
    pub async fn master(&mut self) -> &mut RedisServer {
        let mut named = Vec::new();
        for sentinel in &self.sentinels {
            named.push(sentinel.master_port().await.expect("a sentinel that answers"));
        }
        let port = named.iter().max_by_key(|port| named.iter().filter(|other| other == port).count());
        let port = *port.expect("sentinels");
        self.servers.iter_mut().find(|server| server.address().port() == port).expect("a master of ours")
    }

    /// The servers that are no master now.
    pub async fn replicas(&mut self) -> Vec<&mut RedisServer> {
        let master = self.master().await.address();
        self.servers.iter_mut().filter(|server| server.address() != master).collect()
    }
}

impl Sentinel {
    async fn start(master_port: &str, lines: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("gettone-sentinel-").tempdir().expect("a directory");
        let name = Sentinels::MASTER_NAME;
        let (port, process) = Process::start_on_free_port(|port| {
            let mut config = format!(
                "bind 127.0.0.1\nport {}\ndir {}\nsentinel monitor {name} 127.0.0.1 {master_port} 2\n\
                 sentinel down-after-milliseconds {name} 300\nsentinel failover-timeout {name} 3000\n",
                port.number(),
                directory.path().display(),
            );
            for line in lines {
                config.push_str(&format!("{line}\n"));
            }
            // A sentinel writes into its configuration.
            let file = directory.path().join("sentinel.conf");
            fs::write(&file, config).expect("a configuration");
            let mut command = Command::new(tools::redis_server());
            command.arg(file).arg("--sentinel");
            (command, Ready::Listens(port.address()))
        })
        .await;
        let this = Self { _directory: directory, port, _process: process };
        // Greetings ten times a second instead of every two seconds: they find each other at once. Refused where a
        // login is needed; then it takes two seconds.
        let _ = this.ask(&["SENTINEL", "DEBUG", "PUBLISH-PERIOD", "100", "INFO-PERIOD", "100"]).await;
        this
    }

    async fn ask(&self, command: &[&str]) -> io::Result<String> {
        wire::ask(self.port.address(), command).await
    }

    async fn member(&self, name: &str) -> io::Result<String> {
        let answer = self.ask(&["SENTINEL", "MASTER", Sentinels::MASTER_NAME]).await?;
        let mut lines = answer.lines();
        let value =
            std::iter::from_fn(|| Some((lines.next()?, lines.next()?))).find(|(other, _)| *other == name);
        value.map(|(_, value)| value.to_owned()).ok_or_else(|| io::Error::other(format!("no {name}")))
    }

    async fn master_port(&self) -> io::Result<u16> {
        self.member("port").await?.parse().map_err(io::Error::other)
    }

    async fn sees_all(&self) -> io::Result<bool> {
        let replicas = self.member("num-slaves").await? == Sentinels::REPLICAS.to_string();
        let others = self.member("num-other-sentinels").await? == (Sentinels::COUNT - 1).to_string();
        Ok(replicas && others)
    }
}
