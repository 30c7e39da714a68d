//! The order of steps of a decision: rule, caller, verdict. Knows no HTTP; the rules decide, `access_rules::decide`
//! alone allows.

use std::sync::Arc;

use access_rules::{Caller, Decision, DenyReason, Request, RouteTable};

use crate::userinfo::{Presented, Principals, UserinfoAnswer};

/// What a decision rests on.
#[derive(Debug)]
pub(crate) struct DecisionPoint {
    pub(crate) rules: Arc<RouteTable>,
    pub(crate) principals: Principals,
}

/// The outcome, and what it rests on.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Why not, if not.
    pub(crate) denied: Option<DenyReason>,
    /// The rule that decided, if one governs the request.
    pub(crate) rule: Option<String>,
    /// Who asks; `None` if nobody needed to know.
    pub(crate) caller: Option<Arc<UserinfoAnswer>>,
}

impl DecisionPoint {
    /// Decides a request. `presented` are the headers that [`Principals::headers`] names.
    pub(crate) async fn run(&self, request: &Request<'_>, presented: &Presented) -> Verdict {
        let rules = Arc::clone(&self.rules);
        let found = rules.find(request);
        // Without a rule it is a denial whoever asks. With a public one the caller is still looked up: the service
        // behind the gateway wants to know who a known user is.
        let caller = match &found {
            Ok(_) => Some(self.principals.of(presented, request.facts.is_backoffice).await),
            Err(_) => None,
        };
        let seen = caller.as_deref().map_or(Caller::Unknown, UserinfoAnswer::caller);
        let decision = access_rules::decide(&found, seen, &request.facts);
        Verdict {
            rule: decision.rule().map(ToString::to_string),
            denied: match decision {
                Decision::Allow(_) => None,
                Decision::Deny(denied) => Some(denied.reason),
            },
            caller,
        }
    }
}
