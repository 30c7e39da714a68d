//! `cargo xtask deploy-files`: what `deploy/` and docker-compose.yml hold, rendered and checked without a cluster and without
//! containers: shape by the tools of those who define it, and by [`faults`] what must not be deployed.

mod compose;
mod faults;
mod hooks;
mod kubernetes;
mod observability;
mod queries;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::console;
use crate::tools::{self, run as run_quietly};

pub(crate) fn run(workspace: &Path) -> Result<()> {
    let checks = Checks::prepare(workspace)?;
    let mut faults = kubernetes::check(&checks)?;
    faults.extend(hooks::check(&checks)?);
    faults.extend(compose::check(&checks)?);
    faults.extend(observability::check(&checks)?);

    console::note("deploy/docker/Dockerfile, and how the YAML is written");
    run_quietly(
        Command::new(tools::HADOLINT.ready(workspace)?).arg(workspace.join("deploy/docker/Dockerfile")),
    )?;
    let yamllint = Command::new(checks.python.join("yamllint"))
        .arg("--strict")
        .arg("-c")
        .arg(workspace.join("tests/deploy/yamllint.yaml"))
        .arg(workspace.join("docker-compose.yml"))
        .arg(workspace.join("deploy"))
        .arg(workspace.join(".github"))
        .output()?;
    ensure!(yamllint.status.success(), "{}", String::from_utf8_lossy(&yamllint.stdout));

    for workflow in entries(&workspace.join(".github/workflows"))? {
        faults.extend(unpinned(&checks.name(&workflow), &checks.documents(&workflow)?));
    }

    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Actions that a workflow takes by a name that somebody else can move.
fn unpinned(name: &str, workflow: &[Value]) -> Vec<String> {
    let used = members(workflow, "uses").into_iter().filter_map(Value::as_str);
    let is_commit =
        |version: &str| version.len() == 40 && version.chars().all(|digit| digit.is_ascii_hexdigit());
    let moving =
        used.filter(|action| !action.rsplit_once('@').is_some_and(|(_, version)| is_commit(version)));
    moving.map(|action| format!("{name}: {action} can change: name a commit")).collect()
}

/// What every check needs.
struct Checks<'run> {
    workspace: &'run Path,
    /// Where things are rendered to.
    folder: PathBuf,
    /// The folder of the Python programs.
    python: PathBuf,
    /// The names of all variables, from the page that `--print-config` is held against.
    variables: BTreeSet<String>,
}

impl<'run> Checks<'run> {
    fn prepare(workspace: &'run Path) -> Result<Self> {
        let folder = workspace.join("target/deploy-files");
        let python = python(workspace, &folder)?;
        let page = fs::read_to_string(workspace.join("docs/configuration.md"))?;
        let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        Ok(Self { workspace, folder, python, variables: names.map(str::to_owned).collect() })
    }

    /// A file of the workspace, as it is called in messages.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(self.workspace).unwrap_or(path).display().to_string()
    }

    /// The documents of a YAML file.
    fn documents(&self, yaml: &Path) -> Result<Vec<Value>> {
        let to_json = "import json, sys, yaml; print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1])) if d]))";
        let json = output(Command::new(self.python.join("python")).args(["-c", to_json]).arg(yaml))?;
        Ok(serde_json::from_slice(&json)?)
    }
}

/// The programs of the two Python tools, installed below `folder` if exactly they are not there.
fn python(workspace: &Path, folder: &Path) -> Result<PathBuf> {
    let place = folder.join("python");
    let requirements = workspace.join("tests/deploy/requirements.txt");
    let installed = place.join("installed.txt");
    let wanted = fs::read(&requirements)?;
    if fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(place.join("bin"));
    }
    fs::create_dir_all(folder)?;
    run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&place))
        .context("a Python environment could not be made (on Debian: install python3-venv)")?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    run_quietly(Command::new(place.join("bin/python")).args(pip).arg(requirements))?;
    fs::write(installed, wanted)?;
    Ok(place.join("bin"))
}

/// The files or folders in `folder`, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Every member that is called `name`, however deep.
fn members<'value>(content: &'value [Value], name: &str) -> Vec<&'value Value> {
    let mut found = Vec::new();
    for value in content {
        match value {
            Value::Object(object) => {
                found.extend(object.get(name));
                found.extend(object.values().flat_map(|member| members(std::slice::from_ref(member), name)));
            }
            Value::Array(items) => found.extend(members(items, name)),
            _ => {}
        }
    }
    found
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} could not be started"))?;
    ensure!(output.status.success(), "{name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_is_named_by_its_commit() {
        let commit = "3d3c42e5aac5ba805825da76410c181273ba90b1";
        for (action, faults) in [
            (format!("actions/checkout@{commit}"), 0),
            ("actions/checkout@v7".to_owned(), 1),
            ("actions/checkout".to_owned(), 1),
            (format!("actions/checkout@{}", commit.replace('3', "g")), 1),
        ] {
            let workflow = json!({"jobs": {"gate": {"steps": [{"uses": action}, {"run": "true"}]}}});
            assert_eq!(unpinned("release.yml", &[workflow]).len(), faults, "{action}");
        }
    }
}
