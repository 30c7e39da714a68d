//! `client-credentials clients …`: who may get tokens, and what is in them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use service_kit::{Vars, files};

use super::client_credentials::{AddKey, CancelSecret, OfClient, RetireKey, RotateSecret};
use super::import::Import;
use super::{CommandError, Connection};
use service_kit::management::Management;
use service_kit::output::{Column, visible};

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a client; its secret, if it gets one, is shown once
    Create(Create),
    /// Show the clients, all or some
    List(List),
    /// Give a client permissions or audiences
    Grant(Change),
    /// Take permissions or audiences from a client; tokens it has already keep them until they expire, `revoke-tokens`
    /// ends those
    Revoke(Change),
    /// Move a client to another state: approve a DRAFT, or stop a client by TRASH
    State(Move),
    /// Revoke every token that a client got until now; it may get new ones at once
    RevokeTokens(One),
    /// End the token with which a client looks after its registration; it gets no other one
    EndRegistrationToken(One),
    /// Forget a client and its secrets, and revoke its tokens
    Delete(One),
    /// Show the secrets of a client, none of them readable
    Secrets(OfClient),
    /// Give a client a new secret, shown once; the old ones go on for a while
    RotateSecret(RotateSecret),
    /// Take a secret from a client at once
    CancelSecret(CancelSecret),
    /// Show the public keys of a client
    Keys(OfClient),
    /// Give a client a public key beside the others
    AddKey(AddKey),
    /// Take a public key from a client, but never the last one
    RetireKey(RetireKey),
    /// Make clients of another product's, with the ids and secrets that they have there
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name
    name: String,
    /// Its public key: a file with a JWK; it then authenticates with private_key_jwt
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// client_secret_basic, client_secret_post or private_key_jwt [default: what fits]
    #[arg(long)]
    method: Option<String>,
    /// A permission; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// An audience it may ask for; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// PUBLIC, or DRAFT to approve it later [default: DEFAULT_CLIENT_STATE of the service]
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// PUBLIC, DRAFT, TRASH or DELETED
    #[arg(long)]
    state: Option<String>,
    /// Part of the name
    #[arg(long)]
    name: Option<String>,
    /// A permission it has
    #[arg(long)]
    permission: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its client_id
    client: String,
    /// A permission; may be repeated
    #[arg(value_name = "PERMISSION", required_unless_present = "audiences")]
    permissions: Vec<String>,
    /// An audience; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Move {
    /// Its client_id
    client: String,
    /// PUBLIC, DRAFT, TRASH or DELETED
    state: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Its client_id
    client: String,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 7] = [
    Column::text("CLIENT ID", "/clientId"),
    Column::text("NAME", "/name"),
    Column::text("STATE", "/__STATE__"),
    Column::text("METHOD", "/authMethod"),
    Column::moment("LAST TOKEN", "/lastLogin"),
    Column::text("PERMISSIONS", "/permissions"),
    Column::text("AUDIENCES", "/audience"),
];
/// For who has the key in another form.
const WANTED: &str =
    r#"A public key is wanted as JWK, a JSON object such as {"kty":"RSA","n":"…","e":"AQAB"}"#;
const CREATED: [Column; 2] =
    [Column::text("client_id", "/client_id"), Column::text("client_secret", "/client_secret")];

pub(super) async fn run(command: Command, vars: &Vars) -> Result<(), CommandError> {
    match command {
        Command::Create(create) => create.run(vars).await,
        Command::List(list) => list.run(vars).await,
        Command::Grant(change) => {
            without_blanks(&change.permissions)?;
            change.run(vars, with).await
        }
        Command::Revoke(change) => change.run(vars, without).await,
        Command::State(change) => change.run(vars).await,
        Command::RevokeTokens(one) => one.revoke_tokens(vars).await,
        Command::EndRegistrationToken(one) => one.end_registration_token(vars).await,
        Command::Delete(one) => one.delete(vars).await,
        Command::Secrets(client) => client.secrets(vars).await,
        Command::RotateSecret(rotate) => rotate.run(vars).await,
        Command::CancelSecret(cancel) => cancel.run(vars).await,
        Command::Keys(client) => client.keys(vars).await,
        Command::AddKey(add) => add.run(vars).await,
        Command::RetireKey(retire) => retire.run(vars).await,
        Command::Import(import) => import.run(vars).await,
    }
}

/// A scope could not name a permission with a blank (RFC 6749 §3.3); mostly somebody quoted several. One that is there
/// already can be revoked.
fn without_blanks(permissions: &[String]) -> Result<(), CommandError> {
    match permissions.iter().find(|permission| permission.contains(char::is_whitespace)) {
        Some(permission) => Err(CommandError::Blank(visible(permission))),
        None => Ok(()),
    }
}

impl Create {
    async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        without_blanks(&self.permissions)?;
        let management = self.connection.open(vars)?;
        let mut members = Map::from_iter([
            ("client_name".to_owned(), json!(self.name)),
            ("permissions".to_owned(), json!(self.permissions)),
            ("audience".to_owned(), json!(self.audiences)),
        ]);
        let method = self.method.or_else(|| self.public_key.is_some().then(|| "private_key_jwt".to_owned()));
        let optional = [("token_endpoint_auth_method", method), ("__STATE__", self.state)];
        members
            .extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        if let Some(path) = &self.public_key {
            members.insert("public_key".to_owned(), read_jwk(path)?);
        }
        let created = management.post(&["clients"], &Value::Object(members)).await?;
        let shown = self.connection.output.show_one(&created, &CREATED);
        let client = || created.get("client_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        match shown {
            Err(reason) if created.get("client_secret").is_some() => {
                Err(CommandError::SecretLost { client: client(), reason })
            }
            shown => Ok(shown?),
        }
    }
}

impl Move {
    async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let patch = json!({ "__STATE__": self.state });
        let client = management.patch(&["clients", &self.client], &patch, None).await?;
        Ok(self.connection.output.show(&client, &[&client], &COLUMNS)?)
    }
}

impl One {
    async fn revoke_tokens(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        management.post(&["clients", &self.client, "revoke-tokens"], &json!({})).await?;
        eprintln!("every token that {} got until now is revoked", self.client);
        Ok(())
    }

    async fn end_registration_token(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        management.delete(&["clients", &self.client, "registration-token"], &[]).await?;
        eprintln!("{} looks after its registration no more", self.client);
        Ok(())
    }

    async fn delete(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        management.delete(&["clients", &self.client], &[]).await?;
        eprintln!("{} is gone, and its tokens are revoked", self.client);
        Ok(())
    }
}

impl List {
    async fn run(self, vars: &Vars) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let chosen = [("state", &self.state), ("name", &self.name), ("permission", &self.permission)];
        let filter: Vec<_> =
            chosen.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        let clients = every_page(&management, &filter).await?;
        let records: Vec<&Value> = clients.iter().collect();
        Ok(self.connection.output.show(&json!({ "clients": clients, "next": null }), &records, &COLUMNS)?)
    }
}

async fn every_page(management: &Management, filter: &[(&str, &str)]) -> Result<Vec<Value>, CommandError> {
    let mut clients = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = filter.to_vec();
        query.extend(after.as_deref().map(|after| ("after", after)));
        let mut page = management.get(&["clients"], &query).await?;
        if let Some(Value::Array(found)) = page.get_mut("clients").map(Value::take) {
            clients.extend(found);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(clients),
        }
    }
}

/// The list after a change, or the item that it cannot be made with.
type Changed = fn(&[Value], &[String]) -> Result<Vec<Value>, String>;

impl Change {
    /// Reads, changes and writes with the version that was read: a change of somebody else in between is not undone. All
    /// of it is done or nothing.
    async fn run(self, vars: &Vars, changed: Changed) -> Result<(), CommandError> {
        let management = self.connection.open(vars)?;
        let client = management.get(&["clients", &self.client], &[]).await?;
        let list = |name: &str| client.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut patch = Map::new();
        let changes =
            [("permissions", "permission", &self.permissions), ("audience", "audience", &self.audiences)];
        for (name, kind, items) in changes {
            if !items.is_empty() {
                let changed = changed(&list(name), items).map_err(|item| CommandError::NotThere {
                    client: self.client.clone(),
                    kind,
                    item: visible(&item),
                })?;
                patch.insert(name.to_owned(), Value::Array(changed));
            }
        }
        let version = client.get("version").and_then(Value::as_u64);
        let client = management.patch(&["clients", &self.client], &Value::Object(patch), version).await?;
        Ok(self.connection.output.show(&client, &[&client], &COLUMNS)?)
    }
}

fn with(list: &[Value], items: &[String]) -> Result<Vec<Value>, String> {
    let mut list = list.to_vec();
    for item in items {
        if !list.iter().any(|known| known == item) {
            list.push(json!(item));
        }
    }
    Ok(list)
}

/// Fails with the first item that is not there: it may be misspelt, and the one that was meant would stay.
fn without(list: &[Value], items: &[String]) -> Result<Vec<Value>, String> {
    match items.iter().find(|item| !list.iter().any(|known| known == *item)) {
        Some(missing) => Err(missing.clone()),
        None => Ok(list.iter().filter(|known| !items.iter().any(|item| *known == item)).cloned().collect()),
    }
}

/// The public key in a file of the operator.
pub(super) fn read_jwk(path: &Path) -> Result<Value, CommandError> {
    let unusable = |reason: String| CommandError::File { path: path.to_owned(), reason };
    let text = files::read_to_string(path, files::SMALL).map_err(|error| unusable(error.to_string()))?;
    if text.trim_start().starts_with("-----BEGIN") {
        return Err(unusable(format!("it is PEM. {WANTED}")));
    }
    serde_json::from_str(&text).map_err(|error| unusable(format!("it is no JSON ({error}). {WANTED}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn who_has_the_key_in_another_form_is_told_which_one_is_wanted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, found) in [
            ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", "it is PEM. "),
            ("ssh-rsa AAAA", "it is no JSON ("),
        ] {
            fs::write(file.path(), text).unwrap();
            let told = read_jwk(file.path()).unwrap_err().to_string();
            assert!(told.contains(found) && told.contains("wanted as JWK, a JSON object"), "{told}");
        }
        let told = read_jwk(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(told.contains("/dev/zero cannot be used: it is larger than 1 MiB"), "{told}");
        fs::write(file.path(), r#"{"kty":"RSA"}"#).unwrap();
        assert_eq!(read_jwk(file.path()).unwrap(), json!({"kty": "RSA"}));
    }

    #[test]
    fn no_permission_is_given_that_a_scope_could_not_name() {
        let told = |permissions: &[&str]| {
            let permissions: Vec<String> =
                permissions.iter().map(|&permission| permission.to_owned()).collect();
            without_blanks(&permissions).map_err(|error| error.to_string())
        };
        assert_eq!(told(&["read:orders", "write:orders"]), Ok(()));
        for blank in ["read:orders write:orders", " read", "a\tb"] {
            let told = told(&["good", blank]).unwrap_err();
            assert!(told.ends_with("give each permission as an argument of its own"), "{told}");
        }
    }

    #[test]
    fn granting_adds_what_is_not_there_and_revoking_removes_what_is() {
        let list = [json!("a"), json!("b")];
        let items = ["b", "c"].map(str::to_owned);
        assert_eq!(with(&list, &items).unwrap(), [json!("a"), json!("b"), json!("c")]);
        assert_eq!(without(&list, &items[..1]).unwrap(), [json!("a")]);
        assert_eq!(without(&list, &items), Err("c".to_owned()));
    }
}
