//! One ACL rule: an expression and where it stands in the file.

use std::fmt;
use std::sync::Arc;

use crate::expression::Expression;
use crate::method::{Method, VerbEntry};

/// The two sections of a verb entry (upstream contract §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    Authorization,
    BackofficeAuthorization,
}

impl Section {
    /// The member of the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::BackofficeAuthorization => "backofficeAuthorization",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule. `Display` prints its place in the file: `/orders → GET → authorization`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub(crate) key: Box<str>,
    pub(crate) verb: VerbEntry,
    pub(crate) section: Section,
    pub(crate) public: bool,
    pub(crate) text: Box<str>,
    pub(crate) expression: Expression,
    pub(crate) position: Position,
    pub(crate) shadow: Option<Shadow>,
}

/// A second expression, which is evaluated and decides nothing. `Display` prints it as written in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Shadow {
    pub(crate) text: Box<str>,
    pub(crate) expression: Expression,
}

impl Shadow {
    /// The expression, parsed.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }
}

impl fmt::Display for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A place in the rules file. `Display` prints `line:column`, as editors read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Rule {
    /// The path pattern, as written in the file.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The verb entry that was used.
    #[must_use]
    pub fn verb(&self) -> VerbEntry {
        self.verb
    }

    /// The section that was used.
    #[must_use]
    pub fn section(&self) -> Section {
        self.section
    }

    /// Whether callers without identity may pass if the expression holds.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// The expression, as written in the file.
    #[must_use]
    pub fn expression_text(&self) -> &str {
        &self.text
    }

    /// The expression, parsed.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The expression that is tried beside the one in force, if there is one.
    #[must_use]
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// Whether an expression of it, in force or tried, asks what permissions the caller has.
    #[must_use]
    pub fn asks_for_permissions(&self) -> bool {
        let tried = self.shadow.as_ref().map(Shadow::expression);
        tried.into_iter().chain([&self.expression]).any(Expression::mentions_permissions)
    }

    /// Where its expression stands in the file.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {} → {}", self.key, self.verb, self.section)
    }
}

/// The rules of one verb of one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) verb: VerbEntry,
    pub(crate) authorization: Option<Arc<Rule>>,
    pub(crate) backoffice: Option<Arc<Rule>>,
}

impl Entry {
    /// The one or two rules of the entry.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.authorization.iter().chain(&self.backoffice).map(Arc::as_ref)
    }

    /// What of backoffice and other requests comes to a section of this entry.
    pub(crate) fn backoffice_in(&self, section: Section) -> &'static [bool] {
        match section {
            Section::BackofficeAuthorization => &[true],
            Section::Authorization if self.backoffice.is_some() => &[false],
            Section::Authorization => &[false, true],
        }
    }

    /// A backoffice request may borrow the plain section, never the other way round (upstream contract §4.2).
    pub(crate) fn rule(&self, is_backoffice: bool) -> Option<&Arc<Rule>> {
        let backoffice = if is_backoffice { self.backoffice.as_ref() } else { None };
        backoffice.or(self.authorization.as_ref())
    }
}

/// All verbs of one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    pub(crate) key: Box<str>,
    pub(crate) entries: Vec<Entry>,
}

impl Route {
    /// The verb's own entry, else `ALL`; `without` counts as if it were not there.
    pub(super) fn entry(&self, method: Method, without: Option<&Entry>) -> Option<&Entry> {
        self.named(VerbEntry::Only(method), without).or_else(|| self.all(without))
    }

    pub(super) fn all(&self, without: Option<&Entry>) -> Option<&Entry> {
        self.named(VerbEntry::All, without)
    }

    fn named(&self, verb: VerbEntry, without: Option<&Entry>) -> Option<&Entry> {
        let is_there = |entry: &&Entry| !without.is_some_and(|without| std::ptr::eq(without, *entry));
        self.entries.iter().find(|entry| entry.verb == verb).filter(is_there)
    }
}
