//! The places where token requests are worked on. A flood would have every request wait for all others before it, until
//! every client has given up; so who finds no place is sent away at once, for a fraction of what a token costs.
//! Who waits for somebody else holds none: neither for a body that is sent slowly, nor for a host that a client chose.

use std::cell::Cell;
use std::rc::Rc;

/// The places of one worker.
#[derive(Debug, Clone)]
pub struct TokenPlaces(Rc<Cell<u32>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub struct TokenPlace {
    /// `None` where there are no places to count.
    places: Option<TokenPlaces>,
    held: bool,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("every place of this worker is taken")]
pub struct NoPlace;

impl TokenPlaces {
    /// So many.
    #[must_use]
    pub fn new(places: u32) -> Self {
        Self(Rc::new(Cell::new(places)))
    }
}

impl TokenPlace {
    /// One of `places`; where there are none to count, nobody is sent away.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(crate) fn take(places: Option<TokenPlaces>) -> Result<Self, NoPlace> {
        let mut place = Self { places, held: false };
        place.enter()?;
        Ok(place)
    }

    /// Waits, with the place given back meanwhile.
    ///
    /// # Errors
    /// [`NoPlace`] if the places are all taken afterwards.
    pub(crate) async fn outside<T>(&mut self, waiting: impl Future<Output = T>) -> Result<T, NoPlace> {
        self.leave();
        let outcome = waiting.await;
        self.enter()?;
        Ok(outcome)
    }

    fn enter(&mut self) -> Result<(), NoPlace> {
        if let Some(TokenPlaces(free)) = &self.places {
            free.set(free.get().checked_sub(1).ok_or(NoPlace)?);
        }
        self.held = true;
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(TokenPlaces(free)) = &self.places
            && self.held
        {
            free.set(free.get().saturating_add(1));
        }
        self.held = false;
    }
}

impl Drop for TokenPlace {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_16_places_come_back() {
        let places = TokenPlaces::new(2);
        let take = || TokenPlace::take(Some(places.clone()));
        let taken = [take(), take()];
        assert!(taken.iter().all(Result::is_ok));
        assert_eq!(take().unwrap_err(), NoPlace);
        drop(taken);
        assert!(take().is_ok());
    }

    #[tokio::test]
    async fn r_16_who_waits_for_others_holds_none() {
        let places = TokenPlaces::new(1);
        let take = || TokenPlace::take(Some(places.clone()));
        let mut place = take().unwrap();
        let other = place.outside(async { take() }).await;
        assert_eq!(other.unwrap_err(), NoPlace, "it was taken meanwhile");
        assert_eq!(places.0.get(), 1, "and is free again, once");
        drop(place);
        assert_eq!(places.0.get(), 1, "it held none any more");
        let mut place = take().unwrap();
        assert!(place.outside(async { take().map(drop) }).await.unwrap().is_ok());
        assert_eq!(places.0.get(), 0);
    }
}
