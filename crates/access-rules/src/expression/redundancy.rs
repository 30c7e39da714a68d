//! Operands of `&&` and `||` that make no difference: without them the expression has the same value for everybody.

use super::Expression;
use super::ast::{Literal, Node};
use super::worlds::{Truth, Worlds};

/// A part of an expression that could be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redundant {
    /// In canonical spelling.
    pub(crate) text: String,
    /// Where it begins, as a number of operands: constants, lists and facts, in the order of the text.
    pub(crate) operand: usize,
    /// Whether the same stands beside it.
    pub(crate) duplicate: bool,
}

impl Expression {
    /// What could be left out, all of it at once. Of two clauses that stand for each other the later one is named.
    pub(crate) fn redundant(&self, worlds: &Worlds) -> Vec<Redundant> {
        let whole = worlds.truth(self);
        let mut search = Search { root: &self.root, worlds, whole, gone: Vec::new(), duplicates: Vec::new() };
        search.run();
        let Search { gone, duplicates, .. } = search;
        let mut found: Vec<Redundant> = gone
            .into_iter()
            .map(|node| Redundant {
                text: node.to_string(),
                operand: operands_before(&self.root, node),
                duplicate: duplicates.iter().any(|other| std::ptr::eq(*other, node)),
            })
            .chain(self.repeated_elements())
            .collect();
        found.sort_by_key(|redundant| redundant.operand);
        found
    }

    /// Elements that stand twice in a list.
    fn repeated_elements(&self) -> Vec<Redundant> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            let Node::Array(elements) = node else { return };
            let operand = operands_before(&self.root, node);
            for (index, element) in elements.iter().enumerate() {
                let before: &[Literal] = elements.get(..index).unwrap_or_default();
                if before.contains(element) {
                    found.push(Redundant { text: element.to_string(), operand, duplicate: true });
                }
            }
        });
        found
    }
}

struct Search<'a> {
    root: &'a Node,
    worlds: &'a Worlds,
    whole: Truth,
    gone: Vec<&'a Node>,
    duplicates: Vec<&'a Node>,
}

impl<'a> Search<'a> {
    /// Until nothing more can go: what goes inside can make something outside redundant.
    fn run(&mut self) {
        loop {
            let before = self.gone.len();
            self.visit(self.root);
            if self.gone.len() == before {
                return;
            }
        }
    }

    fn is_gone(&self, node: &Node) -> bool {
        self.gone.iter().any(|gone| std::ptr::eq(*gone, node))
    }

    /// From the outside in, so that what is left out is named as a whole.
    fn visit(&mut self, node: &'a Node) {
        match node {
            Node::And(operands) | Node::Or(operands) => {
                let mut left: Vec<&Node> = operands.iter().filter(|operand| !self.is_gone(operand)).collect();
                for operand in left.clone().into_iter().rev() {
                    if left.len() > 1 && self.makes_no_difference(operand) {
                        left.retain(|other| !std::ptr::eq(*other, operand));
                        self.gone.push(operand);
                        if left.contains(&operand) {
                            self.duplicates.push(operand);
                        }
                    }
                }
                left.into_iter().for_each(|operand| self.visit(operand));
            }
            Node::Not(inner) => self.visit(inner),
            Node::Compare { left, right, .. } | Node::In { needle: left, haystack: right } => {
                self.visit(left);
                self.visit(right);
            }
            Node::Literal(_)
            | Node::Array(_)
            | Node::ClientType
            | Node::IsBackoffice
            | Node::Set(_)
            | Node::Member(..) => {}
        }
    }

    fn makes_no_difference(&self, operand: &'a Node) -> bool {
        let mut without = self.gone.clone();
        without.push(operand);
        self.worlds.truth_without(self.root, &without) == self.whole
    }
}

/// How many operands stand before this node in the text.
fn operands_before(root: &Node, node: &Node) -> usize {
    let mut count: usize = 0;
    let mut found = None;
    root.visit(&mut |other| {
        if std::ptr::eq(other, node) {
            found = Some(count);
        }
        count = count.saturating_add(usize::from(other.is_leaf()));
    });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::properties::node;
    use super::*;

    fn redundant(text: &str) -> Vec<(String, bool)> {
        let expression = Expression::parse(text).unwrap();
        let worlds = Worlds::of(&[&expression], &[false, true]).unwrap();
        expression.redundant(&worlds).into_iter().map(|clause| (clause.text, clause.duplicate)).collect()
    }

    #[test]
    fn clauses_that_could_be_left_out() {
        for (text, expected) in [
            ("groups.a", &[][..]),
            ("groups.a || groups.b && clientType == 'x'", &[]),
            ("isBackoffice && groups.admin", &[]),
            ("groups.a || groups.a", &[("groups.a", true)]),
            ("groups.a || groups.b || groups.a", &[("groups.a", true)]),
            ("groups.a || groups.a && groups.b", &[("groups.a && groups.b", false)]),
            ("groups.a && (groups.a || groups.b)", &[("groups.a || groups.b", false)]),
            ("'a' in groups || groups.a", &[("groups.a", false)]),
            ("groups.c && (groups.b || !groups.b)", &[("groups.b || !groups.b", false)]),
            ("groups && groups.a", &[("groups", false)]),
            ("true && groups.a", &[("true", false)]),
            ("['a', 'b', 'a'] in groups", &[("\"a\"", true)]),
            ("clientType == 'x' && clientType != 'y'", &[("clientType != \"y\"", false)]),
        ] {
            let expected: Vec<(String, bool)> =
                expected.iter().map(|(text, duplicate)| ((*text).to_owned(), *duplicate)).collect();
            assert_eq!(redundant(text), expected, "{text}");
        }
    }

    /// The tree without some of its operands.
    fn pruned(node: &Node, gone: &[&Node]) -> Node {
        let left = |operands: &[Node]| -> Vec<Node> {
            let left = operands.iter().filter(|node| !gone.iter().any(|gone| std::ptr::eq(*gone, *node)));
            left.map(|node| pruned(node, gone)).collect()
        };
        let boxed = |node: &Node| Box::new(pruned(node, gone));
        match node {
            Node::Not(inner) => Node::Not(boxed(inner)),
            Node::And(operands) => Node::And(left(operands)),
            Node::Or(operands) => Node::Or(left(operands)),
            Node::Compare { equal, left, right } => {
                Node::Compare { equal: *equal, left: boxed(left), right: boxed(right) }
            }
            Node::In { needle, haystack } => Node::In { needle: boxed(needle), haystack: boxed(haystack) },
            leaf => leaf.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn without_the_redundant_clauses_every_value_is_the_same_and_no_other_clause_is_redundant(root in node()) {
            let expression = Expression::from_root(root);
            let Some(worlds) = Worlds::of(&[&expression], &[false, true]) else { return Ok(()) };
            prop_assume!(worlds.iter().count() <= 1024);
            let values = |node: &Node| -> Vec<bool> {
                let expression = Expression::from_root(node.clone());
                worlds.iter().map(|world| expression.evaluate(&world.facts(), Some(&world.principal)).unwrap()).collect()
            };
            let mut search = Search {
                root: &expression.root,
                worlds: &worlds,
                whole: worlds.truth(&expression),
                gone: Vec::new(),
                duplicates: Vec::new(),
            };
            search.run();
            let before = values(&expression.root);
            let left = pruned(&expression.root, &search.gone);
            prop_assert_eq!(&values(&left), &before, "{}", expression);
            let mut operands = Vec::new();
            left.visit(&mut |node| {
                if let Node::And(chain) | Node::Or(chain) = node && chain.len() > 1 {
                    operands.extend(chain);
                }
            });
            for operand in operands {
                prop_assert_ne!(&values(&pruned(&left, &[operand])), &before, "{} in {}", operand, left);
            }
        }
    }
}
