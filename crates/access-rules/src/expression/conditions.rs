//! The conditions that an expression is made of, in the order of its text: `groups.a`, `clientType == "x"` and so on, what
//! is left when `!`, `&&`, `||` and parentheses are taken away. Constants are none: they cannot come out otherwise.

use common::Principal;

use super::Expression;
use super::ast::Node;
use super::evaluator::{Evaluator, Facts};
use super::worlds::Worlds;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// In canonical spelling.
    pub(crate) text: String,
    /// Where it begins: a number of operands, in the order of the text.
    pub(crate) operand: usize,
    /// Whether a request can make it true, and whether one can make it false.
    pub(crate) possible: [bool; 2],
}

impl Expression {
    /// All conditions. Without `worlds` everything is taken to be possible.
    pub(crate) fn conditions(&self, worlds: Option<&Worlds>) -> Vec<Condition> {
        let conditions = self.condition_nodes().into_iter().map(|(operand, node)| {
            let truth = worlds.map(|worlds| worlds.truth_without(node, &[]));
            let possible = truth.map_or([true, true], |truth| [!truth.never(), !truth.always()]);
            Condition { text: node.to_string(), operand, possible }
        });
        conditions.collect()
    }

    /// The value of each of [`Self::conditions`]; `None` for one that has none.
    pub(crate) fn condition_values(
        &self,
        facts: &Facts<'_>,
        principal: Option<&Principal>,
    ) -> Vec<Option<bool>> {
        let evaluator = Evaluator { facts, principal };
        self.condition_nodes().into_iter().map(|(_, node)| evaluator.truth(node).ok()).collect()
    }

    fn condition_nodes(&self) -> Vec<(usize, &Node)> {
        let mut found = Vec::new();
        collect(&self.root, &mut 0, &mut found);
        found
    }
}

fn collect<'a>(node: &'a Node, operands: &mut usize, found: &mut Vec<(usize, &'a Node)>) {
    match node {
        Node::Not(inner) => collect(inner, operands, found),
        Node::And(chain) | Node::Or(chain) => chain.iter().for_each(|node| collect(node, operands, found)),
        // `(a && b) == c` compares conditions.
        Node::Compare { left, right, .. } | Node::In { needle: left, haystack: right }
            if !left.is_leaf() || !right.is_leaf() =>
        {
            collect(left, operands, found);
            collect(right, operands, found);
        }
        condition => {
            if !condition.is_constant() {
                found.push((*operands, condition));
            }
            condition.visit(&mut |node| *operands = operands.saturating_add(usize::from(node.is_leaf())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_what_the_operators_join() {
        for (text, expected) in [
            ("true", &[][..]),
            ("groups.a", &[("groups.a", 0)]),
            (
                "!(groups.a && clientType == 'x') || 'b' in permissions",
                &[("groups.a", 0), ("clientType == \"x\"", 1), ("\"b\" in permissions", 3)],
            ),
            ("(groups.a || true) == isBackoffice", &[("groups.a", 0), ("isBackoffice", 2)]),
            ("['a', 'b'] in groups && groups", &[("[\"a\", \"b\"] in groups", 0), ("groups", 2)]),
        ] {
            let expression = Expression::parse(text).unwrap();
            let found: Vec<(String, usize)> = expression
                .conditions(None)
                .into_iter()
                .map(|condition| (condition.text, condition.operand))
                .collect();
            let expected: Vec<(String, usize)> =
                expected.iter().map(|(text, at)| ((*text).to_owned(), *at)).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(Expression::operand_columns(text).len(), {
                let mut leaves = 0;
                expression.root.visit(&mut |node| leaves += usize::from(node.is_leaf()));
                leaves
            });
        }
    }

    #[test]
    fn what_cannot_happen_is_not_possible() {
        let expression = Expression::parse("isBackoffice && groups.a").unwrap();
        let worlds = Worlds::of(&[&expression], &[true]).unwrap();
        let possible: Vec<[bool; 2]> =
            expression.conditions(Some(&worlds)).into_iter().map(|condition| condition.possible).collect();
        assert_eq!(possible, [[true, false], [true, true]]);
    }
}
