//! Where the rules come from: a file, read at start and again whenever it changes. What is in force is swapped as a
//! whole, and stays in force while the file is broken or gone.

mod file;
mod live;
#[cfg(test)]
mod tests;
mod watch;

use access_rules::{LoadedRules, RepeatedSlashes, RouteTable, load_rules};
use common::{Profile, Timestamp};
use service_kit::StartError;
use sha2::{Digest, Sha256};

use crate::config::Config;

pub(crate) use file::RulesFile;
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
    pub(crate) fn of(content: &[u8]) -> Self {
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

/// How the rules of a configuration are read.
#[derive(Debug, Clone)]
pub(crate) struct RulesSource {
    pub(crate) file: RulesFile,
    repeated_slashes: RepeatedSlashes,
}

impl RulesSource {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            file: RulesFile::new(config.rules_file()),
            repeated_slashes: match config.profile {
                Profile::Standard => RepeatedSlashes::Refuse,
                Profile::DropIn => RepeatedSlashes::Merge,
            },
        }
    }

    /// Reads and compiles the file, for a start.
    ///
    /// # Errors
    /// A sentence if it cannot be read, else every mistake in it with its place.
    pub(crate) fn load(&self, now: Timestamp) -> Result<RuleSet, StartError> {
        let read = self.file.read().map_err(|error| {
            StartError::new(format!(
                "the rules file {} cannot be read ({error}): CONFIGURATION_PATH and CONFIGURATION_FILE_NAME (without \
                 .json) say where it is",
                self.file
            ))
        })?;
        self.compile(&read.content, now).map_err(StartError::new)
    }

    /// Compiles a content of the file; what is doubtful in it goes to the log.
    ///
    /// # Errors
    /// Every mistake in it with its place.
    fn compile(&self, content: &[u8], now: Timestamp) -> Result<RuleSet, String> {
        let LoadedRules { table, warnings } =
            load_rules(&self.file.to_string(), content, self.repeated_slashes)
                .map_err(|invalid| invalid.to_string())?;
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
        Ok(RuleSet { table, version: RulesVersion::of(content), loaded_at: now })
    }
}
