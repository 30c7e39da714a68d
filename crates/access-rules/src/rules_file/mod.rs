//! The text of `auth.json` (upstream contract §4.1) to a [`RouteTable`], or to the complete list of its mistakes.
//! Reads no file: the caller brings the bytes.

mod finding;
mod position;
mod reader;
mod syntax;
#[cfg(test)]
mod tests;

use crate::route_table::{Matching, RouteTable};

pub use finding::{Finding, FindingKind, InvalidRules, Severity};

/// Most bytes a rules file may have.
pub const MAX_RULES_FILE_SIZE: usize = 4 * 1024 * 1024;

/// A valid file: its rules, and what an operator should look at all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedRules {
    pub table: RouteTable,
    pub warnings: Vec<Finding>,
}

/// Compiles the content of a rules file. `file` only names it in messages; `matching` is what the deployment
/// chooses.
///
/// # Errors
/// Every mistake of the file at once; a text that is not JSON has only its first.
pub fn load_rules(
    file: &str,
    content: &[u8],
    matching: impl Into<Matching>,
) -> Result<LoadedRules, InvalidRules> {
    let whole_file = |line, column, message: String| InvalidRules {
        findings: vec![Finding {
            severity: Severity::Error,
            kind: FindingKind::Mistake,
            file: file.to_owned(),
            line,
            column,
            place: String::new(),
            expression_column: None,
            message,
        }],
    };
    if content.len() > MAX_RULES_FILE_SIZE {
        let message = format!("the file has {} bytes; expected at most {MAX_RULES_FILE_SIZE}", content.len());
        return Err(whole_file(1, 1, message));
    }
    let text = str::from_utf8(content).map_err(|error| {
        let valid = content.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        let (line, column) = position::Cursor::new(&valid).position(valid.len());
        whole_file(line, column, "the file is not UTF-8 from here on".to_owned())
    })?;
    let root = syntax::parse(text).map_err(|error| {
        let (line, column) = position::Cursor::new(text).position(error.offset);
        whole_file(line, column, error.message)
    })?;
    reader::Reader::new(file, text, matching.into()).read(&root)
}
