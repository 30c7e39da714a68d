//! The decision of the authorization service: may this request pass? Expressions, paths, routes and the decision
//! table of upstream contract §3.4 and §4, as plain functions over plain values. No I/O, no async, no HTTP.
//!
//! ```
//! use access_rules::{Caller, Facts, RepeatedSlashes, Request, decide, load_rules};
//!
//! let file = br#"{"/orders": {"GET": {"authorization":
//!     {"expression": "permissions[\"read:orders\"]", "public": false}}}}"#;
//! let rules = load_rules("auth.json", file, RepeatedSlashes::Refuse).expect("the file is valid");
//! let request = Request { method: b"GET", target: b"/orders?page=2", facts: Facts::default() };
//!
//! let found = rules.table.find(&request); // first the rule, then the caller: userinfo may not be needed
//! let caller = common::Principal { permissions: ["read:orders".to_owned()].into(), ..Default::default() };
//! assert!(decide(&found, Caller::Known(&caller), &request.facts).is_allow());
//! assert!(!decide(&found, Caller::Anonymous, &request.facts).is_allow());
//! ```

mod coverage;
mod decision;
#[cfg(test)]
mod documentation;
mod expression;
mod lint;
mod method;
mod path;
mod route_table;
mod rules_file;
mod who_can;

pub use coverage::{Coverage, Untried};
pub use decision::{
    Allowed, Caller, Compared, Decision, Denied, DenyReason, ExplainedRule, compare_shadow, decide, explain,
    explain_shadow,
};
pub use expression::{
    Clause, ClauseValue, ClientTypes, EvaluationError, Explanation, Expression, ExpressionWarning, Facts,
    Names, ParseError,
};
pub use lint::lint;
pub use method::{Method, VerbEntry};
pub use path::{EncodedSlashes, PathPolicy, PathRefusal, RepeatedSlashes, RequestPath};
pub use route_table::{
    Found, KeyError, Matching, NotFound, Parents, Position, Request, RouteTable, Rule, Section, Shadow,
};
pub use rules_file::{
    Finding, FindingKind, InvalidRules, LoadedRules, MAX_RULES_FILE_SIZE, Severity, load_rules,
};
pub use who_can::{Callable, Enough, WhoCan, WhoCanError};
