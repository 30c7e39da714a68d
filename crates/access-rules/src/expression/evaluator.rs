//! Tree to truth. Every operand is evaluated, on both sides of `&&` and `||`: an error is never hidden by a lucky
//! neighbour (G-EXP-05), and the order of operands never matters (G-EXP-14).

use common::{NameSet, Principal};

use super::ast::{Kind, Literal, Node, UserSet};

/// What an expression can know besides the principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts<'a> {
    /// Value of the client type header, empty if there is none.
    pub client_type: &'a str,
    /// Whether the request comes from the backoffice; also selects the section of the rule.
    pub is_backoffice: bool,
}

/// Why an expression has no value. Denies, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// `==` or `!=` between values of different types, or between sets.
    #[error("the expression compares values that cannot be compared")]
    Incomparable,
    /// `in` with something else than a string on the left, or than groups, permissions or an array on the right.
    #[error("the expression uses `in` with values that have no members")]
    NoMembership,
    /// An array where a condition was needed.
    #[error("the expression uses an array as a condition")]
    NotACondition,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
    /// `None`: nobody's set, which is empty.
    Set(Option<&'a NameSet>),
    Array(&'a [Literal]),
}

pub(super) fn evaluate(
    root: &Node,
    facts: &Facts<'_>,
    principal: Option<&Principal>,
) -> Result<bool, EvaluationError> {
    Evaluator { facts, principal }.truth(root)
}

/// Whether evaluation of this very node (not of its operands) fails whatever the facts are.
pub(super) fn always_fails(node: &Node) -> bool {
    match node {
        Node::Compare { left, right, .. } => {
            left.kind() != right.kind() || matches!(left.kind(), Kind::Set | Kind::Array)
        }
        Node::In { needle, haystack } => match haystack.kind() {
            Kind::Set => !matches!(needle.kind(), Kind::Text | Kind::Array),
            Kind::Array => matches!(needle.kind(), Kind::Set | Kind::Array),
            _ => true,
        },
        _ => false,
    }
}

pub(super) struct Evaluator<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) principal: Option<&'a Principal>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn truth(&self, node: &'a Node) -> Result<bool, EvaluationError> {
        match self.value(node)? {
            Value::Null => Ok(false),
            Value::Bool(value) => Ok(value),
            Value::Number(value) => Ok(value != 0.0),
            Value::Text(value) => Ok(!value.is_empty()),
            Value::Set(set) => Ok(set.is_some_and(|names| !names.is_empty())),
            Value::Array(_) => Err(EvaluationError::NotACondition),
        }
    }

    pub(super) fn value(&self, node: &'a Node) -> Result<Value<'a>, EvaluationError> {
        Ok(match node {
            Node::Literal(literal) => literal_value(literal),
            Node::Array(elements) => Value::Array(elements),
            Node::ClientType => Value::Text(self.facts.client_type),
            Node::IsBackoffice => Value::Bool(self.facts.is_backoffice),
            Node::Set(set) => Value::Set(self.names(*set)),
            Node::Member(set, name) => Value::Bool(has(self.names(*set), name)),
            Node::Not(inner) => Value::Bool(!self.truth(inner)?),
            Node::And(operands) => Value::Bool(self.count_true(operands)? == operands.len()),
            Node::Or(operands) => Value::Bool(self.count_true(operands)? > 0),
            Node::Compare { equal, left, right } => {
                Value::Bool(equals(self.value(left)?, self.value(right)?)? == *equal)
            }
            Node::In { needle, haystack } => {
                Value::Bool(contains(self.value(haystack)?, self.value(needle)?)?)
            }
        })
    }

    fn count_true(&self, operands: &'a [Node]) -> Result<usize, EvaluationError> {
        operands
            .iter()
            .try_fold(0_usize, |count, operand| Ok(count.saturating_add(usize::from(self.truth(operand)?))))
    }

    fn names(&self, set: UserSet) -> Option<&'a NameSet> {
        let principal = self.principal?;
        Some(match set {
            UserSet::Groups => &principal.groups,
            UserSet::Permissions => &principal.permissions,
        })
    }
}

fn literal_value(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Number(value) => Value::Number(*value),
        Literal::Text(value) => Value::Text(value),
    }
}

fn has(names: Option<&NameSet>, name: &str) -> bool {
    names.is_some_and(|names| names.contains(name))
}

/// Equality without coercion.
fn equals(left: Value<'_>, right: Value<'_>) -> Result<bool, EvaluationError> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        #[expect(
            clippy::float_cmp,
            reason = "both are literals of the rule; equality of spelling is what is asked"
        )]
        (Value::Number(left), Value::Number(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        _ => Err(EvaluationError::Incomparable),
    }
}

fn contains(haystack: Value<'_>, needle: Value<'_>) -> Result<bool, EvaluationError> {
    match (haystack, needle) {
        (Value::Set(names), Value::Text(name)) => Ok(has(names, name)),
        (Value::Set(names), Value::Array(wanted)) => {
            wanted.iter().try_fold(false, |found, element| match element {
                Literal::Text(name) => Ok(found || has(names, name)),
                _ => Err(EvaluationError::NoMembership),
            })
        }
        (Value::Array(elements), Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_)) => {
            // An element of another type is a different value, not a mistake.
            Ok(elements.iter().any(|element| equals(literal_value(element), needle) == Ok(true)))
        }
        _ => Err(EvaluationError::NoMembership),
    }
}
