//! What this service counts (`docs/metrics.md`). Labels are our own words and the rules of the operator's file; nothing
//! of a request is ever one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use access_rules::{Compared, Rule};
use actix_web::HttpResponse;
use common::Timestamp;
use service_kit::metrics::{
    Counter, Counters, Gauge, Gauges, Histogram, HttpMetrics, Labels, MetricRegistry, SpanMetrics,
};

use crate::decide::denial::Denial;
use crate::rules_source::RuleSet;
use crate::userinfo::local::LocalMetrics;
use crate::userinfo::{Cause, UserinfoAnswer};

/// Rules with a name of their own; more would be a burden for whoever stores the series.
const MAX_RULES: usize = 1000;

/// The counters, and the page that shows them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: MetricRegistry,
    allowed: Counter,
    denied: Counters<Labels<2>>,
    pub(crate) rules: Arc<RulesMetrics>,
    pub(crate) log: Arc<DecisionLogMetrics>,
    pub(crate) groups_left_out: Counter,
    pub(crate) userinfo: Arc<UserinfoMetrics>,
    pub(crate) local: Arc<LocalMetrics>,
}

impl Metrics {
    pub(crate) fn new(service: &'static str, version: &str, started: Timestamp, rules: &RuleSet) -> Self {
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
            rules: Arc::new(RulesMetrics::register(&mut registry, rules)),
            log: Arc::new(DecisionLogMetrics::register(&mut registry)),
            groups_left_out: registry.counter("groups_left_out", "Groups that mia-groups could not carry"),
            userinfo: Arc::new(UserinfoMetrics::register(&mut registry)),
            local: Arc::new(LocalMetrics::register(&mut registry)),
            registry,
        }
    }

    /// Counts a decision. `rule` is the one that decided.
    pub(crate) fn decided(&self, denial: Option<Denial>, rule: Option<&Rule>) {
        let Some(denial) = denial else {
            self.allowed.inc();
            return;
        };
        self.denied.get_or_create(&decision_labels(denial.word())).inc();
        if let Some(rule) = rule {
            self.rules.denials.count(rule, denial.word());
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

#[cfg(test)]
impl Metrics {
    /// What [`Self::page`] holds.
    pub(crate) fn text(&self) -> String {
        let mut page = String::new();
        self.registry.write(&mut page).unwrap();
        page
    }
}

#[cfg(test)]
impl DecisionLogMetrics {
    /// On a page of its own.
    pub(crate) fn unregistered() -> Self {
        Self::register(&mut MetricRegistry::new(
            "authorization-service",
            "0",
            Timestamp::from_unix_seconds(0),
        ))
    }

    /// Written, dropped.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.written.get(), self.dropped.get())
    }
}

/// "Cannot know" is no denial: it is ours to mend, not the caller's (architecture decision 10).
fn decision_labels(reason: &'static str) -> Labels<2> {
    let outcome = if reason == "cannot_know" { "cannot_know" } else { "deny" };
    [("outcome", outcome), ("reason", reason)]
}

/// The rules in force, and what becomes of their file.
#[derive(Debug)]
pub(crate) struct RulesMetrics {
    denials: RuleDenials,
    shadows: Counters<(RuleLabel, Labels<2>)>,
    count: Gauge,
    version: Gauges<[(&'static str, String); 1]>,
    loaded_at: Gauge,
    checked_at: Gauge,
    file_refused: Gauge,
    reloads: Counters<Labels<1>>,
}

impl RulesMetrics {
    fn register(registry: &mut MetricRegistry, rules: &RuleSet) -> Self {
        let outcomes = ["loaded", "refused"].map(|outcome| [("outcome", outcome)]);
        let this = Self {
            denials: RuleDenials::register(registry),
            shadows: registry.counters(
                "decision_shadows",
                "Decisions of rules with a shadow expression, by what is in force and by what would be",
                [],
            ),
            count: registry.gauge("rules", "Rules in force"),
            version: registry.gauges("rules_version", "Which version of the rules is in force", []),
            loaded_at: registry
                .gauge_of_seconds("rules_loaded_timestamp", "When the rules in force were loaded"),
            checked_at: registry
                .gauge_of_seconds("rules_file_checked_timestamp", "When the rules file was last looked at"),
            file_refused: registry
                .gauge("rules_file_refused", "1 if the rules file as it is now cannot be used"),
            reloads: registry.counters("rules_reloads", "Changes of the rules file", outcomes),
        };
        this.in_force(rules);
        this.checked(rules.loaded_at);
        this
    }

    /// Other rules are in force than before.
    pub(crate) fn loaded(&self, rules: &RuleSet) {
        self.in_force(rules);
        self.reloads.get_or_create(&[("outcome", "loaded")]).inc();
    }

    /// The file has changed and cannot be used.
    pub(crate) fn refused(&self) {
        self.file_refused.set(1);
        self.reloads.get_or_create(&[("outcome", "refused")]).inc();
    }

    /// The file is what is in force again.
    pub(crate) fn recovered(&self) {
        self.file_refused.set(0);
    }

    /// A rule and its shadow were asked about the same request.
    pub(crate) fn compared(&self, rule: &Rule, compared: Compared) {
        let word = |allows| if allows { "allow" } else { "deny" };
        let outcomes = [("live", word(compared.live_allows)), ("shadow", word(compared.shadow_allows))];
        self.shadows.get_or_create(&(self.denials.label(rule), outcomes)).inc();
    }

    /// Somebody looked at the file.
    pub(crate) fn checked(&self, now: Timestamp) {
        self.checked_at.set(now.unix_seconds());
    }

    fn in_force(&self, rules: &RuleSet) {
        self.file_refused.set(0);
        self.loaded_at.set(rules.loaded_at.unix_seconds());
        self.count.set(i64::try_from(rules.table.rules().count()).unwrap_or(i64::MAX));
        self.version.clear();
        self.version.get_or_create(&[("version", rules.version.to_string())]).set(1);
        for gone in self.denials.follow(rules.table.rules()) {
            for compared in OUTCOMES {
                self.shadows.remove(&(gone.clone(), compared));
            }
        }
    }
}

/// What a rule and its shadow may say of one request.
const OUTCOMES: [Labels<2>; 4] = [
    [("live", "allow"), ("shadow", "allow")],
    [("live", "allow"), ("shadow", "deny")],
    [("live", "deny"), ("shadow", "allow")],
    [("live", "deny"), ("shadow", "deny")],
];

/// Denials by the rule that decided.
struct RuleDenials {
    counters: Counters<(RuleLabel, Labels<1>)>,
    /// Rules with a name of their own, as [`Rule`] prints itself.
    named: RwLock<HashMap<String, RuleLabel>>,
    other: RuleLabel,
}

type RuleLabel = [(&'static str, Arc<String>); 1];

impl RuleDenials {
    fn register(registry: &mut MetricRegistry) -> Self {
        Self {
            counters: registry.counters("decision_rule_denials", "Denials, by the rule that decided", []),
            named: RwLock::default(),
            other: [("rule", Arc::new("other".to_owned()))],
        }
    }

    /// Names these rules, and forgets those that are no more: the page must not grow from reload to reload. The labels of
    /// those that are gone.
    fn follow<'rules>(&self, rules: impl Iterator<Item = &'rules Rule>) -> Vec<RuleLabel> {
        let names = rules.take(MAX_RULES).map(ToString::to_string);
        let named = names.map(|name| (name.clone(), [("rule", Arc::new(name))])).collect();
        let mut current = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, named);
        let gone = before.into_iter().filter(|(name, _)| !current.contains_key(name));
        let gone: Vec<_> = gone.map(|(_, label)| label).collect();
        for label in &gone {
            for reason in Denial::WORDS {
                self.counters.remove(&(label.clone(), [("reason", reason)]));
            }
        }
        gone
    }

    /// The name of a rule on the page.
    fn label(&self, rule: &Rule) -> RuleLabel {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.get(&rule.to_string()).unwrap_or(&self.other).clone()
    }

    fn count(&self, rule: &Rule, reason: &'static str) {
        self.counters.get_or_create(&(self.label(rule), [("reason", reason)])).inc();
    }
}

/// What becomes of the lines of the decision log.
#[derive(Debug)]
pub(crate) struct DecisionLogMetrics {
    written: Counter,
    dropped: Counter,
}

impl DecisionLogMetrics {
    fn register(registry: &mut MetricRegistry) -> Self {
        let outcome = |outcome| [("outcome", outcome)];
        let lines = registry.counters(
            "decision_log_lines",
            "Lines of the decision log",
            [outcome("written"), outcome("dropped")],
        );
        Self {
            written: lines.get_or_create_owned(&outcome("written")),
            dropped: lines.get_or_create_owned(&outcome("dropped")),
        }
    }

    pub(crate) fn written(&self, lines: u64) {
        self.written.inc_by(lines);
    }

    /// There was no room: the decision stands, its line is lost.
    pub(crate) fn dropped(&self) {
        self.dropped.inc();
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
        formatter.debug_struct("RuleDenials").field("other", &self.other).finish_non_exhaustive()
    }
}
