//! What is wrong, or doubtful, in a rules file, and where.

use std::fmt;

/// A mistake or a warning, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
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
