//! The connections of a listener. When there are more than there is room for, the one that has waited for its client for
//! longest is closed: nobody keeps others out by holding connections and saying nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// All connections of a listener, on every worker.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    most: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Of the open ones, those that are told to leave.
    leaving: usize,
    /// What the next one that waits is numbered.
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    told_to_leave: Arc<AtomicBool>,
    waker: Waker,
}

/// One connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    crowd: Crowd,
    told_to_leave: Arc<AtomicBool>,
    waiting_as: Option<u64>,
}

impl Crowd {
    /// With room for `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Arc::default() }
    }

    /// One more connection. If there is no room, others are told to leave.
    pub(crate) fn enter(&self) -> Member {
        let mut state = self.state();
        state.open = state.open.saturating_add(1);
        while state.open.saturating_sub(state.leaving) > self.most && state.tell_longest_to_leave() {}
        Member { crowd: self.clone(), told_to_leave: Arc::default(), waiting_as: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// False if nobody waits.
    fn tell_longest_to_leave(&mut self) -> bool {
        let Some((_, longest)) = self.waiting.pop_first() else { return false };
        longest.told_to_leave.store(true, Ordering::Relaxed);
        longest.waker.wake();
        self.leaving = self.leaving.saturating_add(1);
        true
    }
}

impl Member {
    pub(crate) fn is_told_to_leave(&self) -> bool {
        self.told_to_leave.load(Ordering::Relaxed)
    }

    /// It waits for its client. The waker is of its task, which is always the same one.
    pub(crate) fn waits(&mut self, waker: &Waker) {
        if self.waiting_as.is_some() || self.is_told_to_leave() {
            return;
        }
        let mut state = self.crowd.state();
        let number = state.next;
        state.next = number.saturating_add(1);
        let told_to_leave = Arc::clone(&self.told_to_leave);
        state.waiting.insert(number, Waiting { told_to_leave, waker: waker.clone() });
        // Those that came before, while nobody waited, are too many still. Its own client may be about to speak.
        while state.open.saturating_sub(state.leaving) > self.crowd.most
            && state.waiting.len() > 1
            && state.tell_longest_to_leave()
        {}
        drop(state);
        self.waiting_as = Some(number);
    }

    /// It does not wait any more.
    pub(crate) fn works(&mut self) {
        if let Some(number) = self.waiting_as.take() {
            self.crowd.state().waiting.remove(&number);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.works();
        let mut state = self.crowd.state();
        state.open = state.open.saturating_sub(1);
        if self.is_told_to_leave() {
            state.leaving = state.leaving.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_frm_08_who_has_waited_for_longest_leaves() {
        let crowd = Crowd::new(3);
        let waker = Waker::noop();
        let mut working = crowd.enter();
        working.waits(waker);
        let [mut first, mut second] = [crowd.enter(), crowd.enter()];
        second.waits(waker);
        first.waits(waker);
        working.works();
        let third = crowd.enter();
        assert!(second.is_told_to_leave() && !first.is_told_to_leave() && !working.is_told_to_leave());
        let fourth = crowd.enter();
        assert!(first.is_told_to_leave() && !working.is_told_to_leave());
        let fifth = crowd.enter();
        assert!(!working.is_told_to_leave(), "nobody else waits");
        assert!([&third, &fourth, &fifth].iter().all(|member| !member.is_told_to_leave()));
        drop((first, second, fifth));
        working.waits(waker);
        drop(third);
        let sixth = crowd.enter();
        assert!(!working.is_told_to_leave(), "there is room again");
        drop((working, fourth, sixth));
        let state = crowd.state();
        assert_eq!((state.open, state.leaving, state.waiting.len()), (0, 0, 0));
    }
    #[test]
    fn t_frm_08_those_that_came_while_nobody_waited_leave_when_they_wait() {
        let crowd = Crowd::new(2);
        let mut members: Vec<_> = (0..6).map(|_| crowd.enter()).collect();
        assert!(members.iter().all(|member| !member.is_told_to_leave()), "nobody waits");
        for member in &mut members[..5] {
            member.waits(Waker::noop());
        }
        let told: Vec<_> = members.iter().map(Member::is_told_to_leave).collect();
        assert_eq!(told, [true, true, true, true, false, false]);
    }
}
