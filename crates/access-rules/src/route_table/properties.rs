//! The compiled table against a plain reading of upstream contract §4.4, over random small tables.

use std::sync::Arc;

use proptest::prelude::*;

use super::key::{Key, Segment};
use super::rule::{Entry, Route};
use super::{Matching, Parents, Position, Request, RouteTable, Rule, Section};
use crate::expression::{Expression, Facts};
use crate::method::{Method, VerbEntry};
use crate::path::{EncodedSlashes, PathPolicy, RepeatedSlashes};

const SEGMENTS: [&str; 5] = ["a", "b", "A", ":p", ":q"];

fn route() -> impl Strategy<Value = Route> {
    let key = (prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..4), any::<bool>()).prop_map(
        |(segments, slash)| match (segments.is_empty(), slash) {
            (true, _) => "/".to_owned(),
            (false, slash) => format!("/{}{}", segments.join("/"), if slash { "/" } else { "" }),
        },
    );
    let verb = prop::sample::select(
        &[VerbEntry::All, VerbEntry::Only(Method::Get), VerbEntry::Only(Method::Post)][..],
    );
    let entries = prop::collection::vec((verb, any::<bool>(), any::<bool>()), 0..3);
    (key, entries).prop_map(|(key, entries)| {
        let rule = |verb, section, present: bool| {
            let rule = || Rule {
                key: key.as_str().into(),
                verb,
                section,
                public: true,
                text: "true".into(),
                expression: Expression::parse("true").expect("valid"),
                position: Position { line: 1, column: 1 },
                shadow: None,
            };
            present.then(|| Arc::new(rule()))
        };
        let entries = entries.into_iter().map(|(verb, plain, backoffice)| Entry {
            verb,
            authorization: rule(verb, Section::Authorization, plain),
            backoffice: rule(verb, Section::BackofficeAuthorization, backoffice),
        });
        Route { key: key.as_str().into(), entries: entries.collect() }
    })
}

struct Candidate<'a> {
    route: &'a Route,
    key: Key,
}

/// The rule by the letter of §4.4: list the candidates, sort them, take the first with an entry for the verb.
fn reference<'a>(
    routes: &'a [Route],
    parents: Parents,
    path: &str,
    any_case: bool,
    method: Method,
    is_backoffice: bool,
) -> Outcome<'a> {
    let body = path.strip_prefix('/').unwrap_or(path);
    let trailing = path.len() > 1 && path.ends_with('/');
    let body = if trailing { body.strip_suffix('/').unwrap_or(body) } else { body };
    let segments: Vec<&str> = if body.is_empty() { vec![] } else { body.split('/').collect() };
    let mut candidates: Vec<Candidate<'_>> = routes
        .iter()
        .map(|route| Candidate { route, key: Key::parse(&route.key).expect("valid") })
        .filter(|candidate| {
            candidate.key.segments.len() <= segments.len()
                && candidate.key.segments.iter().zip(&segments).all(|(part, segment)| match part {
                    Segment::Parameter => !segment.is_empty(),
                    Segment::Literal(name) if any_case => name.eq_ignore_ascii_case(segment),
                    Segment::Literal(name) => **name == **segment,
                })
        })
        .filter(|Candidate { key, .. }| {
            let (length, exact) = (key.segments.len(), key.segments.len() == segments.len());
            exact || length == 0 || key.trailing_slash || parents != Parents::TrailingSlash
        })
        .collect();
    candidates.sort_by_key(|Candidate { route, key }| {
        let length = key.segments.len();
        let exact = length == segments.len();
        let governs = route.all(None).is_some() || key.trailing_slash || parents == Parents::Longest;
        let class = if exact {
            1
        } else if length == 0 {
            4
        } else if governs {
            2
        } else {
            3
        };
        // A literal in the right case beats one in another case beats a parameter, at the first difference.
        let specific: Vec<u8> = key
            .segments
            .iter()
            .zip(&segments)
            .map(|(part, segment)| match part {
                Segment::Literal(name) if **name == **segment => 0,
                Segment::Literal(_) => 1,
                Segment::Parameter => 2,
            })
            .collect();
        let other_spelling = if exact { key.trailing_slash != trailing } else { !key.trailing_slash };
        (class, std::cmp::Reverse(length), specific, other_spelling)
    });
    let entry = candidates.iter().find_map(|candidate| candidate.route.entry(method, None));
    match entry {
        None => Outcome::Nothing,
        Some(entry) => match (is_backoffice, &entry.backoffice, &entry.authorization) {
            (true, Some(rule), _) | (_, _, Some(rule)) => Outcome::Rule(rule),
            _ => Outcome::SectionMissing,
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome<'a> {
    Rule(&'a Arc<Rule>),
    SectionMissing,
    Nothing,
}

fn parents() -> impl Strategy<Value = Parents> {
    prop::sample::select(&[Parents::Endpoints, Parents::Longest, Parents::TrailingSlash][..])
}

/// The table of those routes that can stand in one file, and these routes.
fn table_of(routes: Vec<Route>, matching: Matching) -> (RouteTable, Vec<Route>) {
    let mut table = RouteTable::empty(matching);
    let mut kept = Vec::new();
    for mut route in routes {
        let mut verbs = Vec::new();
        route.entries.retain(|entry| {
            !verbs.contains(&entry.verb) && {
                verbs.push(entry.verb);
                true
            }
        });
        if table.add(route.clone()).is_ok() {
            kept.push(route);
        }
    }
    (table, kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn lookup_agrees_with_the_letter_of_contract_4_4(
        routes in prop::collection::vec(route(), 0..8),
        parents in parents(),
        segments in prop::collection::vec(prop::sample::select(&["a", "b", "A", "B", "c", ""][..]), 0..5),
        trailing in any::<bool>(),
        post in any::<bool>(),
        is_backoffice in any::<bool>(),
    ) {
        let (table, kept) = table_of(routes, Matching { parents, paths: RepeatedSlashes::Merge.into() });
        let method = if post { Method::Post } else { Method::Get };
        let target = format!("/{}{}", segments.join("/"), if trailing && !segments.is_empty() { "/" } else { "" });
        let mut merged = target.clone();
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        let outcome = |path: &str, any_case| match reference(&kept, parents, path, any_case, method, is_backoffice) {
            Outcome::Rule(rule) => Some(Some(Arc::clone(rule))),
            Outcome::SectionMissing => None,
            Outcome::Nothing => Some(None),
        };
        let mut readings = vec![outcome(&merged, false), outcome(&merged, true)];
        if merged != target {
            readings.extend([outcome(&target, false), outcome(&target, true)]);
        }
        let facts = Facts { client_type: "", is_backoffice };
        let request = Request { method: method.as_str().as_bytes(), target: target.as_bytes(), facts };
        let found: Option<Vec<Arc<Rule>>> = table.find(&request).ok().map(|found| found.rules().cloned().collect());
        // The first needs a rule; of none a section may be missing; each rule once.
        let expected = readings.into_iter().collect::<Option<Vec<_>>>().filter(|rules| rules[0].is_some()).map(|rules| {
            let mut distinct: Vec<Arc<Rule>> = Vec::new();
            for rule in rules.into_iter().flatten() {
                if !distinct.contains(&rule) {
                    distinct.push(rule);
                }
            }
            distinct
        });
        prop_assert_eq!(found, expected, "{} {}", method, target);
    }

    #[test]
    fn g_path_05_where_encoded_slashes_are_taken_both_readings_must_have_a_rule_and_allow(
        routes in prop::collection::vec(route(), 0..8),
        parents in parents(),
        segments in prop::collection::vec(prop::sample::select(&["a", "b", "a%2Fb", "b%2fa", "c%2F", "%2Fa"][..]), 1..4),
        post in any::<bool>(),
        is_backoffice in any::<bool>(),
    ) {
        let paths = PathPolicy {
            repeated_slashes: RepeatedSlashes::Merge,
            encoded_slashes: EncodedSlashes::BothReadings,
        };
        let (table, kept) = table_of(routes, Matching { parents, paths });
        let method = if post { Method::Post } else { Method::Get };
        let whole = format!("/{}", segments.join("/"));
        let mut split = whole.replace("%2F", "/").replace("%2f", "/");
        while split.contains("//") {
            split = split.replace("//", "/");
        }
        let outcomes = [whole.replace("%2f", "%2F"), split].map(|path| {
            match reference(&kept, parents, &path, false, method, is_backoffice) {
                Outcome::Rule(rule) => Some(Arc::clone(rule)),
                Outcome::SectionMissing | Outcome::Nothing => None,
            }
        });
        let facts = Facts { client_type: "", is_backoffice };
        let request = Request { method: method.as_str().as_bytes(), target: whole.as_bytes(), facts };
        let found = table.find(&request).ok();
        for outcome in outcomes {
            match (&found, outcome) {
                (Some(found), Some(rule)) => prop_assert!(found.rules().any(|other| *other == rule), "{} {}", whole, rule),
                (Some(_), None) => prop_assert!(false, "{} has a reading without a rule", whole),
                (None, _) => {}
            }
        }
    }
}
