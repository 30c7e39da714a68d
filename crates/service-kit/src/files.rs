//! Files that people name: read whole, but not without end, as `/dev/zero` would be.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

const MIB: usize = 1024 * 1024;
/// More than a key, a token, a bundle of certificates or a document of settings has.
pub const SMALL: usize = MIB;
/// More than the clients of a deployment take.
pub const LARGE: usize = 256 * MIB;

/// The content of a file.
///
/// # Errors
/// It cannot be read, or there is more than `most` bytes of it.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata().map_or(0, |file| usize::try_from(file.len()).unwrap_or(most));
    // All at once: a secret leaves no part of itself behind where a buffer grew.
    read_into(Vec::with_capacity(length.min(most)), file, most)
}

/// The same of a text.
///
/// # Errors
/// As [`read`] has, or it is no UTF-8.
pub fn read_to_string(path: &Path, most: usize) -> Result<String> {
    text(read(path, most)?)
}

/// The same of what needs no opening, as standard input.
///
/// # Errors
/// As [`read_to_string`] has.
pub fn read_all_to_string(from: impl Read, most: usize) -> Result<String> {
    text(read_into(Vec::new(), from, most)?)
}

fn text(content: Vec<u8>) -> Result<String> {
    String::from_utf8(content).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

fn read_into(mut content: Vec<u8>, from: impl Read, most: usize) -> Result<Vec<u8>> {
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    from.take(one_more).read_to_end(&mut content)?;
    if content.len() > most {
        let what = format!("it is larger than {} MiB: is it the right file?", most / MIB);
        return Err(Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_not_read_to_its_end() {
        let endless = read_to_string(Path::new("/dev/zero"), SMALL).unwrap_err();
        assert_eq!(endless.to_string(), "it is larger than 1 MiB: is it the right file?");
        assert_eq!(read_all_to_string(&[b'x'; SMALL][..], SMALL).unwrap().len(), SMALL);
        assert!(read_all_to_string(&[b'x'; SMALL + 1][..], SMALL).is_err());
        assert_eq!(read_all_to_string(&b"\xff"[..], SMALL).unwrap_err().to_string(), "it is not UTF-8");
    }
}
