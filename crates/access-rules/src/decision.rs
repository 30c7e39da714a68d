//! The decision (upstream contract §3.4): may this request pass? Knows nothing of HTTP statuses; the service maps
//! reasons to them by profile and mode.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use common::Principal;

use crate::expression::{EvaluationError, Explanation, Expression, Facts};
use crate::path::PathRefusal;
use crate::route_table::{Found, NotFound, Rule};

/// Who makes the request, as far as is known.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    /// Userinfo described this principal.
    Known(&'a Principal),
    /// There is no user: no credentials, or userinfo said no.
    Anonymous,
    /// Userinfo could not answer, so there may be a user or not (K-14). Never treated better than [`Self::Anonymous`].
    Unknown,
}

impl<'a> Caller<'a> {
    pub(crate) fn principal(self) -> Option<&'a Principal> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Anonymous | Self::Unknown => None,
        }
    }
}

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenyReason {
    /// The path could be read as two resources.
    #[error("{0}")]
    PathRefused(PathRefusal),
    /// Row 6.
    #[error("no rule governs this path and verb")]
    NoRule,
    /// Rows 3, 5 and 7: there is no user, and the rule needs one or does not hold without.
    #[error("the rule needs a user and there is none")]
    Unauthenticated,
    /// Row 4: there is a user, and the expression does not hold for them.
    #[error("the expression of the rule does not hold for this user")]
    Forbidden,
    /// Row 12. Counts as row 4 for an authenticated caller, as row 5 otherwise.
    #[error("{error}")]
    ExpressionError { error: EvaluationError, authenticated: bool },
    /// Userinfo could not answer, and the decision needs to know who the caller is.
    #[error("the rule needs to know who the caller is, and userinfo could not answer")]
    CannotKnow,
}

/// The answer. Only [`decide`] makes an allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision<'t> {
    Allow(Allowed<'t>),
    Deny(Denied<'t>),
}

/// A request that may pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed<'t> {
    rule: &'t Arc<Rule>,
}

impl<'t> Allowed<'t> {
    /// The rule that allows.
    #[must_use]
    pub fn rule(&self) -> &'t Arc<Rule> {
        self.rule
    }
}

/// A request that may not pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Denied<'t> {
    pub reason: DenyReason,
    /// The rule that denies, if one governs the request.
    pub rule: Option<&'t Arc<Rule>>,
}

impl<'t> Decision<'t> {
    /// Whether the request may pass.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// Why not, if not.
    #[must_use]
    pub fn deny_reason(&self) -> Option<DenyReason> {
        match self {
            Self::Allow(_) => None,
            Self::Deny(denied) => Some(denied.reason),
        }
    }

    /// The rule that made the decision, if one governs the request.
    #[must_use]
    pub fn rule(&self) -> Option<&'t Arc<Rule>> {
        match self {
            Self::Allow(allowed) => Some(allowed.rule),
            Self::Deny(denied) => denied.rule,
        }
    }
}

/// Decides a request from the outcome of [`crate::RouteTable::find`], so that a service can look the caller up in
/// between. `facts` are those of the request. Every rule found must allow; the first that does not denies.
#[must_use]
pub fn decide<'t>(
    found: &Result<Found<'t>, NotFound>,
    caller: Caller<'_>,
    facts: &Facts<'_>,
) -> Decision<'t> {
    let found = match found {
        Ok(found) => found,
        Err(NotFound::NoRule) => return deny(DenyReason::NoRule, None),
        Err(NotFound::PathRefused(refusal)) => return deny(DenyReason::PathRefused(*refusal), None),
    };
    for rule in found.rules() {
        if let Err(reason) = check(rule, caller, facts) {
            return deny(reason, Some(rule));
        }
    }
    Decision::Allow(Allowed { rule: found.rule() })
}

fn deny(reason: DenyReason, rule: Option<&Arc<Rule>>) -> Decision<'_> {
    Decision::Deny(Denied { reason, rule })
}

/// Public or a principal, and the expression evaluated without error to true.
fn check(rule: &Rule, caller: Caller<'_>, facts: &Facts<'_>) -> Result<(), DenyReason> {
    check_by(rule.expression(), rule, caller, facts)
}

/// The same with this expression in the place of the rule's own.
fn check_by(
    expression: &Expression,
    rule: &Rule,
    caller: Caller<'_>,
    facts: &Facts<'_>,
) -> Result<(), DenyReason> {
    match caller {
        Caller::Anonymous if !rule.is_public() => return Err(DenyReason::Unauthenticated),
        Caller::Unknown if !rule.is_public() => return Err(DenyReason::CannotKnow),
        _ => {}
    }
    let authenticated = matches!(caller, Caller::Known(_));
    let holds = expression
        .evaluate(facts, caller.principal())
        .map_err(|error| DenyReason::ExpressionError { error, authenticated })?;
    match caller {
        Caller::Known(_) if !holds => Err(DenyReason::Forbidden),
        Caller::Anonymous if !holds => Err(DenyReason::Unauthenticated),
        Caller::Unknown if expression.negates_user_data() => Err(DenyReason::CannotKnow),
        Caller::Unknown if !holds && expression.mentions_user_data() => Err(DenyReason::CannotKnow),
        Caller::Unknown if !holds => Err(DenyReason::Unauthenticated),
        _ => Ok(()),
    }
}

/// What one of the rules that govern a request says of it, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRule {
    /// Whether this rule allows. A request passes if all of [`Found::rules`] do; the first that does not decides.
    pub outcome: Result<(), DenyReason>,
    pub expression: Explanation,
}

/// Explains what a rule says of a request whose facts these are, as [`decide`] decides it. For people: it takes its time.
#[must_use]
pub fn explain(rule: &Rule, caller: Caller<'_>, facts: &Facts<'_>) -> ExplainedRule {
    ExplainedRule {
        outcome: check(rule, caller, facts),
        expression: rule.expression().explain(facts, caller.principal()),
    }
}

/// What a rule says of a request, and what it would say with its shadow expression in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    pub live_allows: bool,
    pub shadow_allows: bool,
}

/// Compares a rule with its shadow; `None` if it has none. Decides nothing.
#[must_use]
pub fn compare_shadow(rule: &Rule, caller: Caller<'_>, facts: &Facts<'_>) -> Option<Compared> {
    let shadow = rule.shadow()?;
    Some(Compared {
        live_allows: check(rule, caller, facts).is_ok(),
        shadow_allows: check_by(shadow.expression(), rule, caller, facts).is_ok(),
    })
}

/// Explains what a rule would say with its shadow expression in force; `None` if it has none.
#[must_use]
pub fn explain_shadow(rule: &Rule, caller: Caller<'_>, facts: &Facts<'_>) -> Option<ExplainedRule> {
    let shadow = rule.shadow()?;
    Some(ExplainedRule {
        outcome: check_by(shadow.expression(), rule, caller, facts),
        expression: shadow.expression().explain(facts, caller.principal()),
    })
}
