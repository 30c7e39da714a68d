//! What is wrong, or doubtful, in a rules file, and where.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information: nothing is wrong.
    Note,
    /// Probably not what is meant.
    Warning,
    /// Surely not what is meant.
    Error,
}

impl Severity {
    /// One word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The file cannot be used.
    Mistake,
    /// The file, a path or a verb holds nothing.
    Empty,
    /// A segment of a key is `*`, which stands for itself.
    LiteralStar,
    /// A missing group or permission makes the expression true (G-EXP-03).
    NegationOverMissingData,
    /// `groups` or `permissions` by itself.
    WholeSet,
    /// A constant stands where a condition is expected.
    ConstantCondition,
    /// The expression mixes types: it has no value.
    AlwaysFails,
    /// The expression holds for nobody.
    AlwaysFalse,
    /// The expression holds for everybody.
    AlwaysTrue,
    /// A clause could be left out.
    NeverMatters,
    /// The same stands twice.
    Duplicate,
    /// No request is governed by it.
    Unreachable,
    /// Another rule would decide the same.
    Shadowed,
    /// So many keys overlap that looking a path up takes long.
    Overlapping,
    /// There is too much to look at.
    NotChecked,
}

impl FindingKind {
    /// The kind in one word, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mistake => "mistake",
            Self::Empty => "empty",
            Self::LiteralStar => "literal-star",
            Self::NegationOverMissingData => "negation-over-missing-data",
            Self::WholeSet => "whole-set",
            Self::ConstantCondition => "constant-condition",
            Self::AlwaysFails => "always-fails",
            Self::AlwaysFalse => "always-false",
            Self::AlwaysTrue => "always-true",
            Self::NeverMatters => "never-matters",
            Self::Duplicate => "duplicate",
            Self::Unreachable => "unreachable",
            Self::Shadowed => "shadowed",
            Self::Overlapping => "overlapping",
            Self::NotChecked => "not-checked",
        }
    }
}

/// A mistake or a warning, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub kind: FindingKind,
    /// The file, as the caller named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The way to the member, such as `/orders → GET → authorization.expression`; empty for the file as a whole.
    pub place: String,
    /// The column inside the expression, from 1, in characters, if that is where the mistake is.
    pub expression_column: Option<usize>,
    /// What was expected, as a sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.place.is_empty() {
            f.write_str(&self.place)?;
            if let Some(column) = self.expression_column {
                write!(f, ", column {column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// A file with mistakes: all of them, in the order of the file. `Display` prints one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRules {
    pub findings: Vec<Finding>,
}

impl fmt::Display for InvalidRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidRules {}
