//! A few paths that stand for all: whatever a path is, the keys that match it are those that match one of these. For
//! questions about all requests; no decision comes here.

use std::collections::BTreeSet;

use super::letter_case;
use super::rule::Route;
use super::tree::Node;
use crate::path::RepeatedSlashes;

/// What one path usually costs to look at: its length in bytes, for itself and for each key that matches it.
const USUAL_COST: usize = 200;

/// A path that stands for others.
#[derive(Debug)]
pub(super) struct Representative<'t> {
    pub(super) path: String,
    /// Every key that matches it, exactly or as a parent.
    pub(super) routes: Vec<&'t Route>,
    /// How many nodes a look-up of it may visit.
    pub(super) nodes: usize,
}

/// The paths, each without and with a slash at the end; `None` if there are more than `limit`, or they cost more to look
/// at than so many usually do. They spell literals as the
/// keys do: what letter case adds is another reading's business. Empty segments are in them where requests may have some.
pub(super) fn paths(
    root: &Node,
    repeated_slashes: RepeatedSlashes,
    limit: usize,
) -> Option<Vec<Representative<'_>>> {
    let mut search = Search::new(root, repeated_slashes, limit);
    search.run(root)?;
    Some(search.found)
}

/// The first path that is looked up at most nodes, of those that come before `limit`.
pub(super) fn most_crowded(root: &Node, limit: usize) -> Option<Representative<'_>> {
    let mut search = Search::new(root, RepeatedSlashes::Refuse, limit);
    // What was found before the limit is told all the same.
    let _all = search.run(root);
    search.found.into_iter().min_by_key(|found| std::cmp::Reverse(found.nodes))
}

/// Whether two keys differ in letter case only. Then one path cannot stand for the other spelling.
pub(super) fn has_letter_case_twins(root: &Node) -> bool {
    let twins = root.literals().zip(root.literals().skip(1)).any(|(one, next)| one.folded() == next.folded());
    twins || root.children().any(has_letter_case_twins)
}

struct Search<'t> {
    another: String,
    repeated_slashes: RepeatedSlashes,
    /// The nodes that match the path, and those that match the beginning of it.
    matching: Vec<&'t Node>,
    found: Vec<Representative<'t>>,
    cost: usize,
    limit: usize,
}

impl<'t> Search<'t> {
    fn new(root: &'t Node, repeated_slashes: RepeatedSlashes, limit: usize) -> Self {
        let another = segment_that_is_no_literal(root);
        Self { another, repeated_slashes, matching: vec![root], found: Vec::new(), cost: 0, limit }
    }

    fn run(&mut self, root: &'t Node) -> Option<()> {
        self.add("/")?;
        self.below(&[root], &mut String::new())
    }

    /// All continuations of a path whose last segment matches these nodes.
    fn below(&mut self, nodes: &[&'t Node], path: &mut String) -> Option<()> {
        let length = path.len();
        let names: BTreeSet<&str> =
            nodes.iter().flat_map(|node| node.literals()).map(|literal| literal.name()).collect();
        let parameters: Vec<&Node> = nodes.iter().filter_map(|node| node.parameter()).collect();
        for name in names {
            let literals = nodes.iter().filter_map(|node| node.literal(name));
            let matching: Vec<&Node> = literals.chain(parameters.iter().copied()).collect();
            path.push('/');
            path.push_str(name);
            self.at(&matching, path)?;
            path.truncate(length);
        }
        path.push('/');
        path.push_str(&self.another);
        if parameters.is_empty() {
            self.add_both(path)?;
        } else {
            self.at(&parameters, path)?;
            // No key matches an empty segment: what lies below one has parents and nothing else.
            if self.repeated_slashes != RepeatedSlashes::Refuse {
                path.truncate(length);
                path.push_str("//");
                path.push_str(&self.another);
                self.add_both(path)?;
            }
        }
        path.truncate(length);
        Some(())
    }

    /// A path, and all that continue it.
    fn at(&mut self, nodes: &[&'t Node], path: &mut String) -> Option<()> {
        let above = self.matching.len();
        self.matching.extend(nodes);
        self.add_both(path)?;
        self.below(nodes, path)?;
        self.matching.truncate(above);
        Some(())
    }

    fn add_both(&mut self, path: &str) -> Option<()> {
        self.add(path)?;
        self.add(&format!("{path}/"))
    }

    fn add(&mut self, path: &str) -> Option<()> {
        let routes: Vec<&Route> = self.matching.iter().flat_map(|node| node.routes()).collect();
        let cost = path.len().saturating_mul(routes.len().saturating_add(1));
        self.cost = self.cost.saturating_add(cost);
        self.found.push(Representative { path: path.to_owned(), routes, nodes: self.matching.len() });
        let is_bounded = self.found.len() <= self.limit && self.cost <= self.limit.saturating_mul(USUAL_COST);
        is_bounded.then_some(())
    }
}

pub(super) fn segment_that_is_no_literal(root: &Node) -> String {
    let mut known = BTreeSet::new();
    collect(root, &mut known);
    let mut another = "other".to_owned();
    while known.contains(&*letter_case::fold(&another)) {
        another.push('x');
    }
    another
}

fn collect(node: &Node, known: &mut BTreeSet<String>) {
    known.extend(node.literals().map(|literal| literal.folded().to_owned()));
    node.children().for_each(|child| collect(child, known));
}
