//! The token endpoint beside that of node-oidc-provider, under the same load: a secret for a signed JWT. Its set-up is in
//! `rivals/`, with every version pinned.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::latency::{self, Waits};
use super::load;
use super::process::{CONNECTIONS, Example, WARM_UP, processor_time_of, repeated, resident_kib};
use super::stage::{Signing, Stage, token_request};
use crate::console;
use crate::tools::{on_path, run as run_quietly};

/// Requests a second, while it is measured how long callers wait: half of what the slowest stands.
pub(super) const RATE: u32 = 200;

/// What one of them takes.
pub(super) struct Comparison {
    pub(super) name: String,
    /// Processor time of a token.
    pub(super) microseconds: f64,
    pub(super) waits: Waits,
    /// Resident memory after the start, and after all of this.
    pub(super) kib: [u64; 2],
}

/// Measures both with both algorithms.
pub(super) async fn compare(workspace: &Path, built: &Path, requests: u32) -> Result<Vec<Comparison>> {
    let rival = install(workspace)?;
    let mut all = Vec::new();
    for (signing, algorithm) in [(Signing::Rs256, "RS256"), (Signing::Es256, "ES256")] {
        let ours = Stage::start(built, signing, None).await?;
        let (process, address) = ours.served();
        let one = ours.basic_request()?;
        all.push(measure(format!("client-credentials, {algorithm}"), process, address, &one, requests)?);
        drop(ours);

        let mut command = Command::new("node");
        command.args(["server.mjs", algorithm]).current_dir(&rival).env("NODE_ENV", "production");
        let theirs = Example::spawn(&mut command).context("node-oidc-provider")?;
        // bench:secret-of-the-benchmark-0123456789
        let authorization = "Authorization: Basic YmVuY2g6c2VjcmV0LW9mLXRoZS1iZW5jaG1hcmstMDEyMzQ1Njc4OQ==";
        let one = token_request(&[authorization], "grant_type=client_credentials");
        let one = String::from_utf8(one)?.replacen("/oauth/token", "/token", 1).into_bytes();
        let name = format!("node-oidc-provider 9.13.3, {algorithm}");
        all.push(measure(name, theirs.id(), theirs.address, &one, requests)?);
    }
    Ok(all)
}

fn measure(
    name: String,
    process: u32,
    address: std::net::SocketAddr,
    one: &[u8],
    requests: u32,
) -> Result<Comparison> {
    console::note(&name);
    let idle = resident_kib(process)?;
    load::send_all(address, &repeated(one, WARM_UP), CONNECTIONS).with_context(|| name.clone())?;
    let microseconds = processor_time_of(process, address, &repeated(one, requests))?;
    let waits = latency::measure(address, one, RATE)?;
    Ok(Comparison { microseconds, waits, kib: [idle, resident_kib(process)?], name })
}

/// Installs node-oidc-provider as pinned; the folder it can be started in.
fn install(workspace: &Path) -> Result<std::path::PathBuf> {
    ensure!(on_path("npm").is_some(), "npm is missing: install Node.js 20 or newer");
    let folder = workspace.join("target/rivals/oidc-provider");
    fs::create_dir_all(&folder)?;
    for file in fs::read_dir(workspace.join("crates/xtask/src/bench/rivals/oidc-provider"))? {
        let file = file?;
        fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    console::note(format_args!("installing node-oidc-provider into {}", folder.display()));
    let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    run_quietly(Command::new("npm").args(arguments).current_dir(&folder))?;
    Ok(folder)
}
