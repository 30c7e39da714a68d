//! `client-credentials keys …`: the keys that sign tokens.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use service_kit::Vars;

use super::{CommandError, Connection};
use service_kit::management::ManagementError;
use service_kit::output::{self, Column};

/// What can be done with signing keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show every key and its state
    List(List),
    /// Make the next key of an algorithm; it is published now and signs later
    Generate(Generate),
    /// Let the next key sign, and retire the active one of its algorithm, whose tokens stay good until they expire
    Rotate(Rotate),
    /// Take a key out of use
    Retire(Retire),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// RS256, PS256, ES256 or EdDSA [default: SIGNING_ALGORITHM, or RS256]
    #[arg(long)]
    algorithm: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The key that shall sign [default: the one that is next]
    kid: Option<String>,
    /// Do not wait until everybody has seen the new key; good tokens may be refused. The tokens of the old key stay good:
    /// `retire` ends a stolen one
    #[arg(long)]
    immediately: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// The key
    kid: String,
    /// Refuse its tokens from now on: for stolen keys, once another one signs
    #[arg(long)]
    immediately: bool,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 6] = [
    Column::text("KID", "/kid"),
    Column::text("ALGORITHM", "/algorithm"),
    Column::text("STATE", "/state"),
    Column::moment("PUBLISHED", "/publishedAt"),
    Column::moment("MAY SIGN FROM", "/usableFrom"),
    Column::moment("GOOD UNTIL", "/goneAt"),
];

pub(super) async fn run(command: Command, vars: &Vars) -> Result<(), CommandError> {
    match command {
        Command::List(List { connection }) => {
            let answer = connection.open(vars)?.get(&["keys"], &[]).await?;
            show(&connection, &answer, &listed(&answer))
        }
        Command::Generate(Generate { algorithm, connection }) => {
            let management = connection.open(vars)?;
            let configured = || vars.text("SIGNING_ALGORITHM").map_err(ManagementError::Variable);
            let algorithm = match algorithm {
                Some(algorithm) => algorithm,
                None => configured()?.map_or_else(|| "RS256".to_owned(), |text| text.trim().to_owned()),
            };
            let key = management.post(&["keys"], &json!({ "algorithm": algorithm })).await?;
            show(&connection, &key, &[&key])
        }
        Command::Rotate(rotate) => rotate.run(vars).await,
        Command::Retire(Retire { kid, immediately, connection }) => {
            let body = json!({ "immediately": immediately });
            let key = connection.open(vars)?.post(&["keys", &kid, "retire"], &body).await?;
            show(&connection, &key, &[&key])
        }
    }
}

fn show(connection: &Connection, answer: &Value, keys: &[&Value]) -> Result<(), CommandError> {
    let rows: Vec<Value> = keys.iter().map(|key| row(key)).collect();
    let rows: Vec<&Value> = rows.iter().collect();
    Ok(connection.output.show(answer, &rows, &COLUMNS)?)
}

/// The key as a person reads it. That of a single replica is good as long as the replica is there, and `goneAt`, which
/// counts from when it was last seen, moves on: while it is active, an end would only frighten.
fn row(key: &Value) -> Value {
    let mut row = key.clone();
    let is_active = row.get("state").is_some_and(|state| state == "active");
    if let (true, Some(members)) = (is_active, row.as_object_mut()) {
        members.remove("goneAt");
    }
    row
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
        show(&self.connection, &key, &[&key])?;
        for sentence in what_goes_on(&listed(&management.get(&["keys"], &[]).await?), &key, self.immediately)
        {
            eprintln!("{sentence}");
        }
        Ok(())
    }
}

/// What the rotation leaves as it is, and the command that ends it.
fn what_goes_on(keys: &[&Value], rotated: &Value, immediately: bool) -> Vec<String> {
    let member =
        |key: &Value, name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let others = keys.iter().filter(|key| key.get("kid") != rotated.get("kid"));
    others
        .filter_map(|key| {
            let (kid, algorithm) = (member(key, "kid"), member(key, "algorithm"));
            match member(key, "state").as_str() {
                "active" => Some(format!(
                    "{kid} ({algorithm}) is active too: the replicas sign with the key of their SIGNING_ALGORITHM. \
                     When none needs it any more: client-credentials keys retire {kid}"
                )),
                "retiring" if immediately => Some(format!(
                    "{kid} signs no more, but its tokens stay good until {}. If it was stolen, end it now: \
                     client-credentials keys retire {kid} --immediately",
                    output::moment(key.get("goneAt"))
                )),
                _ => None,
            }
        })
        .collect()
}

fn listed(answer: &Value) -> Vec<&Value> {
    answer.get("keys").and_then(Value::as_array).map(|keys| keys.iter().collect()).unwrap_or_default()
}

/// The one key that is next.
fn next_of(keys: &[&Value]) -> Result<String, String> {
    let next = keys.iter().filter(|key| key.get("state").is_some_and(|state| state == "next"));
    let member =
        |key: &Value, name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let next: Vec<_> = next.map(|key| (member(key, "kid"), member(key, "algorithm"))).collect();
    match next.as_slice() {
        [(kid, _)] => Ok(kid.clone()),
        [] => {
            Err("no key is next: make one with `keys generate`, and rotate once everybody has seen it"
                .to_owned())
        }
        several => {
            let named: Vec<_> =
                several.iter().map(|(kid, algorithm)| format!("{kid} ({algorithm})")).collect();
            Err(format!("several keys are next: name the one that shall sign, {}", named.join(" or ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_key_that_is_next_is_chosen() {
        let [next, other, active] = [("a", "next"), ("b", "next"), ("c", "active")]
            .map(|(kid, state)| json!({"kid": kid, "state": state, "algorithm": "ES256"}));
        assert_eq!(next_of(&[&active, &next]), Ok("a".to_owned()));
        assert!(next_of(&[&active]).unwrap_err().contains("keys generate"));
        let several = next_of(&[&next, &other]).unwrap_err();
        assert!(several.ends_with("name the one that shall sign, a (ES256) or b (ES256)"), "{several}");
    }

    #[test]
    fn a_key_that_is_active_has_no_end() {
        let key = |state: &str| json!({"kid": "k", "state": state, "goneAt": 1_795_296_147_000_i64});
        assert_eq!(row(&key("active")).get("goneAt"), None);
        assert_eq!(row(&key("retiring")), key("retiring"));
    }

    #[test]
    fn b2_a_rotation_says_which_keys_go_on_and_how_to_end_them() {
        let key = |kid: &str, state: &str| json!({"kid": kid, "state": state, "algorithm": "ES256", "goneAt": 1_795_296_147_000_i64});
        let (rotated, stolen, other) = (key("new", "active"), key("old", "retiring"), key("other", "active"));
        let keys = [&rotated, &stolen, &other];
        let said = what_goes_on(&keys, &rotated, true);
        assert!(
            said[0].contains("2026-11-21T21:22:27Z") && said[0].ends_with("keys retire old --immediately"),
            "{said:?}"
        );
        assert!(said[1].starts_with("other (ES256) is active too"), "{said:?}");
        assert_eq!(
            what_goes_on(&keys, &rotated, false),
            said[1..],
            "in a rotation by the calendar nothing is wrong"
        );
    }
}
