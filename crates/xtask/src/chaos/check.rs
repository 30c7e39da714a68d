//! Judges a history: was anything forgotten that was acknowledged, was anybody let in without a right, did an assertion
//! get two tokens, and which calls failed that should not have. It knows the promises and nothing of who made the calls.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::history::{Action, Answer, Asks, Bearer, Event, Number};
use super::loss::{Kind, Loss, Part};

/// From its acknowledgement to the refusal of the token everywhere, in ordinary times.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
/// The same where a part was lost: what is known of revocations may be 30 seconds old before nobody relies on it.
const REVOKED_WITHIN_LOSSES: Duration = Duration::from_secs(35);
/// For how long after the loss of a primary 503 is an honest answer.
const FAILOVER: Duration = Duration::from_secs(15);
/// What is called in this time after a loss may be due to it.
const AFTERMATH: Duration = Duration::from_secs(5);
/// How exactly we know when a process died.
const DEATH: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Acknowledged, and forgotten.
    pub(super) lost: Vec<String>,
    /// Let in without a right.
    pub(super) wrong: Vec<String>,
    /// A second token for one assertion.
    pub(super) double: Vec<String>,
    /// Calls that should have been answered well.
    pub(super) failed: BTreeMap<Failure, Failed>,
    /// What was put to the test, and how often.
    pub(super) tested: BTreeMap<&'static str, usize>,
    /// How long after its revocation was acknowledged a token was last let through.
    pub(super) last_pass: Duration,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Failure {
    pub(super) call: &'static str,
    pub(super) answer: Answer,
    /// What was lost then.
    pub(super) during: String,
    pub(super) excuse: Excuse,
}

/// How often a call failed so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failed {
    pub(super) count: usize,
    /// How long after the loss the last of them was made.
    pub(super) last: Duration,
}

/// Whether a failure is one that was to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Excuse {
    None,
    /// 503 within 15 seconds of a primary's loss.
    Failover,
    /// It was at work in the process that was killed, and nobody may send it a second time; or in one that was stopped, until
    /// its time was over.
    InTheLostProcess,
}

/// What a run must have put to the test for its zeros to mean anything.
const MUST_BE_TESTED: [&str; 7] = [
    "clients acknowledged",
    "changes of a right acknowledged",
    "assertions that got a token",
    "assertions presented again",
    "revocations acknowledged",
    "calls with a right",
    "calls without a right",
];

impl Findings {
    /// Whether everything was as promised, and enough was tried to say so.
    pub(super) fn is_good(&self) -> bool {
        self.lost.is_empty()
            && self.wrong.is_empty()
            && self.double.is_empty()
            && self.failed.keys().all(|failure| failure.excuse != Excuse::None)
            && self.untested().is_empty()
    }

    /// What nobody tried.
    pub(super) fn untested(&self) -> Vec<&'static str> {
        MUST_BE_TESTED.into_iter().filter(|what| !self.tested.contains_key(what)).collect()
    }

    fn count(&mut self, what: &'static str) {
        let count = self.tested.entry(what).or_default();
        *count = count.saturating_add(1);
    }
}

/// Judges everything. From `settled` on nothing was lost any more, and everybody had time to hear what was revoked.
pub(super) fn check(events: &[Event], losses: &[Loss], settled: Duration) -> Findings {
    let mut events: Vec<_> = events.iter().collect();
    events.sort_by_key(|event| event.begun);
    let facts = Facts::of(&events);
    let mut judge = Judge { facts: &facts, losses, settled, findings: Findings::default() };
    for event in &events {
        judge.look_at(event);
    }
    for presented in facts.presentations.values() {
        judge.look_at_assertion(presented);
    }
    judge.findings
}

/// What was written, and when it was known to be.
#[derive(Debug, Default)]
struct Facts<'a> {
    rights: HashMap<Number, Vec<&'a Event>>,
    revocations: HashMap<Number, Vec<&'a Event>>,
    /// Of each token: of whom it is, and whether it carries the right to read, if that can be known.
    tokens: HashMap<Number, Option<bool>>,
    presentations: BTreeMap<Number, Vec<&'a Event>>,
}

impl<'a> Facts<'a> {
    fn of(events: &[&'a Event]) -> Self {
        let mut facts = Self::default();
        for event in events {
            match event.action {
                Action::SetRight { client, .. } => facts.rights.entry(client).or_default().push(event),
                Action::Revoke { token } => facts.revocations.entry(token).or_default().push(event),
                Action::Present { assertion, .. } => {
                    facts.presentations.entry(assertion).or_default().push(event);
                }
                Action::Register | Action::Call { .. } | Action::Describe { .. } => {}
            }
        }
        for event in events {
            if let Action::Present { client, token: Some(token), .. } = event.action {
                let right = facts.right_of(client, event);
                facts.tokens.insert(token, right);
            }
        }
        facts
    }

    /// Whether a client could read when this token was made: no right before the first change, and unknown after a change
    /// that was not acknowledged, until the next one that was.
    fn right_of(&self, client: Number, issued: &Event) -> Option<bool> {
        let changes = self.rights.get(&client).map(Vec::as_slice).unwrap_or_default();
        let Some(last) = changes.iter().rev().find(|change| change.begun < issued.ended) else {
            return Some(false);
        };
        match last.action {
            Action::SetRight { may_read, .. } if last.answer.is_good() && last.ended <= issued.begun => {
                Some(may_read)
            }
            _ => None,
        }
    }

    fn revocations_of(&self, token: Number) -> &[&'a Event] {
        self.revocations.get(&token).map(Vec::as_slice).unwrap_or_default()
    }

    /// When a token was first known to be revoked.
    fn revoked_at(&self, token: Number) -> Option<Duration> {
        let good = self.revocations_of(token).iter().filter(|event| event.answer.is_good());
        good.map(|event| event.ended).min()
    }

    /// Whether nobody had tried to revoke it by then.
    fn is_untouched(&self, token: Number, until: Duration) -> bool {
        self.revocations_of(token).iter().all(|event| event.begun >= until)
    }
}

struct Judge<'a> {
    facts: &'a Facts<'a>,
    losses: &'a [Loss],
    settled: Duration,
    findings: Findings,
}

impl Judge<'_> {
    fn look_at(&mut self, event: &Event) {
        match event.action {
            Action::Register => self.must_be_good(event, "clients acknowledged"),
            Action::SetRight { client, .. } => {
                self.must_be_known(event, client, "changes of a right acknowledged");
            }
            Action::Revoke { token } => self.must_be_known(event, token, "revocations acknowledged"),
            // All presentations of an assertion are judged together.
            Action::Present { .. } => {}
            Action::Call { bearer, asks } => self.look_at_call(event, bearer, asks),
            Action::Describe { token } => {
                if event.answer.is_good() {
                    self.must_not_be_revoked(event, token);
                } else if self.facts.is_untouched(token, event.ended) {
                    self.failed(event);
                }
            }
        }
    }

    fn must_be_good(&mut self, event: &Event, what: &'static str) {
        if event.answer.is_good() { self.findings.count(what) } else { self.failed(event) }
    }

    /// A call of or about a client that was acknowledged: to be told that there is none means that it was forgotten.
    fn must_be_known(&mut self, event: &Event, number: Number, what: &'static str) {
        if matches!(event.answer, Answer::Status(401 | 404)) {
            self.lost(event, &format!("{} {number}: the client is not known any more", event.action.name()));
        } else {
            self.must_be_good(event, what);
        }
    }

    fn look_at_call(&mut self, event: &Event, bearer: Bearer, asks: Asks) {
        let right = match (bearer, asks) {
            (Bearer::Token(token), Asks::Read) => {
                self.facts.tokens.get(&token).copied().flatten().map(|right| (token, right))
            }
            // Whoever it is, nobody may.
            (Bearer::Token(token), Asks::Write) => Some((token, false)),
            (Bearer::Nobody | Bearer::Opaque | Bearer::Forged, _) => {
                return self.must_not_pass(event, || format!("{bearer:?} was let in"));
            }
        };
        match (right, bearer) {
            (Some((token, false)), _) => {
                self.must_not_pass(event, || format!("token {token} was let in without the right"));
            }
            (Some((token, true)), _) if event.answer.is_good() => {
                self.findings.count("calls with a right");
                self.must_not_be_revoked(event, token);
            }
            (Some((token, true)), _) if self.facts.is_untouched(token, event.ended) => {
                if event.answer == Answer::Status(403) {
                    self.lost(event, &format!("token {token} lacks the right that was given before"));
                } else {
                    self.failed(event);
                }
            }
            // Revoked, and not let in; or a right of which nobody knows.
            (None, Bearer::Token(token)) if event.answer.is_good() => self.must_not_be_revoked(event, token),
            _ => {}
        }
    }

    fn must_not_pass(&mut self, event: &Event, what: impl FnOnce() -> String) {
        if event.answer.is_good() {
            let text = self.told(event, &what());
            self.findings.wrong.push(text);
        } else {
            self.findings.count("calls without a right");
        }
    }

    /// This token was just let through.
    fn must_not_be_revoked(&mut self, event: &Event, token: Number) {
        let Some(revoked) = self.facts.revoked_at(token) else { return };
        let Some(since) = event.begun.checked_sub(revoked) else { return };
        self.findings.last_pass = self.findings.last_pass.max(since);
        let disturbed = self
            .losses
            .iter()
            .any(|loss| loss.from <= event.begun && loss.until.saturating_add(AFTERMATH) >= revoked);
        let what = format!("{} with token {token}, revoked {since:.1?} before", event.action.name());
        if event.begun >= self.settled {
            self.lost(event, &what);
        } else if since >= if disturbed { REVOKED_WITHIN_LOSSES } else { REVOKED_WITHIN } {
            let text = self.told(event, &what);
            self.findings.wrong.push(text);
        }
    }

    /// One token for an assertion, neither more nor less.
    fn look_at_assertion(&mut self, presented: &[&Event]) {
        let Some(first) = presented.first() else { return };
        let Action::Present { client, assertion, .. } = first.action else { return };
        let tokens = presented.iter().filter(|event| event.answer.is_good()).count();
        if presented.len() > 1 {
            self.findings.count("assertions presented again");
        }
        match tokens {
            // Of several that failed one counts, and one with an excuse: others may have come to a replica that was gone.
            0 => match presented
                .iter()
                .filter(|event| event.answer != Answer::Status(401))
                .max_by_key(|event| self.excuse(event))
            {
                Some(event) => self.failed(event),
                None => self.lost(first, &format!("client {client} and its key are not known any more")),
            },
            1 => self.findings.count("assertions that got a token"),
            more => {
                let text = self.told(first, &format!("assertion {assertion} got {more} tokens"));
                self.findings.double.push(text);
            }
        }
    }

    fn lost(&mut self, event: &Event, what: &str) {
        let text = self.told(event, what);
        self.findings.lost.push(text);
    }

    fn failed(&mut self, event: &Event) {
        let failure = Failure {
            call: event.action.name(),
            answer: event.answer,
            during: self.circumstances(event),
            excuse: self.excuse(event),
        };
        let since = self.loss_at(event).map_or(Duration::ZERO, |loss| event.begun.saturating_sub(loss.from));
        let failed = self.findings.failed.entry(failure).or_default();
        failed.count = failed.count.saturating_add(1);
        failed.last = failed.last.max(since);
    }

    fn excuse(&self, event: &Event) -> Excuse {
        let in_failover = |loss: &&Loss| {
            loss.part == Part::Primary
                && loss.from <= event.ended
                && event.begun <= loss.from.saturating_add(FAILOVER)
        };
        let held = |loss: &Loss, kind: Kind| {
            matches!(loss.part, Part::ClientCredentials(_))
                && loss.kind == kind
                && event.begun <= loss.from.saturating_add(DEATH)
                && loss.from <= event.ended
        };
        // A question is asked again at the other replica; a change may have happened, and is not.
        let is_a_change = !matches!(event.action, Action::Call { .. } | Action::Describe { .. });
        let lost_with = match event.answer {
            Answer::Status(503) if self.losses.iter().any(|loss| in_failover(&loss)) => {
                return Excuse::Failover;
            }
            Answer::Status(503) => Kind::Stopped,
            Answer::Status(502) | Answer::Nothing => Kind::Killed,
            Answer::Status(_) => return Excuse::None,
        };
        if is_a_change && self.losses.iter().any(|loss| held(loss, lost_with)) {
            Excuse::InTheLostProcess
        } else {
            Excuse::None
        }
    }

    /// What was lost then, or shortly before.
    fn loss_at(&self, event: &Event) -> Option<&Loss> {
        let lost_then =
            |loss: &&Loss| loss.from <= event.ended && event.begun <= loss.until.saturating_add(AFTERMATH);
        self.losses.iter().rev().find(lost_then)
    }

    fn circumstances(&self, event: &Event) -> String {
        self.loss_at(event).map_or_else(|| "nothing was lost".to_owned(), Loss::to_string)
    }

    fn told(&self, event: &Event, what: &str) -> String {
        format!(
            "{:.1?} to {:.1?}: {what} ({}; {})",
            event.begun,
            event.ended,
            event.answer,
            self.circumstances(event)
        )
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "{status}"),
            Self::Nothing => formatter.write_str("no answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: Duration = Duration::from_secs(1_000);

    fn event([begun, ended]: [u64; 2], action: Action, status: u16) -> Event {
        let [begun, ended] = [begun, ended].map(Duration::from_secs);
        Event { begun, ended, action, answer: Answer::Status(status) }
    }

    /// A client that may read, with token 1 of assertion 1.
    fn reader() -> Vec<Event> {
        vec![
            event([0, 1], Action::Register, 201),
            event([1, 2], Action::SetRight { client: 1, may_read: true }, 200),
            present([2, 3], 1, Some(1)),
        ]
    }

    fn present(at: [u64; 2], assertion: Number, token: Option<Number>) -> Event {
        event(at, Action::Present { client: 1, assertion, token }, if token.is_some() { 200 } else { 401 })
    }

    fn read(at: [u64; 2], token: Number, status: u16) -> Event {
        event(at, Action::Call { bearer: Bearer::Token(token), asks: Asks::Read }, status)
    }

    fn lost(part: Part, kind: Kind, [from, until]: [u64; 2]) -> Loss {
        Loss { part, kind, from: Duration::from_secs(from), until: Duration::from_secs(until) }
    }

    fn found(further: &[Event], losses: &[Loss]) -> Findings {
        check(&[reader().as_slice(), further].concat(), losses, SETTLED)
    }

    /// Lost acknowledgements, wrong decisions, double acceptances, failures without an excuse.
    fn counts(further: &[Event], losses: &[Loss]) -> [usize; 4] {
        let found = found(further, losses);
        let failed = found.failed.iter().filter(|(failure, _)| failure.excuse == Excuse::None);
        [
            found.lost.len(),
            found.wrong.len(),
            found.double.len(),
            failed.map(|(_, failed)| failed.count).sum(),
        ]
    }

    #[test]
    fn a_good_history_is_good_and_an_empty_one_says_nothing() {
        let good = [
            read([3, 4], 1, 200),
            read([3, 4], 2, 403),
            present([4, 5], 1, None),
            event([4, 5], Action::Describe { token: 1 }, 200),
            event([5, 6], Action::Call { bearer: Bearer::Nobody, asks: Asks::Read }, 401),
            event([6, 7], Action::Revoke { token: 1 }, 200),
            // Not everybody knows at once.
            read([8, 9], 1, 200),
            read([20, 21], 1, 401),
            event([20, 21], Action::Describe { token: 1 }, 401),
        ];
        let found = found(&good, &[]);
        assert!(found.is_good(), "{found:?}");
        assert_eq!(found.last_pass, Duration::from_secs(1));
        let nothing = check(&[], &[], SETTLED);
        assert!(!nothing.is_good());
        assert_eq!(nothing.untested().len(), 7);
    }

    #[test]
    fn acknowledged_and_forgotten_is_lost() {
        for (what, history) in [
            ("a client", vec![present([4, 5], 2, None)]),
            ("a client", vec![event([4, 5], Action::SetRight { client: 1, may_read: false }, 404)]),
            ("a client", vec![event([4, 5], Action::Revoke { token: 1 }, 401)]),
            ("a right", vec![read([4, 5], 1, 403)]),
            (
                "a revocation",
                vec![event([4, 5], Action::Revoke { token: 1 }, 200), read([1_001, 1_002], 1, 200)],
            ),
            (
                "a revocation",
                vec![
                    event([4, 5], Action::Revoke { token: 1 }, 200),
                    event([1_001, 1_002], Action::Describe { token: 1 }, 200),
                ],
            ),
        ] {
            assert_eq!(counts(&history, &[]), [1, 0, 0, 0], "{what}: {history:?}");
        }
    }

    #[test]
    fn whoever_is_let_in_without_a_right_is_a_wrong_decision() {
        let revoked = event([4, 5], Action::Revoke { token: 1 }, 200);
        let taken = event([4, 5], Action::SetRight { client: 1, may_read: false }, 200);
        let call = |bearer, asks| event([6, 7], Action::Call { bearer, asks }, 200);
        for history in [
            vec![call(Bearer::Nobody, Asks::Read)],
            vec![call(Bearer::Opaque, Asks::Read)],
            vec![call(Bearer::Forged, Asks::Read)],
            vec![call(Bearer::Token(1), Asks::Write)],
            vec![taken, present([5, 6], 2, Some(2)), read([6, 7], 2, 200)],
            vec![revoked.clone(), read([10, 11], 1, 200)],
            vec![revoked.clone(), event([10, 11], Action::Describe { token: 1 }, 200)],
        ] {
            assert_eq!(counts(&history, &[]), [0, 1, 0, 0], "{history:?}");
        }
        let in_time = [revoked.clone(), read([9, 10], 1, 200)];
        assert_eq!(counts(&in_time, &[]), [0; 4]);
        // Where the feed was lost, what is known may be older, and not for ever.
        let feed = [lost(Part::Feed, Kind::Silenced, [3, 8])];
        assert_eq!(counts(&[revoked.clone(), read([39, 40], 1, 200)], &feed), [0; 4]);
        assert_eq!(counts(&[revoked, read([40, 41], 1, 200)], &feed), [0, 1, 0, 0]);
    }

    #[test]
    fn a_second_token_for_an_assertion_is_a_double_acceptance() {
        assert_eq!(counts(&[present([5, 6], 1, Some(2))], &[]), [0, 0, 1, 0]);
        assert_eq!(counts(&[present([2, 3], 1, Some(2)), present([2, 3], 1, Some(3))], &[]), [0, 0, 1, 0]);
        assert_eq!(counts(&[present([5, 6], 1, None)], &[]), [0; 4]);
    }

    #[test]
    fn what_was_not_acknowledged_is_not_missed() {
        for status in [503, 502] {
            let unknown = event([4, 5], Action::SetRight { client: 1, may_read: false }, status);
            let excused = [
                lost(Part::Primary, Kind::Killed, [3, 20]),
                lost(Part::ClientCredentials(0), Kind::Killed, [4, 8]),
            ];
            for answer in [200, 403] {
                let history = [unknown.clone(), present([5, 6], 2, Some(2)), read([6, 7], 2, answer)];
                assert_eq!(counts(&history, &excused), [0; 4], "{status} {answer}");
            }
            // The next change that is acknowledged is known again.
            let known = event([5, 6], Action::SetRight { client: 1, may_read: false }, 200);
            let history = [unknown, known, present([6, 7], 2, Some(2)), read([7, 8], 2, 200)];
            assert_eq!(counts(&history, &excused), [0, 1, 0, 0], "{status}");
        }
    }

    #[test]
    fn a_valid_call_may_fail_by_503_for_15_seconds_after_a_primarys_loss_and_in_no_other_way() {
        let primary = [lost(Part::Primary, Kind::Stopped, [10, 24])];
        let token_request =
            |at, status| event(at, Action::Present { client: 1, assertion: 9, token: None }, status);
        for (history, losses, failed) in [
            (token_request([25, 26], 503), &primary[..], 0),
            (token_request([26, 27], 503), &primary, 1),
            (token_request([8, 9], 503), &primary, 1),
            (token_request([11, 12], 500), &primary, 1),
            (token_request([11, 12], 503), &[], 1),
            (token_request([11, 12], 503), &[lost(Part::Feed, Kind::CutOff, [10, 24])], 1),
            (read([11, 12], 1, 503), &primary, 0),
            (read([11, 12], 1, 401), &primary, 1),
            (event([11, 12], Action::Describe { token: 1 }, 500), &primary, 1),
            (event([11, 12], Action::Register, 429), &[], 1),
        ] {
            assert_eq!(counts(std::slice::from_ref(&history), losses), [0, 0, 0, failed], "{history:?}");
        }
    }

    #[test]
    fn what_a_lost_process_held_may_break_and_questions_may_not() {
        let killed = [lost(Part::ClientCredentials(1), Kind::Killed, [10, 15])];
        let other = [lost(Part::AuthorizationService(1), Kind::Killed, [10, 15])];
        let stopped = [lost(Part::ClientCredentials(1), Kind::Stopped, [10, 15])];
        let token_request =
            |at, status| event(at, Action::Present { client: 1, assertion: 9, token: None }, status);
        for (history, losses, failed) in [
            (token_request([9, 11], 502), &killed, 0),
            (token_request([11, 12], 502), &killed, 1),
            (token_request([9, 11], 503), &killed, 1),
            (token_request([9, 11], 502), &other, 1),
            (token_request([9, 15], 503), &stopped, 0),
            (token_request([11, 15], 503), &stopped, 1),
            (token_request([9, 15], 502), &stopped, 1),
            (read([9, 11], 1, 502), &killed, 1),
            (read([9, 11], 1, 502), &other, 1),
            (read([9, 15], 1, 503), &stopped, 1),
        ] {
            assert_eq!(counts(std::slice::from_ref(&history), losses), [0, 0, 0, failed], "{history:?}");
        }
    }
}
