//! JSON tree to rules. Walks the whole tree and notes every mistake on the way instead of stopping at the first.

use std::collections::HashSet;
use std::sync::Arc;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;

use super::LoadedRules;
use super::finding::{Finding, FindingKind, InvalidRules, Severity};
use super::position::Cursor;
use crate::expression::{Expression, ExpressionWarning};
use crate::method::VerbEntry;
use crate::route_table::Shadow;
use crate::route_table::{Entry, Matching, Position, Route, RouteTable, Rule, Section};

pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// Of the rules, which are read in the order of the file.
    positions: Cursor<'a>,
    table: RouteTable,
    problems: Vec<Note>,
    warnings: Vec<Note>,
}

/// A finding whose offset is not a line and column yet.
struct Note {
    offset: usize,
    severity: Severity,
    kind: FindingKind,
    place: String,
    expression_column: Option<usize>,
    message: String,
}

/// An expression, and where it begins.
struct ReadExpression {
    offset: usize,
    position: Position,
    text: Box<str>,
    expression: Expression,
}

/// Where a rule stands, while it is read.
struct Place<'a> {
    key: &'a str,
    verb: VerbEntry,
    section: Section,
}

impl Place<'_> {
    fn member(&self, name: &str) -> String {
        format!("{} → {} → {}.{name}", self.key, self.verb, self.section)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, matching: Matching) -> Self {
        Self {
            file,
            text,
            positions: Cursor::new(text),
            table: RouteTable::empty(matching),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn read(mut self, root: &Value<'_>) -> Result<LoadedRules, InvalidRules> {
        match root.as_object() {
            Some(routes) => self.routes(routes),
            None => self.problem(root.start(), "", "expected an object of rules, one member per path"),
        }
        if self.problems.is_empty() {
            Ok(LoadedRules { warnings: findings(self.file, self.text, self.warnings), table: self.table })
        } else {
            Err(InvalidRules { findings: findings(self.file, self.text, self.problems) })
        }
    }

    fn routes(&mut self, routes: &Object<'_>) {
        if routes.properties.is_empty() {
            self.empty(routes.start(), "", "the file holds no rules: every request is denied");
        }
        for property in self.distinct_members(routes, "") {
            let key = property.name.as_str();
            let entries = self.entries(key, &property.value);
            if key.split('/').any(|segment| matches!(segment, "*" | "**")) {
                let message = "`*` is literal, no wildcard: write `:name` for any one segment";
                self.doubt(property.name.start(), key, FindingKind::LiteralStar, message);
            }
            let route = Route { key: key.into(), entries };
            if let Err(error) = self.table.add(route) {
                self.problem(property.name.start(), key, error.to_string());
            }
        }
    }

    fn entries(&mut self, key: &str, value: &Value<'_>) -> Vec<Entry> {
        let Some(verbs) = value.as_object() else {
            self.problem(value.start(), key, "expected an object, one member per verb");
            return Vec::new();
        };
        if verbs.properties.is_empty() {
            self.empty(value.start(), key, "the path has no verbs: this entry governs nothing");
        }
        let mut entries = Vec::new();
        for property in self.distinct_members(verbs, key) {
            let name = property.name.as_str();
            match VerbEntry::from_key(name) {
                Some(verb) => entries.push(self.entry(key, verb, &property.value)),
                None => self.problem(
                    property.name.start(),
                    &format!("{key} → {name}"),
                    "expected one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS or ALL, in capitals",
                ),
            }
        }
        entries
    }

    fn entry(&mut self, key: &str, verb: VerbEntry, value: &Value<'_>) -> Entry {
        let place = format!("{key} → {verb}");
        let mut entry = Entry { verb, authorization: None, backoffice: None };
        let Some(sections) = value.as_object() else {
            self.problem(
                value.start(),
                &place,
                "expected an object with `authorization` or `backofficeAuthorization`",
            );
            return entry;
        };
        if sections.properties.is_empty() {
            self.empty(
                value.start(),
                &place,
                "there is no `authorization`: every request to this entry is denied",
            );
        }
        for property in self.distinct_members(sections, &place) {
            match property.name.as_str() {
                "authorization" => {
                    entry.authorization =
                        self.rule(&Place { key, verb, section: Section::Authorization }, &property.value);
                }
                "backofficeAuthorization" => {
                    let section = Section::BackofficeAuthorization;
                    entry.backoffice = self.rule(&Place { key, verb, section }, &property.value);
                }
                unknown => self.problem(
                    property.name.start(),
                    &format!("{place} → {unknown}"),
                    "expected `authorization` or `backofficeAuthorization`",
                ),
            }
        }
        entry
    }

    fn rule(&mut self, place: &Place<'_>, value: &Value<'_>) -> Option<Arc<Rule>> {
        let section = format!("{} → {} → {}", place.key, place.verb, place.section);
        let Some(members) = value.as_object() else {
            self.problem(value.start(), &section, "expected an object with `expression` and `public`");
            return None;
        };
        let mut expression = None;
        let mut shadow = None;
        let mut public = None;
        let mut missing = vec!["expression", "public"];
        for property in self.distinct_members(members, &section) {
            let name = property.name.as_str();
            missing.retain(|required| *required != name);
            match name {
                "expression" => expression = self.expression(place, name, &property.value),
                "shadowExpression" => shadow = self.expression(place, name, &property.value),
                "public" => public = self.public(place, &property.value),
                unknown => self.problem(
                    property.name.start(),
                    &place.member(unknown),
                    "expected `expression`, `public` or `shadowExpression`; rules have no other members",
                ),
            }
        }
        for name in missing {
            self.problem(value.start(), &section, format!("`{name}` is missing"));
        }
        let ReadExpression { offset, position, text, expression } = expression?;
        let rule = Rule {
            key: place.key.into(),
            verb: place.verb,
            section: place.section,
            public: public?,
            text,
            expression,
            position,
            shadow: shadow.map(|read| Shadow { text: read.text, expression: read.expression }),
        };
        self.doubts(offset, &place.member("expression"), &rule);
        Some(Arc::new(rule))
    }

    fn public(&mut self, place: &Place<'_>, value: &Value<'_>) -> Option<bool> {
        let public = value.as_boolean_lit().map(|literal| literal.value);
        if public.is_none() {
            self.problem(value.start(), &place.member("public"), "expected true or false, without quotes");
        }
        public
    }

    fn expression(&mut self, place: &Place<'_>, name: &str, value: &Value<'_>) -> Option<ReadExpression> {
        let Some(literal) = value.as_string_lit() else {
            self.problem(value.start(), &place.member(name), "expected a string");
            return None;
        };
        match Expression::parse(&literal.value) {
            Ok(expression) => {
                let offset = value.start();
                let (line, column) = self.positions.position(offset);
                let position = Position { line, column };
                Some(ReadExpression { offset, position, text: literal.value.as_ref().into(), expression })
            }
            Err(error) => {
                let mut note = Note::new(value.start(), &place.member(name), error.message);
                note.expression_column = Some(error.column);
                self.problems.push(note);
                None
            }
        }
    }

    /// The members of an object. A name that stands twice is a problem, and only its first value is read.
    fn distinct_members<'v, 't>(&mut self, object: &'v Object<'t>, place: &str) -> Vec<&'v ObjectProp<'t>> {
        let mut names = HashSet::new();
        let mut distinct = Vec::new();
        for property in &object.properties {
            let name = property.name.as_str();
            if names.insert(name) {
                distinct.push(property);
            } else {
                let message = format!("`{name}` stands twice in this object: keep one");
                self.problem(property.name.start(), place, message);
            }
        }
        distinct
    }

    fn problem(&mut self, offset: usize, place: &str, message: impl Into<String>) {
        self.problems.push(Note::new(offset, place, message));
    }

    fn empty(&mut self, offset: usize, place: &str, message: &str) {
        self.doubt(offset, place, FindingKind::Empty, message);
    }

    fn doubt(&mut self, offset: usize, place: &str, kind: FindingKind, message: &str) {
        let note = Note::new(offset, place, message);
        self.warnings.push(Note { severity: Severity::Warning, kind, ..note });
    }

    /// Negation over what a user lacks is worse where a user is needed: there it cannot be a welcome to strangers
    /// (G-EXP-03, G-EXP-04).
    fn doubts(&mut self, offset: usize, place: &str, rule: &Rule) {
        for warning in rule.expression.warnings() {
            let (severity, kind) = match warning {
                ExpressionWarning::NegatesUserData(_) if rule.public => {
                    (Severity::Warning, FindingKind::NegationOverMissingData)
                }
                ExpressionWarning::NegatesUserData(_) => {
                    (Severity::Error, FindingKind::NegationOverMissingData)
                }
                ExpressionWarning::WholeSet(_) => (Severity::Warning, FindingKind::WholeSet),
                ExpressionWarning::ConstantCondition(_) => {
                    (Severity::Warning, FindingKind::ConstantCondition)
                }
                ExpressionWarning::AlwaysFails(_) => (Severity::Error, FindingKind::AlwaysFails),
            };
            let note = Note::new(offset, place, warning.to_string());
            self.warnings.push(Note { severity, kind, ..note });
        }
    }
}

impl Note {
    fn new(offset: usize, place: &str, message: impl Into<String>) -> Self {
        Self {
            offset,
            severity: Severity::Error,
            kind: FindingKind::Mistake,
            place: place.to_owned(),
            expression_column: None,
            message: message.into(),
        }
    }
}

/// In the order of the file.
fn findings(file: &str, text: &str, mut notes: Vec<Note>) -> Vec<Finding> {
    notes.sort_by_key(|note| note.offset);
    let mut cursor = Cursor::new(text);
    let finding = |note: Note| {
        let (line, column) = cursor.position(note.offset);
        Finding {
            severity: note.severity,
            kind: note.kind,
            file: file.to_owned(),
            line,
            column,
            place: printable(&note.place),
            expression_column: note.expression_column,
            message: printable(&note.message),
        }
    };
    notes.into_iter().map(finding).collect()
}

/// Places and messages repeat names of the file; a line break in one must not look like another finding.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printed, character| {
        if character.is_control() {
            printed.extend(character.escape_unicode());
        } else {
            printed.push(character);
        }
        printed
    })
}
