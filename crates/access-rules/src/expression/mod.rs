//! ACL expressions: text to tree to a typed truth value (upstream contract §4.3). Knows nothing of paths, files
//! or HTTP; the only facts it can see are [`Facts`] and the [`Principal`].

mod analysis;
mod ast;
mod conditions;
mod evaluator;
mod explain;
mod lexer;
mod minimal;
mod parser;
#[cfg(test)]
pub(crate) mod properties;
mod redundancy;
#[cfg(test)]
mod tests;
mod worlds;

use std::fmt;

use common::Principal;

use ast::Node;

pub use analysis::ExpressionWarning;
pub(crate) use conditions::Condition;
pub use evaluator::{EvaluationError, Facts};
pub use explain::{Clause, ClauseValue, Explanation};
pub use minimal::{ClientTypes, Names};
pub use parser::ParseError;
pub(crate) use worlds::{Truth, Worlds};

/// Most bytes an expression may have (G-EXP-01).
pub(crate) const MAX_LENGTH: usize = 8 * 1024;
/// Most levels of the tree, and most parentheses and negations open at once (G-EXP-01).
pub(crate) const MAX_DEPTH: usize = 64;
/// Most nodes in the tree (G-EXP-01).
pub(crate) const MAX_NODES: usize = 1024;

/// A parsed expression. `Display` prints it in canonical spelling, which parses back to the same tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    root: Node,
    mentions_user: bool,
    negates_user: bool,
}

impl Expression {
    /// Parses the whole text.
    ///
    /// # Errors
    /// The first mistake, with its column. Type mistakes that involve a constant are found here too
    /// (G-EXP-06, G-EXP-18); the others deny at evaluation.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self::from_root(parser::parse(text)?.root))
    }

    fn from_root(root: Node) -> Self {
        Self {
            mentions_user: analysis::mentions_user(&root),
            negates_user: analysis::negates_user(&root),
            root,
        }
    }

    /// Whether the expression holds. Nobody (`None`) has no groups and no permissions. Allocates nothing.
    ///
    /// # Errors
    /// A type mismatch anywhere in the expression, even where the other side of `||` is true (G-EXP-05).
    pub fn evaluate(
        &self,
        facts: &Facts<'_>,
        principal: Option<&Principal>,
    ) -> Result<bool, EvaluationError> {
        evaluator::evaluate(&self.root, facts, principal)
    }

    /// Why the expression has the value that [`Self::evaluate`] gives it. For people: it takes its time.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>, principal: Option<&Principal>) -> Explanation {
        explain::explain(&self.root, facts, principal)
    }

    /// What of a principal the value rests on: the groups and permissions that the expression asks for and the
    /// principal has, and neither id nor properties. Where it asks for a whole set, one name stands for all. The
    /// value is the same for the result.
    #[must_use]
    pub fn evidence(&self, facts: &Facts<'_>, principal: &Principal) -> Principal {
        explain::evidence(&self.root, facts, principal)
    }

    /// Whether the value can depend on who the caller is.
    #[must_use]
    pub fn mentions_user_data(&self) -> bool {
        self.mentions_user
    }

    /// Whether it asks what permissions the caller has.
    #[must_use]
    pub fn mentions_permissions(&self) -> bool {
        analysis::mentions_permissions(&self.root)
    }

    /// Whether a missing group or permission can turn the value to true: `!groups.banned`, or a comparison that
    /// amounts to one. Such an expression must not be trusted when the caller could not be looked up (K-14).
    #[must_use]
    pub fn negates_user_data(&self) -> bool {
        self.negates_user
    }

    /// Whether it has no value for anybody, because it mixes types.
    #[must_use]
    pub fn always_fails(&self) -> bool {
        self.root.any(&evaluator::always_fails)
    }

    /// The columns of the constants, lists and facts in a text, in its order; empty for a text that is no expression.
    pub(crate) fn operand_columns(text: &str) -> Vec<usize> {
        parser::parse(text).map(|parsed| parsed.operand_columns).unwrap_or_default()
    }

    /// What an operator should look at although the expression is valid.
    #[must_use]
    pub fn warnings(&self) -> Vec<ExpressionWarning> {
        analysis::warnings(&self.root)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
