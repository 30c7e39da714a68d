//! The places where token requests are worked on. A flood would have every request wait for all others before it, until
//! every client has given up; so who finds no place is sent away at once, for a fraction of what a token costs.
//! Requests come in here when their body has been read: one who sends slowly holds no place.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::HttpRequest;

use crate::http::error::Refusal;

/// The places of one worker.
#[derive(Debug, Clone)]
pub struct TokenPlaces(Rc<Cell<u32>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<u32>>);

impl TokenPlaces {
    /// So many.
    #[must_use]
    pub fn new(places: u32) -> Self {
        Self(Rc::new(Cell::new(places)))
    }

    fn take(&self) -> Option<Place> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(Place(Rc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

/// A place for this request. `None` where the listener has no places to count.
///
/// # Errors
/// [`Refusal::Overloaded`] if all are taken.
pub(super) fn enter(request: &HttpRequest) -> Result<Option<Place>, Refusal> {
    match request.app_data::<TokenPlaces>() {
        Some(places) => places.take().map(Some).ok_or(Refusal::Overloaded),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_16_places_come_back() {
        let places = TokenPlaces::new(2);
        let taken = [places.take(), places.take()];
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take().is_none());
        drop(taken);
        assert!(places.take().is_some());
    }
}
