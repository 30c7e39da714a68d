//! The rules file as a file: its bytes, and whether they may have changed since they were read. Knows nothing of rules.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use access_rules::MAX_RULES_FILE_SIZE;
use common::Timestamp;

/// Two changes closer together than this may leave the same times behind: file systems count in ticks, some in seconds.
const TICK_SECONDS: i64 = 2;

/// A content of the file, and what the file looked like when it was read.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What the file looks like now. The path is followed anew each time: Kubernetes replaces a mounted file by pointing a
/// link above it elsewhere.
pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    Ok(Stamp::of(&std::fs::metadata(path)?))
}

/// Reads the file, up to one byte more than rules may have.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    // Asked before it is opened: opening a pipe waits for a writer, for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_RULES_FILE_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Content { bytes, stamp })
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether every change after this state would show as another stamp. A change in the same tick of the file system
    /// would not.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        let latest = self.modified.0.max(self.changed.0);
        latest.saturating_add(TICK_SECONDS) < now.unix_seconds()
    }
}
