//! The one thread that writes. It takes all writes that are waiting, runs them in one transaction, and answers them
//! after the commit: callers share the wait for the disk. A write that fails is undone alone.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use common::{Clock, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::failure::{Failure, OpenError};
use crate::file::DataFile;
use crate::{audit, replay, revocations};

/// Writes that may wait, and so also the size of a transaction. More mean that the disk does not keep up; the caller
/// answers 503.
const QUEUE: usize = 1024;

/// Hands writes to the thread.
pub(crate) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether the last write failed because of the disk.
    failing: Arc<AtomicBool>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        file: DataFile,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::default());
        let noted = Arc::clone(&failing);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                WriterThread { connection, file, clock, forgotten: Cell::default(), failing: noted }
                    .run(&jobs)
            })
            .map_err(OpenError::Thread)?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), failing })
    }

    /// Runs `work` in the next transaction and answers after its commit.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Write { work: Some(work), outcome: None, reply }))?;
        // No answer: the thread is gone, and the write with it.
        answer.await.unwrap_or(Err(Failure::Closed))
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Failure> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or(Failure::Closed)?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Failure::QueueFull,
            TrySendError::Disconnected(_) => Failure::Closed,
        })
    }

    /// Whether writes are taken at all.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            Ok(())
        } else {
            Err(Failure::Closed)
        }
    }

    /// Whether the last write failed because of the disk, and none has succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Takes no more writes, and waits until the accepted ones are done.
    pub(crate) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the SQLite writer thread ended by a panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").field("running", &self.check().is_ok()).finish()
    }
}

/// A write that waits for its turn and then for its commit.
trait Job: Send {
    /// Does the work. `false` if it failed and must be undone.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Why it failed, if it did.
    fn failure(&self) -> Option<&Failure>;
    /// Tells the caller. `committed` is what became of the transaction.
    fn answer(self: Box<Self>, committed: Result<(), &Failure>);
}

struct Write<T, W> {
    work: Option<W>,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T: Send, W: FnOnce(&Connection) -> Result<T, Failure> + Send> Job for Write<T, W> {
    fn run(&mut self, connection: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(connection));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err())
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(failure)) => Err(Failure::NotCommitted(failure.to_string())),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(Failure::Closed),
        };
        // The caller may have gone away; then nobody needs the answer.
        let _ = self.reply.send(outcome);
    }
}

struct WriterThread {
    connection: Connection,
    file: DataFile,
    clock: Arc<dyn Clock>,
    forgotten: Cell<Forgotten>,
    failing: Arc<AtomicBool>,
}

/// When what has ended was last removed.
#[derive(Debug, Clone, Copy, Default)]
struct Forgotten {
    second: Option<i64>,
    /// That came after.
    writes: usize,
}

impl WriterThread {
    fn run(self, jobs: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(QUEUE));
            let committed = self.commit(&mut batch);
            self.note(&batch, committed.is_ok());
            for job in batch {
                job.answer(committed.as_ref().copied());
            }
        }
    }

    /// Remembers whether the disk takes writes. A write that failed by itself says nothing about it.
    fn note(&self, batch: &[Box<dyn Job>], committed: bool) {
        let refused = batch.iter().any(|job| job.failure().is_some_and(Failure::is_of_the_disk));
        if !committed || refused {
            self.failing.store(true, Ordering::Relaxed);
        } else if batch.iter().any(|job| job.failure().is_none()) {
            self.failing.store(false, Ordering::Relaxed);
        }
    }

    fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let committed = self.transaction(batch);
        if committed.is_err() && !self.connection.is_autocommit() {
            // If this fails too, the next BEGIN says so.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        committed?;
        // Last, so that nothing written to a deleted file is acknowledged.
        self.file.check()
    }

    fn transaction(&self, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let database = &self.connection;
        database.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        for job in &mut *batch {
            self.apart(|connection| job.run(connection))?;
        }
        self.forget_ended(batch.len())?;
        database.prepare_cached("COMMIT")?.execute(())?;
        Ok(())
    }

    /// Removes what has ended, once a second and after so many writes that more cannot have come than go. In a
    /// transaction that is written anyway it costs no wait for the disk of its own. If it fails, it fails alone.
    fn forget_ended(&self, writes: usize) -> Result<(), Failure> {
        let now = self.clock.now();
        let last = self.forgotten.get();
        let since = last.writes.saturating_add(writes);
        if last.second == Some(now.unix_seconds()) && since < QUEUE {
            self.forgotten.set(Forgotten { writes: since, ..last });
            return Ok(());
        }
        self.forgotten.set(Forgotten { second: Some(now.unix_seconds()), writes: 0 });
        self.apart(|connection| match forget_ended(connection, now) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "what has ended could not be removed");
                false
            }
        })
    }

    /// Runs `work` so that it can be undone without the rest of the transaction.
    fn apart(&self, work: impl FnOnce(&Connection) -> bool) -> Result<(), Failure> {
        let database = &self.connection;
        database.prepare_cached("SAVEPOINT job")?.execute(())?;
        if !work(database) {
            // After some errors, a full disk among them, SQLite has undone the whole transaction: then this fails,
            // and so do all writes of the transaction.
            database.prepare_cached("ROLLBACK TO job")?.execute(())?;
        }
        database.prepare_cached("RELEASE job")?.execute(())?;
        Ok(())
    }
}

fn forget_ended(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    replay::forget_ended(connection, now)?;
    revocations::forget_ended(connection, now)?;
    audit::forget_ended(connection, now)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use credentials::replay::UseId;
    use testkit::{FakeClock, client_id};

    use super::*;
    use crate::file;

    type Answer = oneshot::Receiver<Result<(), Failure>>;

    fn thread(directory: &tempfile::TempDir) -> WriterThread {
        let (file, connection) = file::open(directory.path()).unwrap();
        let clock = Arc::new(FakeClock::default());
        WriterThread { connection, file, clock, forgotten: Cell::default(), failing: Arc::default() }
    }

    fn job(work: impl FnOnce(&Connection) -> Result<(), Failure> + Send + 'static) -> (Box<dyn Job>, Answer) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Write { work: Some(work), outcome: None, reply }), answer)
    }

    fn insert(name: &'static str, bytes: usize) -> (Box<dyn Job>, Answer) {
        job(move |connection| {
            let value = vec![7_u8; bytes];
            connection.execute("INSERT INTO deployment VALUES (?, ?)", rusqlite::params![name, value])?;
            Ok(())
        })
    }

    /// Runs `writes` as one batch; whether each was acknowledged.
    fn run(thread: &WriterThread, writes: Vec<(Box<dyn Job>, Answer)>) -> Vec<bool> {
        let (mut batch, answers): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let committed = thread.commit(&mut batch);
        batch.into_iter().for_each(|job| job.answer(committed.as_ref().copied()));
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap().is_ok()).collect()
    }

    fn names(thread: &WriterThread) -> String {
        let sql = "SELECT coalesce(group_concat(name, ' ' ORDER BY name), '') FROM deployment";
        thread.connection.query_row(sql, (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_write_that_fails_is_undone_alone() {
        let directory = tempfile::tempdir().unwrap();
        let thread = thread(&directory);
        let half_done = job(|connection| {
            connection.execute("INSERT INTO deployment VALUES ('half', x'00')", ())?;
            Err(Failure::QueueFull)
        });
        let refused = insert("a", 1);
        assert_eq!(
            run(&thread, vec![insert("a", 1), half_done, refused, insert("b", 1)]),
            [true, false, false, true]
        );
        assert_eq!(names(&thread), "a b");
    }

    /// A root file system that nobody may write to has no place for any (docs/operations.md).
    #[test]
    fn what_has_ended_is_removed_without_a_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let connection = thread(&directory).connection;
        let of_the_use = |number: u32| UseId::of(&client_id("client"), &number.to_string());
        connection.execute_batch("BEGIN").unwrap();
        for number in 0..20_000 {
            let one = of_the_use(number);
            let values = rusqlite::params![one.as_bytes(), 0];
            connection.execute("INSERT INTO used_assertions VALUES (?, ?)", values).unwrap();
        }
        connection.execute_batch("COMMIT; BEGIN; SAVEPOINT job").unwrap();
        forget_ended(&connection, Timestamp::from_unix_seconds(1_000_000)).unwrap();
        let left: i64 =
            connection.query_row("SELECT count(*) FROM used_assertions", (), |row| row.get(0)).unwrap();
        assert!(left < 19_000, "{left}");
        let open = fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        let temporary: Vec<_> = open.filter(|path| path.to_string_lossy().ends_with(" (deleted)")).collect();
        assert!(temporary.is_empty(), "{temporary:?}");
    }

    #[test]
    fn t_clm_15_nothing_is_acknowledged_on_a_full_disk_and_the_store_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let thread = thread(&directory);
        assert_eq!(run(&thread, vec![insert("before", 1)]), [true]);
        let pages: i64 = thread.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |pages: i64| thread.connection.pragma_update(None, "max_page_count", pages).unwrap();

        limit(pages + 2);
        let answers = run(&thread, vec![insert("small", 1), insert("large", 1_000_000), insert("late", 1)]);
        // SQLite may give up the large one or the whole transaction; what it says is what is there.
        let expected: Vec<_> = ["small", "large", "late"]
            .into_iter()
            .zip(&answers)
            .filter_map(|(name, acknowledged)| acknowledged.then_some(name))
            .collect();
        assert!(!expected.contains(&"large"));
        assert_eq!(names(&thread).split(' ').filter(|name| *name != "before").collect::<Vec<_>>(), {
            let mut sorted = expected;
            sorted.sort_unstable();
            sorted
        });

        limit(1_000_000);
        assert_eq!(run(&thread, vec![insert("large", 1_000_000)]), [true]);
        assert!(names(&thread).contains("large"));
    }

    #[test]
    fn writes_of_a_transaction_that_sqlite_gave_up_are_all_refused() {
        let directory = tempfile::tempdir().unwrap();
        let thread = thread(&directory);
        // What SQLite does by itself after some input and output errors.
        let fatal = job(|connection| {
            connection.execute_batch("ROLLBACK")?;
            Err(Failure::QueueFull)
        });
        assert_eq!(run(&thread, vec![insert("a", 1), fatal, insert("b", 1)]), [false, false, false]);
        assert_eq!(names(&thread), "");
        assert_eq!(run(&thread, vec![insert("c", 1)]), [true]);
    }
}
