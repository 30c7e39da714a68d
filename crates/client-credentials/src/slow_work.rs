//! Work that costs a processor for longer than a request may hold up others: so not on a thread that serves others
//! meanwhile, not on more than half of the cores for one kind of work, and not for a queue without end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever waits longer is sent away, to come back.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who may wait for one place. Whoever comes when there are more is sent away at once.
const WAITING_FOR_ONE: usize = 64;

/// The places where it is done.
#[derive(Debug, Clone)]
pub(crate) struct SlowWork {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    patience: Duration,
}

/// A place. It is free again when the work that was done in it has ended.
#[derive(Debug)]
pub(crate) struct WorkPlace {
    _permit: OwnedSemaphorePermit,
}

/// All places were taken for a second, or too many wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all places for work of this kind are taken")]
pub struct Busy;

impl Default for SlowWork {
    /// One place for every second core, at least one.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(cores.div_ceil(2), PATIENCE)
    }
}

impl SlowWork {
    fn with(places: usize, patience: Duration) -> Self {
        let waiting = Semaphore::new(places.saturating_mul(WAITING_FOR_ONE));
        Self { places: Arc::new(Semaphore::new(places)), waiting: Arc::new(waiting), patience }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`Busy`] if there was none in time.
    pub(crate) async fn place(&self) -> Result<WorkPlace, Busy> {
        let _turn = self.waiting.try_acquire().map_err(|_| Busy)?;
        let waiting = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(self.patience, waiting).await.map_err(|_| Busy)?;
        Ok(WorkPlace { _permit: place.map_err(|_| Busy)? })
    }
}

impl WorkPlace {
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
        let work = SlowWork::with(1, Duration::from_millis(10));
        let taken = work.place().await.unwrap();
        assert_eq!(work.place().await.unwrap_err(), Busy);
        assert_eq!(taken.run(|| 1).await, Some(1));
        let place = work.place().await.unwrap();
        assert_eq!(place.run(|| -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(work.places.available_permits(), 1, "the place is free again");
    }

    #[tokio::test]
    async fn t_bru_05_who_finds_too_many_waiting_is_sent_away_at_once() {
        let work = SlowWork::with(1, Duration::from_secs(3600));
        let taken = work.place().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_FOR_ONE).map(|_| Box::pin(work.place())).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert_eq!(work.place().await.unwrap_err(), Busy);
        drop(taken);
        for one in waiting {
            drop(one.await.unwrap());
        }
        work.place().await.unwrap();
    }
}
