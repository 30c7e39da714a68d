//! What this service counts (`docs/metrics.md`). Labels are our own words and the rules of the operator's file; nothing
//! of a request is ever one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use access_rules::{RouteTable, Rule};
use actix_web::HttpResponse;
use common::Timestamp;
use service_kit::metrics::{
    Counter, Counters, Gauge, Gauges, Histogram, HttpMetrics, Labels, MetricRegistry, SpanMetrics,
};

use crate::decide::denial::Denial;
use crate::userinfo::{Cause, UserinfoAnswer};

/// Rules with a name of their own; more would be a burden for whoever stores the series.
const MAX_RULES: usize = 1000;

/// The counters, and the page that shows them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: MetricRegistry,
    allowed: Counter,
    denied: Counters<Labels<2>>,
    rule_denials: RuleDenials,
    pub(crate) groups_left_out: Counter,
    pub(crate) userinfo: Arc<UserinfoMetrics>,
}

impl Metrics {
    pub(crate) fn new(service: &'static str, version: &str, started: Timestamp, rules: &RouteTable) -> Self {
        let mut registry = MetricRegistry::new(service, version, started);
        let allowed = [("outcome", "allow"), ("reason", "none")];
        let denied = Denial::WORDS.map(decision_labels);
        let decisions = registry.counters(
            "decisions",
            "Decisions, by outcome and reason",
            [allowed].into_iter().chain(denied),
        );
        Self {
            allowed: decisions.get_or_create_owned(&allowed),
            denied: decisions,
            rule_denials: RuleDenials::register(&mut registry, rules.rules()),
            groups_left_out: registry.counter("groups_left_out", "Groups that mia-groups could not carry"),
            userinfo: Arc::new(UserinfoMetrics::register(&mut registry)),
            registry,
        }
    }

    /// Counts a decision. `rule` is the one that decided.
    pub(crate) fn decided(&self, denial: Option<Denial>, rule: Option<&str>) {
        let Some(denial) = denial else {
            self.allowed.inc();
            return;
        };
        self.denied.get_or_create(&decision_labels(denial.word())).inc();
        if let Some(rule) = rule {
            self.rule_denials.count(rule, denial.word());
        }
    }

    pub(crate) fn http(&self) -> HttpMetrics {
        self.registry.http()
    }

    pub(crate) fn spans(&self) -> SpanMetrics {
        self.registry.spans()
    }

    /// What Prometheus reads.
    pub(crate) fn page(&self) -> HttpResponse {
        self.registry.page()
    }
}

/// "Cannot know" is no denial: it is ours to mend, not the caller's (architecture decision 10).
fn decision_labels(reason: &'static str) -> Labels<2> {
    let outcome = if reason == "cannot_know" { "cannot_know" } else { "deny" };
    [("outcome", outcome), ("reason", reason)]
}

/// Denials by the rule that decided.
struct RuleDenials {
    counters: Counters<(RuleLabel, Labels<1>)>,
    /// Rules with a name of their own, as [`Rule`] prints itself.
    named: HashMap<String, RuleLabel>,
    other: RuleLabel,
}

type RuleLabel = [(&'static str, Arc<String>); 1];

impl RuleDenials {
    fn register<'rules>(registry: &mut MetricRegistry, rules: impl Iterator<Item = &'rules Rule>) -> Self {
        let label = |name: String| [("rule", Arc::new(name))];
        let names = rules.take(MAX_RULES).map(ToString::to_string);
        Self {
            counters: registry.counters("decision_rule_denials", "Denials, by the rule that decided", []),
            named: names.map(|name| (name.clone(), label(name))).collect(),
            other: label("other".to_owned()),
        }
    }

    fn count(&self, rule: &str, reason: &'static str) {
        let rule = self.named.get(rule).unwrap_or(&self.other).clone();
        self.counters.get_or_create(&(rule, [("reason", reason)])).inc();
    }
}

/// Calls to the userinfo endpoint.
#[derive(Debug)]
pub(crate) struct UserinfoMetrics {
    calls: Counters<Labels<1>>,
    duration: Histogram,
    in_flight: Gauge,
    pub(crate) shared: Counter,
    circuits: Gauges<Labels<1>>,
}

impl UserinfoMetrics {
    fn register(registry: &mut MetricRegistry) -> Self {
        let outcomes = ["known", "nobody"].into_iter().chain(Cause::WORDS_OF_CALLS);
        Self {
            calls: registry.counters(
                "userinfo_calls",
                "Calls to the userinfo endpoint, by what became of them",
                outcomes.map(|outcome| [("outcome", outcome)]),
            ),
            duration: registry.durations("userinfo_call_duration", "How long a userinfo call took"),
            in_flight: registry.gauge("userinfo_calls_in_flight", "Userinfo calls on their way"),
            shared: registry.counter("userinfo_shared", "Questions answered by an equal call on its way"),
            circuits: registry.gauges(
                "userinfo_circuit_open",
                "1 while an endpoint is not asked, or only to try, because it failed too often",
                [],
            ),
        }
    }

    /// A call begins. It ends when the value is dropped, whatever becomes of it.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A call was answered, or not.
    pub(crate) fn ended(&self, answer: &UserinfoAnswer, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.count(match answer {
            UserinfoAnswer::Known(_) => "known",
            UserinfoAnswer::Nobody(_) => "nobody",
            UserinfoAnswer::Unknown(failure) => failure.cause.word(),
        });
    }

    /// A call was not made, or was lost.
    pub(crate) fn no_answer(&self, why: &Cause) {
        self.count(why.word());
    }

    /// Shows whether the circuit of this endpoint is open.
    pub(crate) fn circuit(&self, endpoint: &'static str) -> Gauge {
        self.circuits.get_or_create_owned(&[("endpoint", endpoint)])
    }

    fn count(&self, outcome: &'static str) {
        self.calls.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// A userinfo call on its way.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl fmt::Debug for RuleDenials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RuleDenials").field("named", &self.named.len()).finish_non_exhaustive()
    }
}
