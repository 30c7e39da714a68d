//! Which rules, and which conditions in them, a set of cases has tried: each rule must have allowed and denied, each
//! condition must have been true and false, as far as that can happen.

use std::collections::HashMap;

use crate::decision::{Caller, Decision, Denied, decide};
use crate::expression::{Condition, Expression, Facts, Truth, Worlds};
use crate::route_table::{Found, NotFound, RouteTable, Rule};

/// What has been tried of one table.
#[derive(Debug)]
pub struct Coverage<'t> {
    /// In the order of the file.
    rules: Vec<Tried<'t>>,
    places: HashMap<*const Rule, usize>,
}

#[derive(Debug)]
struct Tried<'t> {
    rule: &'t Rule,
    outcome: Pair,
    conditions: Vec<(Condition, Pair)>,
}

/// Two values that something can have: whether each is possible, and whether it was seen.
#[derive(Debug, Clone, Copy)]
struct Pair {
    possible: [bool; 2],
    seen: [bool; 2],
}

/// Something that no case has tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Untried<'t> {
    pub rule: &'t Rule,
    /// The column inside the expression, for a condition.
    pub column: Option<usize>,
    /// What never happened, as in `never allowed`.
    pub what: String,
}

impl Pair {
    fn of(possible: [bool; 2]) -> Self {
        Self { possible, seen: [false, false] }
    }

    fn see(&mut self, value: bool) {
        let [yes, no] = &mut self.seen;
        if value { *yes = true } else { *no = true }
    }

    fn wanted(&self) -> usize {
        self.possible.iter().filter(|possible| **possible).count()
    }

    /// For each value, whether it is possible and was not seen.
    fn missing(&self) -> [bool; 2] {
        let [yes, no] = self.possible;
        let [seen_yes, seen_no] = self.seen;
        [yes && !seen_yes, no && !seen_no]
    }
}

impl<'t> Coverage<'t> {
    /// Nothing has been tried yet.
    #[must_use]
    pub fn new(table: &'t RouteTable) -> Self {
        let mut rules: Vec<Tried<'t>> = Vec::new();
        for entry in table.entries() {
            rules.extend(entry.rules().map(|rule| tried(rule, entry.backoffice_in(rule.section))));
        }
        rules.sort_by_key(|tried| (tried.rule.position.line, tried.rule.position.column));
        let places =
            rules.iter().enumerate().map(|(place, tried)| (std::ptr::from_ref(tried.rule), place)).collect();
        Self { rules, places }
    }

    /// Decides a request, as [`decide`] does, and notes what it tried.
    pub fn decide(
        &mut self,
        found: &Result<Found<'t>, NotFound>,
        caller: Caller<'_>,
        facts: &Facts<'_>,
    ) -> Decision<'t> {
        let decision = decide(found, caller, facts);
        let denying = match decision {
            Decision::Deny(Denied { rule, .. }) => rule,
            Decision::Allow(_) => None,
        };
        for rule in found.iter().flat_map(Found::rules) {
            let denies = denying.is_some_and(|denying| std::ptr::eq(&raw const **denying, &raw const **rule));
            let tried = self.places.get(&(&raw const **rule)).and_then(|place| self.rules.get_mut(*place));
            if let Some(tried) = tried {
                tried.outcome.see(!denies);
                // A rule that needs a user does not look at the expression without one.
                let looks = rule.is_public() || matches!(caller, Caller::Known(_));
                let values = rule.expression().condition_values(facts, caller.principal());
                for ((_, pair), value) in tried.conditions.iter_mut().zip(values).filter(|_| looks) {
                    value.into_iter().for_each(|value| pair.see(value));
                }
            }
            // What comes after was not asked.
            if denies {
                break;
            }
        }
        decision
    }

    /// How much there is to try, and how much of it was tried.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let pairs = || self.rules.iter().flat_map(Tried::pairs);
        let wanted: usize = pairs().map(Pair::wanted).sum();
        let missing = pairs().flat_map(Pair::missing).filter(|missing| *missing).count();
        (wanted, wanted.saturating_sub(missing))
    }

    /// What was not tried, in the order of the file.
    #[must_use]
    pub fn untried(&self) -> Vec<Untried<'t>> {
        self.rules.iter().flat_map(Tried::untried).collect()
    }
}

fn tried<'t>(rule: &'t Rule, backoffice: &[bool]) -> Tried<'t> {
    let expression = &rule.expression;
    let worlds = Worlds::of(&[expression], backoffice);
    let truth = worlds.as_ref().map(|worlds| worlds.truth(expression));
    let can_allow = !expression.always_fails() && !truth.as_ref().is_some_and(Truth::never);
    let can_deny = !rule.public || !truth.is_some_and(|truth| truth.always());
    let conditions = expression.conditions(worlds.as_ref());
    Tried {
        rule,
        outcome: Pair::of([can_allow, can_deny]),
        conditions: conditions
            .into_iter()
            .map(|condition| {
                let pair = Pair::of(condition.possible);
                (condition, pair)
            })
            .collect(),
    }
}

impl<'t> Tried<'t> {
    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.outcome).chain(self.conditions.iter().map(|(_, pair)| pair))
    }

    fn untried(&self) -> Vec<Untried<'t>> {
        let columns = Expression::operand_columns(&self.rule.text);
        let untried = |column, what: String| Untried { rule: self.rule, column, what };
        let [allow, deny] = self.outcome.missing();
        let outcome = [(allow, "never allowed"), (deny, "never denied")];
        let mut all: Vec<_> = outcome
            .into_iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, what)| untried(None, what.to_owned()))
            .collect();
        for (condition, pair) in &self.conditions {
            let column = columns.get(condition.operand).copied();
            for (missing, value) in pair.missing().into_iter().zip(["true", "false"]) {
                if missing {
                    all.push(untried(column, format!("`{}` was never {value}", condition.text)));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use common::Principal;

    use super::*;
    use crate::path::RepeatedSlashes;
    use crate::route_table::Request;
    use crate::rules_file::load_rules;

    const RULES: &str = r#"{
  "/a": {"GET": {"authorization": {"expression": "groups.a || !(clientType == 'x')", "public": true},
                 "backofficeAuthorization": {"expression": "isBackoffice && groups.a", "public": false}}},
  "/open": {"ALL": {"authorization": {"expression": "true", "public": true}}},
  "/users": {"ALL": {"authorization": {"expression": "true", "public": false}}}
}"#;

    /// Tries requests: path, groups (nobody if none), client type, backoffice. What is left, by line.
    fn left_after(cases: &[(&str, Option<&str>, &str, bool)]) -> (Vec<String>, (usize, usize)) {
        let table = load_rules("auth.json", RULES.as_bytes(), RepeatedSlashes::Refuse).unwrap().table;
        let mut coverage = Coverage::new(&table);
        for (path, group, client_type, is_backoffice) in cases {
            let facts = Facts { client_type, is_backoffice: *is_backoffice };
            let found = table.find(&Request { method: b"GET", target: path.as_bytes(), facts });
            let principal =
                group.map(|group| Principal { groups: [group.to_owned()].into(), ..Principal::default() });
            coverage.decide(&found, principal.as_ref().map_or(Caller::Anonymous, Caller::Known), &facts);
        }
        let untried = coverage.untried();
        let lines = untried.iter().map(|untried| {
            format!(
                "{} {} {:?} {}",
                untried.rule.position(),
                untried.rule.section(),
                untried.column,
                untried.what
            )
        });
        (lines.collect(), coverage.counts())
    }

    #[test]
    fn nothing_is_tried_at_first_and_what_cannot_happen_is_not_asked_for() {
        let (left, counts) = left_after(&[]);
        insta::assert_snapshot!(left.join("\n"));
        assert_eq!(counts, (left.len(), 0));
    }

    #[test]
    fn what_was_tried_counts_and_an_expression_that_was_not_looked_at_does_not() {
        let (left, _) = left_after(&[("/a", None, "", true), ("/users", None, "", false)]);
        assert!(
            !left.iter().any(|line| line.starts_with("3:") && line.ends_with("never denied")),
            "{left:?}"
        );
        assert!(
            left.iter().any(|line| line.starts_with("3:") && line.ends_with("`groups.a` was never false")),
            "{left:?}"
        );
        let (left, counts) = left_after(&[
            ("/a", Some("a"), "x", false),
            ("/a", None, "x", false),
            ("/a", None, "y", false),
            ("/a", None, "x", true),
            ("/a", Some("a"), "", true),
            ("/a", Some("b"), "", true),
            ("/open", None, "", false),
            ("/users", Some("b"), "", false),
            ("/users", None, "", false),
            ("/none", None, "", false),
        ]);
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(counts.0, counts.1);
    }
}
