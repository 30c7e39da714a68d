//! The file on the disk: where it is, who may read it, whether it is still the one that was opened.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::failure::{Failure, OpenError};
use crate::schema;

const NAME: &str = "gettone.sqlite3";
/// Attempts to get the lock while another process writes, a millisecond apart. SQLite's own timeout soon looks ten times
/// a second only, and a process that writes all the time would starve the others.
const ATTEMPTS: i32 = 2000;
/// Attempts to open the file, and the time between two. When another process opens or closes the same file at the same
/// moment, SQLite may say "locked" without waiting: it cannot wait where two would wait for each other.
const OPEN_ATTEMPTS: u32 = 400;
const OPEN_PAUSE: Duration = Duration::from_millis(5);

/// The open file. Its identity is kept because SQLite would go on writing to a file that has been deleted.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Opens the file in `directory` for writing, made and migrated if need be.
pub(crate) fn open(directory: &Path) -> Result<(DataFile, Connection), OpenError> {
    create_directory(directory)
        .map_err(|source| OpenError::Directory { path: directory.to_owned(), source })?;
    let mut attempts = 0..OPEN_ATTEMPTS;
    loop {
        match open_file(&directory.join(NAME)) {
            Err(error) if error.is_contention() && attempts.next().is_some() => thread::sleep(OPEN_PAUSE),
            opened_or_not => return opened_or_not,
        }
    }
}

/// Whether the file is ours to write, if it is there. Not for a process that has it open: to close the file here would drop
/// SQLite's locks on it (POSIX).
pub(crate) fn check(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(NAME);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop).map_err(|source| OpenError::Directory { path, source }),
    }
}

fn open_file(path: &Path) -> Result<(DataFile, Connection), OpenError> {
    let failed = |source| OpenError::of_file(path.to_owned(), source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags).map_err(failed)?;
    // Before anything is written. By path: to open and close the file here would drop SQLite's locks on it (POSIX).
    let metadata = fs::set_permissions(path, Permissions::from_mode(0o600))
        .and_then(|()| fs::metadata(path))
        .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
    schema::prepare(&mut connection, path)?;
    Ok((DataFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() }, connection))
}

impl DataFile {
    /// Another connection, for reading only. Never creates the file.
    pub(crate) fn reader(&self) -> Result<Connection, Failure> {
        let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Fails if the path no longer leads to the file that was opened.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match fs::metadata(&self.path) {
            Ok(now) if now.dev() == self.device && now.ino() == self.inode => Ok(()),
            _ => Err(Failure::FileGone),
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_handler(Some(wait))?;
    // Plans never depend on the values bound. Else SQLite compiles the statement anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A container has no place for temporary files, and a copy of our pages belongs nowhere else.
    connection.pragma_update(None, "temp_store", "memory")?;
    // KiB of pages kept in memory; the operating system caches the file anyway.
    connection.pragma_update(None, "cache_size", -1000)?;
    Ok(connection)
}

/// Runs `work` on a connection that fails where it would wait for another process.
pub(crate) fn without_waiting<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.busy_handler(None::<fn(i32) -> bool>)?;
    let answer = work(connection);
    connection.busy_handler(Some(wait))?;
    answer
}

fn wait(attempts: i32) -> bool {
    thread::sleep(Duration::from_millis(1));
    attempts < ATTEMPTS
}

/// Makes the directory if it is missing, and makes sure that it is still there after a power cut.
fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    match fs::canonicalize(directory)?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
