//! Whether a presented secret is one of the client's. Ours are compared, whatever happened before. One of which only an
//! imported hash is known costs time, and one that somebody thought up can be guessed: both are looked at only as long as
//! the budget of wrong secrets lasts (ADR 11).

use common::Timestamp;
use credentials::StoreError;
use credentials::audit::AuditAction;
use credentials::client::ClientId;
use credentials::secret::{ImportedHash, SecretHash, SecretLookup, StoredSecret};

use crate::Deps;
use crate::authenticate_client::{self, AuthenticateClientError, CredentialDefect};
use crate::imported_secrets;
use crate::source::Source;

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
    Right,
    /// It is the one with this imported hash, and we can keep it in our own way now.
    RightAndImported(ImportedHash),
}

impl Attempt<'_> {
    /// Compares the secret with those of the client, which were read just now.
    ///
    /// # Errors
    /// [`AuthenticateClientError`] if it was not looked at.
    pub(crate) async fn check(
        &self,
        deps: &Deps,
        secrets: &[StoredSecret],
    ) -> Result<Verdict, AuthenticateClientError> {
        if let Some(right) = self.among(deps, secrets)? {
            return Ok(right);
        }
        for secret in secrets {
            deps.imported_secrets.saw(&secret.hash);
        }
        let Some(decoy) = deps.imported_secrets.decoy() else { return Ok(Verdict::Wrong) };
        self.may_guess(deps)?;
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
        Ok(Some(Verdict::Right))
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
        let (old, new) =
            (SecretHash::of_imported(imported), StoredSecret::new(self.secret, &deps.pepper, self.now));
        match deps.stores.secrets.upgrade(self.owner, &old, &new).await {
            Ok(true) => self.tell(deps, &new),
            Ok(false) => {}
            Err(error) => not_upgraded(self.client, &error),
        }
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
