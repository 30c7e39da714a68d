//! The manifests for gateways of a cluster. Their objects are mostly not those of Kubernetes, so no schema is at hand: what is
//! checked is that they are made like the Envoy file, which the tests run.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::{Checks, members};
use crate::console;

/// The manifests whose gateway removes what a caller says about himself, as the Envoy file does.
const LIKE_ENVOY: [&str; 2] = ["envoy-gateway/gateway.yaml", "istio/gateway.yaml"];

pub(super) fn check(checks: &Checks<'_>) -> Result<Vec<String>> {
    let gateways = checks.workspace.join("deploy/gateway");
    let kubernetes = gateways.join("kubernetes");
    console::note(checks.name(&kubernetes));
    let tested = checks.documents(&gateways.join("envoy/envoy.yaml"))?;
    let tested = removed(&tested);
    let mut faults = Vec::new();
    for file in LIKE_ENVOY {
        let objects = checks.documents(&kubernetes.join(file))?;
        faults.extend(of_removed(file, &tested, &removed(&objects)));
    }
    for file in ["envoy-gateway/gateway.yaml", "istio/mesh-config.yaml"] {
        faults.extend(of_failures(file, &checks.documents(&kubernetes.join(file))?));
    }
    Ok(faults)
}

fn of_removed(file: &str, tested: &BTreeSet<String>, removed: &BTreeSet<String>) -> Vec<String> {
    let missing = tested.difference(removed);
    missing.map(|name| format!("{file} lets callers send {name}, which the Envoy file removes")).collect()
}

/// Every question to the authorization service must end in a refusal when it fails.
fn of_failures(file: &str, content: &[Value]) -> Vec<String> {
    let said = members(content, "failOpen");
    if said.is_empty() || said.iter().any(|value| **value != Value::Bool(false)) {
        return vec![format!("{file} does not say failOpen: false: without an answer requests would pass")];
    }
    Vec::new()
}

/// The names of headers under `remove`.
fn removed(content: &[Value]) -> BTreeSet<String> {
    let values = members(content, "remove").into_iter();
    let texts = values.flat_map(|value| match value {
        Value::Array(names) => names.iter().collect(),
        other => vec![other],
    });
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hook_removes_what_the_envoy_file_removes_and_fails_closed() {
        let tested = removed(&[json!({"filters": [{"remove": "miauserid"}, {"remove": "proxy"}]})]);
        for (hook, faults) in [
            (json!({"extAuth": {"failOpen": false}, "headers": {"remove": ["proxy", "miauserid", "x"]}}), 0),
            (json!({"extAuth": {"failOpen": false}, "headers": {"remove": ["proxy"]}}), 1),
            (json!({"extAuth": {"failOpen": true}, "headers": {"remove": ["proxy", "miauserid"]}}), 1),
            (json!({"extAuth": {}}), 3),
        ] {
            let hook = [hook];
            let found = [of_removed("f", &tested, &removed(&hook)), of_failures("f", &hook)].concat();
            assert_eq!(found.len(), faults, "{hook:?}: {found:?}");
        }
    }
}
