//! The denials of the last while, in memory, each with what explains it and nothing more. Bounded in number and in
//! bytes; an explanation is made when somebody asks, so that a denial costs little and an allow nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use access_rules::{Caller, Facts, Rule, Shadow};
use common::{Principal, Timestamp};

use super::id::DecisionId;
use crate::decide::Findings;
use crate::decide::denial::Denial;
use crate::decide::question::Question;
use crate::rules_source::RulesVersion;
use crate::userinfo::UserinfoAnswer;

/// Together, whatever their number.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Of a path, an id or a client type: more tells a person nothing more.
pub(super) const MAX_TEXT: usize = 1024;

/// The denials that can still be explained.
#[derive(Debug)]
pub(crate) struct Denials {
    /// Of callers that userinfo knows. Apart, so that nobody without credentials can push them out.
    known: Mutex<Ring>,
    others: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    kept: VecDeque<KeptDenial>,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
}

/// A denial, and what explains it: no credentials, and of the caller's groups and permissions only those that the rule
/// names.
#[derive(Debug, Clone)]
pub(crate) struct KeptDenial {
    pub(crate) id: DecisionId,
    pub(crate) at: Timestamp,
    pub(crate) denial: Denial,
    /// Empty, like `path`, if the gateway did not say which request it asks about.
    pub(crate) method: Box<str>,
    /// Without its query.
    pub(crate) path: Box<str>,
    pub(crate) rules: Option<RulesVersion>,
    pub(crate) rule: Option<Arc<Rule>>,
    pub(crate) client_type: Box<str>,
    pub(crate) is_backoffice: bool,
    pub(crate) caller: KeptCaller,
}

/// Who asked, as far as it explains the denial.
#[derive(Debug, Clone)]
pub(crate) enum KeptCaller {
    /// Nobody needed to know.
    NotLookedUp,
    /// With why.
    Nobody(String),
    /// With why.
    Unknown(String),
    Known(Box<Principal>),
}

impl KeptDenial {
    pub(crate) fn new(
        id: DecisionId,
        at: Timestamp,
        denial: Denial,
        question: &Question<'_>,
        findings: &Findings,
    ) -> Self {
        let facts = question.facts.unwrap_or_default();
        let (method, path) = question.texts(MAX_TEXT);
        Self {
            id,
            at,
            denial,
            method: method.into(),
            path: path.into(),
            rules: findings.rules,
            rule: findings.rule.clone(),
            client_type: cut(facts.client_type).into(),
            is_backoffice: facts.is_backoffice,
            caller: KeptCaller::of(findings.caller.as_deref(), findings.rule.as_deref(), &facts),
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { client_type: &self.client_type, is_backoffice: self.is_backoffice }
    }

    /// About how much memory it holds. Its rule is shared with the table.
    fn size(&self) -> usize {
        let caller = match &self.caller {
            KeptCaller::NotLookedUp => 0,
            KeptCaller::Nobody(why) | KeptCaller::Unknown(why) => why.len(),
            KeptCaller::Known(principal) => {
                let names = principal.groups.iter().chain(&principal.permissions);
                names.fold(principal.id.len(), |sum, name| sum.saturating_add(name.len()).saturating_add(64))
            }
        };
        let texts = [self.method.len(), self.path.len(), self.client_type.len(), caller];
        texts.into_iter().fold(size_of::<Self>(), usize::saturating_add)
    }
}

impl KeptCaller {
    /// With what the rule asks of the caller, in the expression in force and in the one that is tried.
    pub(super) fn of(caller: Option<&UserinfoAnswer>, rule: Option<&Rule>, facts: &Facts<'_>) -> Self {
        match caller {
            None => Self::NotLookedUp,
            Some(UserinfoAnswer::Nobody(why)) => Self::Nobody(why.to_string()),
            Some(UserinfoAnswer::Unknown(failure)) => {
                Self::Unknown(cut(&failure.cause.to_string()).to_owned())
            }
            Some(UserinfoAnswer::Known(principal)) => {
                let mut kept = Principal { id: cut(&principal.id).to_owned(), ..Principal::default() };
                let expressions =
                    rule.map(|rule| [Some(rule.expression()), rule.shadow().map(Shadow::expression)]);
                for expression in expressions.into_iter().flatten().flatten() {
                    let evidence = expression.evidence(facts, principal);
                    kept.groups.extend(evidence.groups);
                    kept.permissions.extend(evidence.permissions);
                }
                Self::Known(Box::new(kept))
            }
        }
    }

    /// As the rules saw it.
    pub(crate) fn seen(&self) -> Caller<'_> {
        match self {
            Self::NotLookedUp | Self::Unknown(_) => Caller::Unknown,
            Self::Nobody(_) => Caller::Anonymous,
            Self::Known(principal) => Caller::Known(principal),
        }
    }
}

pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

impl Denials {
    /// Keeps the last `count`: half of them of callers that are known.
    pub(crate) fn new(count: usize) -> Self {
        Self::bounded(count, MAX_BYTES)
    }

    fn bounded(count: usize, bytes: usize) -> Self {
        let others = count / 2;
        let ring =
            |max_count| Mutex::new(Ring { kept: VecDeque::new(), bytes: 0, max_count, max_bytes: bytes / 2 });
        Self { known: ring(count.saturating_sub(others)), others: ring(others) }
    }

    pub(crate) fn keep(&self, denial: KeptDenial) {
        let ring = match denial.caller {
            KeptCaller::Known(_) => &self.known,
            _ => &self.others,
        };
        ring.lock().unwrap_or_else(PoisonError::into_inner).push(denial);
    }

    pub(crate) fn find(&self, id: DecisionId) -> Option<KeptDenial> {
        [&self.known, &self.others].into_iter().find_map(|ring| {
            let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            // The newest first: those are asked for.
            ring.kept.iter().rev().find(|denial| denial.id == id).cloned()
        })
    }
}

impl Ring {
    fn push(&mut self, denial: KeptDenial) {
        self.bytes = self.bytes.saturating_add(denial.size());
        self.kept.push_back(denial);
        while self.kept.len() > self.max_count || self.bytes > self.max_bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use access_rules::DenyReason;

    use super::*;

    fn denial(number: u128, caller: KeptCaller, path: &str) -> KeptDenial {
        KeptDenial {
            id: id(number),
            at: Timestamp::from_unix_seconds(0),
            denial: DenyReason::Forbidden.into(),
            method: "GET".into(),
            path: path.into(),
            rules: None,
            rule: None,
            client_type: "".into(),
            is_backoffice: false,
            caller,
        }
    }

    fn id(number: u128) -> DecisionId {
        DecisionId::parse(&format!("{number:032x}")).unwrap()
    }

    fn known() -> KeptCaller {
        KeptCaller::Known(Box::default())
    }

    #[test]
    fn the_oldest_are_forgotten_and_strangers_push_out_nobody_who_is_known() {
        let denials = Denials::new(10);
        (0..3).for_each(|number| denials.keep(denial(number, known(), "/")));
        (100..1100).for_each(|number| denials.keep(denial(number, KeptCaller::NotLookedUp, "/")));
        let remembered = |range: std::ops::Range<u128>| {
            range.filter(|n| denials.find(id(*n)).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(remembered(0..3), [0, 1, 2]);
        assert_eq!(remembered(100..1100), [1095, 1096, 1097, 1098, 1099]);
        (3..8).for_each(|number| denials.keep(denial(number, known(), "/")));
        assert_eq!(remembered(0..8), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn memory_is_bounded_whatever_is_denied() {
        let denials = Denials::bounded(1_000_000, 100_000);
        let path = "x".repeat(MAX_TEXT);
        (0..1000).for_each(|number| denials.keep(denial(number, KeptCaller::NotLookedUp, &path)));
        let ring = denials.others.lock().unwrap();
        let held: usize = ring.kept.iter().map(KeptDenial::size).sum();
        assert_eq!(held, ring.bytes);
        assert!(held <= 50_000 && ring.kept.len() > 20, "{held} {}", ring.kept.len());
    }
}
