//! Whether a presented secret is one of the client's. Ours are compared, whatever happened before. One of which only an
//! imported hash is known costs time, and one that somebody thought up can be guessed: both are looked at only as long as
//! the budget of wrong secrets lasts (ADR 11).

use std::sync::Arc;

use common::Timestamp;
use credentials::StoreError;
use credentials::audit::AuditAction;
use credentials::client::ClientId;
use credentials::secret::{ImportedHash, SecretHash, SecretLookup, StoredSecret};

use crate::Deps;
use crate::authenticate_client::{self, AuthenticateClientError, CredentialDefect, NOTE_USE_SECONDS};
use crate::imported_secrets;
use crate::source::Source;
use crate::token_places::TokenPlace;

/// A secret that somebody presents for a client, which may not exist.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) client: &'a ClientId,
    /// Where the client's secrets are.
    pub(crate) owner: &'a SecretLookup,
    pub(crate) secret: &'a str,
    /// Our hash of the secret.
    pub(crate) hash: &'a SecretHash,
    pub(crate) source: Source,
    pub(crate) now: Timestamp,
}

/// What the secret is.
pub(crate) enum Verdict {
    Wrong,
    /// It is this one.
    Right(Box<StoredSecret>),
    /// It is the one with this imported hash, and we can keep it in our own way now.
    RightAndImported(ImportedHash),
}

impl Attempt<'_> {
    /// Compares the secret with those of the client, which were read just now. `place` is given back while slow hashes are
    /// waited for: whoever has secrets of ours waits for nobody (ADR 11).
    ///
    /// # Errors
    /// [`AuthenticateClientError`] if it was not looked at.
    pub(crate) async fn check(
        &self,
        deps: &Deps,
        secrets: &[StoredSecret],
        place: &mut TokenPlace,
    ) -> Result<Verdict, AuthenticateClientError> {
        if let Some(right) = self.among(deps, secrets)? {
            return Ok(right);
        }
        for secret in secrets {
            deps.imported_secrets.saw(&secret.hash);
        }
        let Some(decoy) = deps.imported_secrets.decoy() else { return Ok(Verdict::Wrong) };
        self.may_guess(deps)?;
        place.outside(self.check_imported(deps, decoy)).await?
    }

    /// Computes the imported hashes of the client, or `decoy` if it has none.
    async fn check_imported(
        &self,
        deps: &Deps,
        decoy: ImportedHash,
    ) -> Result<Verdict, AuthenticateClientError> {
        let place = deps.imported_secrets.place().await?;
        // Meanwhile others may have used up the budget, or the right secret.
        let secrets = deps.stores.secrets.find(self.owner).await?;
        if let Some(right) = self.among(deps, &secrets)? {
            return Ok(right);
        }
        self.may_guess(deps)?;
        let live = secrets.iter().filter(|secret| secret.is_live(self.now));
        let imported: Vec<ImportedHash> = live.filter_map(|secret| secret.hash.imported()).collect();
        if imported.is_empty() {
            imported_secrets::verify(place, vec![decoy], self.secret).await;
            if let Err(error) = deps.imported_secrets.look_again(&*deps.stores.secrets, self.now).await {
                tracing::warn!(error.message = %error, "it could not be read whether imported secrets are left");
            }
            return Ok(Verdict::Wrong);
        }
        let found = imported_secrets::verify(place, imported, self.secret).await;
        Ok(found.map_or(Verdict::Wrong, Verdict::RightAndImported))
    }

    /// The one of our own that it is.
    fn among(
        &self,
        deps: &Deps,
        secrets: &[StoredSecret],
    ) -> Result<Option<Verdict>, AuthenticateClientError> {
        // All of them are compared, the matching one or not.
        let live = secrets.iter().filter(|secret| secret.is_live(self.now));
        let found = live
            .fold(None, |found, secret| if secret.hash.matches(self.hash) { Some(secret) } else { found });
        let Some(found) = found else { return Ok(None) };
        if found.guessable {
            self.may_guess(deps)?;
        }
        Ok(Some(Verdict::Right(Box::new(found.clone()))))
    }

    fn may_guess(&self, deps: &Deps) -> Result<(), AuthenticateClientError> {
        let (client, source, now) = (self.client.as_str(), self.source, self.now);
        let refused = |reached| {
            let defect = CredentialDefect::NotLookedAt;
            authenticate_client::too_many_wrong_secrets(deps, defect, reached, client, source, now)
        };
        deps.limits.may_guess(client, source, now).map_err(refused)
    }

    /// Keeps the secret in our own way from now on. If that fails the next use tries again; of several at once one is
    /// enough.
    pub(crate) async fn upgrade(&self, deps: &Deps, imported: &ImportedHash) {
        let old = SecretHash::of_imported(imported);
        let new = StoredSecret::new(self.secret, &deps.pepper, self.now);
        let new = StoredSecret { last_used_at: Some(self.now), ..new };
        match deps.stores.secrets.upgrade(self.owner, &old, &new).await {
            Ok(true) => self.tell(deps, &new),
            Ok(false) => {}
            Err(error) => not_upgraded(self.client, &error),
        }
    }

    /// Lets the store know that the secret is in use, now and then: nobody waits for it.
    pub(crate) fn note_use(&self, deps: &Deps, secret: &StoredSecret) {
        let now = self.now;
        if secret.last_used_at.is_some_and(|last| now < last.plus_seconds(NOTE_USE_SECONDS)) {
            return;
        }
        let (secrets, owner, hash) =
            (Arc::clone(&deps.stores.secrets), self.owner.clone(), secret.hash.clone());
        let client = self.client.clone();
        tokio::spawn(async move {
            if let Err(error) = secrets.note_use(&owner, &hash, now).await {
                tracing::warn!(client.id = client.as_str(), error.message = %error, "the use of a secret was not noted");
            }
        });
    }

    fn tell(&self, deps: &Deps, new: &StoredSecret) {
        tracing::info!(client.id = self.client.as_str(), "an imported secret is kept in our own way now");
        let (action, id) = (AuditAction::SecretUpgraded, new.id());
        deps.audit.note_own(action, Some(self.client), Some(id.as_str()), self.now, &*deps.random);
    }
}

fn not_upgraded(client: &ClientId, error: &StoreError) {
    tracing::warn!(client.id = client.as_str(), error.message = %error, "an imported secret was not upgraded");
}
