//! Starts cargo from within cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Cargo in the workspace, as a person would start it. What the outer cargo says to us about our own package is taken
/// back: build scripts that look at it (ring's does) would otherwise run again each time, and with them half of the build.
#[expect(clippy::disallowed_methods, reason = "it is the environment that has to be changed for the child")]
pub(crate) fn command(workspace: &Path, program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(workspace);
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in ours.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        command.env_remove(name);
    }
    command
}

/// Runs cargo to its end; it shows its progress itself.
pub(crate) fn run(workspace: &Path, arguments: &[&str]) -> Result<()> {
    let cargo = crate::environment("CARGO").unwrap_or_else(|| "cargo".into());
    let status = command(workspace, cargo).args(arguments).status().context("cargo could not be started")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(workspace: &Path) -> PathBuf {
    workspace.join(crate::environment("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
