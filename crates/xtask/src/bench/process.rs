//! What processes take: processor time and memory, as Linux counts them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::load;
pub(super) use crate::http::request;

/// Enough to keep a service busy and to let a store write several uses at once.
pub(super) const CONNECTIONS: u32 = 16;

/// Requests before the measurement, so that caches are filled and connections are open.
pub(super) const WARM_UP: u32 = 300;

/// A program that prints the port it listens on: an example of ours, or a rival. Dropped, it ends.
pub(super) struct Example {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Example {
    pub(super) fn start(built: &Path, name: &str) -> Result<Self> {
        Self::spawn(&mut Command::new(built.join("examples").join(name))).with_context(|| name.to_owned())
    }

    /// Any program that does so.
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse()?)) })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time of each of these requests, in microseconds.
    pub(super) fn measure(&self, one: &[u8], requests: u32) -> Result<f64> {
        load::send_all(self.address, &repeated(one, WARM_UP), CONNECTIONS)?;
        processor_time_of(self.child.id(), self.address, &repeated(one, requests))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Fails if it has ended.
            let _ = kill_process(process, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// What OpenSSL takes for one operation, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yardstick {
    pub(super) rsa_sign: f64,
    pub(super) rsa_verify: f64,
    pub(super) ec_sign: f64,
}

impl Yardstick {
    pub(super) fn take(built: &Path) -> Result<Self> {
        let output = Command::new(built.join("examples/openssl_speed")).output()?;
        let result: Value = serde_json::from_slice(&output.stdout).context("openssl_speed failed")?;
        let time = |name: &str| result.get(name).and_then(Value::as_f64).context("a time is missing");
        Ok(Self { rsa_sign: time("rsa_sign")?, rsa_verify: time("rsa_verify")?, ec_sign: time("ec_sign")? })
    }

    pub(super) fn mean(&self, other: &Self) -> Self {
        let mean = |one: f64, other: f64| f64::midpoint(one, other);
        Self {
            rsa_sign: mean(self.rsa_sign, other.rsa_sign),
            rsa_verify: mean(self.rsa_verify, other.rsa_verify),
            ec_sign: mean(self.ec_sign, other.ec_sign),
        }
    }
}

pub(super) fn repeated(request: &[u8], count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|_| request.to_vec()).collect()
}

/// Sends the requests; the processor time that the process took for each of them, in microseconds.
pub(super) fn processor_time_of(process: u32, address: SocketAddr, requests: &[Vec<u8>]) -> Result<f64> {
    let before = processor_ticks(process)?;
    load::send_all(address, requests, CONNECTIONS)?;
    let ticks = processor_ticks(process)? - before;
    Ok(ticks * TICK / requests.len() as f64)
}

/// User and system time of a process, in ticks (proc_pid_stat(5), fields 14 and 15).
fn processor_ticks(process: u32) -> Result<f64> {
    ticks(&process.to_string(), 14)
}

/// The same of the processes that this one started and that have ended (fields 16 and 17).
pub(super) fn ticks_of_children() -> Result<f64> {
    ticks("self", 16)
}

/// User and system time of a process and of those it started and that still run: nginx works in such.
pub(super) fn family_ticks(process: u32) -> Result<f64> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    let children = children.split_whitespace().map(|child| ticks(child, 14));
    children.fold(processor_ticks(process), |sum, one| Ok(sum? + one?))
}

fn ticks(process: &str, field: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in parentheses, may hold blanks. Behind it comes field 3.
    let (_, fields) = stat.rsplit_once(") ").context("an unknown form of /proc/PID/stat")?;
    let ticks = fields.split(' ').skip(field.saturating_sub(3)).take(2).map(str::parse::<f64>);
    Ok(ticks.collect::<Result<Vec<f64>, _>>()?.into_iter().sum())
}

/// Microseconds in a tick: it is a hundredth of a second on every Linux (sysconf `_SC_CLK_TCK`).
pub(super) const TICK: f64 = 10_000.0;

/// The resident memory of a process, in KiB (`VmRSS` of proc_pid_status(5)).
pub(crate) fn resident_kib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
