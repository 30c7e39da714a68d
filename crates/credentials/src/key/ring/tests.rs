#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Map;

use super::*;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    START.plus_seconds(seconds)
}

fn new_key(kid: &str, algorithm: Algorithm) -> NewKey {
    NewKey {
        kid: kid.to_owned(),
        algorithm,
        public: PublicKey::from_checked(Map::new()),
        private: SealedKey(kid.to_owned()),
    }
}

fn states(ring: &KeyRing, now: Timestamp) -> Vec<(&str, KeyState)> {
    ring.published(now).map(|key| (key.kid.as_str(), key.state(now))).collect()
}

/// `a` active since the start, `b` next since second 1000.
fn two_keys() -> KeyRing {
    let mut ring = KeyRing::default();
    ring.add(new_key("a", Algorithm::Rs256), START).unwrap();
    ring.add(new_key("b", Algorithm::Rs256), at(1000)).unwrap();
    ring
}

#[test]
fn r_21_the_life_of_a_key() {
    let mut ring = two_keys();
    assert_eq!(states(&ring, at(1000)), [("a", KeyState::Active), ("b", KeyState::Next)]);
    let early = ring.activate("b", at(1599), Urgency::WhenSafe);
    assert_eq!(early, Err(RefusedStep::TooEarly { seconds_left: 1 }));
    assert_eq!(ring, two_keys(), "a refused step changes nothing");
    ring.activate("b", at(1600), Urgency::WhenSafe).unwrap();
    assert_eq!(states(&ring, at(1600)), [("a", KeyState::Retiring), ("b", KeyState::Active)]);
    let end = 1600 + DAY + 900;
    assert_eq!(states(&ring, at(end - 1)), [("a", KeyState::Retiring), ("b", KeyState::Active)]);
    assert_eq!(states(&ring, at(end)), [("b", KeyState::Active)]);
    let plan = RotationPlan { algorithm: Algorithm::Rs256, every_seconds: None };
    assert_eq!(ring.due(&plan, at(end - 1)), None);
    assert_eq!(ring.due(&plan, at(end)), Some(DueStep::ForgetGone));
    ring.forget_gone(at(end));
    assert_eq!(ring.keys.len(), 1);
    assert_eq!(ring.due(&plan, at(end)), None);
}

#[test]
fn steps_that_would_refuse_good_tokens_are_refused() {
    let (safe, now) = (Urgency::WhenSafe, Urgency::Immediately);
    let mut ring = two_keys();
    let time = at(2000);
    let refused = |outcome: Result<(), RefusedStep>| outcome.unwrap_err();
    assert_eq!(refused(ring.add(new_key("c", Algorithm::Rs256), time)), RefusedStep::NextExists);
    assert_eq!(refused(ring.add(new_key("a", Algorithm::Es256), time)), RefusedStep::Duplicate);
    assert_eq!(refused(ring.activate("x", time, safe)), RefusedStep::Unknown);
    assert_eq!(refused(ring.activate("a", time, now)), RefusedStep::AlreadyActive);
    assert_eq!(refused(ring.retire("x", time, now)), RefusedStep::Unknown);
    for urgency in [safe, now] {
        assert_eq!(refused(ring.retire("a", time, urgency)), RefusedStep::LastActive, "nothing would sign");
    }
    assert_eq!(ring, two_keys());
    ring.activate("b", time, safe).unwrap();
    assert_eq!(refused(ring.retire("a", time, safe)), RefusedStep::AlreadyRetiring);
    // Back again: it is still published.
    ring.activate("a", time, safe).unwrap();
    assert_eq!(states(&ring, time), [("a", KeyState::Active), ("b", KeyState::Retiring)]);
    // A stolen key goes at once, and a successor that waits need not.
    ring.add(new_key("c", Algorithm::Rs256), time).unwrap();
    ring.activate("c", time, now).unwrap();
    ring.retire("a", time, now).unwrap();
    assert_eq!(states(&ring, time), [("b", KeyState::Retiring), ("c", KeyState::Active)]);
}

#[test]
fn a_next_key_is_gone_without_a_trace() {
    let mut ring = two_keys();
    ring.retire("b", at(1001), Urgency::WhenSafe).unwrap();
    assert_eq!(states(&ring, at(1001)), [("a", KeyState::Active)]);
}

#[test]
fn each_algorithm_has_an_active_key_of_its_own() {
    let mut ring = two_keys();
    ring.add(new_key("e", Algorithm::EdDsa), at(1000)).unwrap();
    ring.activate("e", at(2000), Urgency::WhenSafe).unwrap();
    let signing = |ring: &KeyRing, algorithm| ring.signing(algorithm).map(|key| key.kid.clone()).unwrap();
    assert_eq!(signing(&ring, Algorithm::Rs256), "a");
    assert_eq!(signing(&ring, Algorithm::EdDsa), "e");
    assert_eq!(signing(&ring, Algorithm::Es256), "e", "the one that became active last");
    ring.retire("a", at(2000), Urgency::WhenSafe).unwrap();
    assert_eq!(signing(&ring, Algorithm::Rs256), "e");
    assert_eq!(ring.retire("e", at(2000), Urgency::WhenSafe), Err(RefusedStep::LastActive));
}

#[test]
fn there_are_never_more_keys_than_a_verifier_reads() {
    let mut ring = KeyRing::default();
    for index in 0..MAX_KEYS {
        let kid = index.to_string();
        ring.add(new_key(&kid, Algorithm::Rs256), START).unwrap();
        if index > 0 {
            ring.activate(&kid, START, Urgency::Immediately).unwrap();
        }
    }
    assert_eq!(ring.add(new_key("x", Algorithm::Rs256), START), Err(RefusedStep::TooManyKeys));
    let later = at(PUBLISHED_AFTER_USE_SECONDS);
    assert_eq!(ring.add(new_key("x", Algorithm::Rs256), later), Ok(()), "gone keys do not count");
}

/// Takes every step that is due.
fn keep(ring: &mut KeyRing, plan: &RotationPlan, now: Timestamp, made: &mut usize) {
    for _ in 0..10 {
        match ring.due(plan, now) {
            None => return,
            Some(DueStep::ForgetGone) => ring.forget_gone(now),
            Some(DueStep::Activate(kid)) => ring.activate(&kid, now, Urgency::WhenSafe).unwrap(),
            Some(DueStep::Add(algorithm)) => {
                *made += 1;
                match ring.add(new_key(&format!("k{made}"), algorithm), now) {
                    Ok(()) => {}
                    Err(RefusedStep::TooManyKeys) => return,
                    Err(refused) => panic!("{refused}"),
                }
            }
        }
    }
    panic!("the plan does not come to an end: {ring:?}");
}

#[test]
fn a_schedule_publishes_in_time_and_changes_on_the_day() {
    let plan = RotationPlan { algorithm: Algorithm::Es256, every_seconds: Some(30 * DAY) };
    let (mut ring, mut made) = (KeyRing::default(), 0);
    let mut seen = Vec::new();
    for minute in 0..=(31 * 24 * 60) {
        keep(&mut ring, &plan, at(minute * 60), &mut made);
        let now = states(&ring, at(minute * 60));
        let now: Vec<_> = now.iter().map(|(kid, state)| format!("{kid} {state:?}")).collect();
        if seen.last().is_none_or(|(_, last)| *last != now) {
            seen.push((minute, now));
        }
    }
    let day = 24 * 60;
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        seen,
        [
            (0, texts(&["k1 Active"])),
            (30 * day - 10, texts(&["k1 Active", "k2 Next"])),
            (30 * day, texts(&["k1 Retiring", "k2 Active"])),
        ]
    );
}

#[test]
fn a_change_of_algorithm_waits_until_the_new_key_is_known() {
    let mut made = 0;
    let mut ring = two_keys();
    let plan = RotationPlan { algorithm: Algorithm::EdDsa, every_seconds: None };
    keep(&mut ring, &plan, at(2000), &mut made);
    assert_eq!(ring.signing(Algorithm::EdDsa).unwrap().kid, "a", "the new one is next");
    keep(&mut ring, &plan, at(2599), &mut made);
    assert_eq!(ring.signing(Algorithm::EdDsa).unwrap().kid, "a");
    keep(&mut ring, &plan, at(2600), &mut made);
    assert_eq!(ring.signing(Algorithm::EdDsa).unwrap().kid, "k1");
    assert_eq!(ring.signing(Algorithm::Rs256).unwrap().kid, "a", "replicas of the old configuration go on");
}

#[test]
fn a_ring_survives_its_json() {
    let ring = two_keys();
    let json = serde_json::to_string(&ring).unwrap();
    assert_eq!(serde_json::from_str::<KeyRing>(&json).unwrap(), ring);
    assert!(!format!("{ring:?}").contains(r#"SealedKey("a")"#));
}

#[derive(Debug, Clone)]
enum Move {
    Wait(i64),
    Add(Algorithm),
    Activate(usize, Urgency),
    Retire(usize, Urgency),
    Keep(Algorithm, Option<i64>),
    Sign(Algorithm),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let algorithm = || proptest::sample::select(Algorithm::OF_ACCESS_TOKENS.to_vec());
    let urgency =
        || proptest::sample::select(vec![Urgency::WhenSafe, Urgency::WhenSafe, Urgency::Immediately]);
    // The last moment of a token, and those around the ends of waiting.
    let edges = proptest::sample::select(vec![599, 600, DAY + 299, DAY + 899, DAY + 900]);
    let one = prop_oneof![
        3 => prop_oneof![0..10_i64, 0..1200_i64, 0..2 * DAY, edges].prop_map(Move::Wait),
        2 => algorithm().prop_map(Move::Add),
        3 => (0..8_usize, urgency()).prop_map(|(index, urgency)| Move::Activate(index, urgency)),
        2 => (0..8_usize, urgency()).prop_map(|(index, urgency)| Move::Retire(index, urgency)),
        2 => (algorithm(), proptest::option::of(1..5_i64))
            .prop_map(|(algorithm, days)| Move::Keep(algorithm, days.map(|days| days * DAY))),
        4 => algorithm().prop_map(Move::Sign),
    ];
    proptest::collection::vec(one, 0..60)
}

proptest! {
    /// Whatever operators and schedules do: no good token is refused, and no token is signed with a key that somebody
    /// may not know yet, unless an operator would not wait.
    #[test]
    fn c_oidc_07_no_sequence_of_steps_refuses_a_good_token(moves in moves()) {
        let (mut ring, mut now, mut made) = (KeyRing::default(), START, 0);
        // By kid: when the last token it signed expires.
        let mut owed = BTreeMap::<String, Timestamp>::new();
        // Keys for which somebody would not wait.
        let mut hurried: Vec<String> = Vec::new();
        let mut gone: Vec<String> = Vec::new();
        let mut first: Option<String> = None;
        for one in moves {
            let before = ring.clone();
            let kid_at = |index: usize| ring.keys.get(index % ring.keys.len().max(1)).map(|key| key.kid.clone());
            let outcome = match one {
                Move::Wait(seconds) => {
                    now = now.plus_seconds(seconds);
                    Ok(())
                }
                Move::Add(algorithm) => {
                    made += 1;
                    ring.add(new_key(&format!("k{made}"), algorithm), now)
                }
                Move::Activate(index, urgency) => kid_at(index).map_or(Ok(()), |kid| {
                    let outcome = ring.activate(&kid, now, urgency);
                    if urgency == Urgency::Immediately && outcome.is_ok() {
                        hurried.push(kid);
                    }
                    outcome
                }),
                Move::Retire(index, urgency) => kid_at(index).map_or(Ok(()), |kid| {
                    let outcome = ring.retire(&kid, now, urgency);
                    if urgency == Urgency::Immediately && outcome.is_ok() {
                        owed.remove(&kid);
                    }
                    outcome
                }),
                Move::Keep(algorithm, every_seconds) => {
                    keep(&mut ring, &RotationPlan { algorithm, every_seconds }, now, &mut made);
                    Ok(())
                }
                Move::Sign(algorithm) => {
                    if let Some(key) = ring.signing(algorithm) {
                        prop_assert_eq!(key.state(now), KeyState::Active);
                        let known_to_all = key.usable_from() <= now;
                        prop_assert!(known_to_all || first.as_ref() == Some(&key.kid) || hurried.contains(&key.kid));
                        // The longest token, and the largest skew.
                        owed.insert(key.kid.clone(), now.plus_seconds(DAY + 300));
                    }
                    Ok(())
                }
            };
            if outcome.is_err() {
                prop_assert_eq!(&ring, &before);
            }
            first = first.or_else(|| ring.keys.first().map(|key| key.kid.clone()));
            let active: Vec<_> = ring.keys.iter().filter(|key| key.state(now) == KeyState::Active).collect();
            prop_assert_eq!(active.is_empty(), ring.keys.is_empty());
            for algorithm in Algorithm::ALL {
                prop_assert!(active.iter().filter(|key| key.algorithm == algorithm).count() <= 1);
            }
            let published: Vec<&str> = ring.published(now).map(|key| key.kid.as_str()).collect();
            prop_assert!(published.len() <= MAX_KEYS);
            for (kid, _) in owed.iter().filter(|(_, until)| **until > now) {
                prop_assert!(published.contains(&kid.as_str()), "{} is owed", kid);
            }
            prop_assert!(gone.iter().all(|kid| !published.contains(&kid.as_str())), "gone is for ever");
            let left = before.keys.iter().map(|key| &key.kid).filter(|kid| !published.contains(&kid.as_str()));
            gone.extend(left.cloned());
        }
    }
}
