//! A process of the walk: logs into a file, waited for until it listens, ended with us.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// A running process, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output in `logs/NAME.log` and waits until it listens on `address`.
    pub(crate) async fn start(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        // Appending: nginx opens its output a second time, and one must not overwrite the other.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("{}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("{name} could not be started"))?;
        let mut server = Self { name, child, log };
        server.wait_until_it_listens(address).await?;
        Ok(server)
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it is called in the logs.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it where it is: connections stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself, for instance by the same Ctrl-C.
            let _ = kill_process(pid, signal);
        }
    }

    async fn wait_until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status}). It said:\n{}", self.name, self.last_words());
            }
            if started.elapsed() > PATIENCE {
                bail!(
                    "{} does not listen on {address} after {PATIENCE:?}. It said:\n{}",
                    self.name,
                    self.last_words()
                );
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().map(|line| format!("  {line}\n")).collect()
    }
}

impl Drop for Server {
    /// Asks it to stop, and insists after a while. nginx ends its workers only if it is asked.
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < STOP_PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Running processes. Dropped, they stop in the reverse order of their start: first who asks, then who is asked.
#[derive(Debug, Default)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    pub(crate) fn add(&mut self, server: Server) {
        self.0.push(server);
    }

    /// One that has ended, if there is one.
    pub(crate) fn ended(&mut self) -> Option<&'static str> {
        let mut servers = self.0.iter_mut();
        servers.find_map(|server| server.has_ended().then_some(server.name))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}
