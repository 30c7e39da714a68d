//! Files that people write by hand, in YAML or JSON, which is YAML too.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{CommandError, input};

/// Reads a whole file.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, CommandError> {
    let unusable = |reason: String| CommandError::File { file: file.to_owned(), reason };
    let bytes = input::read(file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| unusable(error.to_string()))?;
    serde_saphyr::from_str(text).map_err(|error| unusable(error.to_string()))
}
