//! Entries that could be taken out of the file without changing a decision. Asks of every path that stands for others
//! what would govern it if an entry were not there.

use std::collections::HashMap;

use super::RouteTable;
use super::representatives;
use super::rule::Entry;
use super::tree::Spelling;
use crate::method::{Method, VerbEntry};

/// Why an entry could be taken out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Idle<'t> {
    /// It governs no request.
    Unreachable,
    /// These would govern the requests to it, and decide the same.
    Shadowed(Vec<&'t Entry>),
}

/// What is known about one entry.
#[derive(Default)]
struct Effect<'t> {
    needed: bool,
    instead: Vec<&'t Entry>,
}

impl RouteTable {
    /// A path whose look-up may visit more of the keys' segments than any other's, and how many; of the first `limit` kinds of paths.
    pub(crate) fn most_crowded_path(&self, limit: usize) -> Option<(String, usize)> {
        representatives::most_crowded(&self.root, limit).map(|found| (found.path, found.nodes))
    }

    /// The entries that could be taken out, one at a time; `same` says whether two entries decide the same. `None` if
    /// there are more than `limit` kinds of paths, keys that differ in letter case only, or entries of which `same` cannot say.
    pub(crate) fn idle_entries(
        &self,
        limit: usize,
        mut same: impl FnMut(&Entry, &Entry) -> Option<bool>,
    ) -> Option<Vec<(&Entry, Idle<'_>)>> {
        if representatives::has_letter_case_twins(&self.root) {
            return None;
        }
        let mut effects: HashMap<*const Entry, Effect<'_>> = HashMap::new();
        let repeated_slashes = self.matching.paths.repeated_slashes;
        for representative in representatives::paths(&self.root, repeated_slashes, limit)? {
            for method in Method::ALL {
                let governed =
                    |without| self.walk(&representative.path, method, Spelling::Exact, without).entry();
                let Some(governing) = governed(None) else {
                    continue;
                };
                for entry in representative.routes.iter().flat_map(|route| &route.entries) {
                    if !matches!(entry.verb, VerbEntry::All) && entry.verb != VerbEntry::Only(method) {
                        continue;
                    }
                    let effect = effects.entry(std::ptr::from_ref(entry)).or_default();
                    if effect.needed {
                        continue;
                    }
                    match governed(Some(entry)) {
                        Some(other) if std::ptr::eq(other, governing) => {}
                        Some(other) if same(governing, other)? => {
                            if !effect.instead.iter().any(|known| std::ptr::eq(*known, other)) {
                                effect.instead.push(other);
                            }
                        }
                        _ => effect.needed = true,
                    }
                }
            }
        }
        let mut idle = Vec::new();
        for entry in self.entries() {
            match effects.remove(&std::ptr::from_ref(entry)) {
                Some(Effect { needed: true, .. }) => {}
                Some(Effect { instead, .. }) if !instead.is_empty() => {
                    idle.push((entry, Idle::Shadowed(instead)))
                }
                _ => idle.push((entry, Idle::Unreachable)),
            }
        }
        Some(idle)
    }
}
