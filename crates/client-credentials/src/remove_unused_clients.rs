//! Forgets clients that registered themselves and came to nothing (T-REG-11, T-REG-01): no operator ever touched them, and
//! they never got a token. Anybody may register, so without it the store would grow for ever. Every replica does it, now
//! and then: a removal names the version that was looked at, so that a client is removed once, and not while an operator
//! gives it powers.

use common::Timestamp;
use credentials::audit::{AuditAction, AuditEvent, Outcome};
use credentials::client::{Client, ClientFilter, ClientId, ClientOrigin, DeleteOutcome};
use credentials::secret::Pepper;
use credentials::{Random, RandomError, StoreError};

use crate::Stores;
use crate::audit::Audit;

const DAY_SECONDS: i64 = 86_400;
/// Clients that are looked at together.
const PAGE: u32 = 100;
/// What the audit log says of a client that was removed because nobody used it.
const UNUSED: &str = "unused";

/// Looks for them, as often as it is asked to.
pub struct Sweep<'a> {
    pub stores: &'a Stores,
    pub pepper: &'a Pepper,
    pub audit: &'a Audit,
    pub random: &'a dyn Random,
    /// A client that is gone, and its secrets perhaps not yet.
    pub half_gone: Option<ClientId>,
}

/// Why not all of them were removed. The rest is for the next time.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Sweep<'_> {
    /// Removes those that registered `days` ago or earlier, and returns how many.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn run(&mut self, now: Timestamp, days: u32) -> Result<u64, SweepError> {
        self.forget_secrets().await?;
        let since = now.plus_seconds(DAY_SECONDS.saturating_mul(days.into()).saturating_neg());
        let filter = ClientFilter {
            origin: Some(ClientOrigin::Registration),
            unused_since: Some(since),
            ..ClientFilter::default()
        };
        let (mut removed, mut after) = (0_u64, None);
        loop {
            let page = self.stores.clients.list(&filter, after.as_ref(), PAGE).await?;
            for client in page.clients.iter().filter(|client| is_untouched(client)) {
                if self.remove(client, now).await? {
                    removed = removed.saturating_add(1);
                    self.forget_secrets().await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Its event is stored before, as that of every change.
    async fn remove(&mut self, client: &Client, now: Timestamp) -> Result<bool, SweepError> {
        let (action, id) = (AuditAction::ClientDeleted, &client.id);
        let event = AuditEvent::by_service(action, Some(id), Some(UNUSED), now, self.random)?;
        let event_id = event.id.clone();
        self.audit.announce(event).await?;
        match self.stores.clients.delete(id, Some(client.version)).await? {
            DeleteOutcome::Deleted => {
                self.audit.settle(event_id, Outcome::Done { subject: None });
                tracing::info!(client.id = id.as_str(), "removed a client that was never used");
                self.half_gone = Some(id.clone());
                Ok(true)
            }
            DeleteOutcome::VersionConflict | DeleteOutcome::Missing => {
                self.audit.settle(event_id, Outcome::Withdrawn);
                Ok(false)
            }
        }
    }

    /// They go last: without a client they open nothing. If that fails, it is done the next time.
    async fn forget_secrets(&mut self) -> Result<(), StoreError> {
        let Some(id) = &self.half_gone else { return Ok(()) };
        // Somebody may have made another client of this id.
        if self.stores.clients.find(id).await?.is_none() {
            for owner in self.pepper.owners_of(id) {
                self.stores.secrets.delete_all(&owner).await?;
            }
        }
        self.half_gone = None;
        Ok(())
    }
}

/// No PUT of its own keeps it (RFC 7592).
fn is_untouched(client: &Client) -> bool {
    client.is_as_registered() && client.last_login.is_none()
}

impl std::fmt::Debug for Sweep<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sweep").field("half_gone", &self.half_gone).finish_non_exhaustive()
    }
}
