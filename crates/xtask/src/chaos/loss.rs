//! Which part is lost, in which way, when: from a seed, so that a run can be repeated.

use std::fmt;
use std::time::Duration;

use testkit::SeededRandom;

/// What can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A replica.
    ClientCredentials(usize),
    /// A replica.
    AuthorizationService(usize),
    /// Whichever member of the replica set is primary.
    Primary,
    /// The way from both replicas of authorization-service to the revocation feed.
    Feed,
    /// The way from both of them to userinfo and the key set.
    Userinfo,
}

/// How it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// SIGKILL, and started again.
    Killed,
    /// SIGSTOP, and SIGCONT.
    Stopped,
    /// Nothing gets through, and connections stay open.
    Silenced,
    /// All connections are reset, and new ones too.
    CutOff,
}

/// What is to be lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) part: Part,
    pub(super) kind: Kind,
    /// For how long.
    pub(super) lasts: Duration,
    /// How long everything is well afterwards.
    pub(super) rest: Duration,
}

/// What was lost, and when: moments count from the start of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    pub(super) part: Part,
    pub(super) kind: Kind,
    pub(super) from: Duration,
    /// When it was whole again.
    pub(super) until: Duration,
}

/// Also longer than nginx waits for one replica, which is 6 seconds.
const SERVICE_LOST: [u64; 2] = [3_000, 8_000];
/// Longer than the others wait before they elect another ([`ELECTION`]), and than the third member needs to turn to that
/// one: a primary that comes back in the middle of it makes both of them roll back, and writes wait for that.
const PRIMARY_LOST: [u64; 2] = [12_000, 14_000];
/// How long members wait for their primary: half of what MongoDB does by default. A primary that falls silent instead of dying
/// then keeps writes waiting for up to ten seconds, and for up to 17 by default (docs/operations.md).
pub(super) const ELECTION: Duration = Duration::from_secs(5);
const REST: [u64; 2] = [1_000, 2_000];

/// Rounds without an end, each of which has every part and kind once, in another order.
pub(super) fn plans(seed: u64) -> impl Iterator<Item = Plan> {
    let random = SeededRandom::new(seed);
    let mut round = Vec::new();
    std::iter::from_fn(move || {
        if round.is_empty() {
            round = shuffled_round(&random);
        }
        round.pop()
    })
}

fn shuffled_round(random: &SeededRandom) -> Vec<Plan> {
    use Kind::{CutOff, Killed, Silenced, Stopped};
    let place = || usize::from(random.below(2) == 1);
    let [one, other] = [Part::ClientCredentials(place()), Part::ClientCredentials(place())];
    let [door, another] = [Part::AuthorizationService(place()), Part::AuthorizationService(place())];
    let mut losses = vec![
        (one, Killed),
        (one, Stopped),
        (other, Silenced),
        (door, Killed),
        (door, Stopped),
        (another, Silenced),
        (Part::Primary, Killed),
        (Part::Primary, Stopped),
        (Part::Primary, Silenced),
        (Part::Feed, if place() == 0 { CutOff } else { Silenced }),
        (Part::Userinfo, if place() == 0 { CutOff } else { Silenced }),
    ];
    let mut round = Vec::new();
    while let Some(last) = u64::try_from(losses.len()).ok().filter(|length| *length > 0) {
        let chosen = usize::try_from(random.below(last)).unwrap_or_default();
        let (part, kind) = losses.swap_remove(chosen);
        let lasts = between(random, if part == Part::Primary { PRIMARY_LOST } else { SERVICE_LOST });
        round.push(Plan { part, kind, lasts, rest: between(random, REST) });
    }
    round
}

fn between(random: &SeededRandom, [low, high]: [u64; 2]) -> Duration {
    let width = high.saturating_sub(low).max(1);
    Duration::from_millis(low.saturating_add(random.below(width)))
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientCredentials(place) => {
                write!(formatter, "client-credentials {}", place.saturating_add(1))
            }
            Self::AuthorizationService(place) => {
                write!(formatter, "authorization-service {}", place.saturating_add(1))
            }
            Self::Primary => formatter.write_str("the primary"),
            Self::Feed => formatter.write_str("the revocation feed"),
            Self::Userinfo => formatter.write_str("userinfo"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Silenced => "silenced",
            Self::CutOff => "cut off",
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.part, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(seed: u64) -> Vec<String> {
        let of = |plan: Plan| format!("{} {} {:?} {:?}", plan.part, plan.kind, plan.lasts, plan.rest);
        plans(seed).take(11).map(of).collect()
    }

    #[test]
    fn a_seed_repeats_its_losses_and_another_has_others() {
        assert_eq!(round(1), round(1));
        assert_ne!(round(1), round(2));
    }

    #[test]
    fn a_round_loses_every_part_in_every_way() {
        let plans: Vec<_> = plans(7).take(11).collect();
        let count = |wanted: fn(Part) -> bool| plans.iter().filter(|plan| wanted(plan.part)).count();
        assert_eq!(count(|part| matches!(part, Part::ClientCredentials(_))), 3);
        assert_eq!(count(|part| matches!(part, Part::AuthorizationService(_))), 3);
        assert_eq!(count(|part| part == Part::Primary), 3);
        assert_eq!(count(|part| part == Part::Feed || part == Part::Userinfo), 2);
        assert!(
            plans.iter().filter(|plan| plan.part == Part::Primary).all(|plan| plan.lasts.as_secs() >= 12)
        );
    }
}
