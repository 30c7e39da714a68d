//! Requests of which a rule and its shadow expression said different things: the last few, with what explains them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use access_rules::{Compared, Facts, Rule};
use common::Timestamp;

use super::denials::{KeptCaller, MAX_TEXT, cut};
use crate::decide::Findings;
use crate::decide::question::Question;
use crate::rules_source::RulesVersion;

/// Samples, not a record: the counters tell how many there were.
const KEPT: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Differences(Mutex<VecDeque<KeptDifference>>);

/// One of them. Of the caller only what either expression names.
#[derive(Debug, Clone)]
pub(crate) struct KeptDifference {
    pub(crate) at: Timestamp,
    pub(crate) method: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) rules: Option<RulesVersion>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) compared: Compared,
    pub(crate) caller: KeptCaller,
    pub(crate) client_type: Box<str>,
    pub(crate) is_backoffice: bool,
}

impl KeptDifference {
    pub(super) fn new(
        at: Timestamp,
        rule: &Arc<Rule>,
        compared: Compared,
        question: &Question<'_>,
        findings: &Findings,
    ) -> Self {
        let facts = question.facts.unwrap_or_default();
        let (method, path) = question.texts(MAX_TEXT);
        Self {
            at,
            method: method.into(),
            path: path.into(),
            rules: findings.rules,
            rule: Arc::clone(rule),
            compared,
            caller: KeptCaller::of(findings.caller.as_deref(), Some(rule.as_ref()), &facts),
            client_type: cut(facts.client_type).into(),
            is_backoffice: facts.is_backoffice,
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { client_type: &self.client_type, is_backoffice: self.is_backoffice }
    }
}

impl Differences {
    pub(super) fn keep(&self, difference: KeptDifference) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(difference);
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// The newest first.
    pub(crate) fn newest(&self) -> Vec<KeptDifference> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}
