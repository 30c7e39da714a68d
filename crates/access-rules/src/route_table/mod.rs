//! The rules of one `auth.json`, compiled for lookup (upstream contract §4.4). Finds which rule governs a request;
//! does not decide whether the request may pass.

mod idle;
mod key;
mod letter_case;
mod representatives;
mod rule;
mod tree;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::expression::Facts;
use crate::method::Method;
use crate::path::{PathRefusal, RepeatedSlashes, RequestPath, without_endings};
use key::Key;
use tree::{Node, Spelling, Walk};

pub(crate) use idle::Idle;
pub use key::KeyError;
pub(crate) use rule::{Entry, Route};
pub use rule::{Position, Rule, Section};

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'t> {
    rule: &'t Arc<Rule>,
    other_readings: [Option<&'t Arc<Rule>>; 4],
}

impl<'t> Found<'t> {
    /// The rule that the path's ordinary reading chooses.
    #[must_use]
    pub fn rule(&self) -> &'t Arc<Rule> {
        self.rule
    }

    /// Every rule that must allow: the ordinary reading's first.
    pub fn rules(&self) -> impl Iterator<Item = &'t Arc<Rule>> {
        std::iter::once(self.rule).chain(self.other_readings.into_iter().flatten())
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

/// The compiled rules. Immutable: a new file makes a new table.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTable {
    root: Node,
    repeated_slashes: RepeatedSlashes,
}

impl RouteTable {
    /// A table without rules, which denies everything.
    #[must_use]
    pub fn empty(repeated_slashes: RepeatedSlashes) -> Self {
        Self { root: Node::default(), repeated_slashes }
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

    pub(crate) fn add(&mut self, route: Route) -> Result<(), AddRouteError> {
        let key = Key::parse(&route.key)?;
        self.root.insert(&key, route).map_err(|existing| AddRouteError::SamePaths(existing.key.clone()))
    }

    /// The rule that governs a request. Allocates only for a path with escapes or capitals.
    ///
    /// # Errors
    /// The path is refused, or nothing governs it.
    pub fn find(&self, request: &Request<'_>) -> Result<Found<'_>, NotFound> {
        let path = RequestPath::parse(request.target, self.repeated_slashes)?;
        let method = Method::from_token(request.method).ok_or(NotFound::NoRule)?;
        let is_backoffice = request.facts.is_backoffice;
        let walk = Walk::run(&self.root, path.as_str(), method, Spelling::Exact);
        let rule = walk.entry().and_then(|entry| entry.rule(is_backoffice)).ok_or(NotFound::NoRule)?;

        // A server may merge slashes or not, ignore case or not, decode `%3A` before routing or not, take the end of a
        // name for a file format or not. A rule that governs another reading of this path must allow too (conformance
        // §3.0 rule 2, K-10, G-PATH-12, G-PATH-27).
        let lenient_path = path.decoded().unwrap_or(path.as_str());
        let any_case = |path: &str| Walk::run(&self.root, path, method, Spelling::AnyCase);
        let lenient = (walk.near_miss() || path.decoded().is_some()).then(|| any_case(lenient_path));
        let [undotted, unsuffixed] = without_endings(lenient_path).map(|path| path.as_deref().map(any_case));
        let literal = path.unmerged().map(|path| Walk::run(&self.root, path, method, Spelling::Exact));
        let mut other_readings = [None; 4];
        for (place, reading) in other_readings.iter_mut().zip([lenient, literal, undotted, unsuffixed]) {
            // A reading that no rule speaks for says nothing; one whose entry lacks the section denies.
            if let Some(entry) = reading.and_then(|walk| walk.entry()) {
                let other = entry.rule(is_backoffice).ok_or(NotFound::NoRule)?;
                *place = (!std::ptr::eq(other, rule)).then_some(other);
            }
        }
        Ok(Found { rule, other_readings })
    }
}
