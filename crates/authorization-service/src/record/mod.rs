//! What is remembered of decisions, so that people can ask afterwards. It sees decisions that are made and never makes
//! one; what it cannot remember is lost, and the decision stands.

pub(crate) mod denials;
pub(crate) mod explained;
pub(crate) mod id;

use std::sync::Arc;

use common::{Clock, Random};

use crate::decide::Findings;
use crate::decide::denial::Denial;
use crate::decide::question::Question;
use denials::{Denials, KeptDenial};
use id::DecisionId;

/// Where decisions go once they are made.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `None` if nobody may ask for them.
    pub(crate) denials: Option<Denials>,
}

impl Recorder {
    /// Remembers a denial, and names it. Without randomness it has no name, and is a denial all the same.
    pub(crate) fn denied(
        &self,
        denial: Denial,
        question: &Question<'_>,
        findings: &Findings,
    ) -> Option<DecisionId> {
        let id = DecisionId::new(&*self.random).ok()?;
        if let Some(denials) = &self.denials {
            denials.keep(KeptDenial::new(id, self.clock.now(), denial, question, findings));
        }
        Some(id)
    }
}
