//! Forgets clients that registered themselves and came to nothing (T-REG-11, T-REG-01): no operator ever touched them, and
//! they never got a token. Anybody may register, so without it the store would grow for ever. Every replica does it, now
//! and then: a removal names the version that was looked at, so that a client is removed once, and not while an operator
//! gives it powers.

use common::Timestamp;
use credentials::StoreError;
use credentials::client::{Client, ClientFilter, ClientId, ClientOrigin, DeleteOutcome};
use credentials::secret::Pepper;

use crate::Stores;

const DAY_SECONDS: i64 = 86_400;
/// Clients that are looked at together.
const PAGE: u32 = 100;
/// The version of a client that no operator changed, but for the changes of its own: no PUT of its keeps it (RFC 7592).
const AS_REGISTERED: u64 = 1;

/// Removes those that registered `days` ago or earlier, tells `on_removed` of each, and returns how many.
///
/// # Errors
/// [`StoreError`]; those before it are gone, and the rest is for the next time.
pub async fn run(
    stores: &Stores,
    pepper: &Pepper,
    now: Timestamp,
    days: u32,
    mut on_removed: impl FnMut(&ClientId),
) -> Result<u64, StoreError> {
    let since = now.plus_seconds(DAY_SECONDS.saturating_mul(days.into()).saturating_neg());
    let filter = ClientFilter {
        origin: Some(ClientOrigin::Registration),
        unused_since: Some(since),
        ..ClientFilter::default()
    };
    let (mut removed, mut after) = (0_u64, None);
    loop {
        let page = stores.clients.list(&filter, after.as_ref(), PAGE).await?;
        for client in page.clients.iter().filter(|client| is_untouched(client)) {
            if remove(stores, pepper, client).await? {
                removed = removed.saturating_add(1);
                tracing::info!(client.id = client.id.as_str(), "removed a client that was never used");
                on_removed(&client.id);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(removed);
        }
    }
}

fn is_untouched(client: &Client) -> bool {
    client.version == AS_REGISTERED.saturating_add(client.own_changes) && client.last_login.is_none()
}

/// The secrets go last: without a client they open nothing.
async fn remove(stores: &Stores, pepper: &Pepper, client: &Client) -> Result<bool, StoreError> {
    match stores.clients.delete(&client.id, Some(client.version)).await? {
        DeleteOutcome::Deleted => {
            for owner in pepper.owners_of(&client.id) {
                stores.secrets.delete_all(&owner).await?;
            }
            Ok(true)
        }
        DeleteOutcome::VersionConflict | DeleteOutcome::Missing => Ok(false),
    }
}
