//! What strangers may do how often (ADR 11): register, and present wrong secrets. Nobody with the right secret is ever
//! refused by a limit, unless it is one that could be guessed. Each replica counts for itself.

use common::Timestamp;

use crate::config::RateLimits;
use crate::rate_limit::{LimitReached, RateLimit, check, spend};
use crate::source::Source;

/// The limits of a process. Each is `None` if it is off.
#[derive(Debug)]
pub(crate) struct Limits {
    registrations: Option<RateLimit>,
    registrations_per_source: Option<RateLimit>,
    wrong_secrets_per_client: Option<RateLimit>,
    wrong_secrets_per_source: Option<RateLimit>,
    /// How often it is told that a budget of wrong secrets is used up.
    tellings: Option<RateLimit>,
}

impl Limits {
    /// The labels of the metric.
    pub(crate) const NAMES: [&'static str; 4] =
        ["registrations", "registrations_per_source", "wrong_secrets_per_client", "wrong_secrets_per_source"];

    pub(crate) fn new(rates: &RateLimits) -> Self {
        let [registrations, registrations_per_source, wrong_secrets_per_client, wrong_secrets_per_source] =
            Self::NAMES;
        Self {
            registrations: RateLimit::in_total(registrations, rates.registrations),
            registrations_per_source: RateLimit::for_each_key(
                registrations_per_source,
                rates.registrations_per_source,
            ),
            wrong_secrets_per_client: RateLimit::for_each_key(
                wrong_secrets_per_client,
                rates.wrong_secrets_per_client,
            ),
            wrong_secrets_per_source: RateLimit::for_each_key(
                wrong_secrets_per_source,
                rates.wrong_secrets_per_source,
            ),
            tellings: RateLimit::for_each_key("tellings", 1),
        }
    }

    /// Counts a registration. One source that has used up its own does not use up those of everybody.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub(crate) fn registration(&self, source: Source, now: Timestamp) -> Result<(), LimitReached> {
        spend(self.registrations_per_source.as_ref(), &source, now)?;
        spend(self.registrations.as_ref(), &(), now)
    }

    /// Counts a secret that did not authenticate the client it was presented for, whether there is such a client or not.
    /// Both budgets are spent from.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub(crate) fn wrong_secret(
        &self,
        client_id: &str,
        source: Source,
        now: Timestamp,
    ) -> Result<(), LimitReached> {
        let of_source = spend(self.wrong_secrets_per_source.as_ref(), &source, now);
        let of_client = spend(self.wrong_secrets_per_client.as_ref(), &(client_id, source), now);
        of_client.and(of_source)
    }

    /// Whether it is time to tell that wrong secrets for this client are limited: once a minute, not for each of them.
    pub(crate) fn is_worth_telling(&self, client_id: &str, source: Source, now: Timestamp) -> bool {
        spend(self.tellings.as_ref(), &(client_id, source), now).is_ok()
    }

    /// Whether one more secret may be tried that somebody could guess. Nothing is spent.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub(crate) fn may_guess(
        &self,
        client_id: &str,
        source: Source,
        now: Timestamp,
    ) -> Result<(), LimitReached> {
        check(self.wrong_secrets_per_client.as_ref(), &(client_id, source), now)?;
        check(self.wrong_secrets_per_source.as_ref(), &source, now)
    }
}
