//! The life of a process, the same for both services: arguments → telemetry → configuration → build (binds) → run.
//! Exit codes: 0 stopped as asked, 1 failed, 64 used wrongly (a bad variable or argument).

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::clock::SystemClock;
use crate::health;
use crate::logging::{self, LogLevel};
use crate::output;
use crate::variables::{Problems, Variable, Vars};

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

/// Why a service did not start: a sentence for the person who started it, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    /// With a sentence that says what is wrong and what to do.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Why a command of a service did not do what it was asked, in a sentence.
#[derive(Debug)]
pub enum CommandFailure {
    /// It was used wrongly: exit code 64.
    Usage(String),
    Failed(String),
}

/// A service: what [`run`] needs to know about it.
pub trait Service: Sized {
    /// Its name, as in logs and status answers.
    const NAME: &'static str;
    /// The variables it understands.
    const VARIABLES: &'static [Variable];
    /// What the variables say, checked.
    type Config;

    /// Reads and checks all variables; touches nothing outside.
    ///
    /// # Errors
    /// Every mistake there is.
    fn configure(vars: &Vars) -> Result<Self::Config, Problems>;

    /// How much to log, and which address and port answer `/-/healthz`.
    fn telemetry(config: &Self::Config) -> Telemetry;

    /// Checks what the variables lead to, as far as that can be read without starting; for `--check-config`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(_config: &Self::Config) -> Result<(), StartError> {
        Ok(())
    }

    /// The arguments of the program with the service's own commands among them.
    #[must_use]
    fn with_commands(program: Command) -> Command {
        program
    }

    /// Runs the command that the arguments name, if they name one of [`Self::with_commands`].
    #[must_use]
    fn command(_arguments: &ArgMatches, _vars: &Vars) -> Option<Result<(), CommandFailure>> {
        None
    }

    /// Opens stores, loads keys and rules, binds the listeners.
    fn build(config: Self::Config) -> impl Future<Output = Result<Self, StartError>>;

    /// Serves until a signal asks to stop.
    fn run(self) -> impl Future<Output = std::io::Result<()>>;
}

/// See [`Service::telemetry`].
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub log_level: LogLevel,
    pub http_host: String,
    pub http_port: u16,
}

/// The version of the programs, for instance `0.1.0+1a2b3c4d5e6f`: behind the `+` is the commit, if the build was told.
pub const VERSION: &str = env!("GETTONE_VERSION");

/// `main` of a service.
#[must_use]
pub fn run<S: Service>() -> ExitCode {
    let arguments = match S::with_commands(command(S::NAME)).try_get_matches() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    if arguments.get_flag("print-config") {
        return finish(S::NAME, print(&Variable::markdown(S::VARIABLES)));
    }
    let vars = Vars::from_env();
    if let Some(outcome) = S::command(&arguments, &vars) {
        return match outcome {
            Err(CommandFailure::Usage(what)) => {
                complain(&format!("{}: {what}", S::NAME));
                ExitCode::from(EXIT_USAGE)
            }
            Err(CommandFailure::Failed(what)) => finish(S::NAME, Err(what)),
            Ok(()) => ExitCode::SUCCESS,
        };
    }
    let config = match S::configure(&vars) {
        Ok(config) => config,
        Err(problems) => {
            complain(&format!(
                "{} cannot start: {problems}\nEvery variable: {} --print-config",
                S::NAME,
                S::NAME
            ));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let telemetry = S::telemetry(&config);
    if arguments.subcommand_matches("healthcheck").is_some() {
        return finish(
            S::NAME,
            health::check(&telemetry.http_host, telemetry.http_port).map_err(|error| {
                let asked = health::local_authority(&telemetry.http_host, telemetry.http_port);
                format!("nothing well answers on {asked} (HTTP_HOST, HTTP_PORT): {error}")
            }),
        );
    }
    if arguments.get_flag("check-config") {
        return match S::check(&config) {
            Ok(()) => finish(S::NAME, print("The configuration is well formed.\n")),
            Err(error) => finish(S::NAME, Err(error.to_string())),
        };
    }
    let _log = match logging::install(telemetry.log_level, Arc::new(SystemClock)) {
        Ok(log) => log,
        Err(error) => return finish(S::NAME, Err(format!("cannot start: no thread for the log: {error}"))),
    };
    finish(S::NAME, actix_web::rt::System::new().block_on(serve::<S>(config)))
}

async fn serve<S: Service>(config: S::Config) -> Result<(), String> {
    let service = S::build(config).await.map_err(|error| format!("cannot start: {error}"))?;
    service.run().await.map_err(|error| format!("stopped by an error: {error}"))
}

fn command(name: &'static str) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new(name)
        .version(VERSION)
        .about("Serves until it is told to stop. Configured by environment variables alone.")
        .arg(flag("print-config", "Print every variable with its default and meaning, and exit"))
        .arg(flag(
            "check-config",
            "Check the variables (64 if one is wrong) and the files they name (1 if one is broken), and exit",
        ))
        .subcommand(
            Command::new("healthcheck").about("Ask the service running on this machine whether it is well"),
        )
}

fn finish(name: &str, outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            complain(&format!("{name}: {what}"));
            ExitCode::FAILURE
        }
    }
}

/// To a person's terminal, not to the log.
fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

fn print(text: &str) -> Result<(), String> {
    match output::print(text) {
        Err(error) if output::nobody_reads_on(&error) => Ok(()),
        printed => printed.map_err(|error| format!("standard output cannot be written: {error}")),
    }
}
