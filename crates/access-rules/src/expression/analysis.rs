//! What can be said about an expression without evaluating it: does it depend on the caller, can an absent group
//! make it true, and what should its author look at again.

use super::ast::{Kind, Literal, Node, UserSet};
use super::evaluator::always_fails;

/// A valid expression that probably does not mean what its author wants. Each names the clause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionWarning {
    /// G-EXP-03, G-EXP-04.
    #[error(
        "`{0}` holds for a caller whose groups or permissions are missing; a rule that names who may pass is safer \
         than one that names who may not"
    )]
    NegatesUserData(String),
    /// Upstream contract §4.3 leaves the value of a whole set open.
    #[error("`{0}` by itself is true if the set is not empty; name the group or permission that is needed")]
    WholeSet(String),
    /// A string, a number or null where a condition is expected.
    #[error("`{0}` is a constant used as a condition; compare it with something, or write true or false")]
    ConstantCondition(String),
    /// Denies every request.
    #[error("`{0}` mixes types, so the whole expression fails and the rule denies every request")]
    AlwaysFails(String),
}

pub(super) fn mentions_permissions(root: &Node) -> bool {
    root.any(&|node| matches!(node, Node::Set(UserSet::Permissions) | Node::Member(UserSet::Permissions, _)))
}

pub(super) fn mentions_user(root: &Node) -> bool {
    root.any(&|node| matches!(node, Node::Set(_) | Node::Member(..)))
}

/// Whether taking a name away from the caller can turn the expression from false to true.
pub(super) fn negates_user(root: &Node) -> bool {
    let mut found = Vec::new();
    negated_clauses(root, true, &mut found);
    !found.is_empty()
}

pub(super) fn warnings(root: &Node) -> Vec<ExpressionWarning> {
    let mut negated = Vec::new();
    negated_clauses(root, true, &mut negated);
    let mut found: Vec<_> =
        negated.into_iter().map(|node| ExpressionWarning::NegatesUserData(node.to_string())).collect();
    condition_warnings(root, &mut found);
    found
}

/// Collects the smallest clauses that hold for lack of a name. `positive` is false below an odd number of
/// negations. The value of an equality moves both ways with its operands, unless one of them is a boolean constant.
fn negated_clauses<'a>(node: &'a Node, positive: bool, found: &mut Vec<&'a Node>) {
    match node {
        Node::Not(inner) => {
            if positive && !has_logic(inner) {
                if mentions_user(inner) {
                    found.push(node);
                }
            } else {
                negated_clauses(inner, !positive, found);
            }
        }
        Node::And(operands) | Node::Or(operands) => {
            operands.iter().for_each(|operand| negated_clauses(operand, positive, found));
        }
        Node::Compare { equal, left, right } => match (constant_truth(left), constant_truth(right)) {
            (None, Some(truth)) => negated_comparison(node, left, (truth == *equal) == positive, found),
            (Some(truth), None) => negated_comparison(node, right, (truth == *equal) == positive, found),
            _ => {
                if mentions_user(node) {
                    found.push(node);
                }
            }
        },
        // `groups.banned in [false]` is a comparison in disguise.
        Node::In { haystack, .. } if haystack.kind() == Kind::Array => {
            if mentions_user(node) {
                found.push(node);
            }
        }
        Node::Set(_) | Node::Member(..) | Node::In { .. } => {
            if !positive && mentions_user(node) {
                found.push(node);
            }
        }
        Node::Literal(_) | Node::Array(_) | Node::ClientType | Node::IsBackoffice => {}
    }
}

/// `x == false` is `!x`, `x != false` is `x`.
fn negated_comparison<'a>(whole: &'a Node, operand: &'a Node, positive: bool, found: &mut Vec<&'a Node>) {
    if has_logic(operand) || positive {
        negated_clauses(operand, positive, found);
    } else if mentions_user(operand) {
        found.push(whole);
    }
}

fn has_logic(node: &Node) -> bool {
    matches!(node, Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Compare { .. })
}

fn constant_truth(node: &Node) -> Option<bool> {
    match node {
        Node::Literal(Literal::Bool(value)) => Some(*value),
        _ => None,
    }
}

/// Walks the nodes that are used as conditions.
fn condition_warnings(node: &Node, found: &mut Vec<ExpressionWarning>) {
    if always_fails(node) {
        found.push(ExpressionWarning::AlwaysFails(node.to_string()));
    }
    match node {
        Node::Set(_) => found.push(ExpressionWarning::WholeSet(node.to_string())),
        Node::Literal(literal) if literal.kind() != Kind::Bool => {
            found.push(ExpressionWarning::ConstantCondition(node.to_string()));
        }
        Node::Not(inner) => condition_warnings(inner, found),
        Node::And(operands) | Node::Or(operands) => {
            operands.iter().for_each(|operand| condition_warnings(operand, found));
        }
        Node::Compare { left, right, .. } => {
            operand_warnings(left, found);
            operand_warnings(right, found);
        }
        Node::In { needle, haystack } => {
            operand_warnings(needle, found);
            operand_warnings(haystack, found);
        }
        Node::Literal(_) | Node::Array(_) | Node::ClientType | Node::IsBackoffice | Node::Member(..) => {}
    }
}

/// An operand of `==` or `in` is a value, not a condition; but it may hold conditions in parentheses.
fn operand_warnings(node: &Node, found: &mut Vec<ExpressionWarning>) {
    if has_logic(node) || matches!(node, Node::In { .. }) {
        condition_warnings(node, found);
    }
}
