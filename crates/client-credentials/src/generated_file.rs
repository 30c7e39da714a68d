//! Files with a secret that is made at first start. Of several processes that start at once, all read the same one;
//! after a crash there is a whole file or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use credentials::Random;
use credentials::random::letters;
use service_kit::StartError;
use zeroize::Zeroizing;

/// What [`read_or_create`] found.
#[derive(Debug)]
pub(crate) struct GeneratedFile {
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether this call made it.
    pub(crate) created: bool,
}

/// The content of `path`; if there is no such file, it is made of what `generate` returns, readable by its owner only
/// (mode 0600), in a directory of mode 0700 if that is missing too.
///
/// # Errors
/// If the file cannot be read or made, or if `generate` failed.
pub(crate) fn read_or_create(
    path: &Path,
    random: &dyn Random,
    generate: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> io::Result<GeneratedFile> {
    let read = || fs::read(path).map(Zeroizing::new);
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return outcome.map(|content| GeneratedFile { content, created: false }),
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let created = create(path, directory, random, &generate()?)?;
    Ok(GeneratedFile { content: read()?, created })
}

/// What the start says of one; `instead` is the variable that makes it unnecessary.
pub(crate) fn unusable(path: &Path, error: &io::Error, instead: &str) -> StartError {
    StartError::new(format!(
        "{} can neither be read nor made: {error}. Make DATA_DIR writable, or set {instead}",
        path.display()
    ))
}

/// Whether others than its owner may read or change the file, as after a restore from a backup. One that cannot be looked
/// at is not.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Says in the log that others may read `what`, if they may.
pub(crate) fn warn_if_open_to_others(path: &Path, what: &str) {
    if is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "others on this machine may read {what}: chmod 600");
    }
}

/// Writes a file of another name to its end, then gives it its name, which fails if somebody was faster. The other name
/// is random: containers that share a volume have equal process ids.
fn create(path: &Path, directory: &Path, random: &dyn Random, content: &[u8]) -> io::Result<bool> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", letters(random, 16).map_err(io::Error::other)?));
    let unfinished = directory.join(name);
    let outcome = write(&unfinished, content).and_then(|()| match fs::hard_link(&unfinished, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    let removed = fs::remove_file(&unfinished);
    let created = outcome?;
    removed?;
    File::open(directory)?.sync_all()?;
    Ok(created)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use credentials::SystemRandom;

    use super::*;

    fn content(text: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_file_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/secret");
        let first = read_or_create(&path, &SystemRandom, || content("first")).unwrap();
        assert!(first.created);
        let second = read_or_create(&path, &SystemRandom, || content("second")).unwrap();
        assert!(!second.created);
        assert_eq!(*second.content, b"first");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!is_open_to_others(&path));
        for open in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            assert!(is_open_to_others(&path), "{open:o}");
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn who_comes_second_reads_what_the_first_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let late = read_or_create(&path, &SystemRandom, || {
            fs::write(&path, "faster")?;
            content("late")
        });
        let late = late.unwrap();
        assert!(!late.created);
        assert_eq!(*late.content, b"faster");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let outcome = read_or_create(directory.path(), &SystemRandom, || content("x"));
        assert!(outcome.is_err());
    }
}
