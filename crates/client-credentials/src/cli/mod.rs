//! The operator's commands, so that daily work needs no curl: `client-credentials clients list` and so on. They speak to
//! the management listener of a running service and know nothing else of it. Without options they find the service of
//! their own environment: the same `MANAGEMENT_HOST`, `MANAGEMENT_PORT`, `DATA_DIR` and `BOOTSTRAP_TOKEN` that the service reads.

mod audit;
mod client_credentials;
mod clients;
mod doctor;
mod import;
mod keys;

use std::path::PathBuf;

use clap::{Args, FromArgMatches, Subcommand};
use service_kit::management::{Management, ManagementError, Whereabouts};
use service_kit::output::{self, Format};
use service_kit::{CommandFailure, Vars};

/// What an operator may ask for.
#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the keys that sign tokens, make new ones, rotate
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make, list and change clients
    #[command(subcommand)]
    Clients(clients::Command),
    /// Show what happened to clients, keys and tokens, newest first
    Audit(audit::Audit),
    /// Look a running service over and say what is wrong with it, and what to do
    Doctor(Connection),
}

/// Where the service is, and how its answer is shown.
#[derive(Debug, Args)]
struct Connection {
    /// The management listener [default: that of MANAGEMENT_HOST and MANAGEMENT_PORT]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// File with the token [default: BOOTSTRAP_TOKEN, or bootstrap-token in DATA_DIR]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// A table for people, or JSON for scripts
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    output: Format,
}

/// The bootstrap token opens everything.
const WHEREABOUTS: Whereabouts = Whereabouts {
    service: "client-credentials",
    landmark: &["keys"],
    default_port: Some("3001"),
    token_variable: "BOOTSTRAP_TOKEN",
    default_token_file: |vars| Ok(Some(data_dir(vars)?.join("bootstrap-token"))),
};

/// Where the service of this environment keeps its files.
fn data_dir(vars: &Vars) -> Result<PathBuf, String> {
    Ok(vars.text("DATA_DIR")?.map_or_else(|| PathBuf::from("./data"), |path| PathBuf::from(path.as_str())))
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Management(#[from] ManagementError),
    /// A file of the operator.
    #[error("{path} cannot be used: {reason}", path = .path.display())]
    File { path: PathBuf, reason: String },
    /// It could not even begin.
    #[error("the command cannot run: {0}")]
    Start(std::io::Error),
    /// What was asked is done.
    #[error("it is done, but the answer cannot be shown: {0}")]
    Output(#[from] std::io::Error),
    /// It is made, and nobody will ever see it.
    #[error(
        "the secret that {client} got cannot be shown ({reason}), and is lost: give it another one with \
         `client-credentials clients rotate-secret {client} --grace 0`"
    )]
    SecretLost { client: String, reason: std::io::Error },
    #[error(
        "\"{0}\" has a blank, and no scope could name it: give each permission as an argument of its own"
    )]
    Blank(String),
    /// It shall be taken from a client that does not have it.
    #[error("{client} has no {kind} \"{item}\": nothing was revoked")]
    NotThere { client: String, kind: &'static str, item: String },
    /// There is more or less than one thing it could mean.
    #[error("{0}")]
    Undecided(String),
    /// Of an import; each has been named.
    #[error("{0} of the clients were refused: the reason stands beside each")]
    NotImported(usize),
    /// The doctor found something; it has said what.
    #[error("{0} of the checks failed: what to do stands beside each")]
    Unwell(usize),
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
    Some(match execute(command, vars) {
        Err(CommandError::Output(error)) if output::nobody_reads_on(&error) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    })
}

impl From<CommandError> for CommandFailure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Blank(_)
            | CommandError::Management(ManagementError::Url(_) | ManagementError::Variable(_)) => {
                Self::Usage(error.to_string())
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

fn execute(command: Command, vars: &Vars) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CommandError::Start)?;
    runtime.block_on(async {
        match command {
            Command::Keys(command) => keys::run(command, vars).await,
            Command::Clients(command) => clients::run(command, vars).await,
            Command::Audit(audit) => audit.run(vars).await,
            Command::Doctor(connection) => doctor::run(&connection, vars).await,
        }
    })
}

impl Connection {
    fn open(&self, vars: &Vars) -> Result<Management, ManagementError> {
        Management::find(&WHEREABOUTS, self.url.as_deref(), self.token_file.as_deref(), vars)
    }
}
