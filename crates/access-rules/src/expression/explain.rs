//! Why an expression has its value, for people who ask afterwards. Evaluates again, part by part, and allocates as it
//! likes: a decision never comes here.

use std::fmt;

use common::{NameSet, Principal};

use super::ast::{Literal, Node, UserSet};
use super::evaluator::{EvaluationError, Evaluator, Facts, Value};

/// The value of an expression, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What [`super::Expression::evaluate`] answers.
    pub value: Result<bool, EvaluationError>,
    /// The whole expression with its parts.
    pub trace: Clause,
    /// The smallest clauses that made the value false, each of them false, or those that have no value. Empty if it
    /// is true.
    pub culprits: Vec<Clause>,
    /// What would have to hold for a false value to be true, as an expression; `None` if it is true, if it has no
    /// value, or if it is false for everybody.
    pub needs: Option<String>,
}

/// A part of an expression, and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// In canonical spelling.
    pub text: String,
    pub value: ClauseValue,
    /// What it is made of, without constants.
    pub parts: Vec<Self>,
}

/// The value of a part. `Display` writes it as the language does, where the language can.
#[derive(Debug, Clone, PartialEq)]
pub enum ClauseValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A whole set: how many names it has.
    Names(usize),
    /// An array of the expression: how many elements it has.
    Elements(usize),
    /// It, or a part of it, has no value.
    Failed(EvaluationError),
}

impl fmt::Display for ClauseValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => Literal::Text(value.as_str().into()).fmt(f),
            Self::Names(1) => f.write_str("1 name"),
            Self::Names(count) => write!(f, "{count} names"),
            Self::Elements(count) => write!(f, "an array of {count}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

pub(super) fn explain(root: &Node, facts: &Facts<'_>, principal: Option<&Principal>) -> Explanation {
    let explainer = Explainer { evaluator: Evaluator { facts, principal } };
    let value = explainer.evaluator.truth(root);
    let (culprits, needs) = match value {
        Ok(true) => (Vec::new(), None),
        Ok(false) => {
            let missing = explainer.missing(root, true);
            let mut clauses = Vec::new();
            smallest(&missing, &mut clauses);
            let culprits = clauses.into_iter().map(|clause| explainer.clause(clause)).collect();
            (culprits, attainable(missing).map(|missing| missing.to_string()))
        }
        Err(_) => {
            let mut clauses = Vec::new();
            explainer.failing(root, &mut clauses);
            (clauses.into_iter().map(|clause| explainer.clause(clause)).collect(), None)
        }
    };
    Explanation { value, trace: explainer.clause(root), culprits, needs }
}

/// What of a principal the value rests on: the names that the expression asks for and the principal has. Where a whole
/// set is asked, one name stands for all.
pub(super) fn evidence(root: &Node, facts: &Facts<'_>, principal: &Principal) -> Principal {
    let mut evidence = Principal::default();
    collect_evidence(root, facts, principal, &mut evidence);
    evidence
}

fn collect_evidence(node: &Node, facts: &Facts<'_>, principal: &Principal, evidence: &mut Principal) {
    let mut keep = |set: UserSet, name: &str| {
        let (held, kept) = match set {
            UserSet::Groups => (&principal.groups, &mut evidence.groups),
            UserSet::Permissions => (&principal.permissions, &mut evidence.permissions),
        };
        if held.contains(name) {
            kept.insert(name.to_owned());
        }
    };
    match node {
        Node::Member(set, name) => keep(*set, name),
        Node::In { needle, haystack } if let Node::Set(set) = **haystack => match &**needle {
            Node::Literal(Literal::Text(name)) => keep(set, name),
            Node::ClientType => keep(set, facts.client_type),
            Node::Array(elements) => {
                for element in elements {
                    if let Literal::Text(name) = element {
                        keep(set, name);
                    }
                }
            }
            other => collect_evidence(other, facts, principal, evidence),
        },
        Node::Set(set) => {
            if let Some(name) = names(*set, principal).first() {
                keep(*set, name);
            }
        }
        Node::Not(inner) => collect_evidence(inner, facts, principal, evidence),
        Node::And(operands) | Node::Or(operands) => {
            for operand in operands {
                collect_evidence(operand, facts, principal, evidence);
            }
        }
        Node::Compare { left, right, .. } | Node::In { needle: left, haystack: right } => {
            collect_evidence(left, facts, principal, evidence);
            collect_evidence(right, facts, principal, evidence);
        }
        Node::Literal(_) | Node::Array(_) | Node::ClientType | Node::IsBackoffice => {}
    }
}

fn names(set: UserSet, principal: &Principal) -> &NameSet {
    match set {
        UserSet::Groups => &principal.groups,
        UserSet::Permissions => &principal.permissions,
    }
}

struct Explainer<'a> {
    evaluator: Evaluator<'a>,
}

impl Explainer<'_> {
    fn clause(&self, node: &Node) -> Clause {
        let parts =
            operands(node).into_iter().filter(|part| !matches!(part, Node::Literal(_) | Node::Array(_)));
        Clause {
            text: node.to_string(),
            value: self.value(node),
            parts: parts.map(|part| self.clause(part)).collect(),
        }
    }

    fn value(&self, node: &Node) -> ClauseValue {
        match self.evaluator.value(node) {
            Ok(Value::Null) => ClauseValue::Null,
            Ok(Value::Bool(value)) => ClauseValue::Bool(value),
            Ok(Value::Number(value)) => ClauseValue::Number(value),
            Ok(Value::Text(value)) => ClauseValue::Text(value.to_owned()),
            Ok(Value::Set(names)) => ClauseValue::Names(names.map_or(0, NameSet::len)),
            Ok(Value::Array(elements)) => ClauseValue::Elements(elements.len()),
            Err(error) => ClauseValue::Failed(error),
        }
    }

    /// What is missing for a node without errors to have the truth value `wanted`, which it has not: the clauses that
    /// stand in the way, joined as the expression joins them, each false.
    fn missing(&self, node: &Node, wanted: bool) -> Node {
        let in_the_way = |operands: &[Node]| {
            let others = operands.iter().filter(|node| self.evaluator.truth(node) != Ok(wanted));
            others.map(|node| self.missing(node, wanted)).collect()
        };
        match (node, wanted) {
            (Node::Not(inner), _) => self.missing(inner, !wanted),
            (Node::And(operands), true) | (Node::Or(operands), false) => all_of(in_the_way(operands)),
            // All of them stand in the way, and one less will do.
            (Node::Or(operands), true) | (Node::And(operands), false) => any_of(in_the_way(operands)),
            (leaf, true) => leaf.clone(),
            (leaf, false) => Node::Not(Box::new(leaf.clone())),
        }
    }

    /// The nodes that fail although their operands do not.
    fn failing<'n>(&self, node: &'n Node, found: &mut Vec<&'n Node>) {
        if self.evaluator.value(node).is_ok() {
            return;
        }
        let before = found.len();
        for operand in operands(node) {
            self.failing(operand, found);
        }
        if found.len() == before {
            found.push(node);
        }
    }
}

fn operands(node: &Node) -> Vec<&Node> {
    match node {
        Node::Not(inner) => vec![inner],
        Node::And(operands) | Node::Or(operands) => operands.iter().collect(),
        Node::Compare { left, right, .. } | Node::In { needle: left, haystack: right } => vec![left, right],
        Node::Literal(_)
        | Node::Array(_)
        | Node::ClientType
        | Node::IsBackoffice
        | Node::Set(_)
        | Node::Member(..) => Vec::new(),
    }
}

/// The clauses joined, flat: `a && (b && c)` reads worse than `a && b && c`.
fn all_of(clauses: Vec<Node>) -> Node {
    let mut flat = Vec::with_capacity(clauses.len());
    for clause in clauses {
        match clause {
            Node::And(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    alone(&mut flat).unwrap_or(Node::And(flat))
}

/// See [`all_of`].
fn any_of(clauses: Vec<Node>) -> Node {
    let mut flat = Vec::with_capacity(clauses.len());
    for clause in clauses {
        match clause {
            Node::Or(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    alone(&mut flat).unwrap_or(Node::Or(flat))
}

fn alone(clauses: &mut Vec<Node>) -> Option<Node> {
    if clauses.len() == 1 { clauses.pop() } else { None }
}

/// The clauses that [`Explainer::missing`] joined.
fn smallest<'n>(missing: &'n Node, found: &mut Vec<&'n Node>) {
    match missing {
        Node::And(clauses) | Node::Or(clauses) => {
            for clause in clauses {
                smallest(clause, found);
            }
        }
        clause => found.push(clause),
    }
}

/// What [`Explainer::missing`] joined, without what no caller can change; `None` if nothing is left to change.
fn attainable(missing: Node) -> Option<Node> {
    match missing {
        Node::And(clauses) => clauses.into_iter().map(attainable).collect::<Option<_>>().map(all_of),
        Node::Or(clauses) => {
            let clauses: Vec<_> = clauses.into_iter().filter_map(attainable).collect();
            (!clauses.is_empty()).then(|| any_of(clauses))
        }
        clause => (!clause.is_constant()).then_some(clause),
    }
}
