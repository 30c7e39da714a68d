//! Which key sets are remembered when there are more clients than room. Those of newcomers and those of clients that have
//! proved who they are have rooms of their own: a stranger can register any number of clients, but none of them makes us
//! forget the last good keys of somebody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::Timestamp;
use credentials::client::ClientId;

use super::published::Publication;

/// Sets of clients that have never proved anything.
const MAX_NEWCOMERS: usize = 1_000;
/// Sets of those that have.
const MAX_PROVED: usize = 2_000;

/// What is remembered, of both.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Rooms>);

#[derive(Debug, Default)]
struct Rooms {
    newcomers: HashMap<ClientId, Entry>,
    proved: HashMap<ClientId, Entry>,
}

#[derive(Debug)]
struct Entry {
    publication: Arc<Publication>,
    used_at: Timestamp,
    /// Strangers cannot make such a client, so it goes after all that they can make.
    made_by_operator: bool,
}

impl Remembered {
    /// What is remembered of the client, if it still is what it was; else what `new` makes of it.
    pub(super) fn get_or_add(
        &self,
        id: &ClientId,
        now: Timestamp,
        is_current: impl Fn(&Publication) -> bool,
        new: impl FnOnce(Option<&Publication>) -> Publication,
    ) -> Arc<Publication> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rooms.proved.get(id).or_else(|| rooms.newcomers.get(id));
        let known = known.map(|known| Arc::clone(&known.publication));
        if let Some(known) = known.as_ref().filter(|known| is_current(known)) {
            return Arc::clone(known);
        }
        rooms.proved.remove(id);
        let publication = Arc::new(new(known.as_deref()));
        let entry = Entry { publication: Arc::clone(&publication), used_at: now, made_by_operator: false };
        add(&mut rooms.newcomers, MAX_NEWCOMERS, id, entry);
        publication
    }

    /// The client has just proved that it has one of these keys.
    pub(super) fn proved(
        &self,
        id: &ClientId,
        publication: &Arc<Publication>,
        made_by_operator: bool,
        now: Timestamp,
    ) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.newcomers.remove(id);
        let entry = Entry { publication: Arc::clone(publication), used_at: now, made_by_operator };
        add(&mut rooms.proved, MAX_PROVED, id, entry);
    }
}

/// When there is no room, the one that was used longest ago is forgotten.
fn add(room: &mut HashMap<ClientId, Entry>, size: usize, id: &ClientId, entry: Entry) {
    if room.len() >= size && !room.contains_key(id) {
        let first = room.iter().min_by_key(|(_, entry)| (entry.made_by_operator, entry.used_at));
        let first = first.map(|(id, _)| id.clone());
        first.and_then(|id| room.remove(&id));
    }
    room.insert(id.clone(), entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ClientId {
        ClientId::parse(&format!("client-{n}")).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_000_000)
    }

    fn publication(_: Option<&Publication>) -> Publication {
        Publication::new("https://client.example/k".to_owned(), None)
    }

    fn get(remembered: &Remembered, n: usize, now: Timestamp) -> Arc<Publication> {
        remembered.get_or_add(&id(n), now, |_| true, publication)
    }

    #[test]
    fn t_ssrf_07_strangers_do_not_make_it_forget_who_proved_something() {
        let remembered = Remembered::default();
        let good = get(&remembered, 0, now());
        remembered.proved(&id(0), &good, false, now());
        for n in 1..3 * MAX_NEWCOMERS {
            get(&remembered, n, now().plus_seconds(1));
        }
        assert!(Arc::ptr_eq(&get(&remembered, 0, now()), &good));
        let rooms = remembered.0.lock().unwrap();
        assert_eq!((rooms.newcomers.len(), rooms.proved.len()), (MAX_NEWCOMERS, 1));
    }

    #[test]
    fn of_those_who_proved_something_who_was_not_seen_for_longest_goes_and_those_of_operators_last() {
        let remembered = Remembered::default();
        let made = get(&remembered, 0, now());
        remembered.proved(&id(0), &made, true, now());
        let used = get(&remembered, 1, now());
        for n in 1..MAX_PROVED {
            let publication = get(&remembered, n, now());
            remembered.proved(&id(n), &publication, false, now().plus_seconds(1));
        }
        remembered.proved(&id(1), &used, false, now().plus_seconds(2));
        for n in MAX_PROVED..2 * MAX_PROVED - 2 {
            let publication = get(&remembered, n, now());
            remembered.proved(&id(n), &publication, false, now().plus_seconds(3));
        }
        assert!(Arc::ptr_eq(&get(&remembered, 0, now()), &made));
        assert!(Arc::ptr_eq(&get(&remembered, 1, now()), &used));
        assert_eq!(remembered.0.lock().unwrap().proved.len(), MAX_PROVED);
    }

    #[test]
    fn a_client_that_publishes_elsewhere_starts_anew() {
        let remembered = Remembered::default();
        let before = get(&remembered, 0, now());
        remembered.proved(&id(0), &before, true, now());
        let after = remembered.get_or_add(&id(0), now(), |_| false, publication);
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(Arc::ptr_eq(&get(&remembered, 0, now()), &after));
    }
}
