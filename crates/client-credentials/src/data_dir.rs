//! What the start would say of `DATA_DIR`, found out without changing anything on the disk.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use service_kit::{StartError, files};
use store_sqlite::SqliteStore;
use zeroize::Zeroizing;

use crate::app::{bootstrap_token_file, bootstrap_token_in};
use crate::config::Config;
use crate::generated_file::unusable;
use crate::signing_keys;

/// `O_TMPFILE`, which differs.
const UNNAMED: Option<i32> = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    Some(0o20_200_000)
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    Some(0o20_040_000)
} else {
    None
};

/// Every mistake, as a sentence.
pub(crate) fn mistakes(config: &Config) -> Vec<String> {
    let directory = &config.data_dir;
    let token = config.bootstrap_token.is_none().then(|| bootstrap_token_file(directory));
    let key = config.signing_key.file.is_none();
    let key = key.then(|| signing_keys::key_file(&config.signing_key, directory));
    let is_made = |path: Option<&Path>| path.is_some_and(|path| !path.exists());
    let is_written = config.mongodb.is_none()
        || is_made(token.as_deref())
        || (config.shared_keys.is_none() && is_made(key.as_deref()));
    if is_written && let Err(error) = check_writable(directory) {
        return vec![format!(
            "DATA_DIR: {} cannot be written: {error}. Make it writable for the user of this process, or name another directory",
            directory.display()
        )];
    }
    let store = config.mongodb.is_none().then(|| {
        SqliteStore::check(directory)
            .map_err(|error| StartError::new(format!("the embedded store cannot be opened: {error}")))
    });
    let token = token.map(|path| check_token(&path));
    let key = key.map(|_| signing_keys::check_generated(&config.signing_key, directory));
    [store, token, key].into_iter().flatten().filter_map(Result::err).map(|error| error.to_string()).collect()
}

fn check_token(path: &Path) -> Result<(), StartError> {
    match files::read(path, files::SMALL).map(Zeroizing::new) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unusable(path, &error, "BOOTSTRAP_TOKEN")),
        Ok(content) => bootstrap_token_in(&content, path).map(drop),
    }
}

/// The directory, or the nearest above it that is there, where the start makes what is missing.
fn check_writable(directory: &Path) -> Result<(), Error> {
    for place in directory.ancestors() {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        match fs::metadata(place) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(found) if found.is_dir() => return make_unnamed_file(place),
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// A file that has no name, and is gone when it is closed: the same is needed for it as for one with a name, and nobody sees it.
fn make_unnamed_file(directory: &Path) -> Result<(), Error> {
    let Some(unnamed) = UNNAMED else { return Ok(()) };
    match OpenOptions::new().write(true).mode(0o600).custom_flags(unnamed).open(directory) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
            ) =>
        {
            Err(error)
        }
        // Made, or a file system that has none: then the start will tell.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_directory_is_good_if_a_file_can_be_made_in_it_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let changed =
            |path: &Path| fs::metadata(path).map(|found| (found.ctime(), found.ctime_nsec())).unwrap();
        let before = changed(folder.path());
        check_writable(folder.path()).unwrap();
        check_writable(&folder.path().join("not/there/yet")).unwrap();
        assert_eq!(changed(folder.path()), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let file = folder.path().join("file");
        File::create(&file).unwrap();
        for path in [file.clone(), file.join("below")] {
            assert_eq!(check_writable(&path).unwrap_err().kind(), ErrorKind::NotADirectory, "{path:?}");
        }
    }

    #[test]
    fn a_directory_of_others_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
        let told = [check_writable(&closed), check_writable(&closed.join("below"))];
        // Who is root may write everywhere, and is told nothing.
        let may_write = File::create(closed.join("probe")).is_ok();
        assert!(told.iter().all(|told| told.is_ok() == may_write), "{told:?}");
    }
}
