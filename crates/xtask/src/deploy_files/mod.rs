//! `cargo xtask deploy-files`: what `deploy/` and docker-compose.yml hold, rendered and checked without a cluster and without
//! containers: shape by the tools of those who define it, and by [`faults`] what must not be deployed.

mod faults;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::tools::{self, run as run_quietly};

pub(crate) fn run(workspace: &Path) -> Result<()> {
    let kubectl = tools::KUBECTL.ready(workspace)?;
    let compose = tools::DOCKER_COMPOSE.ready(workspace)?;
    let hadolint = tools::HADOLINT.ready(workspace)?;
    let folder = workspace.join("target/deploy-files");
    let python = python(workspace, &folder)?;
    let variables = variables(workspace)?;
    let mut faults = Vec::new();

    for kustomization in kustomizations(workspace)? {
        let name = kustomization.strip_prefix(workspace)?.display().to_string();
        eprintln!("{name}");
        let rendered = folder.join("rendered.yaml");
        fs::write(&rendered, output(Command::new(&kubectl).arg("kustomize").arg(&kustomization))?)?;
        run_quietly(Command::new(python.join("kubernetes-validate")).arg("--strict").arg(&rendered))
            .with_context(|| name.clone())?;
        let to_json =
            "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
        let json = output(Command::new(python.join("python")).args(["-c", to_json]).arg(&rendered))?;
        let objects: Vec<Value> = serde_json::from_slice(&json)?;
        faults.extend(
            faults::of_manifests(&objects, &variables).into_iter().map(|fault| format!("{name}: {fault}")),
        );
    }

    eprintln!("docker-compose.yml");
    let file = workspace.join("docker-compose.yml");
    let config = ["config", "--format", "json"];
    let json = output(Command::new(&compose).arg("-f").arg(&file).args(config))?;
    let project: Value = serde_json::from_slice(&json)?;
    faults.extend(
        faults::of_compose(&project, &variables)
            .into_iter()
            .map(|fault| format!("docker-compose.yml: {fault}")),
    );

    eprintln!("deploy/docker/Dockerfile, and how the YAML is written");
    run_quietly(Command::new(&hadolint).arg(workspace.join("deploy/docker/Dockerfile")))?;
    let rules = workspace.join("tests/deploy/yamllint.yaml");
    let yamllint = Command::new(python.join("yamllint"))
        .arg("--strict")
        .arg("-c")
        .arg(rules)
        .arg(&file)
        .arg(workspace.join("deploy"))
        .output()?;
    ensure!(yamllint.status.success(), "{}", String::from_utf8_lossy(&yamllint.stdout));

    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// The programs of the two Python tools, installed below `folder` if they are not there.
fn python(workspace: &Path, folder: &Path) -> Result<PathBuf> {
    let place = folder.join("python");
    fs::create_dir_all(folder)?;
    run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&place))
        .context("a Python environment could not be made (on Debian: install python3-venv)")?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    let requirements = workspace.join("tests/deploy/requirements.txt");
    run_quietly(Command::new(place.join("bin/python")).args(pip).arg(requirements))?;
    Ok(place.join("bin"))
}

/// The folders that `kubectl apply -k` takes.
fn kustomizations(workspace: &Path) -> Result<Vec<PathBuf>> {
    let kubernetes = workspace.join("deploy/kubernetes");
    let mut folders = vec![kubernetes.join("base")];
    for entry in fs::read_dir(kubernetes.join("overlays"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    Ok(folders)
}

/// The names of all variables, from the page that `--print-config` is held against.
fn variables(workspace: &Path) -> Result<BTreeSet<String>> {
    let page = fs::read_to_string(workspace.join("docs/configuration.md"))?;
    let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    Ok(names.map(str::to_owned).collect())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} could not be started"))?;
    ensure!(output.status.success(), "{name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
