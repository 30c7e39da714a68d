//! A replica set of several members, each behind a relay by which callers and the other members know it: members can be
//! killed, stopped where they are, and cut off from everybody, one by one.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::wire::{self, Role};
use super::{PATIENCE, POLL, database_url};
use crate::port::ReservedPort;
use crate::process::{Process, Ready};
use crate::relay::Relay;
use crate::unique_name;

/// What a member may need in a long run, and more.
const ROOM: u64 = 4 * 1024 * 1024 * 1024;

/// Several `mongod`. Killed and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    relay: Relay,
    process: Process,
    port: ReservedPort,
    directory: TempDir,
    log: PathBuf,
    /// Whether it can be asked: it is not where it was killed or stopped.
    answers: bool,
}

impl Cluster {
    /// Starts the members, with what they say in `logs`, and waits until one is primary and the others follow it. They wait for
    /// a lost primary as long as `election` before they elect another.
    ///
    /// # Panics
    /// If `mongod` is missing or nobody becomes primary within a minute.
    pub async fn start(members: usize, election: Duration, logs: &Path) -> Self {
        let mut cluster = Self { name: unique_name("rs"), members: Vec::new() };
        for place in 1..=members {
            let log = logs.join(format!("mongod-{place}.log"));
            cluster.members.push(Member::start(&cluster.name, log).await);
        }
        let hosts: Vec<_> = cluster.members.iter().map(|member| member.relay.address().to_string()).collect();
        let (address, name) = (cluster.members[0].port.address(), cluster.name.clone());
        blocking(move || wire::initiate(address, &name, &hosts, election)).await.expect("replSetInitiate");
        cluster.wait_until_whole().await;
        cluster
    }

    /// Connection string with a random database name.
    #[must_use]
    pub fn database_url(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(|member| member.relay.address().to_string()).collect();
        database_url(&format!("mongodb://{}/?replicaSet={}", hosts.join(","), self.name))
    }

    /// Which member is primary, if exactly one says so.
    pub async fn primary(&self) -> Option<usize> {
        let roles = self.roles().await;
        let mut primaries = (0..).zip(&roles).filter(|(_, role)| **role == Role::Primary);
        let first = primaries.next().map(|(place, _)| place);
        first.filter(|_| primaries.next().is_none())
    }

    /// Waits until one member is primary and all others follow it.
    ///
    /// # Panics
    /// If they do not within a minute.
    pub async fn wait_until_whole(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let roles = self.roles().await;
            let count = |role| roles.iter().filter(|one| **one == role).count();
            if count(Role::Primary) == 1 && count(Role::Secondary) == self.members.len() - 1 {
                return;
            }
            assert!(Instant::now() < deadline, "the replica set is not whole: {roles:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The process ids.
    #[must_use]
    pub fn process_ids(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.process.id()).collect()
    }

    /// Ends a member as a power cut would.
    pub fn kill9(&mut self, member: usize) {
        self.members[member].answers = false;
        self.members[member].process.kill9();
        self.members[member].relay.close();
    }

    /// Starts a member again that was killed, with its files. It may not have joined the others yet.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self, member: usize) {
        let member = &mut self.members[member];
        member.process = Member::spawn(&self.name, &member.directory, &member.port, &member.log).await;
        member.relay.mend();
        member.answers = true;
    }

    /// Makes a member hang: connections stay open and nothing answers.
    pub fn pause(&mut self, member: usize) {
        self.members[member].answers = false;
        self.members[member].process.pause();
    }

    /// Lets a member go on that hangs.
    pub fn resume(&mut self, member: usize) {
        self.members[member].process.resume();
        self.members[member].answers = true;
    }

    /// The way to a member, for callers and for the other members.
    #[must_use]
    pub fn way_to(&self, member: usize) -> &Relay {
        &self.members[member].relay
    }

    async fn roles(&self) -> Vec<Role> {
        let mut roles = Vec::new();
        for member in &self.members {
            let (address, name) = (member.port.address(), self.name.clone());
            let role = match member.answers {
                true => blocking(move || wire::role(address, &name)).await.unwrap_or(Role::Other),
                false => Role::Other,
            };
            roles.push(role);
        }
        roles
    }
}

impl Member {
    async fn start(name: &str, log: PathBuf) -> Self {
        let directory = directory();
        let port = ReservedPort::new();
        let process = Self::spawn(name, &directory, &port, &log).await;
        Self { relay: Relay::to(port.address()), process, port, directory, log, answers: true }
    }

    async fn spawn(name: &str, directory: &TempDir, port: &ReservedPort, log: &Path) -> Process {
        let mut command: Command = super::mongod(name, directory.path(), port);
        // Members of a set that loses others have much to say.
        command.arg("--logappend").arg("--logpath").arg(log);
        Process::start(command, Ready::Listens(port.address()))
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// In memory where there is room: what is killed is a process and not a machine, and members that wait for a disk that others
/// keep busy lose each other without anybody's doing.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory)
        .is_ok_and(|volume| volume.f_bavail.saturating_mul(volume.f_frsize) >= ROOM);
    let mut builder = tempfile::Builder::new();
    builder.prefix("gettone-mongod-");
    if has_room { builder.tempdir_in(memory) } else { builder.tempdir() }.expect("a directory")
}

async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(question).await.expect("a question to mongod")
}

#[cfg(test)]
mod on_mongodb {
    use super::*;

    #[tokio::test]
    async fn another_member_takes_the_place_of_a_primary_that_is_cut_off() {
        let logs = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(3, Duration::from_secs(1), logs.path()).await;
        let first = cluster.primary().await.unwrap();
        cluster.way_to(first).silence();
        let deadline = Instant::now() + PATIENCE;
        while cluster.primary().await.is_none() || cluster.primary().await == Some(first) {
            assert!(Instant::now() < deadline, "nobody took its place");
            tokio::time::sleep(POLL).await;
        }
        cluster.way_to(first).mend();
        cluster.wait_until_whole().await;
    }
}
