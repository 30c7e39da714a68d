//! What a valid manifest or compose file may still get wrong: each fault is a sentence that says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// The programs of ours.
const SERVICES: [&str; 2] = ["client-credentials", "authorization-service"];
/// The port of the clients API and the metrics, in every file of ours.
const MANAGEMENT_PORT: &str = "3001";

const STORES_OF_THEIR_OWN: &str =
    "has several replicas, each with a store of its own: use MongoDB, or one replica";
const NON_STRICT_BEHIND_ENVOY: &str =
    "answers 200 for a refusal to an Envoy, which takes that for a yes: keep strict mode";

type Variables = BTreeMap<String, String>;

/// Of rendered Kubernetes objects. `known` are the names of all variables.
pub(super) fn of_manifests(objects: &[Value], known: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for object in objects {
        let name = text(object, "/metadata/name");
        match text(object, "/kind") {
            "Deployment" => of_deployment(name, object, objects, known, &mut faults),
            "Service" => of_service(name, object, &mut faults),
            "HorizontalPodAutoscaler" => of_autoscaler(name, object, objects, &mut faults),
            "Ingress" | "HTTPRoute" if object.to_string().contains("management") => {
                faults.push(format!(
                    "{name} leads from outside to a management port: route the public Service only"
                ));
            }
            _ => {}
        }
    }
    faults
}

fn of_deployment(
    name: &str,
    object: &Value,
    all: &[Value],
    known: &BTreeSet<String>,
    faults: &mut Vec<String>,
) {
    let pod = object.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let container = pod.pointer("/containers/0").unwrap_or(&Value::Null);
    let variables = variables(container);
    let mut fault = |sentence: &str| faults.push(format!("{name} {sentence}"));

    if pod.pointer("/enableServiceLinks") != Some(&Value::Bool(false)) {
        fault("gets a variable for each Service of the namespace: set enableServiceLinks: false");
    }
    if pod.pointer("/securityContext/runAsNonRoot") != Some(&Value::Bool(true)) {
        fault("may run as root: set runAsNonRoot: true");
    }
    if container.pointer("/securityContext/readOnlyRootFilesystem") != Some(&Value::Bool(true)) {
        fault("may write to its image: set readOnlyRootFilesystem: true");
    }
    for probe in ["livenessProbe", "readinessProbe"] {
        if container.get(probe).is_none() {
            fault(&format!("has no {probe}"));
        }
    }
    let delay: u64 =
        variables.get("DELAY_SHUTDOWN_SECONDS").and_then(|delay| delay.parse().ok()).unwrap_or(10);
    let grace = pod.pointer("/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
    if grace <= delay.saturating_add(5) {
        fault(
            "is killed while it still answers: terminationGracePeriodSeconds is the delay and the longest request",
        );
    }
    let replicas = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    if name == "client-credentials" && replicas > 1 && !is_set(&variables, "CREDENTIALS_MONGODB_URL") {
        fault(STORES_OF_THEIR_OWN);
    }
    let is_guarded = all.iter().any(|other| {
        text(other, "/kind") == "NetworkPolicy"
            && other.pointer("/spec/podSelector/matchLabels") == object.pointer("/spec/selector/matchLabels")
    });
    if !is_guarded {
        fault("is reached by every pod: add a NetworkPolicy");
    }
    faults.extend(of_variables(&variables, known).into_iter().map(|sentence| format!("{name} {sentence}")));
}

/// What an autoscaler must not do to the embedded store.
fn of_autoscaler(name: &str, object: &Value, all: &[Value], faults: &mut Vec<String>) {
    let target = text(object, "/spec/scaleTargetRef/name");
    let most = object.pointer("/spec/maxReplicas").and_then(Value::as_u64).unwrap_or(1);
    let scaled = all
        .iter()
        .find(|other| text(other, "/kind") == "Deployment" && text(other, "/metadata/name") == target);
    let Some(scaled) = scaled else {
        return faults.push(format!("{name} scales {target}, which is not there"));
    };
    if scaled.pointer("/spec/replicas").is_some() {
        faults.push(format!("{target} says how many replicas it has, and so does an autoscaler: remove one"));
    }
    let container = scaled.pointer("/spec/template/spec/containers/0").unwrap_or(&Value::Null);
    let has_database = is_set(&variables(container), "CREDENTIALS_MONGODB_URL");
    if text(container, "/name") == "client-credentials" && most > 1 && !has_database {
        faults.push(format!("{target} {STORES_OF_THEIR_OWN}"));
    }
}

/// What a container is told.
fn variables(container: &Value) -> Variables {
    let pairs = list(container, "/env").iter().map(|one| (text(one, "/name"), text(one, "/value")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn of_service(name: &str, object: &Value, faults: &mut Vec<String>) {
    let is_inside = matches!(text(object, "/spec/type"), "" | "ClusterIP");
    let ports: Vec<&str> = list(object, "/spec/ports").iter().map(|port| text(port, "/targetPort")).collect();
    if ports.contains(&"management") && (!is_inside || ports.len() > 1) {
        faults.push(format!(
            "{name} shows the management port beside others or outside: give it a ClusterIP of its own"
        ));
    }
}

/// Of a compose project, as `docker compose config --format json` prints it. `workspace` is the folder of its files.
pub(super) fn of_compose(project: &Value, workspace: &Path, known: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, secret) in project.get("secrets").and_then(Value::as_object).into_iter().flatten() {
        let file = Path::new(text(secret, "/file"));
        let is_made_here = file.starts_with(workspace.join("deploy/compose/secrets"));
        if file.starts_with(workspace) && !is_made_here {
            faults.push(format!(
                "the secret {name} is a file that everybody has: make one with deploy/compose/make-secrets.sh"
            ));
        }
    }
    let gateway = project.pointer("/services/gateway").unwrap_or(&Value::Null);
    if text(gateway, "/image").contains("envoy")
        && text(project, "/services/authorization-service/environment/AUTHORIZATION_STRICT_MODE_ENABLED")
            == "false"
    {
        faults.push(NON_STRICT_BEHIND_ENVOY.to_owned());
    }
    for name in SERVICES {
        let service = project.pointer(&format!("/services/{name}")).unwrap_or(&Value::Null);
        let environment = service.get("environment").and_then(Value::as_object).into_iter().flatten();
        let variables: Variables = environment
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let copies = service.pointer("/deploy/replicas").and_then(Value::as_u64).unwrap_or(1);
        if name == "client-credentials" && copies > 1 && !is_set(&variables, "CREDENTIALS_MONGODB_URL") {
            faults.push(format!("{name} {STORES_OF_THEIR_OWN}"));
        }
        for port in list(service, "/ports") {
            let target = port.get("target").map(Value::to_string).unwrap_or_default();
            if target == MANAGEMENT_PORT && !text(port, "/host_ip").starts_with("127.") {
                faults.push(format!(
                    "{name} shows its management port to the network: publish it on 127.0.0.1"
                ));
            }
        }
        faults
            .extend(of_variables(&variables, known).into_iter().map(|sentence| format!("{name} {sentence}")));
    }
    faults
}

fn of_variables(variables: &Variables, known: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in variables {
        let plain = name.strip_suffix("_FILE").unwrap_or(name);
        if !known.contains(name) && !known.contains(plain) {
            faults.push(format!("sets {name}, which no service reads: see docs/configuration.md"));
        }
        let is_secret = ["SECRET", "TOKEN", "PASSWORD", "SALT"].iter().any(|word| name.ends_with(word));
        if is_secret && !value.is_empty() {
            faults.push(format!("has the value of {name} in the file: use {name}_FILE"));
        }
    }
    let value = |name: &str| variables.get(name).map_or("", String::as_str);
    if value("AUTHORIZATION_STRICT_MODE_ENABLED") == "false" && value("ORIGINAL_REQUEST_FROM") == "path" {
        faults.push(NON_STRICT_BEHIND_ENVOY.to_owned());
    }
    faults
}

fn is_set(variables: &Variables, name: &str) -> bool {
    variables.contains_key(name) || variables.contains_key(&format!("{name}_FILE"))
}

fn text<'value>(value: &'value Value, pointer: &str) -> &'value str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'value>(value: &'value Value, pointer: &str) -> &'value [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> BTreeSet<String> {
        let names = [
            "AUTHORIZATION_STRICT_MODE_ENABLED",
            "BOOTSTRAP_TOKEN",
            "CREDENTIALS_MONGODB_URL",
            "DELAY_SHUTDOWN_SECONDS",
            "ORIGINAL_REQUEST_FROM",
        ];
        names.map(str::to_owned).into()
    }

    fn good() -> Vec<Value> {
        vec![
            json!({"kind": "Deployment", "metadata": {"name": "client-credentials"}, "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "c"}},
                "template": {"spec": {
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 30,
                    "securityContext": {"runAsNonRoot": true},
                    "containers": [{
                        "securityContext": {"readOnlyRootFilesystem": true},
                        "livenessProbe": {},
                        "readinessProbe": {},
                        "env": [
                            {"name": "CREDENTIALS_MONGODB_URL_FILE", "value": "/x"},
                            {"name": "DELAY_SHUTDOWN_SECONDS", "value": "10"},
                        ],
                    }],
                }},
            }}),
            json!({"kind": "NetworkPolicy", "spec": {"podSelector": {"matchLabels": {"app": "c"}}}}),
            json!({"kind": "Service", "metadata": {"name": "m"}, "spec": {"ports": [{"targetPort": "management"}]}}),
        ]
    }

    #[test]
    fn each_fault_of_a_manifest_is_one_sentence() {
        assert_eq!(of_manifests(&good(), &known()), [""; 0]);
        let pod = "/spec/template/spec";
        for (object, place, value, fault) in [
            (0, format!("{pod}/enableServiceLinks"), json!(true), "enableServiceLinks"),
            (0, format!("{pod}/securityContext/runAsNonRoot"), json!(false), "runAsNonRoot"),
            (0, format!("{pod}/terminationGracePeriodSeconds"), json!(15), "terminationGracePeriodSeconds"),
            (
                0,
                format!("{pod}/containers/0/securityContext/readOnlyRootFilesystem"),
                json!(false),
                "readOnlyRoot",
            ),
            (
                0,
                format!("{pod}/containers/0/env/0/name"),
                json!("DELAY_SHUTDOWN_SECONDS"),
                "several replicas",
            ),
            (0, format!("{pod}/containers/0/env/1/name"), json!("DELAY_SHUTDOWN"), "no service reads"),
            (0, format!("{pod}/containers/0/env/1/name"), json!("BOOTSTRAP_TOKEN"), "in the file"),
            (1, "/kind".to_owned(), json!("ConfigMap"), "NetworkPolicy"),
            (2, "/spec/ports/0".to_owned(), json!({"targetPort": "http"}), ""),
        ] {
            let mut objects = good();
            *objects[object].pointer_mut(&place).unwrap() = value;
            let faults = of_manifests(&objects, &known());
            let expected = usize::from(!fault.is_empty());
            assert!(
                faults.len() == expected && faults.iter().all(|one| one.contains(fault)),
                "{place}: {faults:?}"
            );
        }
        let autoscaler = json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {
            "scaleTargetRef": {"name": "client-credentials"}, "maxReplicas": 3,
        }});
        let mut objects = good();
        objects.push(autoscaler.clone());
        objects[0]["spec"].as_object_mut().unwrap().remove("replicas");
        assert_eq!(of_manifests(&objects, &known()), [""; 0]);
        objects[0]["spec"]["template"]["spec"]["containers"][0]["name"] = json!("client-credentials");
        objects[0]["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] =
            json!("DELAY_SHUTDOWN_SECONDS");
        assert_eq!(of_manifests(&objects, &known()).len(), 1, "an autoscaler of the embedded store");
        let mut objects = good();
        objects.push(autoscaler);
        assert_eq!(of_manifests(&objects, &known()).len(), 1, "two who say how many");

        let mut objects = good();
        objects[2]["spec"]["type"] = json!("LoadBalancer");
        assert_eq!(of_manifests(&objects, &known()).len(), 1);
        objects.push(json!({"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"port": "management"}}));
        assert_eq!(of_manifests(&objects, &known()).len(), 2);
    }

    #[test]
    fn each_fault_of_a_compose_file_is_one_sentence() {
        let compose = |host: &str, variables: Value, replicas: u8| {
            json!({"services": {"client-credentials": {
                "ports": [{"target": 3001, "host_ip": host}],
                "environment": variables,
                "deploy": {"replicas": replicas},
            }}})
        };
        let database = json!({"CREDENTIALS_MONGODB_URL": "mongodb://m"});
        for (project, faults) in [
            (compose("127.0.0.1", database.clone(), 3), 0),
            (compose("0.0.0.0", database.clone(), 1), 1),
            (compose("", database, 1), 1),
            (compose("127.0.0.1", json!({}), 3), 1),
            (compose("127.0.0.1", json!({"BOOTSTRAP_TOKEN": "x", "TYPO": "x"}), 1), 2),
            (
                compose(
                    "127.0.0.1",
                    json!({"AUTHORIZATION_STRICT_MODE_ENABLED": "false", "ORIGINAL_REQUEST_FROM": "path"}),
                    1,
                ),
                1,
            ),
        ] {
            assert_eq!(of_compose(&project, Path::new("/w"), &known()).len(), faults, "{project}");
        }
    }

    #[test]
    fn a_compose_project_has_no_secret_of_ours_and_stays_strict_behind_envoy() {
        let project = |secret: &str, image: &str, strict: &str| {
            json!({
                "secrets": {"signing-key.pem": {"file": secret}},
                "services": {
                    "gateway": {"image": image},
                    "authorization-service": {"environment": {"AUTHORIZATION_STRICT_MODE_ENABLED": strict}},
                },
            })
        };
        for (project, faults) in [
            (project("/w/deploy/compose/secrets/signing-key.pem", "envoyproxy/envoy:v1.40.0", "true"), 0),
            (project("/run/mine.pem", "nginx:1.28", "false"), 0),
            (project("/w/deploy/demo/key.pem", "nginx:1.28", "false"), 1),
            (project("/run/mine.pem", "envoyproxy/envoy:v1.40.0", "false"), 1),
        ] {
            assert_eq!(of_compose(&project, Path::new("/w"), &known()).len(), faults, "{project}");
        }
    }
}
