//! What callers did, and what they were answered: all that the checker knows. Moments count from the start of the run.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A client, a token or an assertion, numbered as they were made.
pub(super) type Number = u64;

/// One call and its answer.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    pub(super) action: Action,
    pub(super) answer: Answer,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Status(u16),
    /// The connection broke, or nothing came for half a minute.
    Nothing,
}

/// What was called for. A client is used by one caller, who does one thing after the other; only presentations of one
/// assertion overlap.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// A registration; acknowledged by 201.
    Register,
    /// The operator gives or takes the right to read; acknowledged by 200.
    SetRight { client: Number, may_read: bool },
    /// An assertion for a token; `token` is the one that was answered.
    Present { client: Number, assertion: Number, token: Option<Number> },
    /// The client revokes a token of its own; acknowledged by 200.
    Revoke { token: Number },
    /// A request to the API through the gateway. Nobody has the right to write.
    Call { bearer: Bearer, asks: Asks },
    /// A question to `/tokeninfo` of a replica.
    Describe { token: Number },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Bearer {
    Nobody,
    /// Some characters.
    Opaque,
    /// A token of ours with another signature.
    Forged,
    Token(Number),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Read,
    Write,
}

impl Answer {
    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

impl Action {
    /// One word for reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Register => "registration",
            Self::SetRight { .. } => "change of a right",
            Self::Present { .. } => "token request",
            Self::Revoke { .. } => "revocation",
            Self::Call { .. } => "call through the gateway",
            Self::Describe { .. } => "tokeninfo",
        }
    }
}

/// Collects the events of all callers.
#[derive(Debug)]
pub(super) struct History {
    start: Instant,
    events: Mutex<Vec<Event>>,
}

impl History {
    pub(super) fn begin() -> Self {
        Self { start: Instant::now(), events: Mutex::default() }
    }

    /// Now, as events count.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn add(&self, event: Event) {
        if let Ok(mut events) = self.events.lock() {
            events.push(event);
        }
    }

    /// How many events there are, and how many of them went wrong in whatever way.
    pub(super) fn counts(&self) -> (usize, usize) {
        let unanswered = |event: &&Event| !matches!(event.answer, Answer::Status(200..=499));
        self.events.lock().map_or((0, 0), |events| (events.len(), events.iter().filter(unanswered).count()))
    }

    pub(super) fn take(&self) -> Vec<Event> {
        self.events.lock().map(|mut events| std::mem::take(&mut *events)).unwrap_or_default()
    }
}
