//! The keys as a tree over segments, and the walk that finds the entry for a path. A walk visits only the nodes
//! that match, so its cost grows with the depth of the path, the logarithm of the number of siblings, and how many keys overlap at the path.

use super::Parents;
use super::key::{Key, Segment};
use super::letter_case;
use super::rule::{Entry, Route};
use crate::method::Method;

/// How literal segments are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Exact,
    /// Letter case ignored, as some servers behind a gateway do.
    AnyCase,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    /// Sorted by folded name, then by name.
    literals: Vec<Literal>,
    parameter: Option<Box<Self>>,
    /// The key spelled without a slash at the end.
    plain: Option<Route>,
    /// The key spelled with one.
    slashed: Option<Route>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    /// Without regard to letter case.
    folded: Box<str>,
    name: Box<str>,
    node: Node,
}

impl Node {
    /// Adds a route. A route that matches the same paths in the same spelling is returned instead of replaced.
    pub(super) fn insert(&mut self, key: &Key, route: Route) -> Result<(), &Route> {
        let mut node = self;
        for segment in &key.segments {
            node = match segment {
                Segment::Parameter => node.parameter.get_or_insert_default(),
                Segment::Literal(name) => node.literal_or_insert(name),
            };
        }
        let place = if key.trailing_slash { &mut node.slashed } else { &mut node.plain };
        match place {
            Some(existing) => Err(existing),
            None => {
                *place = Some(route);
                Ok(())
            }
        }
    }

    /// Adds the routes at this node and below it.
    pub(super) fn collect<'t>(&'t self, routes: &mut Vec<&'t Route>) {
        routes.extend(self.routes());
        self.children().for_each(|child| child.collect(routes));
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.plain.iter().chain(&self.slashed)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.literals.iter().map(|literal| &literal.node).chain(self.parameter())
    }

    pub(super) fn literals(&self) -> impl Iterator<Item = &Literal> {
        self.literals.iter()
    }

    pub(super) fn literal(&self, name: &str) -> Option<&Self> {
        let spellings = self.literals_in_any_case(&letter_case::fold(name));
        spellings.iter().find(|literal| *literal.name == *name).map(|literal| &literal.node)
    }

    pub(super) fn parameter(&self) -> Option<&Self> {
        self.parameter.as_deref()
    }

    fn literal_or_insert(&mut self, name: &str) -> &mut Self {
        let folded = letter_case::fold(name);
        let found = self.literals.binary_search_by(|other| {
            (other.folded.as_ref(), other.name.as_ref()).cmp(&(folded.as_ref(), name))
        });
        let index = found.unwrap_or_else(|index| {
            let literal = Literal { folded: folded.into(), name: name.into(), node: Self::default() };
            self.literals.insert(index, literal);
            index
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or inserted in the lines above")]
        let literal = &mut self.literals[index];
        &mut literal.node
    }

    /// The children whose name is the segment, whatever its case.
    fn literals_in_any_case(&self, folded_segment: &str) -> &[Literal] {
        let start = self.literals.partition_point(|literal| *literal.folded < *folded_segment);
        let rest = self.literals.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|literal| *literal.folded == *folded_segment).count();
        rest.get(..count).unwrap_or_default()
    }
}

impl Literal {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn folded(&self) -> &str {
        &self.folded
    }
}

/// What is looked up, besides the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'t> {
    pub(super) method: Method,
    pub(super) spelling: Spelling,
    pub(super) parents: Parents,
    /// An entry that counts as if it were not there.
    pub(super) without: Option<&'t Entry>,
}

/// One lookup (upstream contract §4.4). Collects the best candidate of each class; [`Walk::entry`] ranks them.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    lookup: Lookup<'t>,
    trailing_slash: bool,
    /// (i) A key with the segments of the path.
    exact: Option<&'t Entry>,
    /// (ii) The longest parent that governs first: which ones do is what [`Parents`] says; never `/`.
    governing_parent: Option<(usize, &'t Entry)>,
    /// (iii) The longest parent with a verb entry only.
    verb_parent: Option<(usize, &'t Entry)>,
    /// (iv) `/` as a parent.
    site: Option<&'t Entry>,
    /// Whether a sibling of a visited node differs from the path in letter case only, and may hold a better candidate.
    near_miss: bool,
}

impl<'t> Walk<'t> {
    pub(super) fn run(root: &'t Node, path: &str, lookup: Lookup<'t>) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (path, trailing_slash) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let mut walk = Self {
            lookup,
            trailing_slash,
            exact: None,
            governing_parent: None,
            verb_parent: None,
            site: None,
            near_miss: false,
        };
        // Folded once here and not at every node: folding a long path of escapes takes a while.
        let folded = letter_case::fold(path);
        walk.visit(root, (!path.is_empty()).then_some((path, &folded)), 0);
        walk
    }

    /// The entry that governs the path, if any.
    pub(super) fn entry(&self) -> Option<&'t Entry> {
        let parent = self.governing_parent.or(self.verb_parent).map(|(_, entry)| entry);
        self.exact.or(parent).or(self.site)
    }

    pub(super) fn near_miss(&self) -> bool {
        self.near_miss
    }

    /// Visits literals before the parameter, so that of two candidates of one length the first one seen is the one
    /// with the literal at the first difference. `rest` is what is left of the path and of the folded path, `None` after the last
    /// segment.
    fn visit(&mut self, node: &'t Node, rest: Option<(&str, &str)>, depth: usize) {
        let Some((rest, folded_rest)) = rest else {
            self.take_exact(node);
            return;
        };
        self.take_parent(node, depth);
        let (segment, rest) = split_segment(rest);
        let (folded_segment, folded_rest) = split_segment(folded_rest);
        let rest = rest.zip(folded_rest);
        let below = depth.saturating_add(1);
        let siblings = node.literals_in_any_case(folded_segment);
        for literal in siblings.iter().filter(|literal| *literal.name == *segment) {
            self.visit(&literal.node, rest, below);
        }
        // Whatever comes later is a worse candidate.
        if self.exact.is_some() {
            return;
        }
        for literal in siblings.iter().filter(|literal| *literal.name != *segment) {
            self.near_miss = true;
            if self.lookup.spelling == Spelling::AnyCase {
                self.visit(&literal.node, rest, below);
            }
        }
        if let Some(child) = node.parameter.as_deref().filter(|_| self.exact.is_none() && !segment.is_empty())
        {
            self.visit(child, rest, below);
        }
    }

    fn entry_of(&self, route: &'t Route) -> Option<&'t Entry> {
        route.entry(self.lookup.method, self.lookup.without)
    }

    fn take_exact(&mut self, node: &'t Node) {
        if self.exact.is_some() {
            return;
        }
        let (first, second) =
            if self.trailing_slash { (&node.slashed, &node.plain) } else { (&node.plain, &node.slashed) };
        self.exact = [first, second].into_iter().flatten().find_map(|route| self.entry_of(route));
    }

    fn take_parent(&mut self, node: &'t Node, depth: usize) {
        let slashed = node.slashed.as_ref().and_then(|route| self.entry_of(route));
        let plain = node.plain.as_ref().and_then(|route| self.entry_of(route));
        if depth == 0 {
            self.site = plain;
            return;
        }
        let governs = match self.lookup.parents {
            Parents::Endpoints => {
                node.plain.as_ref().is_some_and(|route| route.all(self.lookup.without).is_some())
            }
            Parents::Longest => true,
            Parents::TrailingSlash => false,
        };
        if let Some(entry) = slashed.or(plain.filter(|_| governs)) {
            keep_longest(&mut self.governing_parent, depth, entry);
        } else if let Some(entry) = plain.filter(|_| self.lookup.parents == Parents::Endpoints) {
            keep_longest(&mut self.verb_parent, depth, entry);
        }
    }
}

fn split_segment(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)))
}

fn keep_longest<'t>(best: &mut Option<(usize, &'t Entry)>, depth: usize, entry: &'t Entry) {
    if best.is_none_or(|(longest, _)| depth > longest) {
        *best = Some((depth, entry));
    }
}
