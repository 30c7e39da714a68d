//! Where the rules come from: a file, read once at start.

use std::path::Path;

use access_rules::{LoadedRules, RepeatedSlashes, load_rules};
use common::Profile;
use service_kit::StartError;

/// Reads and compiles the rules file; what is doubtful in it goes to the log.
///
/// # Errors
/// A sentence if it cannot be read, else every mistake in it with its place.
pub(crate) fn read(file: &Path, profile: Profile) -> Result<access_rules::RouteTable, StartError> {
    let name = file.display().to_string();
    let content = std::fs::read(file).map_err(|error| {
        StartError::new(format!(
            "the rules file {name} cannot be read ({error}): CONFIGURATION_PATH and CONFIGURATION_FILE_NAME (without \
             .json) say where it is"
        ))
    })?;
    let repeated_slashes = match profile {
        Profile::Standard => RepeatedSlashes::Refuse,
        Profile::DropIn => RepeatedSlashes::Merge,
    };
    let LoadedRules { table, warnings } = load_rules(&name, &content, repeated_slashes)
        .map_err(|invalid| StartError::new(invalid.to_string()))?;
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
