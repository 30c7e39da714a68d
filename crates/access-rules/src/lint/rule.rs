//! What is doubtful about one rule.

use super::decide_alike;
use crate::expression::{Expression, Worlds};
use crate::route_table::{Entry, Rule, Section};
use crate::rules_file::{FindingKind, Severity};

/// Something to say about an expression.
pub(super) struct Note {
    pub(super) severity: Severity,
    pub(super) kind: FindingKind,
    /// Inside the expression.
    pub(super) column: Option<usize>,
    pub(super) message: String,
}

/// About the expression that is in force.
pub(super) fn notes(entry: &Entry, rule: &Rule) -> Vec<Note> {
    about(entry, rule.section, &rule.expression, &rule.text)
}

/// About the one that is tried. It decides nothing, so nothing about it is an error yet.
pub(super) fn shadow_notes(entry: &Entry, rule: &Rule) -> Vec<Note> {
    let Some(shadow) = &rule.shadow else { return Vec::new() };
    let mut notes = about(entry, rule.section, &shadow.expression, &shadow.text);
    let (live, tried) = ((&rule.expression, rule.public), (&shadow.expression, rule.public));
    if entry.backoffice_in(rule.section).iter().all(|backoffice| decide_alike(live, tried, *backoffice)) {
        let message = "decides like `expression`: nothing would change".to_owned();
        notes.push(Note { severity: Severity::Warning, kind: FindingKind::Duplicate, column: None, message });
    }
    for note in &mut notes {
        if note.severity == Severity::Error {
            note.severity = Severity::Warning;
        }
    }
    notes
}

fn about(entry: &Entry, section: Section, expression: &Expression, text: &str) -> Vec<Note> {
    // Said at load: it has no value at all.
    if expression.always_fails() {
        return Vec::new();
    }
    let note = |severity, kind, message: String| vec![Note { severity, kind, column: None, message }];
    let Some(everywhere) = Worlds::of(&[expression], &[false, true]) else {
        let message = "not checked: too many names".to_owned();
        return note(Severity::Note, FindingKind::NotChecked, message);
    };
    // `true` and `false` alone say plainly what they mean.
    if matches!(text.trim(), "true" | "false") {
        return Vec::new();
    }
    let Some(here) = Worlds::of(&[expression], entry.backoffice_in(section)) else { return Vec::new() };
    let truth = here.truth(expression);
    if truth.never() {
        let why = if everywhere.truth(expression).never() { "" } else { no_such_request(section) };
        let message = format!("`{expression}` holds for nobody, so every request to it is denied{why}");
        return note(Severity::Error, FindingKind::AlwaysFalse, message);
    }
    if truth.always() {
        let why = if everywhere.truth(expression).always() { "" } else { no_such_request(section) };
        let message = format!("`{expression}` holds for everybody{why}; if that is meant, write `true`");
        return note(Severity::Error, FindingKind::AlwaysTrue, message);
    }
    redundant(expression, text, &everywhere)
}

/// Which requests never come to a section.
fn no_such_request(section: Section) -> &'static str {
    match section {
        Section::Authorization => " (backoffice requests use `backofficeAuthorization`)",
        Section::BackofficeAuthorization => " (only backoffice requests come here)",
    }
}

/// `isBackoffice` is judged as if it could be either: `isBackoffice && groups.admin` is how backoffice rules are written,
/// whatever section they stand in.
fn redundant(expression: &Expression, text: &str, worlds: &Worlds) -> Vec<Note> {
    let columns = Expression::operand_columns(text);
    let redundant = expression.redundant(worlds).into_iter();
    let notes = redundant.map(|clause| {
        let (kind, message) = if clause.duplicate {
            (FindingKind::Duplicate, format!("`{}` stands here twice", clause.text))
        } else {
            let message =
                format!("`{}` never matters: without it the expression means the same", clause.text);
            (FindingKind::NeverMatters, message)
        };
        Note { severity: Severity::Warning, kind, column: columns.get(clause.operand).copied(), message }
    });
    notes.collect()
}
