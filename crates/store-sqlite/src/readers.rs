//! Connections for reading. Opened when they are needed, kept for the next read, dropped after an error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::file::DataFile;

/// Reads that run at once. They take microseconds; more connections would cost memory and win nothing.
const LIMIT: usize = 4;

pub(crate) struct Readers {
    file: DataFile,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(file: DataFile) -> Self {
        Self { file, permits: Arc::new(Semaphore::new(LIMIT)), idle: Mutex::new(Vec::new()) }
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

    /// Allows no more reads and closes the connections that are idle.
    pub(crate) fn close(&self) {
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
