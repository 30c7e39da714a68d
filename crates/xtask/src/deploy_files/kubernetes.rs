//! The kustomizations, each rendered, held against the schemas of Kubernetes, and looked over for faults.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Checks, entries, faults, output};
use crate::tools::{self, run as run_quietly};

pub(super) fn check(checks: &Checks<'_>) -> Result<Vec<String>> {
    let kubectl = tools::KUBECTL.ready(checks.workspace)?;
    let mut faults = Vec::new();
    for kustomization in kustomizations(checks)? {
        let name = checks.name(&kustomization);
        eprintln!("{name}");
        let rendered = output(Command::new(&kubectl).arg("kustomize").arg(&kustomization))?;
        faults.extend(of_rendered(checks, &name, &rendered)?);
    }
    Ok(faults)
}

/// The folders that `kubectl apply -k` takes.
fn kustomizations(checks: &Checks<'_>) -> Result<Vec<PathBuf>> {
    let kubernetes = checks.workspace.join("deploy/kubernetes");
    let mut folders = vec![kubernetes.join("base")];
    folders.extend(entries(&kubernetes.join("overlays"))?);
    Ok(folders)
}

/// What is wrong with rendered objects.
fn of_rendered(checks: &Checks<'_>, name: &str, rendered: &[u8]) -> Result<Vec<String>> {
    let file = checks.folder.join("rendered.yaml");
    fs::write(&file, rendered)?;
    run_quietly(Command::new(checks.python.join("kubernetes-validate")).arg("--strict").arg(&file))
        .with_context(|| name.to_owned())?;
    let objects = checks.documents(&file)?;
    let faults = faults::of_manifests(&objects, &checks.variables);
    Ok(faults.into_iter().map(|fault| format!("{name}: {fault}")).collect())
}
