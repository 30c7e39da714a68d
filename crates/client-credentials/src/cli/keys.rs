//! `client-credentials keys …`: the keys that sign tokens.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use service_kit::Vars;

use super::output::Column;
use super::{CommandError, Connection};

/// What can be done with signing keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show every key and its state
    List(List),
    /// Make the next key of an algorithm; it is published now and signs later
    Generate(Generate),
    /// Let the next key sign, and retire the one that signs now
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// RS256, PS256, ES256 or EdDSA
    #[arg(long, default_value = "RS256")]
    algorithm: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The key that shall sign [default: the one that is next]
    kid: Option<String>,
    /// Do not wait until everybody has seen the new key: for stolen keys; good tokens may be refused
    #[arg(long)]
    immediately: bool,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 5] = [
    Column::text("KID", "/kid"),
    Column::text("ALGORITHM", "/algorithm"),
    Column::text("STATE", "/state"),
    Column::moment("PUBLISHED", "/publishedAt"),
    Column::moment("MAY SIGN FROM", "/usableFrom"),
];

pub(super) async fn run(command: Command, vars: &Vars) -> Result<(), CommandError> {
    match command {
        Command::List(List { connection }) => {
            let answer = connection.open(vars)?.get(&["keys"], &[]).await?;
            Ok(connection.output.show(&answer, &listed(&answer), &COLUMNS)?)
        }
        Command::Generate(Generate { algorithm, connection }) => {
            let key = connection.open(vars)?.post(&["keys"], &json!({ "algorithm": algorithm })).await?;
            Ok(connection.output.show(&key, &[&key], &COLUMNS)?)
        }
        Command::Rotate(rotate) => rotate.run(vars).await,
    }
}

impl Rotate {
    async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let kid = match self.kid {
            Some(kid) => kid,
            None => {
                let answer = management.get(&["keys"], &[]).await?;
                match next_of(&listed(&answer)) {
                    Ok(kid) => kid,
                    Err(sentence) => return Err(CommandError::Undecided(sentence)),
                }
            }
        };
        let body = json!({ "immediately": self.immediately });
        let key = management.post(&["keys", &kid, "activate"], &body).await?;
        Ok(self.connection.output.show(&key, &[&key], &COLUMNS)?)
    }
}

fn listed(answer: &Value) -> Vec<&Value> {
    answer.get("keys").and_then(Value::as_array).map(|keys| keys.iter().collect()).unwrap_or_default()
}

/// The one key that is next.
fn next_of(keys: &[&Value]) -> Result<String, &'static str> {
    let mut next = keys.iter().filter(|key| key.get("state").is_some_and(|state| state == "next"));
    let kid = |key: &&Value| key.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (next.next(), next.next()) {
        (Some(key), None) => Ok(kid(key)),
        (None, _) => {
            Err("no key is next: make one with `keys generate`, and rotate once everybody has seen it")
        }
        (Some(_), Some(_)) => Err("several keys are next: name the one that shall sign"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_key_that_is_next_is_chosen() {
        let [next, other, active] = [("a", "next"), ("b", "next"), ("c", "active")]
            .map(|(kid, state)| json!({"kid": kid, "state": state}));
        assert_eq!(next_of(&[&active, &next]), Ok("a".to_owned()));
        assert!(next_of(&[&active]).unwrap_err().contains("keys generate"));
        assert!(next_of(&[&next, &other]).unwrap_err().contains("name the one"));
    }
}
