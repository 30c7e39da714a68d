//! Stops asking an endpoint that fails too often (G-UI-16), so that callers learn at once that nobody can know, and the
//! endpoint gets air to recover. Knows no HTTP and reads no clock: whoever asks says when it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use service_kit::metrics::Gauge;

/// What is looked back at.
const WINDOW: Duration = Duration::from_secs(10);
/// Outcomes of so long are counted together.
const SLOT: Duration = Duration::from_secs(1);
/// Fewer outcomes say nothing.
const FEWEST: u32 = 20;
/// How long nobody asks before somebody tries again.
const OPEN_FOR: Duration = Duration::from_secs(2);
/// Calls that try again. All of them have to be answered before everybody asks again.
const PROBES: u32 = 3;

/// The circuit breaker of one endpoint. It opens when half of the calls of the last ten seconds failed, and at least
/// twenty ended.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// For the log.
    endpoint: &'static str,
    state: Mutex<State>,
    /// 1 unless everybody may ask.
    open: Gauge,
}

#[derive(Debug)]
enum State {
    /// Everybody may ask.
    Closed(Window),
    /// Nobody may.
    Open { since: Instant },
    /// [`PROBES`] calls may.
    Probing { since: Instant, on_their_way: u32, answered: u32 },
}

/// Nobody may ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsOpen;

/// Permission for one call. Dropped without an outcome, it counts for nothing.
#[derive(Debug)]
pub(crate) struct Admitted {
    breaker: Arc<Breaker>,
    /// For a probe: since when the state is the one it probes for.
    probes_since: Option<Instant>,
}

impl Breaker {
    /// Closed. `open` shows the state from now on; `endpoint` names it in the log.
    pub(crate) fn new(endpoint: &'static str, open: Gauge) -> Self {
        Self { endpoint, state: Mutex::new(State::Closed(Window::default())), open }
    }

    /// Whether a call may be made.
    ///
    /// # Errors
    /// [`IsOpen`].
    pub(crate) fn admit(self: &Arc<Self>, now: Instant) -> Result<Admitted, IsOpen> {
        let mut state = self.lock();
        if let State::Open { since } = &*state
            && now.saturating_duration_since(*since) >= OPEN_FOR
        {
            *state = State::Probing { since: now, on_their_way: 0, answered: 0 };
        }
        let probes_since = match &mut *state {
            State::Closed(_) => None,
            State::Open { .. } => return Err(IsOpen),
            State::Probing { on_their_way, answered, .. }
                if on_their_way.saturating_add(*answered) >= PROBES =>
            {
                return Err(IsOpen);
            }
            State::Probing { since, on_their_way, .. } => {
                *on_their_way = on_their_way.saturating_add(1);
                Some(*since)
            }
        };
        Ok(Admitted { breaker: Arc::clone(self), probes_since })
    }

    fn ordinary_call_ended(&self, failed: bool, now: Instant) {
        let mut state = self.lock();
        // One that began before the circuit opened says nothing new.
        let State::Closed(window) = &mut *state else { return };
        window.add(failed, now);
        if window.fails_too_often() {
            let (failures, calls) = window.sums();
            self.open_from(&mut state, now);
            tracing::error!(
                userinfo.endpoint = self.endpoint,
                userinfo.failures = failures,
                userinfo.calls = calls,
                "userinfo fails too often: for a moment it is not asked, and nobody can know who the callers are"
            );
        }
    }

    fn probe_ended(&self, of: Instant, failed: bool, now: Instant) {
        let mut state = self.lock();
        match &mut *state {
            State::Probing { since, .. } if *since == of && failed => self.open_from(&mut state, now),
            State::Probing { since, on_their_way, answered } if *since == of => {
                *on_their_way = on_their_way.saturating_sub(1);
                *answered = answered.saturating_add(1);
                if *answered >= PROBES {
                    *state = State::Closed(Window::default());
                    self.open.set(0);
                    tracing::info!(userinfo.endpoint = self.endpoint, "userinfo answers and is asked again");
                }
            }
            _ => {}
        }
    }

    fn probe_was_lost(&self, of: Instant) {
        if let State::Probing { since, on_their_way, .. } = &mut *self.lock()
            && *since == of
        {
            *on_their_way = on_their_way.saturating_sub(1);
        }
    }

    fn open_from(&self, state: &mut State, now: Instant) {
        *state = State::Open { since: now };
        self.open.set(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// The call ended. `failed`: the endpoint did, whatever it would have said.
    pub(crate) fn ended(mut self, failed: bool, now: Instant) {
        match self.probes_since.take() {
            None => self.breaker.ordinary_call_ended(failed, now),
            Some(since) => self.breaker.probe_ended(since, failed, now),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(since) = self.probes_since {
            self.breaker.probe_was_lost(since);
        }
    }
}

/// The outcomes of the last seconds, oldest first.
#[derive(Debug, Default)]
struct Window(VecDeque<Slot>);

#[derive(Debug)]
struct Slot {
    began: Instant,
    calls: u32,
    failures: u32,
}

impl Window {
    fn add(&mut self, failed: bool, now: Instant) {
        let age = |slot: &Slot| now.saturating_duration_since(slot.began);
        while self.0.front().is_some_and(|slot| age(slot) >= WINDOW) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|slot| age(slot) >= SLOT) {
            self.0.push_back(Slot { began: now, calls: 0, failures: 0 });
        }
        if let Some(slot) = self.0.back_mut() {
            slot.calls = slot.calls.saturating_add(1);
            slot.failures = slot.failures.saturating_add(failed.into());
        }
    }

    /// Failures, and all that ended.
    fn sums(&self) -> (u32, u32) {
        self.0.iter().fold((0, 0), |(failures, calls), slot| {
            (slot.failures.saturating_add(failures), slot.calls.saturating_add(calls))
        })
    }

    fn fails_too_often(&self) -> bool {
        let (failures, calls) = self.sums();
        calls >= FEWEST && failures.saturating_mul(2) >= calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Arc<Breaker>, Instant) {
        (Arc::new(Breaker::new("userinfo", Gauge::default())), Instant::now())
    }

    fn call(breaker: &Arc<Breaker>, failed: bool, now: Instant) {
        breaker.admit(now).unwrap().ended(failed, now);
    }

    /// A breaker that has just opened, and when it did.
    fn opened() -> (Arc<Breaker>, Instant) {
        let (breaker, now) = breaker();
        (0..FEWEST).for_each(|_| call(&breaker, true, now));
        assert_eq!(breaker.admit(now).unwrap_err(), IsOpen);
        (breaker, now)
    }

    #[test]
    fn g_ui_16_half_of_the_calls_failing_opens_it() {
        let (breaker, now) = breaker();
        for number in 0..FEWEST {
            call(&breaker, number % 2 == 1, now);
        }
        assert_eq!(breaker.admit(now).unwrap_err(), IsOpen);
        assert_eq!(breaker.open.get(), 1);
    }

    #[test]
    fn fewer_failures_or_fewer_calls_do_not_open_it() {
        let (few, now) = breaker();
        (1..FEWEST).for_each(|_| call(&few, true, now));
        assert!(few.admit(now).is_ok(), "19 say nothing");
        let (many, now) = breaker();
        for number in 0..1000 {
            call(&many, number % 5 > 2, now);
        }
        assert!(many.admit(now).is_ok(), "two of five are not half");
        assert_eq!(many.open.get(), 0);
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let (breaker, now) = breaker();
        (1..FEWEST).for_each(|_| call(&breaker, true, now));
        call(&breaker, true, now + WINDOW);
        assert!(breaker.admit(now + WINDOW).is_ok());
        assert_eq!(breaker.open.get(), 0);
    }

    #[test]
    fn the_window_is_as_long_as_it_says_and_no_larger() {
        let (breaker, now) = breaker();
        for millis in 0..100_000 {
            call(&breaker, false, now + Duration::from_millis(millis));
        }
        let State::Closed(window) = &*breaker.lock() else { panic!() };
        assert!(window.0.len() <= 10, "{}", window.0.len());
        assert!((9_000..=10_000).contains(&window.sums().1), "{:?}", window.sums());
    }

    #[test]
    fn g_ui_16_three_probes_and_no_more_and_all_of_them_close_it() {
        let (breaker, now) = opened();
        let just_before = (now + OPEN_FOR).checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(breaker.admit(just_before).unwrap_err(), IsOpen);
        let now = now + OPEN_FOR;
        let mut probes: Vec<_> = (0..PROBES).map(|_| breaker.admit(now).unwrap()).collect();
        assert_eq!(breaker.admit(now).unwrap_err(), IsOpen);
        probes.pop().unwrap().ended(false, now);
        assert_eq!(breaker.admit(now + OPEN_FOR).unwrap_err(), IsOpen, "one answer is not enough");
        for probe in probes {
            probe.ended(false, now);
        }
        assert_eq!(breaker.open.get(), 0);
        // What failed before is forgotten.
        call(&breaker, true, now);
        assert!(breaker.admit(now).is_ok());
    }

    #[test]
    fn g_ui_16_a_probe_that_fails_opens_it_again_whatever_the_others_say() {
        let (breaker, now) = opened();
        let now = now + OPEN_FOR;
        let probes: [_; 3] = std::array::from_fn(|_| breaker.admit(now).unwrap());
        let [first, second, third] = probes;
        first.ended(true, now);
        second.ended(false, now);
        assert_eq!(breaker.admit(now).unwrap_err(), IsOpen);
        let again = now + OPEN_FOR;
        let probe = breaker.admit(again).unwrap();
        // Late, of the round before.
        third.ended(true, again);
        probe.ended(false, again);
        assert!(breaker.admit(again).is_ok(), "the second of the new round");
    }

    #[test]
    fn a_probe_that_is_lost_leaves_its_place_to_another() {
        let (breaker, now) = opened();
        let now = now + OPEN_FOR;
        for _ in 0..10 {
            drop(breaker.admit(now).unwrap());
        }
        (0..PROBES).for_each(|_| call(&breaker, false, now));
        assert_eq!(breaker.open.get(), 0);
    }

    #[test]
    fn calls_that_began_before_it_opened_change_nothing() {
        let (breaker, now) = breaker();
        let late: Vec<_> = (0..100).map(|_| breaker.admit(now).unwrap()).collect();
        (0..FEWEST).for_each(|_| call(&breaker, true, now));
        for one in late {
            one.ended(false, now);
        }
        assert_eq!(breaker.admit(now).unwrap_err(), IsOpen);
    }
}
