//! Properties of the language over random expressions and callers (G-EXP-13, G-EXP-14, G-EXP-15).

use common::Principal;
use proptest::prelude::*;

use super::ast::{Literal, Node, UserSet};
use super::{ClauseValue, EvaluationError, Expression, Facts};

const NAMES: [&str; 4] = ["a", "b", "a b", "é\"\\\n"];

fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(Box::from), 1 => any::<String>().prop_map(Box::from)]
}

fn set() -> impl Strategy<Value = UserSet> {
    prop_oneof![Just(UserSet::Groups), Just(UserSet::Permissions)]
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        (-1000_i32..1000).prop_map(|n| Literal::Number(f64::from(n) / 8.0)),
        name().prop_map(Literal::Text),
    ]
}

/// Any tree the grammar can spell, type mistakes included: the printer and the evaluator must cope with all.
pub(super) fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        1 => literal().prop_map(Node::Literal),
        1 => Just(Node::ClientType),
        1 => Just(Node::IsBackoffice),
        1 => set().prop_map(Node::Set),
        4 => (set(), name()).prop_map(|(set, name)| Node::Member(set, name)),
        2 => (name(), set()).prop_map(|(name, set)| Node::In {
            needle: Box::new(Node::Literal(Literal::Text(name))),
            haystack: Box::new(Node::Set(set)),
        }),
        1 => (prop::collection::vec(name().prop_map(Literal::Text), 0..3), set()).prop_map(|(names, set)| Node::In {
            needle: Box::new(Node::Array(names)),
            haystack: Box::new(Node::Set(set)),
        }),
        1 => prop::collection::vec(literal(), 0..3).prop_map(|elements| Node::In {
            needle: Box::new(Node::ClientType),
            haystack: Box::new(Node::Array(elements)),
        }),
        1 => name().prop_map(|name| Node::Compare {
            equal: true,
            left: Box::new(Node::ClientType),
            right: Box::new(Node::Literal(Literal::Text(name))),
        }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|node| Node::Not(Box::new(node))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            (any::<bool>(), inner.clone(), inner).prop_map(|(equal, left, right)| Node::Compare {
                equal,
                left: Box::new(left),
                right: Box::new(right),
            }),
        ]
    })
}

/// Any expression the grammar can spell.
pub(crate) fn expression() -> impl Strategy<Value = Expression> {
    node().prop_map(Expression::from_root)
}

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Option<Principal>,
    client_type: String,
    is_backoffice: bool,
}

impl Caller {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { client_type: &self.client_type, is_backoffice: self.is_backoffice }
    }

    fn evaluate(&self, node: &Node) -> Result<bool, EvaluationError> {
        Expression::from_root(node.clone()).evaluate(&self.facts(), self.principal.as_ref())
    }
}

pub(crate) fn caller() -> impl Strategy<Value = Caller> {
    let names = || prop::collection::vec(prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 0..4);
    let principal = (names(), names()).prop_map(|(groups, permissions)| Principal {
        groups: groups.into_iter().collect(),
        permissions: permissions.into_iter().collect(),
        ..Principal::default()
    });
    (prop::option::weighted(0.9, principal), prop::sample::select(&["", "a", "b"][..]), any::<bool>())
        .prop_map(|(principal, client_type, is_backoffice)| Caller {
            principal,
            client_type: client_type.to_owned(),
            is_backoffice,
        })
}

/// The language once more, by name and value instead of by reference, as slowly and plainly as possible.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Names(Vec<String>),
    List(Vec<Plain>),
}

fn plain_literal(literal: &Literal) -> Plain {
    match literal {
        Literal::Null => Plain::Null,
        Literal::Bool(value) => Plain::Bool(*value),
        Literal::Number(value) => Plain::Number(*value),
        Literal::Text(value) => Plain::Text(value.to_string()),
    }
}

fn plain_names(caller: &Caller, set: UserSet) -> Vec<String> {
    caller
        .principal
        .iter()
        .flat_map(|user| if set == UserSet::Groups { &user.groups } else { &user.permissions })
        .cloned()
        .collect()
}

fn plain_truth(value: &Plain) -> Option<bool> {
    match value {
        Plain::List(_) => None,
        other => Some(
            ![
                Plain::Null,
                Plain::Bool(false),
                Plain::Number(0.0),
                Plain::Text(String::new()),
                Plain::Names(vec![]),
            ]
            .contains(other),
        ),
    }
}

fn plain_in(needle: &Plain, haystack: &Plain) -> Option<bool> {
    match (needle, haystack) {
        (Plain::Text(name), Plain::Names(names)) => Some(names.contains(name)),
        (Plain::List(wanted), Plain::Names(_)) => {
            let found: Option<Vec<bool>> = wanted.iter().map(|name| plain_in(name, haystack)).collect();
            found.map(|found| found.contains(&true))
        }
        (Plain::Names(_) | Plain::List(_), Plain::List(_)) => None,
        (value, Plain::List(values)) => Some(values.contains(value)),
        _ => None,
    }
}

fn reference(node: &Node, caller: &Caller) -> Option<Plain> {
    let truths = |operands: &[Node]| -> Option<Vec<bool>> {
        operands.iter().map(|operand| plain_truth(&reference(operand, caller)?)).collect()
    };
    Some(match node {
        Node::Literal(literal) => plain_literal(literal),
        Node::Array(elements) => Plain::List(elements.iter().map(plain_literal).collect()),
        Node::ClientType => Plain::Text(caller.client_type.clone()),
        Node::IsBackoffice => Plain::Bool(caller.is_backoffice),
        Node::Set(set) => Plain::Names(plain_names(caller, *set)),
        Node::Member(set, name) => Plain::Bool(plain_names(caller, *set).contains(&name.to_string())),
        Node::Not(inner) => Plain::Bool(!plain_truth(&reference(inner, caller)?)?),
        Node::And(operands) => Plain::Bool(!truths(operands)?.contains(&false)),
        Node::Or(operands) => Plain::Bool(truths(operands)?.contains(&true)),
        Node::Compare { equal, left, right } => {
            let (left, right) = (reference(left, caller)?, reference(right, caller)?);
            let same_type = std::mem::discriminant(&left) == std::mem::discriminant(&right);
            if !same_type || matches!(left, Plain::Names(_) | Plain::List(_)) {
                return None;
            }
            Plain::Bool((left == right) == *equal)
        }
        Node::In { needle, haystack } => {
            Plain::Bool(plain_in(&reference(needle, caller)?, &reference(haystack, caller)?)?)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn printed_text_parses_back_to_the_same_tree(node in node()) {
        let printed = node.to_string();
        // Type mistakes over constants are refused at load; every other tree must survive.
        if let Ok(parsed) = Expression::parse(&printed) {
            prop_assert_eq!(&parsed.root, &node, "{}", printed);
            prop_assert_eq!(parsed.to_string(), printed);
        } else {
            prop_assert!(node.any(&super::evaluator::always_fails) || printed.len() > 8000, "{}", printed);
        }
    }

    #[test]
    fn parsing_never_panics(text in any::<String>(), tokens in prop::collection::vec(prop::sample::select(&[
        "groups", "permissions", ".", "a", "[", "]", "\"a\"", "'", "(", ")", "!", "==", "!=", "&&", "||", "in", "1", ";", ",", "null", "clientType", " ",
    ][..]), 0..30)) {
        let _ = Expression::parse(&text);
        if let Ok(expression) = Expression::parse(&tokens.concat()) {
            prop_assert_eq!(Expression::parse(&expression.to_string()).unwrap(), expression);
        }
    }

    #[test]
    fn g_exp_13_evaluator_agrees_with_the_reference(node in node(), caller in caller()) {
        let expected = reference(&node, &caller).and_then(|value| plain_truth(&value));
        prop_assert_eq!(caller.evaluate(&node).ok(), expected);
    }

    #[test]
    fn g_exp_05_whether_it_fails_does_not_depend_on_the_caller(node in node(), one in caller(), other in caller()) {
        let failed = one.evaluate(&node).is_err();
        prop_assert_eq!(failed, other.evaluate(&node).is_err());
        prop_assert_eq!(failed, node.any(&super::evaluator::always_fails));
    }

    #[test]
    fn g_exp_14_double_negation_de_morgan_and_operand_order(left in node(), right in node(), caller in caller()) {
        let not = |node: Node| Node::Not(Box::new(node));
        let value = |node: Node| caller.evaluate(&node).ok();
        let pair = || vec![left.clone(), right.clone()];
        let swapped = || vec![right.clone(), left.clone()];
        prop_assert_eq!(value(not(not(left.clone()))), value(left.clone()));
        prop_assert_eq!(value(Node::And(pair())), value(Node::And(swapped())));
        prop_assert_eq!(value(Node::Or(pair())), value(Node::Or(swapped())));
        prop_assert_eq!(value(not(Node::And(pair()))), value(Node::Or(vec![not(left.clone()), not(right.clone())])));
        prop_assert_eq!(value(not(Node::Or(pair()))), value(Node::And(vec![not(left.clone()), not(right.clone())])));
    }

    #[test]
    fn g_exp_15_without_negation_more_groups_never_hurt(node in node(), caller in caller(), name in prop::sample::select(&NAMES[..])) {
        let expression = Expression::from_root(node);
        let mut richer = caller.clone();
        let principal = richer.principal.get_or_insert_default();
        principal.groups.insert(name.to_owned());
        principal.permissions.insert(name.to_owned());
        let before = expression.evaluate(&caller.facts(), caller.principal.as_ref());
        let after = expression.evaluate(&richer.facts(), richer.principal.as_ref());
        if !expression.negates_user_data() && before == Ok(true) {
            prop_assert_eq!(after, Ok(true), "{}", expression);
        }
        if !expression.mentions_user_data() {
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn an_explanation_has_the_value_of_the_evaluation(node in node(), caller in caller()) {
        let expression = Expression::from_root(node.clone());
        let explanation = expression.explain(&caller.facts(), caller.principal.as_ref());
        prop_assert_eq!(explanation.value, caller.evaluate(&node));
        prop_assert_eq!(explanation.culprits.is_empty(), explanation.value == Ok(true));
        prop_assert_eq!(&explanation.trace.text, &expression.to_string());
        for culprit in &explanation.culprits {
            match (explanation.value, &culprit.value) {
                (Err(_), ClauseValue::Failed(_)) => {}
                (_, ClauseValue::Bool(false) | ClauseValue::Null | ClauseValue::Names(0)) => {}
                (_, ClauseValue::Text(text)) => prop_assert_eq!(text, ""),
                (_, value) => prop_assert_eq!(value, &ClauseValue::Number(0.0)),
            }
        }
    }

    #[test]
    fn the_evidence_is_enough_and_holds_no_other_name(node in node(), caller in caller()) {
        let expression = Expression::from_root(node);
        let Some(principal) = &caller.principal else { return Ok(()) };
        let evidence = expression.evidence(&caller.facts(), principal);
        prop_assert_eq!(
            expression.evaluate(&caller.facts(), Some(&evidence)),
            expression.evaluate(&caller.facts(), Some(principal))
        );
        prop_assert!(evidence.groups.is_subset(&principal.groups));
        prop_assert!(evidence.permissions.is_subset(&principal.permissions));
    }

    /// Over expressions that ask for each permission once: give and take what the explanation says is missing, in part
    /// or whole, and the expression is true exactly when what was needed is.
    #[test]
    fn what_is_needed_is_what_makes_the_difference(shape in shape(), held in any::<u64>(), changed in any::<u64>()) {
        let names: Vec<String> = (0..64).map(|number| format!("p{number}")).collect();
        let holder = |mask: u64| Principal {
            permissions: names.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| name.clone()).collect(),
            ..Principal::default()
        };
        let expression = Expression::from_root(named(shape, &mut names.iter()));
        let holds = |expression: &Expression, mask| expression.evaluate(&Facts::default(), Some(&holder(mask))).unwrap();
        let explanation = expression.explain(&Facts::default(), Some(&holder(held)));
        if explanation.value == Ok(true) {
            return Ok(());
        }
        let needs = Expression::parse(&explanation.needs.unwrap()).unwrap();
        let blamed: u64 = explanation
            .culprits
            .iter()
            .map(|clause| 1 << clause.text.rsplit('p').next().unwrap().parse::<u32>().unwrap())
            .sum();
        let after = held ^ (changed & blamed);
        prop_assert_eq!(holds(&expression, after), holds(&needs, after), "{} needs {}", expression, needs);
        prop_assert!(holds(&expression, held ^ blamed) && !holds(&needs, held));
    }
}

/// A tree of `!`, `&&` and `||` over at most 64 leaves that are yet to be named.
fn shape() -> impl Strategy<Value = Node> {
    Just(Node::IsBackoffice).prop_recursive(5, 60, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|node| Node::Not(Box::new(node))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            prop::collection::vec(inner, 2..4).prop_map(Node::Or),
        ]
    })
}

/// The tree with a permission of its own in place of each leaf, as far as the names reach.
fn named<'n>(shape: Node, names: &mut impl Iterator<Item = &'n String>) -> Node {
    match shape {
        Node::Not(inner) => Node::Not(Box::new(named(*inner, names))),
        Node::And(operands) => Node::And(operands.into_iter().map(|node| named(node, names)).collect()),
        Node::Or(operands) => Node::Or(operands.into_iter().map(|node| named(node, names)).collect()),
        leaf => names.next().map_or(leaf, |name| Node::Member(UserSet::Permissions, name.as_str().into())),
    }
}
