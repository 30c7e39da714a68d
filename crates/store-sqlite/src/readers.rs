//! Connections for reading. Opened when they are needed, kept for the next read, dropped after an error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::failure::{Failure, is_contention};
use crate::file::{self, DataFile};

/// Reads that run at once. They take microseconds; more connections would cost memory and win nothing.
const LIMIT: usize = 4;
/// Of these, reads that may go through a whole table: the others are for whoever looks a few rows up.
const SCANS: usize = 2;

pub(crate) struct Readers {
    file: DataFile,
    permits: Arc<Semaphore>,
    scans: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(file: DataFile) -> Self {
        let [permits, scans] = [LIMIT, SCANS].map(|count| Arc::new(Semaphore::new(count)));
        Self { file, permits, scans, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `work`, which finds a few rows by their key, on this thread: to wake another one and to be woken by it costs
    /// more than the answer. Whenever that could mean to wait, `work` runs on a thread that may block all the same.
    pub(crate) async fn look_up<T: Send + 'static>(
        self: Arc<Self>,
        work: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.at_once(&work) {
            Some(answer) => answer,
            None => self.read(work).await,
        }
    }

    /// `None` if there is no idle connection, or SQLite would have to wait for another process.
    fn at_once<T>(&self, work: impl Fn(&Connection) -> Result<T, Failure>) -> Option<Result<T, Failure>> {
        let _permit = self.permits.try_acquire().ok()?;
        let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let answer = file::without_waiting(&mut connection, |connection| {
            self.file.check()?;
            work(connection)
        });
        match answer {
            Err(Failure::Sqlite(error)) if is_contention(&error) => {
                self.keep(connection);
                None
            }
            Err(failure) => Some(Err(failure)),
            Ok(answer) => {
                self.keep(connection);
                Some(Ok(answer))
            }
        }
    }

    /// Runs `work` on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Failure::Closed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            self.file.check()?;
            let connection = self.take()?;
            let answer = work(&connection)?;
            self.keep(connection);
            Ok(answer)
        });
        // No answer: the runtime is shutting down.
        reading.await.unwrap_or(Err(Failure::Closed))
    }

    /// As [`read`](Self::read), for work that may take long. It never takes all the places for reads.
    pub(crate) async fn scan<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.scans).acquire_owned().await.map_err(|_| Failure::Closed)?;
        // With the work, which goes on if whoever asked leaves.
        self.read(move |connection| {
            let _permit = permit;
            work(connection)
        })
        .await
    }

    /// Allows no more reads and closes the connections that are idle.
    pub(crate) fn close(&self) {
        self.scans.close();
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take(&self) -> Result<Connection, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.file.reader(), Ok)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.permits.is_closed() {
            idle.push(connection);
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Readers").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn whoever_looks_something_up_never_waits_for_those_who_go_through_a_table() {
        let directory = tempfile::tempdir().unwrap();
        let readers = Arc::new(Readers::new(file::open(directory.path()).unwrap().0));
        let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let (releases, scans): (Vec<_>, Vec<_>) = (0..2 * LIMIT)
            .map(|_| {
                let (release, released) = mpsc::channel::<()>();
                let began = began.clone();
                let scan = Arc::clone(&readers).scan(move |_| {
                    began.send(()).unwrap();
                    let _ = released.recv();
                    Ok(())
                });
                (release, tokio::spawn(scan))
            })
            .unzip();
        for _ in 0..SCANS {
            begun.recv().await.unwrap();
        }
        let look_up = Arc::clone(&readers).look_up(|_| Ok(()));
        tokio::time::timeout(Duration::from_secs(10), look_up).await.unwrap().unwrap();
        drop(releases);
        for scan in scans {
            scan.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_look_up_stays_on_its_thread_and_never_waits_there() {
        let directory = tempfile::tempdir().unwrap();
        let (file, writer) = file::open(directory.path()).unwrap();
        let readers = Arc::new(Readers::new(file));
        let here = thread::current().id();
        let look_up = || Arc::clone(&readers).look_up(|_| Ok(thread::current().id()));
        assert_ne!(look_up().await.unwrap(), here, "to open a connection may take long");
        assert_eq!(look_up().await.unwrap(), here);

        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let busy = Arc::clone(&readers).look_up(move |connection| {
            if thread::current().id() == here {
                // What makes SQLite wait: a lock that another connection holds.
                connection.pragma_update(None, "query_only", false)?;
                connection.execute_batch("BEGIN IMMEDIATE")?;
            }
            Ok(thread::current().id())
        });
        let asked = Instant::now();
        assert_ne!(busy.await.unwrap(), here);
        assert!(asked.elapsed() < Duration::from_secs(2), "the time that a blocking thread waits");
        assert_eq!(look_up().await.unwrap(), here, "the connection is kept");

        readers.close();
        assert!(matches!(look_up().await, Err(Failure::Closed)));
    }
}
