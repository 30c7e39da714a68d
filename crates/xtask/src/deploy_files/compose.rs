//! docker-compose.yml alone, with each of its overlays and with several, as Docker Compose puts them together; and the nginx
//! files as they are mounted there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Checks, entries, faults, output};
use crate::console;
use crate::tools::{self, run as run_quietly};

/// Overlays that are meant to be used together, in this order.
const TOGETHER: [&str; 3] = ["replicas.yaml", "observability.yaml", "envoy.yaml"];

pub(super) fn check(checks: &Checks<'_>) -> Result<Vec<String>> {
    let compose = tools::DOCKER_COMPOSE.ready(checks.workspace)?;
    let folder = checks.workspace.join("deploy/compose");
    let overlays =
        entries(&folder)?.into_iter().filter(|file| file.extension().is_some_and(|it| it == "yaml"));
    let mut projects = vec![Vec::new()];
    projects.extend(overlays.map(|overlay| vec![overlay]));
    projects.push(TOGETHER.iter().map(|overlay| folder.join(overlay)).collect());

    let mut faults = Vec::new();
    for overlays in projects {
        let mut files = vec![checks.workspace.join("docker-compose.yml")];
        files.extend(overlays);
        let name = files.iter().map(|file| checks.name(file)).collect::<Vec<_>>().join(" + ");
        console::note(&name);
        let mut command = Command::new(&compose);
        for file in &files {
            command.arg("-f").arg(file);
        }
        let json = output(command.args(["config", "--format", "json"])).with_context(|| name.clone())?;
        let project: Value = serde_json::from_slice(&json)?;
        let found = faults::of_compose(&project, checks.workspace, &checks.variables);
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    nginx(checks, &folder)?;
    Ok(faults)
}

/// nginx reads its files with the upstreams of docker-compose.yml, which are mounted over those beside it.
fn nginx(checks: &Checks<'_>, folder: &Path) -> Result<()> {
    console::note("the nginx of docker-compose.yml");
    let nginx = tools::NGINX.ready(checks.workspace)?;
    let mounted = checks.folder.join("nginx");
    if mounted.exists() {
        fs::remove_dir_all(&mounted)?;
    }
    let shipped = checks.workspace.join("deploy/gateway/nginx");
    run_quietly(Command::new("cp").arg("-r").arg(shipped).arg(&mounted))?;
    fs::copy(folder.join("upstreams.conf"), mounted.join("upstreams.conf"))?;
    run_quietly(
        Command::new(nginx).args(["-t", "-e", "stderr", "-p"]).arg(&mounted).args(["-c", "nginx.conf"]),
    )
}
