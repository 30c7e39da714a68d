//! T-REG-10, T-CLM-14, R-07, R-08: processes that share the file are killed in the middle of their writes; all that
//! was acknowledged is there, and no assertion was used twice.
#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::Clock;
use credentials::InsertError;
use credentials::client::{Client, ClientFilter, ClientStore};
use credentials::replay::{ReplayGuard, UseId};
use serde_json::json;
use store_sqlite::SqliteStore;
use testkit::process::{Process, Ready};
use testkit::{FakeClock, client, client_id};

/// Lies in the directory that a writer works in. Its text makes the ids of this writer its own.
const MARKER: &str = "writer";

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Arc::new(FakeClock::default())).unwrap()
}

fn record(id: &str) -> Client {
    let metadata = json!({"written for": id, "padding": "x".repeat(500)});
    Client { metadata: metadata.as_object().unwrap().clone(), ..client(id) }
}

fn use_of(number: &str) -> UseId {
    UseId::of(&client_id("shared"), number)
}

/// Writes until it is killed, and says on stdout what the store acknowledged.
async fn write_forever(store: SqliteStore, name: String) {
    let until = FakeClock::default().now().plus_seconds(3600);
    let writers: Vec<_> = (0..16)
        .map(|task| {
            let (store, name) = (store.clone(), name.clone());
            tokio::spawn(async move {
                for number in (task..).step_by(16) {
                    let id = format!("{name}-{number}");
                    match store.insert_new(&record(&id)).await {
                        Ok(()) => say(&format!("client {id}")),
                        Err(InsertError::Duplicate) => say(&format!("duplicate {id}")),
                        Err(InsertError::Store(_)) => {}
                    }
                    // The other process tries the same uses.
                    let round = name.split('-').next().unwrap();
                    let number = format!("{round}-{number}");
                    if matches!(store.first_use(use_of(&number), until).await, Ok(true)) {
                        say(&format!("first {number}"));
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").unwrap();
    stdout.flush().unwrap();
}

async fn start_writer(directory: &Path, name: &str) -> Process {
    let own = tempfile::tempdir_in(directory).unwrap().keep();
    fs::write(own.join(MARKER), name).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "on_sqlite::the_process_that_is_killed", "--ignored", "--nocapture"])
        .current_dir(own);
    Process::start(command, Ready::Says(format!("client {name}-"))).await.unwrap()
}

/// The lines that were written to the end, and what follows `word` in them.
fn said(process: &Process, word: &str) -> Vec<String> {
    let stdout = process.stdout();
    let complete = stdout.rsplit_once('\n').map(|(lines, _)| lines.to_owned()).unwrap_or_default();
    complete
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ').map(str::to_owned))
        .collect()
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    #[ignore = "the process that t_reg_10_… starts and kills; alone it refuses"]
    async fn the_process_that_is_killed() {
        let name = fs::read_to_string(MARKER).expect("only t_reg_10_… starts this");
        write_forever(open(Path::new("..")), name).await;
    }

    #[tokio::test]
    async fn t_reg_10_t_clm_14_what_was_acknowledged_survives_sigkill_of_its_writers() {
        let directory = tempfile::tempdir().unwrap();
        let (mut clients, mut uses) = (HashSet::new(), HashSet::new());
        for round in 0..5 {
            let mut one = start_writer(directory.path(), &format!("{round}-one")).await;
            let mut other = start_writer(directory.path(), &format!("{round}-other")).await;
            // One is killed while the other goes on, the other as the last that has the file open.
            one.wait_for_output(&format!("client {round}-one-150\n")).await;
            one.kill9();
            other.wait_for_output(&format!("client {round}-other-300\n")).await;
            other.kill9();

            let store = open(directory.path());
            for process in [&one, &other] {
                assert_eq!(said(process, "duplicate"), Vec::<String>::new());
                for number in said(process, "first") {
                    assert!(uses.insert(number.clone()), "{number} was used twice");
                }
                clients.extend(said(process, "client"));
            }
            for id in &clients {
                let found = store.find(&client_id(id)).await.unwrap();
                assert_eq!(found, Some(record(id)), "{id} was acknowledged");
            }
            for number in &uses {
                let first = store.first_use(use_of(number), FakeClock::default().now()).await.unwrap();
                assert!(!first, "the use of {number} was acknowledged");
            }
            // What was not acknowledged is there whole or not at all.
            for found in store.list(&ClientFilter::default(), None, u32::MAX).await.unwrap().clients {
                assert_eq!(found, record(found.id.as_str()));
            }
        }
        assert!(clients.len() > 500 && uses.len() > 100, "{} clients, {} uses", clients.len(), uses.len());
    }
}
