//! `client-credentials clients rotate-secret …`: what a client authenticates with, replaced without a gap.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use service_kit::Vars;

use super::clients::read_jwk;
use super::{CommandError, Connection};
use service_kit::output::Column;

#[derive(Debug, Args)]
pub(super) struct OfClient {
    /// Its client_id
    client: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct RotateSecret {
    /// Its client_id
    client: String,
    /// How long the secrets before it go on, in seconds; 0 after a leak [default: a day]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    grace: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct CancelSecret {
    /// Its client_id
    client: String,
    /// The id of the secret, as `secrets` shows it
    secret: String,
    /// Also if it is the last one: the client gets no token then
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct AddKey {
    /// Its client_id
    client: String,
    /// A file with the public key as JWK
    file: PathBuf,
    /// How long the keys before it go on, in seconds [default: for ever]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    grace: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct RetireKey {
    /// Its client_id
    client: String,
    /// The kid of the key, as `keys` shows it
    kid: String,
    /// How long it goes on, in seconds [default: not at all]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    grace: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

const NEW_SECRET: [Column; 4] = [
    Column::text("client_secret", "/clientSecret"),
    Column::text("id", "/id"),
    Column::text("last four", "/lastFour"),
    Column::moment("others end", "/othersEndAt"),
];
const SECRETS: [Column; 5] = [
    Column::text("ID", "/id"),
    Column::text("LAST FOUR", "/lastFour"),
    Column::moment("ADDED", "/createdAt"),
    Column::moment("ENDS", "/expiresAt"),
    Column::moment("LAST USED", "/lastUsedAt"),
];
const KEYS: [Column; 7] = [
    Column::text("KID", "/kid"),
    Column::text("TYPE", "/kty"),
    Column::text("ALGORITHM", "/alg"),
    Column::text("STATE", "/state"),
    Column::moment("ADDED", "/addedAt"),
    Column::moment("ENDS", "/expiresAt"),
    Column::moment("LAST USED", "/lastUsedAt"),
];

impl OfClient {
    pub(super) async fn secrets(self, vars: &Vars) -> Result<(), CommandError> {
        self.list(vars, "secrets", &SECRETS).await
    }

    pub(super) async fn keys(self, vars: &Vars) -> Result<(), CommandError> {
        self.list(vars, "keys", &KEYS).await
    }

    async fn list(self, vars: &Vars, what: &str, columns: &[Column]) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let answer = management.get(&["clients", &self.client, what], &[]).await?;
        let records: Vec<&Value> = answer.get(what).and_then(Value::as_array).into_iter().flatten().collect();
        if let Some(uri) = answer.get("jwksUri").and_then(Value::as_str) {
            eprintln!("the client publishes its keys at {uri}");
        }
        Ok(self.connection.output.show(&answer, &records, columns)?)
    }
}

impl RotateSecret {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let body = Value::Object(grace(self.grace));
        let made = management.post(&["clients", &self.client, "secrets"], &body).await?;
        let shown = self.connection.output.show_one(&made, &NEW_SECRET);
        shown.map_err(|reason| CommandError::SecretLost { client: self.client, reason })
    }
}

impl CancelSecret {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let query: &[(&str, &str)] = if self.force { &[("force", "true")] } else { &[] };
        management.delete(&["clients", &self.client, "secrets", &self.secret], query).await?;
        eprintln!("the secret {} of {} opens nothing any more", self.secret, self.client);
        Ok(())
    }
}

impl AddKey {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let mut body = grace(self.grace);
        body.insert("public_key".to_owned(), read_jwk(&self.file)?);
        let added = management.post(&["clients", &self.client, "keys"], &Value::Object(body)).await?;
        Ok(self.connection.output.show(&added, &[&added], &KEYS)?)
    }
}

impl RetireKey {
    pub(super) async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let seconds = self.grace.unwrap_or_default();
        let query = [("graceSeconds", &*seconds.to_string())];
        management.delete(&["clients", &self.client, "keys", &self.kid], &query).await?;
        match seconds {
            0 => eprintln!("the key {} of {} verifies nothing any more", self.kid, self.client),
            _ => eprintln!("the key {} of {} ends in {seconds} seconds", self.kid, self.client),
        }
        Ok(())
    }
}

/// Takes negative numbers to refuse them: as arguments of another kind they would be told wrongly.
fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "it takes 0 or more seconds, a whole number".to_owned())
}

fn grace(seconds: Option<u32>) -> Map<String, Value> {
    seconds.map(|seconds| ("graceSeconds".to_owned(), json!(seconds))).into_iter().collect()
}
