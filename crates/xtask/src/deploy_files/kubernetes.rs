//! The kustomizations and the chart: each rendered, held against the schemas of Kubernetes, and looked over for faults. The
//! chart must refuse the values in `tests/deploy/helm/refused`, each with the sentence of its first line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Checks, entries, faults, output};
use crate::console;
use crate::tools::{self, run as run_quietly};

pub(super) fn check(checks: &Checks<'_>) -> Result<Vec<String>> {
    let rendered = checks.folder.join("rendered");
    if rendered.exists() {
        fs::remove_dir_all(&rendered)?;
    }
    fs::create_dir_all(&rendered)?;
    kustomizations(checks, &rendered)?;
    let ingress = checks.workspace.join("deploy/gateway/kubernetes/ingress-nginx/ingress.yaml");
    fs::copy(ingress, rendered.join("ingress-nginx.yaml"))?;
    let mut faults = chart(checks, &rendered)?;

    console::note("the schemas of Kubernetes");
    let files = entries(&rendered)?;
    run_quietly(Command::new(checks.python.join("kubernetes-validate")).arg("--strict").args(&files))?;
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let found = faults::of_manifests(&checks.documents(&file)?, &checks.variables);
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    Ok(faults)
}

/// Renders each folder that `kubectl apply -k` takes.
fn kustomizations(checks: &Checks<'_>, rendered: &Path) -> Result<()> {
    let kubectl = tools::KUBECTL.ready(checks.workspace)?;
    let kubernetes = checks.workspace.join("deploy/kubernetes");
    let mut folders = vec![kubernetes.join("base")];
    folders.extend(entries(&kubernetes.join("overlays"))?);
    for folder in folders {
        console::note(checks.name(&folder));
        let manifests = output(Command::new(&kubectl).arg("kustomize").arg(&folder))?;
        fs::write(rendered.join(format!("kustomize {}.yaml", stem(&folder))), manifests)?;
    }
    Ok(())
}

/// Renders the chart with each file of good values, and tells which refusals are missing.
fn chart(checks: &Checks<'_>, rendered: &Path) -> Result<Vec<String>> {
    let helm = tools::HELM.ready(checks.workspace)?;
    let chart = checks.workspace.join("deploy/helm/gettone");
    console::note(checks.name(&chart));
    run_quietly(Command::new(&helm).args(["lint", "--quiet", "--strict"]).arg(&chart))?;
    let render = |values: &PathBuf| {
        let mut command = Command::new(&helm);
        command.args(["template", "gettone"]).arg(&chart).arg("--values").arg(values);
        command
    };
    let cases = checks.workspace.join("tests/deploy/helm");
    for values in entries(&cases.join("good"))? {
        let manifests = output(&mut render(&values)).with_context(|| checks.name(&values))?;
        fs::write(rendered.join(format!("helm {}.yaml", stem(&values))), manifests)?;
    }
    let mut faults = Vec::new();
    for values in entries(&cases.join("refused"))? {
        let name = checks.name(&values);
        let text = fs::read_to_string(&values)?;
        let sentence = text.lines().next().and_then(|line| line.strip_prefix("# refused: "));
        let sentence = sentence.with_context(|| format!("{name} does not begin with `# refused: `"))?;
        let outcome = render(&values).output()?;
        let said = String::from_utf8_lossy(&outcome.stderr);
        if outcome.status.success() {
            faults.push(format!("{name}: the chart takes these values"));
        } else if !said.contains(sentence) {
            faults.push(format!("{name}: refused, but not with `{sentence}`:\n{said}"));
        }
    }
    Ok(faults)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
