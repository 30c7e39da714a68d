//! What this service counts (`docs/metrics.md`). No client id and no word of a caller is ever a label.

use actix_web::HttpResponse;
use common::Timestamp;
use credentials::client::AuthMethod;
use credentials::key::ring::KeyState;
use service_kit::metrics::{
    Counter, Counters, Gauge, Gauges, HttpMetrics, Labels, MetricRegistry, SpanMetrics,
};

use crate::limits::Limits;
use crate::rate_limit::LimitReached;
use crate::revocations::Extent;
use crate::signing_keys;

/// The counters, and the page that shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: MetricRegistry,
    tokens_issued: Counters<Labels<1>>,
    tokens_refused: Counters<Labels<1>>,
    tokeninfo: Counters<Labels<1>>,
    introspections: Counters<Labels<1>>,
    pub(crate) tokens_revoked: Counter,
    revoked_tokens: Gauge,
    revoked_clients: Gauge,
    revocations_staleness: Gauge,
    revocation_readers: Gauge,
    pub(crate) revocation_readers_cut: Counter,
    pub(crate) clients_registered: Counter,
    /// Signatures of assertions that were verified, and those of nobody, which take as long.
    pub(crate) assertions_verified: Counter,
    /// Key sets asked for at the `jwks_uri` of clients.
    pub(crate) key_set_fetches: Counters<Labels<1>>,
    limited: Counters<Labels<1>>,
    /// Requests that the store failed.
    pub(crate) store_errors: Counter,
    pub(crate) audit_events_lost: Counter,
    signing_keys: Gauges<Labels<1>>,
    signing_key_age: Gauge,
    signing_key_next_rotation: Gauge,
}

/// What became of a question to `/tokeninfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokeninfoOutcome {
    Valid,
    Refused,
    /// The store could not tell.
    CannotKnow,
}

/// What became of a question to `/oauth/introspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntrospectionOutcome {
    Active,
    Inactive,
    /// The question itself: it was not answered.
    Refused,
}

impl Metrics {
    pub(crate) fn new(service: &'static str, version: &str, started: Timestamp) -> Self {
        let mut registry = MetricRegistry::new(service, version, started);
        let methods = AuthMethod::ALL.map(labels_of);
        let outcomes = [TokeninfoOutcome::Valid, TokeninfoOutcome::Refused, TokeninfoOutcome::CannotKnow];
        let outcomes = outcomes.map(TokeninfoOutcome::labels);
        Self {
            tokens_issued: registry.counters(
                "tokens_issued",
                "Access tokens, by how the client authenticated",
                methods,
            ),
            tokens_refused: registry.counters(
                "tokens_refused",
                "Token requests that got no token, by reason",
                [],
            ),
            tokeninfo: registry.counters(
                "tokeninfo",
                "Questions to /tokeninfo, by what became of them",
                outcomes,
            ),
            introspections: registry.counters(
                "introspections",
                "Questions to /oauth/introspect, by what became of them",
                IntrospectionOutcome::ALL.map(IntrospectionOutcome::labels),
            ),
            tokens_revoked: registry.counter("tokens_revoked", "Valid tokens that their client revoked"),
            revoked_tokens: registry.gauge("revoked_tokens", "Single tokens known to be revoked"),
            revoked_clients: registry.gauge(
                "revoked_clients",
                "Clients of which all tokens up to a moment are known to be revoked",
            ),
            revocations_staleness: registry
                .gauge_of_seconds("revocations_staleness", "How old is what is known of revocations"),
            revocation_readers: registry.gauge("revocation_readers", "Readers of the revocation feed"),
            revocation_readers_cut: registry.counter(
                "revocation_readers_cut",
                "Readers of the revocation feed that were too slow and sent away",
            ),
            clients_registered: registry.counter("clients_registered", "Clients made, by whomever"),
            audit_events_lost: registry.counter(
                "audit_events_lost",
                "Audit events that were logged and not stored: too many waited",
            ),
            assertions_verified: registry.counter(
                "assertions_verified",
                "Signatures of assertions verified, those of unknown clients among them",
            ),
            key_set_fetches: registry.counters(
                "key_set_fetches",
                "Key sets asked for at the jwks_uri of clients, by what became of it",
                ["fetched", "failed"].map(|outcome| [("outcome", outcome)]),
            ),
            limited: registry.counters(
                "rate_limited",
                "Requests answered 429, by the limit that was reached",
                Limits::NAMES.map(|limit| [("limit", limit)]),
            ),
            store_errors: registry.counter("store_errors", "Requests that the store failed"),
            signing_keys: registry.gauges(
                "signing_keys",
                "Signing keys of the deployment, by where they are in their life",
                signing_keys::Extent::STATES.map(state_labels),
            ),
            signing_key_age: registry
                .gauge_of_seconds("signing_key_age", "For how long the active key has signed"),
            signing_key_next_rotation: registry.gauge_of_seconds(
                "signing_key_next_rotation_timestamp",
                "When the schedule replaces the active key, since the Unix epoch; 0 if nothing does",
            ),
            registry,
        }
    }

    pub(crate) fn token_issued(&self, method: AuthMethod) {
        self.tokens_issued.get_or_create(&labels_of(method)).inc();
    }

    /// `reason` is the `decision.reason` of the access line.
    pub(crate) fn token_refused(&self, reason: &'static str) {
        self.tokens_refused.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn limited(&self, reached: LimitReached) {
        self.limited.get_or_create(&[("limit", reached.limit)]).inc();
    }

    pub(crate) fn tokeninfo(&self, outcome: TokeninfoOutcome) {
        self.tokeninfo.get_or_create(&outcome.labels()).inc();
    }

    pub(crate) fn introspection(&self, outcome: IntrospectionOutcome) {
        self.introspections.get_or_create(&outcome.labels()).inc();
    }

    pub(crate) fn revocations(&self, extent: Extent) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.revoked_tokens.set(number(extent.tokens));
        self.revoked_clients.set(number(extent.clients));
        self.revocation_readers.set(number(extent.readers));
        self.revocations_staleness.set(i64::try_from(extent.staleness.as_secs()).unwrap_or(i64::MAX));
    }

    pub(crate) fn signing_keys(&self, extent: signing_keys::Extent) {
        for (state, count) in signing_keys::Extent::STATES.into_iter().zip(extent.counts) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.signing_keys.get_or_create(&state_labels(state)).set(count);
        }
        self.signing_key_age.set(extent.age_seconds);
        self.signing_key_next_rotation.set(extent.rotates_at.map_or(0, common::Timestamp::unix_seconds));
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

impl TokeninfoOutcome {
    const fn labels(self) -> Labels<1> {
        let word = match self {
            Self::Valid => "valid",
            Self::Refused => "refused",
            Self::CannotKnow => "cannot_know",
        };
        [("outcome", word)]
    }
}

impl IntrospectionOutcome {
    const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Refused];

    const fn labels(self) -> Labels<1> {
        let word = match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Refused => "refused",
        };
        [("outcome", word)]
    }
}

fn state_labels(state: KeyState) -> Labels<1> {
    let word = match state {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
        KeyState::Gone => "gone",
    };
    [("state", word)]
}

/// The method's name in RFC 7591 §2.
fn labels_of(method: AuthMethod) -> Labels<1> {
    [("method", method.as_str())]
}
