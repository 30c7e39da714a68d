//! Where the rules come from: a file, read at start and again whenever it changes. What is in force is swapped as a
//! whole, and stays in force while the file is broken or gone.

mod file;
mod live;
#[cfg(test)]
mod tests;
mod watch;

use access_rules::{InvalidRules, LoadedRules, RouteTable, Rule, load_rules};
use common::Timestamp;
use service_kit::StartError;
use sha2::{Digest, Sha256};

use crate::config::RulesSettings;

pub(crate) use live::LiveRules;
pub(crate) use watch::{Watch, run};

/// The rules of one content of the file.
#[derive(Debug)]
pub(crate) struct RuleSet {
    pub(crate) table: RouteTable,
    pub(crate) version: RulesVersion,
    pub(crate) loaded_at: Timestamp,
}

/// Which content of the file it is. `Display` prints the first half a dozen bytes of the digest: enough for people to
/// tell two apart, and for replicas to be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RulesVersion([u8; 32]);

impl RulesVersion {
    fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl std::fmt::Display for RulesVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl std::fmt::Debug for RulesVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RulesVersion({self})")
    }
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
    Invalid(#[from] InvalidRules),
}

/// Reads and compiles the rules file.
///
/// # Errors
/// As [`RulesError`] says.
pub(crate) fn load(settings: &RulesSettings) -> Result<LoadedRules, RulesError> {
    compile(settings, &read(settings)?).map_err(RulesError::Invalid)
}

/// Reads and compiles the rules file for a service that starts; what is doubtful in it goes to the log.
///
/// # Errors
/// A sentence if it cannot be read, else every mistake in it with its place.
pub(crate) fn start(settings: &RulesSettings, now: Timestamp) -> Result<RuleSet, StartError> {
    let rules = read(settings).and_then(|content| Ok(rule_set(settings, &content, now)?));
    rules.map_err(|error| StartError::new(error.to_string()))
}

fn read(settings: &RulesSettings) -> Result<Vec<u8>, RulesError> {
    file::read(&settings.file)
        .map(|read| read.bytes)
        .map_err(|reason| RulesError::Unreadable { file: settings.file.display().to_string(), reason })
}

fn compile(settings: &RulesSettings, content: &[u8]) -> Result<LoadedRules, InvalidRules> {
    load_rules(&settings.file.display().to_string(), content, settings.matching)
}

/// Compiles a content of the file; what is doubtful in it goes to the log.
fn rule_set(settings: &RulesSettings, content: &[u8], now: Timestamp) -> Result<RuleSet, InvalidRules> {
    let LoadedRules { table, warnings } = compile(settings, content)?;
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
    if !settings.permissions_are_known && table.rules().any(Rule::asks_for_permissions) {
        tracing::warn!("rules ask for permissions, but CUSTOM_PERMISSIONS_KEY is not set: nobody has any");
    }
    Ok(RuleSet { table, version: RulesVersion::of(content), loaded_at: now })
}
