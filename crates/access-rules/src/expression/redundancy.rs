//! Operands of `&&` and `||` that make no difference: without them the expression has the same value for everybody.

use super::Expression;
use super::ast::{Kind, Literal, Node};
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
        let mut search = Search { worlds, gone: Vec::new(), duplicates: Vec::new() };
        search.run(&self.root);
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
    worlds: &'a Worlds,
    gone: Vec<&'a Node>,
    duplicates: Vec<&'a Node>,
}

impl<'a> Search<'a> {
    /// Until nothing more can go: what goes inside can make something outside redundant.
    fn run(&mut self, root: &'a Node) {
        loop {
            let before = self.gone.len();
            self.visit(root, &self.worlds.all(true));
            if self.gone.len() == before {
                return;
            }
        }
    }

    fn is_gone(&self, node: &Node) -> bool {
        self.gone.iter().any(|gone| std::ptr::eq(*gone, node))
    }

    /// The value of a node without what is gone.
    fn truth(&self, node: &Node) -> Truth {
        self.worlds.truth_without(node, &self.gone)
    }

    /// From the outside in, so that what is left out is named as a whole. `matters` are the worlds in which another value of
    /// this node would be another value of the whole. Returns the value that it has without what is gone.
    fn visit(&mut self, node: &'a Node, matters: &Truth) -> Truth {
        match node {
            Node::And(operands) | Node::Or(operands) => self.chain(node, operands, matters),
            Node::Not(inner) => self.visit(inner, matters).not(),
            Node::Compare { left, right, .. } => {
                for side in [left, right].into_iter().filter(|side| side.kind() == Kind::Bool) {
                    self.visit(side, matters);
                }
                self.truth(node)
            }
            Node::In { needle, haystack }
                if let Node::Array(list) = &**haystack
                    && needle.kind() == Kind::Bool =>
            {
                // A list of both values, or of neither, says the same of each.
                let tells = list.contains(&Literal::Bool(true)) != list.contains(&Literal::Bool(false));
                self.visit(needle, &self.worlds.all(tells).and(matters));
                self.truth(node)
            }
            Node::In { .. }
            | Node::Literal(_)
            | Node::Array(_)
            | Node::ClientType
            | Node::IsBackoffice
            | Node::Set(_)
            | Node::Member(..) => self.truth(node),
        }
    }

    /// An operand decides where the others leave it open: where all of them are true in `&&`, where none is in `||`.
    fn chain(&mut self, node: &'a Node, operands: &'a [Node], matters: &Truth) -> Truth {
        let is_or = matches!(node, Node::Or(_));
        let open = |truth: Truth| if is_or { truth.not() } else { truth };
        let left: Vec<_> = operands.iter().filter(|operand| !self.is_gone(operand)).collect();
        let opened: Vec<_> = left.iter().map(|operand| open(self.truth(operand))).collect();
        let mut before = running(matters.clone(), opened.iter());
        let mut after = self.worlds.all(true);
        let mut kept = Vec::new();
        let mut count = left.len();
        for (operand, opened) in left.into_iter().zip(&opened).rev() {
            let decides = before.pop().unwrap_or_else(|| matters.clone()).and(&after);
            if count > 1 && decides.and(&opened.clone().not()).never() {
                count = count.saturating_sub(1);
                self.gone.push(operand);
                if operands.iter().any(|other| other == operand && !self.is_gone(other)) {
                    self.duplicates.push(operand);
                }
            } else {
                after = after.and(opened);
                kept.push((operand, opened));
            }
        }
        let mut after = running(self.worlds.all(true), kept.iter().map(|(_, opened)| *opened));
        let mut before = self.worlds.all(true);
        for (operand, _) in kept.into_iter().rev() {
            let others = after.pop().unwrap_or_else(|| self.worlds.all(true)).and(&before);
            before = before.and(&open(self.visit(operand, &others.and(matters))));
        }
        open(before)
    }
}

/// For each value, where `first` and all values before it hold.
fn running<'t>(first: Truth, values: impl Iterator<Item = &'t Truth>) -> Vec<Truth> {
    let mut all = first;
    let before = values.map(|value| {
        let next = all.clone().and(value);
        std::mem::replace(&mut all, next)
    });
    before.collect()
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
            let mut search = Search { worlds: &worlds, gone: Vec::new(), duplicates: Vec::new() };
            search.run(&expression.root);
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
