//! `client-credentials clients import`: clients of another product, with the ids and secrets that they have there. Each
//! client is made whole or not at all, and one that is there already is left as it is: so a file may be imported again,
//! until every line is well.

mod file;
mod hydra;
mod keycloak;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use credentials::client::{AuthMethod, BroughtAlong, ClientDefect, NewClient};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use service_kit::{Vars, files};

use self::file::Entry;
use super::{CommandError, Connection};
use service_kit::management::{Management, ManagementError};
use service_kit::output::Column;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// One client a line, an array of clients, or a realm export; - is standard input
    file: PathBuf,
    /// Whose file it is
    #[arg(long, value_enum)]
    from: Origin,
    /// Say what would become of each client, and change nothing; keys are not checked
    #[arg(long)]
    dry_run: bool,
    /// The state of the clients, unless the file says that they are disabled
    #[arg(long, default_value = "PUBLIC")]
    state: String,
    /// How clients with a secret authenticate, where the file does not say: Keycloak takes both ways
    #[arg(long, default_value = "client_secret_basic")]
    method: String,
    #[command(flatten)]
    connection: Connection,
}

/// Who wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Origin {
    /// Ory Hydra: rows of the table hydra_client, or what its admin API knows
    Hydra,
    /// Keycloak: a realm export, or its clients
    Keycloak,
    /// The members of POST /clients
    Gettone,
}

/// What the file does not say.
struct Defaults<'a> {
    state: &'a str,
    method: &'a str,
}

/// Why a client is not imported.
#[derive(Debug, PartialEq, Eq)]
enum Obstacle {
    /// It has no use for this service.
    Skip(String),
    /// It has, and something is wrong.
    Refuse(String),
}

/// What became of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Imported,
    ThereAlready,
    Skipped,
    Refused,
}

struct Row {
    line: usize,
    client: Option<String>,
    outcome: Outcome,
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column::text("LINE", "/line"),
    Column::text("CLIENT ID", "/clientId"),
    Column::text("OUTCOME", "/outcome"),
    Column::text("REASON", "/reason"),
];
/// How often the progress is told, in clients.
const PROGRESS: usize = 100;
/// What permissions over this service begin with: no other product gives them.
const PRIVILEGE: &str = "gettone:";

impl Import {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let text = read(&self.file)?;
        let entries =
            file::entries(&text).map_err(|reason| CommandError::File { path: self.file.clone(), reason })?;
        let management = self.connection.open(vars)?;
        let issuer = vars.text("MIA_JWT_ISSUER").ok().flatten().map(|text| text.to_string());
        let issuer = issuer.unwrap_or_default();
        let mut rows = Vec::new();
        let mut stopped = None;
        for entry in &entries {
            match self.one(entry, &management, &issuer).await {
                Ok(row) => rows.push(row),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            if rows.len().is_multiple_of(PROGRESS) {
                eprintln!("{} of {}", rows.len(), entries.len());
            }
        }
        self.show(&rows)?;
        if let Some(error) = stopped {
            eprintln!("stopped after {} of {} clients; import the file again", rows.len(), entries.len());
            return Err(error.into());
        }
        match rows.iter().filter(|row| row.outcome == Outcome::Refused).count() {
            0 => Ok(()),
            count => Err(CommandError::NotImported(count)),
        }
    }

    /// Imports one client. An error is none of the client's: the others would meet it too.
    async fn one(
        &self,
        entry: &Entry<'_>,
        management: &Management,
        issuer: &str,
    ) -> Result<Row, ManagementError> {
        let members = match self.members(entry) {
            Ok(members) => members,
            Err((client, obstacle)) => return Ok(Row::not_imported(entry.line, client, obstacle)),
        };
        let id = text(&members, "client_id").unwrap_or_default().to_owned();
        let row = |outcome, reason| Row { line: entry.line, client: Some(id.clone()), outcome, reason };
        let made = if self.dry_run {
            if let Err(defect) = check(&members, issuer) {
                return Ok(row(Outcome::Refused, Some(defect.to_string())));
            }
            match management.get(&["clients", &id], &[]).await {
                Ok(_) => return Ok(row(Outcome::ThereAlready, None)),
                Err(ManagementError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(Value::Null),
                Err(error) => Err(error),
            }
        } else {
            management.post(&["clients"], &Value::Object(members)).await
        };
        match made {
            Ok(_) => Ok(row(Outcome::Imported, None)),
            Err(ManagementError::Refused { status: StatusCode::CONFLICT, .. }) => {
                Ok(row(Outcome::ThereAlready, None))
            }
            Err(ManagementError::Refused { sentence, .. }) => Ok(row(Outcome::Refused, Some(sentence))),
            Err(error) => Err(error),
        }
    }

    /// The members of `POST /clients`, or whom it is about, as far as that is known, and why there are none.
    fn members(&self, entry: &Entry<'_>) -> Result<Map<String, Value>, (Option<String>, Obstacle)> {
        let members = entry.members().map_err(|reason| (None, Obstacle::Refuse(reason)))?;
        let names = ["client_id", "clientId", "id"];
        let known = names.into_iter().find_map(|name| text(&members, name)).map(str::to_owned);
        let defaults = Defaults { state: &self.state, method: &self.method };
        let translated = match self.from {
            Origin::Hydra => hydra::client(&members, &defaults),
            Origin::Keycloak => keycloak::client(&members, &defaults),
            Origin::Gettone => own(&members),
        };
        let translated = translated.and_then(|members| {
            let privileged = strings(members.get("permissions")).any(|name| name.starts_with(PRIVILEGE));
            if privileged && self.from != Origin::Gettone {
                return refuse("it would get a gettone: permission, which is over this service itself");
            }
            Ok(members)
        });
        translated.map_err(|obstacle| (known, obstacle))
    }

    fn show(&self, rows: &[Row]) -> Result<(), CommandError> {
        let shown: Vec<Value> = rows.iter().map(Row::json).collect();
        let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
        let [imported, there, skipped, refused] =
            [Outcome::Imported, Outcome::ThereAlready, Outcome::Skipped, Outcome::Refused].map(count);
        let json = json!({"dryRun": self.dry_run, "imported": imported, "thereAlready": there,
            "skipped": skipped, "refused": refused, "clients": shown});
        self.connection.output.show(&json, &shown.iter().collect::<Vec<_>>(), &COLUMNS)?;
        let would = if self.dry_run { "would be " } else { "" };
        eprintln!(
            "{imported} {would}imported, {there} there already, {skipped} skipped, {refused} {would}refused"
        );
        Ok(())
    }
}

impl Row {
    fn not_imported(line: usize, client: Option<String>, obstacle: Obstacle) -> Self {
        let (outcome, reason) = match obstacle {
            Obstacle::Skip(reason) => (Outcome::Skipped, reason),
            Obstacle::Refuse(reason) => (Outcome::Refused, reason),
        };
        Self { line, client, outcome, reason: Some(reason) }
    }

    fn json(&self) -> Value {
        let outcome = match self.outcome {
            Outcome::Imported => "imported",
            Outcome::ThereAlready => "there already",
            Outcome::Skipped => "skipped",
            Outcome::Refused => "refused",
        };
        json!({"line": self.line, "clientId": self.client, "outcome": outcome, "reason": self.reason})
    }
}

fn read(path: &Path) -> Result<String, CommandError> {
    let read = if path == Path::new("-") {
        files::read_all_to_string(std::io::stdin(), files::LARGE)
    } else {
        files::read_to_string(path, files::LARGE)
    };
    read.map_err(|error| CommandError::File { path: path.to_owned(), reason: error.to_string() })
}

/// What the service would say, but for its keys.
fn check(members: &Map<String, Value>, issuer: &str) -> Result<(), ClientDefect> {
    let new = NewClient::by_operator(members, issuer)?;
    BroughtAlong::read(members, new.auth_method).map(drop)
}

fn own(members: &Map<String, Value>) -> Result<Map<String, Value>, Obstacle> {
    match text(members, "client_id") {
        Some(_) => Ok(members.clone()),
        None => refuse("it has no client_id, so it could not be found again"),
    }
}

fn skip<T>(reason: impl Into<String>) -> Result<T, Obstacle> {
    Err(Obstacle::Skip(reason.into()))
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Obstacle> {
    Err(Obstacle::Refuse(reason.into()))
}

/// A text that is not empty.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The texts in a list.
fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A method that this service offers.
fn method(name: &str) -> Result<AuthMethod, Obstacle> {
    match AuthMethod::ALL.into_iter().find(|method| method.as_str() == name) {
        Some(method) => Ok(method),
        None => refuse(format!("its authentication method {name} is not offered here")),
    }
}

/// What every product says of a client in one way or another.
fn described(id: &str, name: Option<&str>, method: AuthMethod, state: &str) -> Map<String, Value> {
    let members = [
        ("client_id", id),
        ("client_name", name.unwrap_or(id)),
        ("token_endpoint_auth_method", method.as_str()),
        ("__STATE__", state),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}
