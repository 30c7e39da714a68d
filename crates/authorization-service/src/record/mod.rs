//! What is remembered of decisions, so that people can ask afterwards. It sees decisions that are made and never makes
//! one; what it cannot remember is lost, and the decision stands.

pub(crate) mod denials;
pub(crate) mod differences;
pub(crate) mod explained;
pub(crate) mod id;
pub(crate) mod log;

use std::sync::Arc;

use access_rules::{Compared, Rule};
use common::{Clock, Random};

use crate::decide::Findings;
use crate::decide::denial::Denial;
use crate::decide::question::Question;
use denials::{Denials, KeptDenial};
use differences::{Differences, KeptDifference};
use id::DecisionId;
use log::{DecisionLog, Entry};

/// Where decisions go once they are made.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `None` if nobody may ask for them.
    pub(crate) denials: Option<Denials>,
    pub(crate) log: Option<DecisionLog>,
    /// `None` if nobody may ask for them.
    pub(crate) differences: Option<Differences>,
}

impl Recorder {
    /// Remembers a decision. A denial is given a name; without randomness it has none, and is a denial all the same.
    pub(crate) fn decided(
        &self,
        denied: Option<Denial>,
        question: &Question<'_>,
        findings: &Findings,
    ) -> Option<DecisionId> {
        let id = denied.and_then(|_| DecisionId::new(&*self.random).ok());
        if let (Some(id), Some(denial), Some(denials)) = (id, denied, &self.denials) {
            denials.keep(KeptDenial::new(id, self.clock.now(), denial, question, findings));
        }
        if let Some(log) = &self.log
            && let Some(sample_of) = log.wants(denied)
        {
            log.hand_in(Entry::new(self.clock.now(), id, denied, sample_of, question, findings));
        }
        id
    }

    /// Remembers that a rule and its shadow disagree about a request.
    pub(crate) fn differed(
        &self,
        rule: &Arc<Rule>,
        compared: Compared,
        question: &Question<'_>,
        findings: &Findings,
    ) {
        if let Some(differences) = &self.differences {
            differences.keep(KeptDifference::new(self.clock.now(), rule, compared, question, findings));
        }
    }

    /// Once no more decisions are made.
    pub(crate) async fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush().await;
        }
    }
}
