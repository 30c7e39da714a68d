//! Signing keys in PEM files: the operator's, or one that is made at first start.

use std::io;
use std::path::{Path, PathBuf};

use credentials::Random;
use jose::{Algorithm, SigningKey};
use service_kit::{Secret, StartError, files};
use zeroize::Zeroizing;

use crate::config::SigningKeySource;
use crate::generated_file::{read_or_create, unusable};

/// Where the key of this replica is, or would be: a file for each algorithm, because no key has two (RFC 8725 §3.1).
pub(crate) fn key_file(source: &SigningKeySource, data_dir: &Path) -> PathBuf {
    source.file.clone().unwrap_or_else(|| generated_file(source.algorithm, data_dir))
}

fn generated_file(algorithm: Algorithm, data_dir: &Path) -> PathBuf {
    match algorithm {
        // Its name from before there were others.
        Algorithm::Rs256 => data_dir.join("signing-key.pem"),
        other => data_dir.join(format!("signing-key-{}.pem", other.name().to_lowercase())),
    }
}

/// The key files in `data_dir` that this service made at some time, for looking at who may read them. The operator's file,
/// PRIVATE_RSA_KEY_FILE_PATH, is not among them: secrets are often mounted readable by all of the container, and cannot
/// be changed there.
pub(crate) fn generated_files(data_dir: &Path) -> Vec<PathBuf> {
    let files = Algorithm::OF_ACCESS_TOKENS.map(|algorithm| generated_file(algorithm, data_dir));
    files.into_iter().filter(|path| path.exists()).collect()
}

/// The key in the operator's file, or in one in `data_dir` that is made if it is missing.
///
/// # Errors
/// [`StartError`], with what to do.
pub(crate) fn read_or_make(
    source: &SigningKeySource,
    data_dir: &Path,
    random: &dyn Random,
) -> Result<SigningKey, StartError> {
    if source.file.is_some() {
        return read(source, data_dir);
    }
    let path = key_file(source, data_dir);
    let made = read_or_create(&path, random, || {
        let key = SigningKey::generate(source.algorithm, None).map_err(io::Error::other)?;
        let pem = key.to_pem().map_err(io::Error::other)?;
        Ok(Zeroizing::new(pem.as_bytes().to_vec()))
    });
    let file = made.map_err(|error| unusable(&path, &error, "PRIVATE_RSA_KEY_FILE_PATH"))?;
    from_pem(&file.content, source, &path)
}

/// The key in a file that must be there.
///
/// # Errors
/// [`StartError`], with what to do.
pub(crate) fn read(source: &SigningKeySource, data_dir: &Path) -> Result<SigningKey, StartError> {
    let path = key_file(source, data_dir);
    let pem = files::read(&path, files::SMALL).map(Zeroizing::new).map_err(|error| {
        StartError::new(format!("PRIVATE_RSA_KEY_FILE_PATH: {} cannot be read: {error}", path.display()))
    })?;
    from_pem(&pem, source, &path)
}

/// Whether the key in the file that is made if it is missing can be used, if it is there.
///
/// # Errors
/// [`StartError`], with what to do.
pub(crate) fn check_generated(source: &SigningKeySource, data_dir: &Path) -> Result<(), StartError> {
    let path = generated_file(source.algorithm, data_dir);
    match files::read(&path, files::SMALL).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unusable(&path, &error, "PRIVATE_RSA_KEY_FILE_PATH")),
        Ok(pem) => from_pem(&pem, source, &path).map(drop),
    }
}

fn from_pem(pem: &[u8], source: &SigningKeySource, path: &Path) -> Result<SigningKey, StartError> {
    let password = source.password.as_ref().map(Secret::expose);
    SigningKey::from_pem(source.algorithm, pem, password, source.kid.as_deref())
        .map_err(|error| StartError::new(format!("{}: {error}", path.display())))
}
