//! Which layout the documents of a database have, so that a program does not misread what a much newer one wrote (ADR 14).

use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::ReturnDocument;

use crate::connection::{OpenError, reason};
use crate::document::by_id;
use crate::failure::{DUPLICATE_KEY, code};

/// The layout that this program writes, counted from 1. Raised when a program of the layout before would lose or misread
/// what is new; then that one must still be able to go on: it leaves alone what it does not know.
const OURS: i64 = 1;
const NAME: &str = "layout";
const VERSION: &str = "version";

/// Notes our layout, unless a newer one is noted. During a rolling upgrade the replicas of two layouts share a database.
///
/// # Errors
/// [`OpenError::Newer`] if the database has been written by a program more than one layout ahead; then nothing is changed.
pub(crate) async fn agree(deployment: &Collection<Document>) -> Result<(), OpenError> {
    let failed = |error: Error| OpenError::Layout(reason(&error));
    let noted = deployment.find_one(by_id(NAME)).await.map_err(failed)?;
    refuse_newer(noted.as_ref())?;
    let note = || {
        deployment
            .find_one_and_update(by_id(NAME), doc! { "$max": { VERSION: OURS } })
            .upsert(true)
            .return_document(ReturnDocument::After)
    };
    let noted = match note().await {
        // Another replica inserted in the same moment.
        Err(error) if code(&error) == Some(DUPLICATE_KEY) => note().await,
        noted_or_not => noted_or_not,
    };
    refuse_newer(noted.map_err(failed)?.as_ref())
}

fn refuse_newer(noted: Option<&Document>) -> Result<(), OpenError> {
    let supported = OURS + 1;
    match noted.map_or(Ok(OURS), |noted| noted.get_i64(VERSION)) {
        Ok(found) if found <= supported => Ok(()),
        Ok(found) => Err(OpenError::Newer { found, supported }),
        Err(_) => Err(OpenError::Layout("its version is no number".to_owned())),
    }
}
