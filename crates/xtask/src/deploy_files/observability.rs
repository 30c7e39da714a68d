//! Alert rules and dashboards: promtool reads the rules and runs their tests, and every metric and label that they or the
//! dashboards name must be in docs/metrics.md. Every alert has its first three steps in docs/alerts.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Checks, entries, members, queries};
use crate::console;
use crate::tools::{self, run as run_quietly};

/// Labels that Prometheus adds, to every metric or to histograms.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["job", "instance", "le"];
/// Metrics that Prometheus makes itself, with labels of its own.
const METRICS_OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// The labels of each metric, by its name in docs/metrics.md.
type Documented = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(checks: &Checks<'_>) -> Result<Vec<String>> {
    let folder = checks.workspace.join("deploy/observability");
    let rules = folder.join("alerts.yaml");
    console::note(format_args!("{}, and the dashboards", checks.name(&rules)));
    let promtool = tools::PROMTOOL.ready(checks.workspace)?;
    run_quietly(Command::new(&promtool).args(["check", "config"]).arg(folder.join("prometheus.yaml")))?;
    let tests = checks.workspace.join("tests/deploy/alerts.test.yaml");
    // promtool tells which test failed on its standard output.
    let outcome = Command::new(&promtool).args(["test", "rules"]).arg(&tests).output()?;
    let mut faults = Vec::new();
    if !outcome.status.success() {
        faults.push(String::from_utf8_lossy(&outcome.stdout).into_owned());
        faults.push(String::from_utf8_lossy(&outcome.stderr).into_owned());
    }

    let documented = documented(&fs::read_to_string(checks.workspace.join("docs/metrics.md"))?);
    let rules = checks.documents(&rules)?;
    let alerts: BTreeSet<String> = texts(&rules, "alert").into_iter().collect();
    let steps = fs::read_to_string(checks.workspace.join("docs/alerts.md"))?;
    faults.extend(without_steps(&alerts, &steps));
    let cases = fs::read_to_string(&tests)?;
    let untested = alerts.iter().filter(|alert| !cases.contains(&format!("alertname=\"{alert}\"")));
    faults.extend(untested.map(|alert| format!("{alert} has no case in {}", checks.name(&tests))));
    faults.extend(of_expressions("alerts.yaml", &rules, &documented));
    for dashboard in entries(&folder.join("dashboards"))? {
        let content = fs::read(&dashboard)?;
        let content: Value = serde_json::from_slice(&content).with_context(|| checks.name(&dashboard))?;
        faults.extend(of_expressions(&checks.name(&dashboard), &[content], &documented));
    }
    Ok(faults)
}

/// The metrics of the tables in docs/metrics.md.
fn documented(page: &str) -> Documented {
    let mut metrics = Documented::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let mut columns = line.split('|').skip(1);
        let (Some(name), Some(kind), Some(labels)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let name = name.trim().trim_matches('`');
        let labels: BTreeSet<String> = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let suffixes: &[&str] =
            if kind.trim() == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        for suffix in suffixes {
            metrics.entry(format!("{name}{suffix}")).or_default().extend(labels.clone());
        }
    }
    metrics
}

fn of_expressions(file: &str, content: &[Value], documented: &Documented) -> Vec<String> {
    let mut faults = Vec::new();
    for expression in texts(content, "expr") {
        for (metric, labels) in queries::metrics(&expression) {
            if METRICS_OF_PROMETHEUS.contains(&metric.as_str()) {
                continue;
            }
            let Some(known) = documented.get(&metric) else {
                faults
                    .push(format!("{file}: docs/metrics.md has no {metric}, which `{expression}` asks for"));
                continue;
            };
            let unknown = labels
                .iter()
                .filter(|label| !known.contains(*label) && !LABELS_OF_PROMETHEUS.contains(&label.as_str()));
            faults.extend(unknown.map(|label| {
                format!("{file}: {metric} has no label {label}, which `{expression}` asks for")
            }));
        }
    }
    faults
}

fn without_steps(alerts: &BTreeSet<String>, page: &str) -> Vec<String> {
    let missing = alerts.iter().filter(|alert| {
        let heading = format!("### {alert}\n");
        let section = page.split_once(&heading).map_or("", |(_, after)| after);
        let section = section.split("\n#").next().unwrap_or_default();
        !["\n1. ", "\n2. ", "\n3. "].iter().all(|step| section.contains(step))
    });
    missing.map(|alert| format!("docs/alerts.md has not the first three steps for {alert}")).collect()
}

/// Every text that is called `name`, however deep.
fn texts(content: &[Value], name: &str) -> Vec<String> {
    members(content, name).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGE: &str = "\
| metric | type | labels | meaning |
| --- | --- | --- | --- |
| `tokens_total` | counter | `method`, `reason` | … |
| `took_seconds` | histogram | `route` | … |
";

    #[test]
    fn a_metric_or_a_label_that_does_not_exist_is_told() {
        let documented = documented(PAGE);
        for (expression, faults) in [
            ("rate(tokens_total{method=\"x\", job=\"j\"}[5m])", 0),
            ("sum by (le) (rate(took_seconds_bucket{route=\"x\", le=\"1\"}[5m]))", 0),
            ("up{anything=\"x\"} == 0", 0),
            ("rate(took_seconds[5m])", 1),
            ("token_total + tokens", 2),
            ("tokens_total{methods=\"x\"}", 1),
        ] {
            let panel = json!({"panels": [{"targets": [{"expr": expression}]}]});
            let found = of_expressions("file", &[panel], &documented);
            assert_eq!(found.len(), faults, "{expression}: {found:?}");
        }
    }

    #[test]
    fn an_alert_needs_three_steps_of_its_own() {
        let alerts = BTreeSet::from(["One".to_owned(), "Two".to_owned()]);
        let page = "### One\n\nText.\n\n1. a\n2. b\n3. c\n\n### Two\n\n1. a\n2. b\n\n### Three\n\n3. c\n";
        assert_eq!(without_steps(&alerts, page), ["docs/alerts.md has not the first three steps for Two"]);
    }
}
