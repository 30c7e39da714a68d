//! The commands for those who write rules and those who wonder about them: `authorization-service routes` and so on.
//! They read files and, but for `explain` with the id of a denial, need no running service. Without `--rules` they look at
//! the rules that the service of their own environment would decide by, found by the same variables.

mod check;
mod coverage;
mod explain;
mod explanation;
mod input;
mod principal;
mod replay;
mod routes;
mod test;
mod who_can;
mod yaml;

use std::path::{Path, PathBuf};

use access_rules::{LoadedRules, Method};
use clap::{Args, FromArgMatches, Subcommand};
use service_kit::management::ManagementError;
use service_kit::output::{self, Format};
use service_kit::{CommandFailure, Problems, Vars};

use crate::config::RulesSettings;
use crate::rules_source::{self, RulesError};

/// What may be asked.
#[derive(Debug, Subcommand)]
enum Command {
    /// Look a rules file over for rules that cannot be what they are meant to be
    Check(check::Check),
    /// Say why a request was denied, by the id of the denial, or what would become of one
    Explain(Box<explain::Explain>),
    /// Run the cases of test files against the rules
    Test(test::Test),
    /// List every rule, in the order of the paths
    Routes(routes::Routes),
    /// Find the operations of an API without a rule, and the rules without an operation
    Coverage(coverage::Coverage),
    /// Tell which decisions of a log other rules would change
    Replay(replay::Replay),
    /// Tell what one must have to make a request
    WhoCan(who_can::WhoCanMake),
    /// Tell which paths and verbs somebody may call
    WhatCan(who_can::WhatCan),
}

/// Which rules, and how the answer is shown.
#[derive(Debug, Args)]
struct Asked {
    /// The rules file [default: that of CONFIGURATION_PATH and CONFIGURATION_FILE_NAME]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// A table for people, or JSON for scripts
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}\nEvery variable: authorization-service --print-config")]
    Variables(Problems),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error(transparent)]
    Management(#[from] ManagementError),
    #[error("the command cannot run: {0}")]
    Start(std::io::Error),
    /// A file that somebody named.
    #[error("{file} cannot be used: {reason}", file = .file.display())]
    File { file: PathBuf, reason: String },
    #[error("standard output cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// It has been told already, and the exit code is all that is left to say.
    #[error("{0}")]
    Told(&'static str),
}

impl Asked {
    fn load(&self, vars: &Vars) -> Result<LoadedRules, CommandError> {
        let settings = settings(self.rules.as_deref(), vars)?;
        rules_source::load(&settings).map_err(|error| unusable(error, self.rules.is_some()))
    }
}

/// The rules that the service would use, or those of another file in the same circumstances.
fn settings(file: Option<&Path>, vars: &Vars) -> Result<RulesSettings, CommandError> {
    let mut settings = RulesSettings::from_vars(vars).map_err(CommandError::Variables)?;
    if let Some(file) = file {
        file.clone_into(&mut settings.file);
    }
    Ok(settings)
}

/// No variable is to blame for a file that somebody named.
fn unusable(error: RulesError, is_named: bool) -> CommandError {
    match error {
        RulesError::Unreadable { file, reason } if is_named => {
            CommandError::File { file: file.into(), reason: reason.to_string() }
        }
        error => error.into(),
    }
}

/// A verb that a person wrote. No rule governs `get`, so nobody means it.
fn verb(text: &str) -> Result<String, String> {
    match Method::from_token(text.to_ascii_uppercase().as_bytes()) {
        Some(method) if method.as_str() != text => {
            Err(format!("verbs are written in capitals: did you mean {method}?"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The arguments of the program with the commands among them.
pub(crate) fn with_commands(program: clap::Command) -> clap::Command {
    // The derived text would take the place of the program's own.
    let about = program.get_about().cloned().unwrap_or_default();
    Command::augment_subcommands(program).about(about)
}

/// Runs the command that the arguments name, if they name one of ours.
pub(crate) fn run(arguments: &clap::ArgMatches, vars: &Vars) -> Option<Result<(), CommandFailure>> {
    let command = Command::from_arg_matches(arguments).ok()?;
    Some(match execute(&command, vars) {
        Err(CommandError::Output(error)) if output::nobody_reads_on(&error) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    })
}

impl From<CommandError> for CommandFailure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Variables(_)
            | CommandError::Management(ManagementError::Url(_) | ManagementError::Variable(_)) => {
                Self::Usage(error.to_string())
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

fn execute(command: &Command, vars: &Vars) -> Result<(), CommandError> {
    match command {
        Command::Check(check) => check.run(vars),
        Command::Explain(explain) => explain.run(vars),
        Command::Test(test) => test.run(vars),
        Command::Routes(routes) => routes.run(vars),
        Command::Coverage(coverage) => coverage.run(vars),
        Command::Replay(replay) => replay.run(vars),
        Command::WhoCan(who_can) => who_can.run(vars),
        Command::WhatCan(what_can) => what_can.run(vars),
    }
}
