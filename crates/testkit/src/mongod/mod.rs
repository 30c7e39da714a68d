//! A real MongoDB for tests: a replica set of one node on a free port, in a directory that goes away with it; or of
//! several ([`Cluster`]), whose members can be lost one by one.

mod cluster;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use cluster::Cluster;

use crate::port::ReservedPort;
use crate::process::{Process, Ready};
use crate::{tools, unique_name};

/// How long the node may take to become primary; about three seconds are normal.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The variable with the URL of a MongoDB that tests share instead of starting their own.
pub const SHARED_URL: &str = "GETTONE_TEST_MONGODB_URL";

/// A database of its own: on the shared server if there is one, else on a server started for it. Fresh and empty.
#[derive(Debug)]
pub struct Database {
    url: String,
    _own: Option<ReplicaSet>,
}

impl Database {
    /// A database that no other test sees.
    ///
    /// # Panics
    /// If no server can be started.
    pub async fn fresh() -> Self {
        match shared_url() {
            Some(server) => Self { url: database_url(&server), _own: None },
            None => {
                let own = ReplicaSet::start().await;
                Self { url: own.database_url(), _own: Some(own) }
            }
        }
    }

    /// Connection string that names the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

#[expect(clippy::disallowed_methods, reason = "test support asks whether a server is shared")]
fn shared_url() -> Option<String> {
    std::env::var(SHARED_URL).ok().filter(|url| !url.is_empty())
}

/// `server` with a random database name in its path; options after `?` stay.
fn database_url(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").expect("a MongoDB URL");
    let (before_options, options) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
    let hosts = before_options.split('/').next().unwrap_or_default();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}://{hosts}/{}{options}", unique_name("gettone_test"))
}

/// A replica set of one `mongod`. Change streams, transactions and retryable writes work as in production. Killed and
/// removed when dropped.
#[derive(Debug)]
pub struct ReplicaSet {
    /// Random, so that an answer with this name can only come from the process we started.
    name: String,
    directory: TempDir,
    port: ReservedPort,
    process: Process,
}

impl ReplicaSet {
    /// Starts a server and waits until it accepts writes.
    ///
    /// # Panics
    /// If `mongod` is missing or does not become primary within a minute.
    pub async fn start() -> Self {
        let name = unique_name("rs");
        let directory = tempfile::Builder::new().prefix("gettone-mongod-").tempdir().expect("a directory");
        let (port, process) =
            Process::start_on_free_port(|port| (mongod(&name, directory.path(), port), says_ready())).await;
        let set = Self { name, directory, port, process };
        let (member, name) = (set.port.address().to_string(), set.name.clone());
        // Elections in one second, not ten.
        let election = Duration::from_secs(1);
        set.ask(move |address| wire::initiate(address, &name, &[member], election))
            .await
            .expect("replSetInitiate");
        set.wait_for_primary().await;
        set
    }

    /// Connection string of the server, without a database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mongodb://{}/?replicaSet={}", self.port.address(), self.name)
    }

    /// Connection string with a random database name: no two tests share one.
    #[must_use]
    pub fn database_url(&self) -> String {
        database_url(&self.url())
    }

    /// Makes the server give up being primary; it is elected again some seconds later. Writes on their way fail or are
    /// undone, as in any failover.
    ///
    /// # Panics
    /// If it does not.
    pub async fn step_down(&self) {
        self.ask(wire::step_down).await.expect("replSetStepDown");
    }

    /// Ends the server as a power cut would.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Makes the server hang: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a server go on that hangs.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Starts the server again, on the same port and files, after [`kill9`](Self::kill9).
    ///
    /// # Panics
    /// If it does not become primary within a minute.
    pub async fn restart(&mut self) {
        self.process.kill9();
        let command = mongod(&self.name, self.directory.path(), &self.port);
        self.process = Process::start(command, says_ready()).await.unwrap_or_else(|error| panic!("{error}"));
        self.wait_for_primary().await;
    }

    async fn wait_for_primary(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let name = self.name.clone();
            if matches!(self.ask(move |address| wire::role(address, &name)).await, Ok(wire::Role::Primary)) {
                return;
            }
            assert!(Instant::now() < deadline, "mongod did not become primary: {:?}", self.process);
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(SocketAddr) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let address = self.port.address();
        tokio::task::spawn_blocking(move || question(address)).await.expect("a question to mongod")
    }
}

fn mongod(name: &str, directory: &Path, port: &ReservedPort) -> Command {
    let mut command = Command::new(tools::mongod());
    command
        .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"])
        .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
        // Forget what has ended every second, not every minute: whatever a TTL index may remove, it removes in a test.
        .args(["--setParameter", "ttlMonitorSleepSecs=1"])
        .args(["--port", &port.number().to_string(), "--replSet", name])
        .arg("--dbpath")
        .arg(directory);
    command
}

fn says_ready() -> Ready {
    Ready::Says("Waiting for connections".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_name_goes_into_the_path() {
        for (server, before, after) in [
            ("mongodb://127.0.0.1:1/?replicaSet=rs", "mongodb://127.0.0.1:1/gettone_test_", "?replicaSet=rs"),
            ("mongodb://u:p@a:1,b:2/old", "mongodb://u:p@a:1,b:2/gettone_test_", ""),
            ("mongodb://a", "mongodb://a/gettone_test_", ""),
        ] {
            let url = database_url(server);
            assert!(url.starts_with(before) && url.ends_with(after), "{url}");
        }
    }

    mod on_mongodb {
        use super::super::*;

        #[tokio::test]
        async fn the_server_we_started_is_primary_and_a_stranger_is_not_taken_for_it() {
            let set = ReplicaSet::start().await;
            let name = set.name.clone();
            let role = set.ask(move |address| wire::role(address, &name)).await.unwrap();
            assert_eq!(role, wire::Role::Primary);
            let role = set.ask(|address| wire::role(address, "rs_other")).await.unwrap();
            assert_eq!(role, wire::Role::Other);
        }
    }
}
