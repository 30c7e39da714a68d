//! The rules of one `auth.json`, compiled for lookup (upstream contract §4.4). Finds which rule governs a request;
//! does not decide whether the request may pass.

mod idle;
mod key;
mod letter_case;
mod representatives;
mod rule;
mod tree;

#[cfg(test)]
mod leniency;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::expression::Facts;
use crate::method::Method;
use crate::path::{PathPolicy, PathRefusal, RepeatedSlashes, RequestPath};
use key::Key;
use tree::{Lookup, Node, Spelling, Walk};

pub(crate) use idle::Idle;
pub use key::KeyError;
pub(crate) use rule::{Entry, Route};
pub use rule::{Position, Rule, Section, Shadow};

/// The request as the gateway received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The verb, as it came over the wire.
    pub method: &'a [u8],
    /// Path and optional query, as they came over the wire; never decoded by somebody else.
    pub target: &'a [u8],
    pub facts: Facts<'a>,
}

/// The rule that governs a request, and the rules that other readings of its path would choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'t> {
    rule: &'t Arc<Rule>,
    /// Each once, and never the ordinary one.
    other_readings: Vec<&'t Arc<Rule>>,
}

impl<'t> Found<'t> {
    /// The rule that the path's ordinary reading chooses.
    #[must_use]
    pub fn rule(&self) -> &'t Arc<Rule> {
        self.rule
    }

    /// A reading that no rule speaks for says nothing; one whose entry lacks the section denies.
    fn add_reading(&mut self, walk: &Walk<'t>, is_backoffice: bool) -> Result<(), NotFound> {
        if let Some(entry) = walk.entry() {
            self.add(entry.rule(is_backoffice).ok_or(NotFound::NoRule)?);
        }
        Ok(())
    }

    fn add(&mut self, rule: &'t Arc<Rule>) {
        if !self.rules().any(|known| Arc::ptr_eq(known, rule)) {
            self.other_readings.push(rule);
        }
    }

    /// Every rule that must allow: the ordinary reading's first.
    pub fn rules(&self) -> impl Iterator<Item = &'t Arc<Rule>> {
        std::iter::once(self.rule).chain(self.other_readings.iter().copied())
    }
}

/// Why no rule governs a request. Always a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error(transparent)]
    PathRefused(#[from] PathRefusal),
    /// Nothing matches, the verb is not one that rules can name, or the matching entry lacks the needed section.
    #[error("no rule governs this path and verb")]
    NoRule,
}

/// Why a route cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddRouteError {
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Holds the key that is there already (G-PATH-19).
    #[error("`{0}` matches the same paths: write one entry with the verbs of both")]
    SamePaths(Box<str>),
}

/// Which keys govern the paths below them (upstream contract §4.4 leaves it open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parents {
    /// Every key, at a slash: first the longest that has `ALL` or ends with a slash, then the longest that has the verb,
    /// `/` last. Reading B, in the recommended order.
    #[default]
    Endpoints,
    /// Every key, at a slash: the longest that has the verb or `ALL`.
    Longest,
    /// Only keys that are written with a slash at the end. Reading A.
    TrailingSlash,
}

/// How requests find their rules: what a deployment chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Matching {
    pub parents: Parents,
    pub paths: PathPolicy,
}

impl From<RepeatedSlashes> for Matching {
    fn from(repeated_slashes: RepeatedSlashes) -> Self {
        Self { paths: repeated_slashes.into(), ..Self::default() }
    }
}

/// The compiled rules. Immutable: a new file makes a new table.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTable {
    root: Node,
    matching: Matching,
}

impl RouteTable {
    /// A table without rules, which denies everything.
    #[must_use]
    pub fn empty(matching: impl Into<Matching>) -> Self {
        Self { root: Node::default(), matching: matching.into() }
    }

    /// Every rule, in the order of the paths.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.entries().flat_map(Entry::rules)
    }

    /// Every verb of every key, in the order of the paths.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let mut routes = Vec::new();
        self.root.collect(&mut routes);
        routes.into_iter().flat_map(|route| &route.entries)
    }

    /// Every key, in the order of the paths, with a path that it matches: for each parameter a name that no key has.
    pub(crate) fn example_paths(&self) -> Vec<(&str, String)> {
        let another = representatives::segment_that_is_no_literal(&self.root);
        let mut routes = Vec::new();
        self.root.collect(&mut routes);
        let filled = |key: &str| {
            let segments =
                key.split('/').map(|part| if part.starts_with(':') { another.as_str() } else { part });
            segments.collect::<Vec<_>>().join("/")
        };
        routes.into_iter().map(|route| (&*route.key, filled(&route.key))).collect()
    }

    pub(crate) fn add(&mut self, route: Route) -> Result<(), AddRouteError> {
        let key = Key::parse(&route.key)?;
        self.root.insert(&key, route).map_err(|existing| AddRouteError::SamePaths(existing.key.clone()))
    }

    /// The rule that governs a request. Allocates only for a path with escapes, capitals, dots or repeated slashes.
    ///
    /// # Errors
    /// The path is refused, or nothing governs it.
    pub fn find(&self, request: &Request<'_>) -> Result<Found<'_>, NotFound> {
        let path = RequestPath::parse(request.target, self.matching.paths)?;
        let method = Method::from_token(request.method).ok_or(NotFound::NoRule)?;
        let is_backoffice = request.facts.is_backoffice;
        let mut found = self.readings(&path, method, is_backoffice)?;
        // Whoever takes encoded slashes for slashes has a path of their own, which needs a rule as any other does.
        if let Some(split) = path.split() {
            let readings = self.readings(split, method, is_backoffice)?;
            readings.rules().for_each(|rule| found.add(rule));
        }
        Ok(found)
    }

    /// The rules that the readings of a path choose.
    ///
    /// A server may merge slashes or not, ignore case or not, decode `%61` or `%3A` before routing or not, take the end of a
    /// name for a file format or not, and do several of these. A rule that governs another reading of this path must allow too
    /// (conformance §3.0 rule 2, K-10, G-PATH-12, G-PATH-27): so every text that a server makes of it is looked up as it is
    /// spelled, and in any letter case where that may find another rule.
    fn readings(
        &self,
        path: &RequestPath<'_>,
        method: Method,
        is_backoffice: bool,
    ) -> Result<Found<'_>, NotFound> {
        let walk = |text: &str, spelling| self.walk(text, method, spelling, None);
        let ordinary = walk(path.as_str(), Spelling::Exact);
        let rule = ordinary.entry().and_then(|entry| entry.rule(is_backoffice)).ok_or(NotFound::NoRule)?;
        let mut found = Found { rule, other_readings: Vec::new() };
        if ordinary.near_miss() {
            found.add_reading(&walk(path.as_str(), Spelling::AnyCase), is_backoffice)?;
        }
        for text in path.other_texts() {
            let spelled = walk(&text, Spelling::Exact);
            found.add_reading(&spelled, is_backoffice)?;
            if spelled.near_miss() {
                found.add_reading(&walk(&text, Spelling::AnyCase), is_backoffice)?;
            }
        }
        Ok(found)
    }

    /// One lookup, as if an entry were not in the file.
    fn walk<'t>(
        &'t self,
        path: &str,
        method: Method,
        spelling: Spelling,
        without: Option<&'t Entry>,
    ) -> Walk<'t> {
        Walk::run(&self.root, path, Lookup { method, spelling, parents: self.matching.parents, without })
    }
}
