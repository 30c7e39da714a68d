//! Where the rules come from: a file, read once at start.

use access_rules::{LoadedRules, load_rules};
use service_kit::StartError;

use crate::config::RulesSettings;

/// Reads and compiles the rules file; what is doubtful in it goes to the log.
///
/// # Errors
/// A sentence if it cannot be read, else every mistake in it with its place.
pub(crate) fn read(settings: &RulesSettings) -> Result<access_rules::RouteTable, StartError> {
    let LoadedRules { table, warnings } =
        load(settings).map_err(|error| StartError::new(error.to_string()))?;
    for warning in warnings {
        tracing::warn!(
            rule.file = warning.file,
            rule.line = warning.line,
            rule.column = warning.column,
            rule.place = warning.place,
            "{}",
            warning.message
        );
    }
    Ok(table)
}

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    #[error(
        "the rules file {file} cannot be read ({reason}): CONFIGURATION_PATH and CONFIGURATION_FILE_NAME (without \
         .json) say where it is"
    )]
    Unreadable { file: String, reason: std::io::Error },
    /// Lists every mistake.
    #[error(transparent)]
    Invalid(#[from] access_rules::InvalidRules),
}

/// Reads and compiles the rules file.
///
/// # Errors
/// As [`RulesError`] says.
pub(crate) fn load(settings: &RulesSettings) -> Result<LoadedRules, RulesError> {
    let file = settings.file.display().to_string();
    let content = std::fs::read(&settings.file)
        .map_err(|reason| RulesError::Unreadable { file: file.clone(), reason })?;
    Ok(load_rules(&file, &content, settings.repeated_slashes)?)
}
