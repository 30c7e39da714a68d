//! Follows the store. After every interruption it begins again: a new watch first, then everything that is recorded, so
//! that nothing falls between the two.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use common::Clock;
use credentials::StoreError;
use credentials::revocation::RevocationWatch;

use super::Revocations;

/// Between two attempts to begin again.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks for what has ended.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Opens a watch and reads what is recorded.
pub(super) async fn begin(revocations: &Revocations) -> Result<Box<dyn RevocationWatch>, StoreError> {
    let watch = revocations.store.watch().await?;
    for revocation in revocations.store.revocations().await? {
        revocations.add(&revocation);
    }
    revocations.confirm();
    Ok(watch)
}

/// Follows until nobody asks `revocations` any more.
pub(super) async fn run(
    revocations: Weak<Revocations>,
    watch: Box<dyn RevocationWatch>,
    clock: Arc<dyn Clock>,
) {
    let mut watch = Some(watch);
    let mut forgotten = Instant::now();
    while let Some(revocations) = revocations.upgrade() {
        watch = match watch {
            Some(watch) => step(&revocations, watch).await,
            None => begin_again(&revocations).await,
        };
        if forgotten.elapsed() >= FORGET_EVERY {
            revocations.forget(clock.now());
            forgotten = Instant::now();
        }
    }
}

/// Takes the next revocation. `None`: the watch is over.
async fn step(
    revocations: &Revocations,
    mut watch: Box<dyn RevocationWatch>,
) -> Option<Box<dyn RevocationWatch>> {
    match watch.next().await {
        Ok(told) => {
            if let Some(revocation) = told {
                revocations.add(&revocation);
            }
            revocations.confirm();
            Some(watch)
        }
        Err(error) => {
            tracing::warn!(error.message = %error, "revocations cannot be followed: beginning again");
            None
        }
    }
}

async fn begin_again(revocations: &Revocations) -> Option<Box<dyn RevocationWatch>> {
    match begin(revocations).await {
        Ok(watch) => {
            tracing::info!("revocations are followed again");
            Some(watch)
        }
        Err(error) => {
            tracing::debug!(error.message = %error, "revocations still cannot be followed");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}
