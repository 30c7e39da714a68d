//! The order of steps of a decision: who asks, about which request, rule, caller, verdict. Every face (HTTP, gRPC) comes
//! through [`DecisionPoint::decide`], and nothing here knows which one it was. The rules decide, and
//! `access_rules::decide` alone allows.

pub(crate) mod denial;
pub(crate) mod facts;
pub(crate) mod peer;
pub(crate) mod question;

use std::sync::Arc;

use access_rules::{Caller, Decision, Found, Rule};
use service_kit::HeaderName;
use service_kit::access_log::Annotations;

use crate::config::LongSecret;
use crate::metrics::Metrics;
use crate::record::Recorder;
use crate::record::id::DecisionId;
use crate::rules_source::{LiveRules, RulesVersion};
use crate::userinfo::{Principals, UserinfoAnswer};
use denial::Denial;
use facts::FactHeaders;
use principal::{IdentityHeaders, Unsendable};
use question::{OriginalRequest, Question, RequestHeaders, Unclear};

static AUTHORIZATION: HeaderName = HeaderName::from_static("authorization");

/// What a decision rests on.
#[derive(Debug)]
pub(crate) struct DecisionPoint {
    pub(crate) rules: Arc<LiveRules>,
    pub(crate) principals: Principals,
    pub(crate) peer_secret: Option<LongSecret>,
    pub(crate) fact_headers: FactHeaders,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Recorder,
}

/// The outcome, what it rests on, and what an answer tells besides. Deliberately without a default: it would allow.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Why not, if not.
    pub(crate) denied: Option<Denial>,
    /// What a denial can be asked about by.
    pub(crate) id: Option<DecisionId>,
    pub(crate) findings: Findings,
    /// Who asks, as the services behind the gateway are told; all empty for nobody, and for one who cannot be told.
    pub(crate) identity: IdentityHeaders,
    /// A token was presented and userinfo refused it (RFC 6750 §3.1).
    pub(crate) token_rejected: bool,
    /// Seconds that userinfo asked us to wait.
    pub(crate) retry_after: Option<u32>,
}

/// What was found out on the way to a verdict.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What the gateway asks about, as far as a log may show it.
    pub(crate) asked: Option<String>,
    /// Which rules it was decided by, if it came that far.
    pub(crate) rules: Option<RulesVersion>,
    /// The rule that decided, if one governs the request.
    pub(crate) rule: Option<Arc<Rule>>,
    /// Who asks; `None` if nobody needed to know.
    pub(crate) caller: Option<Arc<UserinfoAnswer>>,
}

impl DecisionPoint {
    /// The question about `original` that these headers ask. `gateway` are the headers in which the gateway proves itself.
    pub(crate) fn question<'request>(
        &self,
        original: Result<OriginalRequest<'request>, Unclear>,
        headers: &'request impl RequestHeaders,
        gateway: &impl RequestHeaders,
    ) -> Question<'request> {
        Question {
            from_gateway: peer::may_ask(self.peer_secret.as_ref(), gateway),
            original,
            facts: self.fact_headers.read(headers),
            presented: self.principals.presented(headers),
            has_token: headers.values(&AUTHORIZATION).next().is_some(),
        }
    }

    /// The headers that the gateway sets, so that they are not the client's.
    pub(crate) fn gateway_headers(&self) -> impl Iterator<Item = &HeaderName> {
        let facts = [&self.fact_headers.client_type, &self.fact_headers.backoffice];
        facts.into_iter().chain(self.principals.trusted_headers())
    }

    /// Decides, and counts the decision.
    pub(crate) async fn decide(&self, question: &Question<'_>) -> Verdict {
        let mut findings = Findings::default();
        let outcome = self.outcome(question, &mut findings).await;
        let identity = self.identity(findings.caller.as_deref());
        // A principal who cannot be told to the services behind the gateway must not pass as nobody.
        let denied = match (outcome, &identity) {
            (Ok(()), Err(unsendable)) => Some(Denial::from(*unsendable)),
            (outcome, _) => outcome.err(),
        };
        self.metrics.decided(denied, findings.rule.as_deref());
        let (token_rejected, retry_after) = match findings.caller.as_deref() {
            Some(UserinfoAnswer::Nobody(why)) => (question.has_token && why.refuses_credentials(), None),
            Some(UserinfoAnswer::Unknown(failure)) => (false, failure.retry_after),
            Some(UserinfoAnswer::Known(_)) | None => (false, None),
        };
        let id = self.recorder.decided(denied, question, &findings);
        Verdict { denied, id, findings, identity: identity.unwrap_or_default(), token_rejected, retry_after }
    }

    async fn outcome(&self, question: &Question<'_>, findings: &mut Findings) -> Result<(), Denial> {
        if !question.from_gateway {
            return Err(Denial::UntrustedPeer);
        }
        let original = question.original.as_ref().map_err(|unclear| *unclear)?;
        findings.asked = Some(original.loggable());
        let facts = question.facts?;
        let rules = self.rules.current();
        findings.rules = Some(rules.version);
        let found = rules.table.find(&original.with(facts));
        // Without a rule it is a denial whoever asks. With a public one the caller is still looked up: the service
        // behind the gateway wants to know who a known user is.
        if found.is_ok() {
            findings.caller = Some(self.principals.of(&question.presented, facts.is_backoffice).await);
        }
        let seen = findings.caller.as_deref().map_or(Caller::Unknown, UserinfoAnswer::caller);
        let decision = access_rules::decide(&found, seen, &facts);
        findings.rule = decision.rule().cloned();
        if let Ok(found) = &found {
            self.compare_shadows(found, seen, question, findings);
        }
        match decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denied) => Err(denied.reason.into()),
        }
    }

    /// What the shadow expressions of the rules would say. The decision is made and is not touched.
    fn compare_shadows(
        &self,
        found: &Found<'_>,
        seen: Caller<'_>,
        question: &Question<'_>,
        findings: &Findings,
    ) {
        let facts = question.facts.unwrap_or_default();
        for rule in found.rules() {
            let Some(compared) = access_rules::compare_shadow(rule, seen, &facts) else { continue };
            self.metrics.rules.compared(rule, compared);
            if compared.live_allows != compared.shadow_allows {
                self.recorder.differed(rule, compared, question, findings);
            }
        }
    }

    fn identity(&self, caller: Option<&UserinfoAnswer>) -> Result<IdentityHeaders, Unsendable> {
        match caller {
            Some(UserinfoAnswer::Known(principal)) => {
                let identity = IdentityHeaders::of(principal)?;
                if identity.groups_left_out > 0 {
                    self.metrics.groups_left_out.inc_by(identity.groups_left_out as u64);
                    tracing::warn!(
                        groups.leftOut = identity.groups_left_out,
                        "groups that a header cannot carry were left out of mia-groups"
                    );
                }
                Ok(identity)
            }
            Some(UserinfoAnswer::Nobody(_) | UserinfoAnswer::Unknown(_)) | None => {
                Ok(IdentityHeaders::default())
            }
        }
    }
}

impl Verdict {
    /// Adds the decision to the access line. Of what the caller sent, only verb and path go there.
    pub(crate) fn annotate(&self, annotations: &mut Annotations) {
        annotations.decision_id = self.id.map(|id| id.to_string());
        annotations.decision = Some(if self.denied.is_some() { "deny" } else { "allow" });
        annotations.reason = self.denied.map(Denial::word);
        annotations.asked.clone_from(&self.findings.asked);
        annotations.rule = self.findings.rule.as_ref().map(ToString::to_string);
        annotations.error = match (self.findings.caller.as_deref(), self.denied) {
            (Some(UserinfoAnswer::Unknown(failure)), _) => Some(format!("userinfo: {}", failure.cause)),
            (_, Some(denial)) => Some(denial.to_string()),
            (_, None) => None,
        };
    }
}
