//! Opening the store: connection options that an operator's URL cannot weaken, and the indexes that the laws rest on.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, IndexOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection, Database, IndexModel};

use crate::MongoStore;
use crate::document::{
    audit_event_fields, client_fields, revocation_fields, secret_fields, used_assertion_fields,
};
use crate::failure::{LIMIT, NO_SUCH_NAMESPACE, WAIT, code};
use crate::layout;
use crate::together::Together;
use crate::{clients, replay, secrets};

const CLIENTS: &str = "clients";
const USED_ASSERTIONS: &str = "used_assertions";
const REVOCATIONS: &str = "revocations";
const SIGNING_KEYS: &str = "signing_keys";
const KEY_RING: &str = "signing_key_ring";
const DEPLOYMENT: &str = "deployment";
const AUDIT_EVENTS: &str = "audit_events";
/// How long `mongod` keeps what has ended beyond its end: far above any difference between the clocks of replicas and
/// database (T-CLM-19).
const TTL_MARGIN: Duration = Duration::from_secs(3600);
/// For the whole start: names are looked up, certificates exchanged, indexes built.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Connections of one replica, unless the URL says otherwise.
const POOL: u32 = 50;

/// Why the store could not be opened. Each sentence says what to check; none repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "CREDENTIALS_MONGODB_URL is not a MongoDB connection string: it begins with mongodb:// or mongodb+srv://, and \
         user name and password in it are percent-encoded"
    )]
    NotAUrl,
    #[error("the host name in CREDENTIALS_MONGODB_URL has no DNS records for mongodb+srv://")]
    NotResolved,
    #[error(
        "CREDENTIALS_MONGODB_URL names no database: put its name after the host, as in mongodb://host/name"
    )]
    NoDatabase,
    #[error("CREDENTIALS_COLLECTION_NAME must be the name of a collection of its own")]
    CollectionName,
    #[error("the database refuses the user name or password of CREDENTIALS_MONGODB_URL")]
    Refused,
    #[error(
        "the database that CREDENTIALS_MONGODB_URL leads to does not answer ({0}); check that it runs, its host and \
         port, and the network between"
    )]
    Unreachable(String),
    #[error(
        "the index on {field} of the collection {collection} cannot be made: {reason}; check that no two documents \
         share a value and that the user of CREDENTIALS_MONGODB_URL may create indexes"
    )]
    Index { collection: String, field: &'static str, reason: String },
    #[error(
        "the database was written by a much newer version (layout {found}; this one can read up to {supported}); use that \
         version or the one before it, restore a backup from before the upgrade, or use another database"
    )]
    Newer { found: i64, supported: i64 },
    #[error(
        "the layout of the database cannot be agreed on: {0}; check that the user of CREDENTIALS_MONGODB_URL may read and \
         write the collection deployment"
    )]
    Layout(String),
}

impl MongoStore {
    /// Connects to the database that `url` names, or to `database` if given, and makes the indexes. Secrets are kept
    /// in `credentials_collection`.
    ///
    /// # Errors
    /// [`OpenError`], with what to do about it.
    pub async fn connect(
        url: &str,
        database: Option<&str>,
        credentials_collection: &str,
    ) -> Result<Self, OpenError> {
        let start = Self::open(url, database, credentials_collection);
        let too_late = || OpenError::Unreachable("it took longer than 30 seconds".to_owned());
        tokio::time::timeout(START_LIMIT, start).await.map_err(|_| too_late())?
    }

    async fn open(url: &str, database: Option<&str>, credentials: &str) -> Result<Self, OpenError> {
        let taken = [CLIENTS, USED_ASSERTIONS, REVOCATIONS, SIGNING_KEYS, KEY_RING, DEPLOYMENT, AUDIT_EVENTS]
            .contains(&credentials);
        if taken || credentials.is_empty() || credentials.contains(['$', '\0']) {
            return Err(OpenError::CollectionName);
        }
        Self::with_options(options(url).await?, database, credentials).await
    }

    async fn with_options(
        options: ClientOptions,
        database: Option<&str>,
        credentials: &str,
    ) -> Result<Self, OpenError> {
        let name = database.or(options.default_database.as_deref()).ok_or(OpenError::NoDatabase)?.to_owned();
        // Its error text may repeat parts of the URL.
        let client = Client::with_options(options).map_err(|_| OpenError::NotAUrl)?;
        let database = client.database(&name);
        let (clients, secrets) = (database.collection(CLIENTS), database.collection(credentials));
        let used_assertions = database.collection(USED_ASSERTIONS);
        let store = Self {
            found_clients: Together::start(move |ids| clients::find(clients.clone(), ids)),
            found_secrets: Together::start(move |owners| secrets::find(secrets.clone(), owners)),
            first_uses: Together::start(move |uses| replay::record(used_assertions.clone(), uses)),
            clients: database.collection(CLIENTS),
            credentials: database.collection(credentials),
            revocations: database.collection(REVOCATIONS),
            signing_keys: database.collection(SIGNING_KEYS),
            key_ring: database.collection(KEY_RING),
            deployment: database.collection(DEPLOYMENT),
            audit_events: database.collection(AUDIT_EVENTS),
            database,
        };
        check(&store.database).await?;
        // Before anything is changed.
        layout::agree(&store.deployment).await?;
        store.make_indexes().await?;
        Ok(store)
    }

    async fn make_indexes(&self) -> Result<(), OpenError> {
        let unique = IndexOptions::builder().unique(true).build();
        let ends = IndexOptions::builder().expire_after(TTL_MARGIN).build();
        // An operator may have made it already, as the contract advises (§1.7), under a name of their own.
        if !has_unique_index(&self.clients, client_fields::ID).await? {
            index(&self.clients, client_fields::ID, unique).await?;
        }
        index(&self.credentials, secret_fields::OWNER, IndexOptions::default()).await?;
        index(&self.revocations, revocation_fields::END, ends.clone()).await?;
        let used_assertions = self.database.collection(USED_ASSERTIONS);
        index(&used_assertions, used_assertion_fields::UNTIL, ends.clone()).await?;
        for field in [audit_event_fields::CLIENT, audit_event_fields::ACTION] {
            index_by(&self.audit_events, field, doc! { field: 1, "_id": 1 }, IndexOptions::default()).await?;
        }
        index(&self.audit_events, audit_event_fields::UNTIL, ends).await
    }
}

/// What the URL says, but never less durable, less consistent or less bounded than the laws need.
async fn options(url: &str) -> Result<ClientOptions, OpenError> {
    let mut options = ClientOptions::parse(url).await.map_err(|error| match *error.kind {
        ErrorKind::DnsResolve { .. } => OpenError::NotResolved,
        _ => OpenError::NotAUrl,
    })?;
    options.write_concern =
        Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(WAIT).build());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.server_selection_timeout = Some(WAIT);
    options.connect_timeout = Some(WAIT);
    options.max_pool_size.get_or_insert(POOL);
    options.app_name.get_or_insert_with(|| "gettone".to_owned());
    Ok(options)
}

async fn check(database: &Database) -> Result<(), OpenError> {
    let ping = database.run_command(doc! { "ping": 1 });
    match tokio::time::timeout(LIMIT, ping).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if is_refusal(&error) => Err(OpenError::Refused),
        Ok(Err(error)) => Err(OpenError::Unreachable(reason(&error))),
        Err(_) => Err(OpenError::Unreachable("no answer in time".to_owned())),
    }
}

/// The driver's sentence, without the labels, codes and topology that it prints around it.
pub(crate) fn reason(error: &Error) -> String {
    let text = error.kind.to_string();
    text.split(". Topology").next().unwrap_or_default().to_owned()
}

fn is_refusal(error: &Error) -> bool {
    const UNAUTHORIZED: i32 = 13;
    const AUTHENTICATION_FAILED: i32 = 18;
    matches!(*error.kind, ErrorKind::Authentication { .. })
        || matches!(code(error), Some(UNAUTHORIZED | AUTHENTICATION_FAILED))
}

async fn has_unique_index(collection: &Collection<Document>, field: &'static str) -> Result<bool, OpenError> {
    let indexes = match collection.list_indexes().await {
        Ok(cursor) => cursor.try_collect().await,
        Err(error) if code(&error) == Some(NO_SUCH_NAMESPACE) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let indexes: Vec<IndexModel> = indexes.map_err(|error| index_error(collection, field, &error))?;
    Ok(indexes.iter().any(|index| {
        let options = index.options.as_ref();
        // A partial index leaves documents out.
        index.keys == doc! { field: 1 }
            && options.is_some_and(|options| {
                options.unique == Some(true) && options.partial_filter_expression.is_none()
            })
    }))
}

async fn index(
    collection: &Collection<Document>,
    field: &'static str,
    options: IndexOptions,
) -> Result<(), OpenError> {
    index_by(collection, field, doc! { field: 1 }, options).await
}

/// An index by `keys`, of which `field` is the first.
async fn index_by(
    collection: &Collection<Document>,
    field: &'static str,
    keys: Document,
    options: IndexOptions,
) -> Result<(), OpenError> {
    let model = IndexModel::builder().keys(keys).options(options).build();
    collection.create_index(model).await.map_err(|error| index_error(collection, field, &error))?;
    Ok(())
}

fn index_error(collection: &Collection<Document>, field: &'static str, error: &Error) -> OpenError {
    OpenError::Index { collection: collection.name().to_owned(), field, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod on_mongodb {
        use std::sync::{Arc, Mutex};

        use mongodb::bson::Bson;
        use mongodb::event::EventHandler;
        use mongodb::event::command::CommandEvent;
        use testkit::contract::outage::assert_that_all_answer;

        use super::*;

        /// What the driver sends while every method of every port is called over a URL that asks for less.
        async fn commands_sent() -> Vec<Document> {
            let server = testkit::mongod::Database::fresh().await;
            let separator = if server.url().contains('?') { '&' } else { '?' };
            let weak = "w=1&journal=false&readConcernLevel=local&readPreference=secondaryPreferred&retryWrites=false";
            let mut options = options(&format!("{}{separator}{weak}", server.url())).await.unwrap();
            let sent = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&sent);
            options.command_event_handler = Some(EventHandler::callback(move |event| {
                if let CommandEvent::Started(started) = event {
                    sink.lock().unwrap().push(started.command);
                }
            }));
            let store = MongoStore::with_options(options, None, "credentials").await.unwrap();
            sent.lock().unwrap().clear();
            assert_that_all_answer(&store).await;
            sent.lock().unwrap().clone()
        }

        #[tokio::test]
        async fn r_11_every_write_waits_for_the_majority_and_every_read_is_majority_committed() {
            let mut commands = commands_sent().await;
            // The end of the watch, which the driver sends when it has time.
            commands.retain(|command| !command.contains_key("killCursors"));
            let named = |names: &[&str]| -> Vec<&Document> {
                commands
                    .iter()
                    .filter(|command| command.keys().next().is_some_and(|name| names.contains(&&**name)))
                    .collect()
            };
            let writes = named(&["insert", "update", "delete", "findAndModify"]);
            let reads = named(&["find", "aggregate"]);
            // A transaction is as durable as its commit, and repeated as a whole. One that another got in the way of is
            // aborted.
            let in_transaction = |command: &&Document| command.contains_key("autocommit");
            let commits = named(&["commitTransaction"]);
            let ends = named(&["commitTransaction", "abortTransaction"]);
            let transaction =
                |command: &Document| (command.get("lsid").cloned(), command.get("txnNumber").cloned());
            assert!(
                writes
                    .iter()
                    .chain(&reads)
                    .copied()
                    .filter(in_transaction)
                    .all(|command| { ends.iter().any(|end| transaction(end) == transaction(command)) })
            );
            assert!(commits.len() >= 2, "rotate and remove");
            for command in writes.iter().copied().filter(|command| !in_transaction(command)).chain(commits) {
                let expected = doc! { "w": "majority", "wtimeout": 2000, "j": true };
                let concern = command.get_document("writeConcern").unwrap();
                assert!(
                    expected.iter().all(
                        |(name, value)| concern.get(name).map(Bson::to_string) == Some(value.to_string())
                    ),
                    "{command}"
                );
                // All that concern one document can be repeated by the driver, and have their effect once.
                let deletes = command.get_array("deletes").ok().and_then(|deletes| deletes.first());
                let of_many = deletes.is_some_and(|delete| {
                    delete
                        .as_document()
                        .is_some_and(|delete| delete.get_i32("limit").is_ok_and(|limit| limit == 0))
                });
                let updates = command.get_array("updates").ok().and_then(|updates| updates.first());
                let of_many = of_many
                    || updates.is_some_and(|update| {
                        update
                            .as_document()
                            .is_some_and(|update| update.get_bool("multi").unwrap_or_default())
                    });
                assert_eq!(command.contains_key("txnNumber"), !of_many, "{command}");
            }
            // insert_new, replace, note_login, delete, add, delete_all, first_use, publish, forget_unseen, withdraw,
            // replace_key_ring, agree, append, settle, revoke, upgrade, note_use.
            let alone = writes.iter().filter(|command| !in_transaction(command)).count();
            assert_eq!(alone, 17);
            assert!(writes.len() >= alone + 4, "rotate and remove each write two documents at least");

            for command in &reads {
                // The first command of a transaction says how all of it read.
                let level = if in_transaction(command) { None } else { Some("majority") };
                let said = command.get_document("readConcern").ok();
                assert_eq!(said.map(|concern| concern.get_str("level").unwrap()), level, "{command}");
                let elsewhere = command
                    .get_document("$readPreference")
                    .is_ok_and(|preference| preference.get_str("mode").unwrap() != "primary");
                assert!(!elsewhere, "{command}");
            }
            // find, list, find secrets, any_imported, published, key_ring, events, count, revocations, watch, and the look after a
            // replacement that met nothing.
            assert_eq!(reads.iter().filter(|command| !in_transaction(command)).count(), 11);
            let first = |command: &&&Document| command.contains_key("startTransaction");
            for command in writes.iter().filter(first) {
                let concern = command.get_document("readConcern").unwrap();
                assert_eq!(concern.get_str("level").unwrap(), "snapshot", "{command}");
            }
            let others = commands.len() - writes.len() - reads.len();
            assert_eq!(others, ends.len() + 1, "and the ping");
        }
    }
}
