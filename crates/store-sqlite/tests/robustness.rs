//! What the store does when the file, the disk or another process misbehaves: it says so, and panics never.
#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::Clock;
use credentials::StoreError;
use credentials::client::{ClientFilter, ClientStore};
use credentials::key::{KeyDirectory, KeyRing, KeyRingStore, PublishedKey};
use credentials::replay::{ReplayGuard, UseId};
use credentials::store::DeploymentStore;
use rusqlite::Connection;
use store_sqlite::{OpenError, SqliteStore};
use testkit::contract::outage::{assert_that_all_answer, assert_that_none_answers};
use testkit::{FakeClock, client, client_id};

fn open(directory: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(directory, Arc::new(FakeClock::default()))
}

fn file(directory: &Path) -> PathBuf {
    directory.join("gettone.sqlite3")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn version(raw: &Connection) -> i64 {
    raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn use_of(jti: &str) -> UseId {
    UseId::of(&client_id("client"), jti)
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn only_the_owner_may_read_what_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/data");
        let store = open(&directory).unwrap();
        store.insert_new(&client("a")).await.unwrap();
        assert_eq!(mode(&directory), 0o700);
        for name in ["gettone.sqlite3", "gettone.sqlite3-wal", "gettone.sqlite3-shm"] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
        store.close();
        fs::set_permissions(file(&directory), fs::Permissions::from_mode(0o644)).unwrap();
        open(&directory).unwrap();
        assert_eq!(mode(&file(&directory)), 0o600);
    }

    /// The command of docs/operations.md, run by another process' connection while the store is written.
    #[tokio::test]
    async fn a_backup_of_a_running_store_opens_and_has_every_acknowledged_write() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(directory.path()).unwrap();
        for id in ["a", "b"] {
            store.insert_new(&client(id)).await.unwrap();
        }
        assert!(fs::metadata(directory.path().join("gettone.sqlite3-wal")).unwrap().len() > 0);
        let raw = Connection::open(file(directory.path())).unwrap();
        raw.execute("VACUUM INTO ?", [file(elsewhere.path()).to_str().unwrap()]).unwrap();
        store.insert_new(&client("later")).await.unwrap();

        let restored = open(elsewhere.path()).unwrap();
        let page = restored.list(&ClientFilter::default(), None, 10).await.unwrap();
        assert_eq!(page.clients, [client("a"), client("b")]);
        restored.insert_new(&client("later")).await.unwrap();
        assert_eq!(mode(&file(elsewhere.path())), 0o600);
    }

    /// ADR 14: who has gone back to the program before works on with the file of the next one.
    #[tokio::test]
    async fn a_file_of_the_next_version_is_read_written_and_left_at_its_version() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).unwrap().close();
        let raw = Connection::open(file(directory.path())).unwrap();
        let next = version(&raw) + 1;
        raw.execute_batch(
            "CREATE TABLE of_the_next (id TEXT); ALTER TABLE clients ADD COLUMN of_the_next TEXT",
        )
        .unwrap();
        raw.pragma_update(None, "user_version", next).unwrap();
        let store = open(directory.path()).unwrap();
        store.insert_new(&client("a")).await.unwrap();
        let page = store.list(&ClientFilter::default(), None, 10).await.unwrap();
        assert_eq!(page.clients, [client("a")]);
        assert_eq!(version(&raw), next);
    }

    #[tokio::test]
    async fn a_file_two_versions_newer_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).unwrap().close();
        let raw = Connection::open(file(directory.path())).unwrap();
        let known = version(&raw);
        raw.pragma_update(None, "user_version", known + 2).unwrap();
        drop(raw);
        let before = fs::read(file(directory.path())).unwrap();
        let error = open(directory.path()).unwrap_err();
        let OpenError::Newer { found, supported, .. } = error else { panic!("{error}") };
        assert_eq!((found, supported), (known + 2, known + 1));
        let sentence = format!("newer version (schema {found}; this one can read up to {supported})");
        assert!(error.to_string().contains(&sentence), "{error}");
        assert_eq!(fs::read(file(directory.path())).unwrap(), before);
    }

    #[tokio::test]
    async fn what_is_not_our_database_is_refused_with_a_sentence() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            file(directory.path()),
            "this is no database, but long enough to look like a file".repeat(100),
        )
        .unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
        let error = open(&file(directory.path())).unwrap_err();
        assert!(matches!(error, OpenError::Directory { .. } | OpenError::File { .. }), "{error}");
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
    }

    #[tokio::test]
    async fn a_damaged_file_is_an_error_and_no_panic() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        for index in 0..200 {
            store.insert_new(&client(&format!("client-{index}"))).await.unwrap();
        }
        store.close();
        let mut bytes = fs::read(file(directory.path())).unwrap();
        let damaged = bytes.len() / 4;
        bytes.iter_mut().skip(damaged).for_each(|byte| *byte ^= 0x5a);
        fs::write(file(directory.path()), bytes).unwrap();
        let store = open(directory.path()).unwrap();
        assert!(matches!(
            store.list(&ClientFilter::default(), None, 1000).await,
            Err(StoreError::Corrupt(_))
        ));
        assert!(store.insert_new(&client("new")).await.is_err());
    }

    #[tokio::test]
    async fn a_deleted_or_replaced_file_acknowledges_nothing() {
        for replace in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let store = open(directory.path()).unwrap();
            store.insert_new(&client("a")).await.unwrap();
            fs::remove_file(file(directory.path())).unwrap();
            if replace {
                fs::write(file(directory.path()), "").unwrap();
            }
            assert_that_none_answers(&store).await;
        }
    }

    #[tokio::test]
    async fn a_closed_store_answers_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        assert_that_all_answer(&store).await;
        store.clone().close();
        assert_that_none_answers(&store).await;
        store.close();
    }

    #[tokio::test]
    async fn another_process_that_keeps_the_lock_makes_writes_unavailable_and_reads_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        store.insert_new(&client("a")).await.unwrap();
        let other = Connection::open(file(directory.path())).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(
            store.first_use(use_of("x"), FakeClock::default().now()).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(store.find(&client_id("a")).await.unwrap().is_some());
        other.execute_batch("ROLLBACK").unwrap();
        assert!(store.first_use(use_of("x"), FakeClock::default().now()).await.unwrap());
    }

    #[tokio::test]
    async fn more_writes_than_may_wait_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let other = Connection::open(file(directory.path())).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let until = FakeClock::default().now();
        let writes: Vec<_> = (0..4000)
            .map(|index| {
                let store = store.clone();
                tokio::spawn(async move { store.first_use(use_of(&index.to_string()), until).await })
            })
            .collect();
        let mut refused = 0;
        for write in writes {
            match write.await.unwrap() {
                Err(StoreError::Unavailable(error)) if error.to_string().contains("too many writes") => {
                    refused += 1
                }
                Err(StoreError::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(refused >= 4000 - 2 * 1025, "{refused}");
        other.execute_batch("ROLLBACK").unwrap();
        assert!(store.first_use(use_of("after"), until).await.unwrap());
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        for id in ["a", "b", "c"] {
            store.insert_new(&client(id)).await.unwrap();
        }
        let raw = Connection::open(file(directory.path())).unwrap();
        let mut later_version = serde_json::to_value(client("b")).unwrap();
        later_version["authMethod"] = "canary".into();
        let later_version = later_version.to_string();
        for record in
            ["{", "", "null", r#"{"clientId":"b","name":"canary"}"#, r#"["canary"]"#, &later_version]
        {
            raw.execute("UPDATE clients SET record = ? WHERE id = 'b'", [record]).unwrap();
            let list = store.list(&ClientFilter::default(), None, 10).await.map(drop);
            for answer in [store.find(&client_id("b")).await.map(drop), list] {
                let error = answer.unwrap_err();
                assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
                assert!(error.to_string().contains("client b"), "{error}");
                assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            }
        }
        assert!(store.find(&client_id("a")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_left_out_and_a_ring_is_not_taken_for_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let moment = FakeClock::default().now();
        for kid in ["a", "b", "c"] {
            let key = testkit::public_key(kid);
            let key = PublishedKey { kid: kid.to_owned(), key, published_at: moment, last_seen: moment };
            store.publish(&key).await.unwrap();
        }
        assert!(store.replace_key_ring(&KeyRing::default(), 0).await.unwrap());
        let raw = Connection::open(file(directory.path())).unwrap();
        for record in ["{", "", "null", "[]", r#"{"kid":"b"}"#] {
            raw.execute("UPDATE signing_keys SET record = ? WHERE kid = 'b'", [record]).unwrap();
            let kids: Vec<_> = store.published().await.unwrap().into_iter().map(|key| key.kid).collect();
            assert_eq!(kids, ["a", "c"], "{record}");
            raw.execute("UPDATE key_ring SET record = ?", [record]).unwrap();
            assert!(matches!(store.key_ring().await, Err(StoreError::Corrupt(_))), "{record}");
        }
        store.forget_unseen(moment).await.unwrap();
        assert!(!store.withdraw("b").await.unwrap(), "what cannot be read is forgotten like the others");
    }

    #[tokio::test]
    async fn t_clm_20_used_assertions_are_forgotten_ten_minutes_after_their_end_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock::default());
        let store = SqliteStore::open(directory.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let start = clock.now();
        for (jti, seconds) in [("early", 60), ("late", 61)] {
            assert!(store.first_use(use_of(jti), start.plus_seconds(seconds)).await.unwrap());
        }
        let raw = Connection::open(file(directory.path())).unwrap();
        let count =
            || raw.query_row("SELECT count(*) FROM used_assertions", (), |row| row.get::<_, i64>(0)).unwrap();
        clock.set(start.plus_seconds(660));
        // Any write may clean up.
        store.agree("pepper", b"x").await.unwrap();
        assert_eq!(count(), 2);
        clock.advance_seconds(1);
        store.delete(&client_id("nobody"), None).await.unwrap();
        assert_eq!(count(), 1);
        assert!(!store.first_use(use_of("late"), start.plus_seconds(61)).await.unwrap());
        clock.set(start.plus_seconds(10_000));
        store.delete(&client_id("nobody"), None).await.unwrap();
        assert_eq!(count(), 0);
    }

    #[test]
    fn many_may_open_a_new_file_at_once() {
        for _ in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("data");
            std::thread::scope(|scope| {
                let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
                for thread in opening {
                    thread.join().unwrap().unwrap_or_else(|error| panic!("{error}"));
                }
            });
        }
    }
}
