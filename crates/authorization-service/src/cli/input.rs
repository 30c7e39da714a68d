//! Files that a person names in a command: read whole, but never without end. They may be pipes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::CommandError;

const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// The content of a file.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    bytes(file).map_err(|error| CommandError::File { file: file.to_owned(), reason: error.to_string() })
}

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = File::open(file)?.take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes)?;
    if length as u64 > MAX_SIZE { Err(io::Error::other("it is larger than 16 MiB")) } else { Ok(bytes) }
}
