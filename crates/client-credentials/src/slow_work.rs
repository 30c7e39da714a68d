//! Work that costs a processor for longer than a request may hold up others: so not on a thread that serves others
//! meanwhile, not on all cores at once, and not for a queue without end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever waits longer is sent away, to come back.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places where it is done.
#[derive(Debug, Clone)]
pub(crate) struct SlowWork {
    places: Arc<Semaphore>,
    patience: Duration,
}

/// A place. It is free again when the work that was done in it has ended.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// All places were taken for a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all places for work of this kind are taken")]
pub struct Busy;

impl Default for SlowWork {
    /// One place for every second core, at least one.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { places: Arc::new(Semaphore::new(cores.div_ceil(2))), patience: PATIENCE }
    }
}

impl SlowWork {
    /// Waits for a place.
    ///
    /// # Errors
    /// [`Busy`] if there was none in time.
    pub(crate) async fn place(&self) -> Result<Place, Busy> {
        let waiting = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(self.patience, waiting).await.map_err(|_| Busy)?;
        Ok(Place { _permit: place.map_err(|_| Busy)? })
    }
}

impl Place {
    /// What `work` returns; `None` if it panicked.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let working = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also if whoever asked has left.
            let _place = self;
            work()
        });
        working.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t_reg_01_t_bru_05_work_waits_for_a_place_and_not_for_ever() {
        let work = SlowWork { places: Arc::new(Semaphore::new(1)), patience: Duration::from_millis(10) };
        let taken = work.place().await.unwrap();
        assert_eq!(work.place().await.unwrap_err(), Busy);
        assert_eq!(taken.run(|| 1).await, Some(1));
        let place = work.place().await.unwrap();
        assert_eq!(place.run(|| -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(work.places.available_permits(), 1, "the place is free again");
    }
}
