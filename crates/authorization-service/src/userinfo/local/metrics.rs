//! What local mode counts (`docs/metrics.md`). Labels are our own words.

use std::time::Duration;

use service_kit::metrics::{Counters, Gauge, Labels, MetricRegistry};

/// All zero in another mode.
#[derive(Debug, Default)]
pub(crate) struct LocalMetrics {
    tokens: Counters<Labels<1>>,
    key_set_fetches: Counters<Labels<1>>,
    key_set_age: Gauge,
    feed_connections: Counters<Labels<1>>,
    feed_silence: Gauge,
    revoked_tokens: Gauge,
    revoked_clients: Gauge,
    verified_tokens: Gauge,
}

/// What became of an access token that was to be judged here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Verified before.
    Known,
    Verified,
    Refused,
    Revoked,
    /// Not of our issuer: userinfo was asked, if there is one.
    Elsewhere,
    /// Keys or revocations were not known: the same.
    CannotKnow,
}

impl Judged {
    const ALL: [Self; 6] =
        [Self::Known, Self::Verified, Self::Refused, Self::Revoked, Self::Elsewhere, Self::CannotKnow];

    const fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::Elsewhere => "elsewhere",
            Self::CannotKnow => "cannot_know",
        }
    }
}

/// What is kept, and how old it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) key_set_age: Duration,
    pub(super) feed_silence: Duration,
    pub(super) revoked_tokens: usize,
    pub(super) revoked_clients: usize,
    pub(super) verified_tokens: usize,
}

impl LocalMetrics {
    pub(crate) fn register(registry: &mut MetricRegistry) -> Self {
        let outcomes = |words: [&'static str; 2]| words.map(|outcome| [("outcome", outcome)]);
        Self {
            tokens: registry.counters(
                "access_tokens",
                "Access tokens judged here, by what became of them",
                Judged::ALL.map(|judged| [("outcome", judged.word())]),
            ),
            key_set_fetches: registry.counters(
                "issuer_key_set_fetches",
                "Fetches of the issuer's key set",
                outcomes(["fetched", "failed"]),
            ),
            key_set_age: registry
                .gauge_of_seconds("issuer_key_set_age", "How old the key set of the issuer is"),
            feed_connections: registry.counters(
                "revocation_feed_connections",
                "Connections to the revocation feed that were opened, and that failed",
                outcomes(["opened", "failed"]),
            ),
            feed_silence: registry.gauge_of_seconds(
                "revocation_feed_silence",
                "How long ago the revocation feed last told that everything is known",
            ),
            revoked_tokens: registry.gauge("revoked_tokens", "Single tokens that are known to be revoked"),
            revoked_clients: registry
                .gauge("revoked_clients", "Clients whose tokens up to a moment are known to be revoked"),
            verified_tokens: registry.gauge("verified_tokens", "Verified tokens that are kept"),
        }
    }

    pub(super) fn judged(&self, judged: Judged) {
        self.tokens.get_or_create(&[("outcome", judged.word())]).inc();
    }

    pub(super) fn key_set_fetched(&self, well: bool) {
        let outcome = if well { "fetched" } else { "failed" };
        self.key_set_fetches.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn feed_opened(&self) {
        self.feed_connections.get_or_create(&[("outcome", "opened")]).inc();
    }

    /// It could not be opened, or broke off.
    pub(super) fn feed_failed(&self) {
        self.feed_connections.get_or_create(&[("outcome", "failed")]).inc();
    }

    pub(super) fn show(&self, extent: &Extent) {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.key_set_age.set(seconds(extent.key_set_age));
        self.feed_silence.set(seconds(extent.feed_silence));
        self.revoked_tokens.set(number(extent.revoked_tokens));
        self.revoked_clients.set(number(extent.revoked_clients));
        self.verified_tokens.set(number(extent.verified_tokens));
    }
}
