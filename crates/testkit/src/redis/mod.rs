//! A real Redis for tests, alone or with replicas and sentinels, on free ports, in directories that go away with it.

mod sentinels;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::port::ReservedPort;
use crate::process::{Process, Ready};
use crate::tools;

pub use sentinels::Sentinels;

/// A `redis-server`. Killed and removed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: ReservedPort,
    process: Process,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server with these arguments beside the ones every test needs; `{port}` in them becomes its port. It
    /// listens there without TLS, unless an argument says otherwise, and writes each change to disk before it answers.
    ///
    /// # Panics
    /// If `redis-server` is missing or does not start.
    pub async fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("gettone-redis-").tempdir().expect("a directory");
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (port, process) = Process::start_on_free_port(|port| {
            (
                redis_server(&directory, port, &arguments),
                Ready::Says("Ready to accept connections".to_owned()),
            )
        })
        .await;
        Self { directory, port, process, arguments }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Sends one command, without TLS and login, and returns the answer as text: the elements of a list on lines.
    ///
    /// # Errors
    /// If there is no answer, or the answer is an error.
    pub async fn ask(&self, command: &[&str]) -> io::Result<String> {
        wire::ask(self.address(), command).await
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
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.process.kill9();
        let command = redis_server(&self.directory, &self.port, &self.arguments);
        let ready = Ready::Says("Ready to accept connections".to_owned());
        self.process = Process::start(command, ready).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

fn redis_server(directory: &TempDir, port: &ReservedPort, arguments: &[String]) -> Command {
    let number = port.number().to_string();
    let mut command = Command::new(tools::redis_server());
    command
        .args(["--bind", "127.0.0.1", "--port", &number, "--save", "", "--dir"])
        .arg(directory.path())
        .args(["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
        .args(arguments.iter().map(|argument| argument.replace("{port}", &number)));
    command
}
