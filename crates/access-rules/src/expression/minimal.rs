//! The smallest sets of names with which a condition holds.

use std::collections::BTreeMap;
use std::fmt;

use super::ast::UserSet;
use super::worlds::{Truth, Worlds};

/// A set of groups and permissions. `Display` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    pub groups: Vec<String>,
    pub permissions: Vec<String>,
    /// Any group will do.
    pub any_group: bool,
    /// Any permission will do.
    pub any_permission: bool,
}

/// A set of client types. The empty one is that of requests without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTypes {
    Any,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// A smallest set, and where it is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Minimal {
    pub(crate) names: Names,
    pub(crate) client_types: ClientTypes,
    /// With some names more the condition does not hold.
    pub(crate) more_can_lose: bool,
}

impl Worlds {
    /// The smallest sets of names in the worlds where `passing` holds, the smaller first. These worlds are all backoffice
    /// or all not.
    pub(crate) fn minimal(&self, passing: &Truth) -> Vec<Minimal> {
        let mut found: BTreeMap<(u32, usize), (Vec<usize>, bool)> = BTreeMap::new();
        for client_type in 0..self.client_types().len() {
            let passes: Vec<bool> = (0..self.callers())
                .map(|caller| passing.holds_in(self.number(caller, client_type)))
                .collect();
            let less_passes = self.spread(
                |caller, bit| (caller & bit != 0).then_some(caller ^ bit),
                &passes,
                true,
                0..self.callers(),
            );
            let more_fails = self.spread(
                |caller, bit| (caller & bit == 0).then_some(caller | bit),
                &passes,
                false,
                (0..self.callers()).rev(),
            );
            for ((caller, passes), (less, more)) in
                passes.iter().enumerate().zip(less_passes.iter().zip(&more_fails))
            {
                if *passes && !less {
                    let (types, can_lose) = found.entry((caller.count_ones(), caller)).or_default();
                    types.push(client_type);
                    *can_lose |= more;
                }
            }
        }
        let minimal = found.into_iter().map(|((_, caller), (types, more_can_lose))| Minimal {
            names: self.names_of(caller),
            client_types: self.types_of(&types),
            more_can_lose,
        });
        minimal.collect()
    }

    /// For every caller, whether `passes` is `wanted` for one that is reached by steps of one name. `order` has those that
    /// are reached before those that reach them.
    fn spread(
        &self,
        step: impl Fn(usize, usize) -> Option<usize>,
        passes: &[bool],
        wanted: bool,
        order: impl Iterator<Item = usize>,
    ) -> Vec<bool> {
        let mut reached = vec![false; passes.len()];
        for caller in order {
            let any = (0..self.names().len())
                .filter_map(|name| step(caller, 1 << name))
                .any(|other| passes.get(other) == Some(&wanted) || reached.get(other) == Some(&true));
            if let Some(place) = reached.get_mut(caller) {
                *place = any;
            }
        }
        reached
    }

    fn names_of(&self, caller: usize) -> Names {
        let mut names = Names::default();
        for (number, (set, name)) in
            self.names().iter().enumerate().filter(|(number, _)| caller >> number & 1 == 1)
        {
            match (set, self.is_other(number)) {
                (UserSet::Groups, true) => names.any_group = true,
                (UserSet::Permissions, true) => names.any_permission = true,
                (UserSet::Groups, false) => names.groups.push(name.clone()),
                (UserSet::Permissions, false) => names.permissions.push(name.clone()),
            }
        }
        names
    }

    fn types_of(&self, types: &[usize]) -> ClientTypes {
        let all = self.client_types();
        if types.len() == all.len() {
            return ClientTypes::Any;
        }
        let has_other = types.iter().any(|number| self.is_other_client_type(*number));
        let listed = all.iter().enumerate().filter(|(number, _)| types.contains(number) != has_other);
        let listed = listed.map(|(_, name)| name.clone()).collect();
        if has_other { ClientTypes::AllBut(listed) } else { ClientTypes::Only(listed) }
    }
}

impl Names {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = [(self.any_group, "any group"), (self.any_permission, "any permission")];
        let any = any.into_iter().filter(|(any, _)| *any).map(|(_, text)| text.to_owned());
        let groups = self.groups.iter().map(|name| format!("group {name}"));
        let permissions = self.permissions.iter().map(|name| format!("permission {name}"));
        let all: Vec<String> = groups.chain(permissions).chain(any).collect();
        f.write_str(if all.is_empty() { "nothing" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

impl fmt::Display for ClientTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| {
            let names = names.iter().map(|name| if name.is_empty() { "none" } else { name });
            names.collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(names) => f.write_str(&list(names)),
            Self::AllBut(names) => write!(f, "any but {}", list(names)),
        }
    }
}

#[cfg(test)]
mod for_tests {
    use common::Principal;

    use super::{ClientTypes, Names};

    impl ClientTypes {
        pub(crate) fn contain(&self, client_type: &str) -> bool {
            match self {
                Self::Any => true,
                Self::Only(names) => names.iter().any(|name| name == client_type),
                Self::AllBut(names) => names.iter().all(|name| name != client_type),
            }
        }
    }

    impl Names {
        pub(crate) fn principal(&self) -> Principal {
            let some = |any: bool| any.then(|| "unmentioned-by-all".to_owned());
            Principal {
                groups: self.groups.iter().cloned().chain(some(self.any_group)).collect(),
                permissions: self.permissions.iter().cloned().chain(some(self.any_permission)).collect(),
                ..Principal::default()
            }
        }

        /// Each set with one name less.
        pub(crate) fn one_less(&self) -> Vec<Self> {
            let mut all = Vec::new();
            for place in 0..self.groups.len() {
                let mut less = self.clone();
                less.groups.remove(place);
                all.push(less);
            }
            for place in 0..self.permissions.len() {
                let mut less = self.clone();
                less.permissions.remove(place);
                all.push(less);
            }
            all.extend(self.any_group.then(|| Self { any_group: false, ..self.clone() }));
            all.extend(self.any_permission.then(|| Self { any_permission: false, ..self.clone() }));
            all
        }

        pub(crate) fn are_among(&self, principal: &Principal) -> bool {
            self.groups.iter().all(|name| principal.groups.contains(name))
                && self.permissions.iter().all(|name| principal.permissions.contains(name))
                && (!self.any_group || !principal.groups.is_empty())
                && (!self.any_permission || !principal.permissions.is_empty())
        }
    }
}
