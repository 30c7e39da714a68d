//! Rules asked the other way round: who may make a request, and which requests somebody may make.

use crate::decision::{Caller, decide};
use crate::expression::{ClientTypes, Facts, Names, Worlds};
use crate::method::Method;
use crate::route_table::{NotFound, Request, RouteTable, Rule};

/// Who may make one request.
#[derive(Debug, Clone, PartialEq)]
pub struct WhoCan<'t> {
    /// The rules that must all allow; the first one governs.
    pub rules: Vec<&'t Rule>,
    /// The client types with which nobody in particular may, if any.
    pub public: Option<ClientTypes>,
    /// What a user must have at least: each of them is enough.
    pub users: Vec<Enough>,
}

/// Names and client types that are enough to pass. With any of the names missing it would be too little.
#[derive(Debug, Clone, PartialEq)]
pub struct Enough {
    pub names: Names,
    pub client_types: ClientTypes,
    /// A name more may be a name too many: the rules hold a negation.
    pub more_can_lose: bool,
}

/// Why it cannot be told who may make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhoCanError {
    /// Nobody may.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error("the rules mention too many names to look at every set of them")]
    TooManyNames,
}

/// What somebody may do with one path of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Callable<'t> {
    /// The path, as written in the file.
    pub path: &'t str,
    pub methods: Vec<Method>,
}

impl RouteTable {
    /// Who may make a request: by looking at every set of the names that its rules mention.
    ///
    /// # Errors
    /// As [`WhoCanError`] says.
    pub fn who_can(
        &self,
        method: &[u8],
        target: &[u8],
        is_backoffice: bool,
    ) -> Result<WhoCan<'_>, WhoCanError> {
        let facts = Facts { client_type: "", is_backoffice };
        let found = self.find(&Request { method, target, facts })?;
        let rules: Vec<&Rule> = found.rules().map(AsRef::as_ref).collect();
        if rules.iter().any(|rule| rule.expression.always_fails()) {
            return Ok(WhoCan { rules, public: None, users: Vec::new() });
        }
        let expressions: Vec<_> = rules.iter().map(|rule| &rule.expression).collect();
        let worlds = Worlds::of(&expressions, &[is_backoffice]).ok_or(WhoCanError::TooManyNames)?;
        let passing = expressions
            .iter()
            .map(|expression| worlds.truth(expression))
            .reduce(|all, one| all.and(&one))
            .ok_or(WhoCanError::NotFound(NotFound::NoRule))?;
        let minimal = worlds.minimal(&passing);
        let public = minimal.iter().find(|minimal| minimal.names.is_empty());
        let public = public.filter(|_| rules.iter().all(|rule| rule.public));
        Ok(WhoCan {
            public: public.map(|minimal| minimal.client_types.clone()),
            users: minimal
                .into_iter()
                .map(|minimal| Enough {
                    names: minimal.names,
                    client_types: minimal.client_types,
                    more_can_lose: minimal.more_can_lose,
                })
                .collect(),
            rules,
        })
    }

    /// Every path of the file with the verbs that a caller may use on it, in the order of the paths; each parameter stands
    /// for a name that the file does not mention. Paths without such a verb are left out.
    #[must_use]
    pub fn what_can(&self, caller: Caller<'_>, facts: &Facts<'_>) -> Vec<Callable<'_>> {
        let callable = self.example_paths().into_iter().map(|(path, example)| {
            let may = |method: &Method| {
                let method = method.as_str().as_bytes();
                let found = self.find(&Request { method, target: example.as_bytes(), facts: *facts });
                decide(&found, caller, facts).is_allow()
            };
            Callable { path, methods: Method::ALL.into_iter().filter(may).collect() }
        });
        callable.filter(|callable| !callable.methods.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use common::Principal;
    use proptest::prelude::*;

    use super::*;
    use crate::expression::properties::{caller, expression};
    use crate::path::RepeatedSlashes;
    use crate::rules_file::load_rules;

    fn load(file: &serde_json::Value) -> RouteTable {
        load_rules("auth.json", file.to_string().as_bytes(), RepeatedSlashes::Refuse).unwrap().table
    }

    fn one_rule(expression: &str, public: bool) -> RouteTable {
        load(
            &serde_json::json!({"/a": {"GET": {"authorization": {"expression": expression, "public": public}}}}),
        )
    }

    fn told(expression: &str, public: bool) -> String {
        let table = one_rule(expression, public);
        let who = table.who_can(b"GET", b"/a", false).unwrap();
        let users = who.users.iter().map(|enough| {
            let more = if enough.more_can_lose { " !" } else { "" };
            format!("{} ({}){more}", enough.names, enough.client_types)
        });
        let public = who.public.map(|types| format!("public ({types})"));
        public.into_iter().chain(users).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_least_that_is_enough() {
        for (expression, public, expected) in [
            ("true", true, "public (any); nothing (any)"),
            ("true", false, "nothing (any)"),
            ("false", true, ""),
            ("groups.a", true, "group a (any)"),
            (
                "groups.a && permissions['x y'] || groups.b",
                false,
                "group b (any); group a, permission x y (any)",
            ),
            ("groups.a || clientType == 'web'", true, "public (web); nothing (web); group a (any but web)"),
            ("clientType != 'web'", true, "public (any but web); nothing (any but web)"),
            ("clientType in ['', 'web']", false, "nothing (none, web)"),
            ("groups", false, "any group (any)"),
            ("groups.a && !groups.b", false, "group a (any) !"),
            ("isBackoffice", true, ""),
        ] {
            assert_eq!(told(expression, public), expected, "{expression}");
        }
        let table = one_rule("true", true);
        assert_eq!(table.who_can(b"GET", b"/b", false), Err(NotFound::NoRule.into()));
        let names: Vec<String> = (0..20).map(|name| format!("groups.g{name}")).collect();
        let table = one_rule(&names.join(" || "), true);
        assert_eq!(table.who_can(b"GET", b"/a", false), Err(WhoCanError::TooManyNames));
    }

    #[test]
    fn what_somebody_may_call_is_what_the_table_lets_pass() {
        let rule = |expression: &str| serde_json::json!({"authorization": {"expression": expression, "public": false}});
        let table = load(&serde_json::json!({
            "/orders": {"ALL": rule("groups.staff"), "DELETE": rule("groups.admin")},
            "/orders/:id": {"GET": rule("permissions.read")},
            "/orders/count": {"GET": rule("groups.admin")},
        }));
        let staff = Principal { groups: ["staff".to_owned()].into(), ..Principal::default() };
        let told = |caller| {
            let callable = table.what_can(caller, &Facts::default());
            let lines = callable.iter().map(|callable| {
                let methods: Vec<&str> = callable.methods.iter().map(|method| method.as_str()).collect();
                format!("{} {}", callable.path, methods.join(" "))
            });
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            told(Caller::Known(&staff)),
            [
                "/orders GET POST PUT PATCH HEAD OPTIONS",
                "/orders/count POST PUT PATCH HEAD OPTIONS",
                "/orders/:id POST PUT PATCH HEAD OPTIONS"
            ]
        );
        assert_eq!(told(Caller::Anonymous), Vec::<String>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn who_can_is_who_passes(expression in expression(), public in any::<bool>(), caller in caller()) {
            let text = expression.to_string();
            prop_assume!(crate::expression::Expression::parse(&text).is_ok());
            let table = one_rule(&text, public);
            let request = Request { method: b"GET", target: b"/a", facts: caller.facts() };
            let passes = |principal: Option<&Principal>| {
                let who = principal.map_or(Caller::Anonymous, Caller::Known);
                decide(&table.find(&request), who, &request.facts).is_allow()
            };
            let Ok(who) = table.who_can(b"GET", b"/a", request.facts.is_backoffice) else { return Ok(()) };
            let client_type = request.facts.client_type;
            prop_assert_eq!(who.public.is_some_and(|types| types.contain(client_type)), passes(None), "{}", text);
            let here = || who.users.iter().filter(|enough| enough.client_types.contain(client_type));
            for enough in here() {
                prop_assert!(passes(Some(&enough.names.principal())), "{} is not enough for {}", enough.names, text);
                for less in enough.names.one_less() {
                    prop_assert!(!passes(Some(&less.principal())) , "{} is enough for {}", less, text);
                }
            }
            if let Some(principal) = &caller.principal && passes(Some(principal)) {
                prop_assert!(here().any(|enough| enough.names.are_among(principal)), "{:?} for {}", principal, text);
            }
        }
    }
}
