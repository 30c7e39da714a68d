//! Servers of every combination of lenient habits, held against the rules that were asked.

use proptest::prelude::*;

use super::tests::{file, found, table};
use super::tree::Spelling;
use super::{Matching, Parents};
use crate::method::Method;
use crate::{EncodedSlashes, PathPolicy, RepeatedSlashes};

/// What a server may do to a path before it routes.
#[derive(Debug, Clone, Copy)]
struct Server {
    merges: bool,
    splits: bool,
    /// 0: no escapes; 1: of characters that need none; 2: of reserved ones too.
    decodes: u8,
    /// 0: names as they are; 1: without dots at their ends; 2: the last also without its suffix, and then without dots.
    cuts: u8,
}

impl Server {
    fn all() -> impl Iterator<Item = Self> {
        (0..36).map(|kind: u8| Self {
            merges: kind & 1 != 0,
            splits: kind & 2 != 0,
            decodes: (kind >> 2) % 3,
            cuts: (kind >> 2) / 3,
        })
    }

    /// The path that it routes.
    fn routed(self, path: &str) -> String {
        let mut path = if self.splits { path.replace("%2F", "/") } else { path.to_owned() };
        if self.decodes >= 1 {
            path = path.replace("%61", "a").replace("%65", "e");
        }
        if self.decodes == 2 {
            path = path.replace("%3A", ":");
        }
        while self.merges && path.contains("//") {
            path = path.replace("//", "/");
        }
        let cut = |name: &str| {
            let cut = name.trim_end_matches('.');
            if cut.is_empty() { name.to_owned() } else { cut.to_owned() }
        };
        if self.cuts > 0 {
            path = path.split('/').map(cut).collect::<Vec<_>>().join("/");
        }
        if self.cuts == 2 {
            let slash = if path.ends_with('/') { "/" } else { "" };
            let names = path.strip_suffix('/').unwrap_or(&path);
            let (above, last) = names.rsplit_once('/').unwrap_or(("", names));
            if let Some((name, _)) =
                last.rsplit_once('.').filter(|(name, _)| !name.trim_matches('.').is_empty())
            {
                path = format!("{above}/{}{slash}", cut(name));
            }
        }
        path
    }
}

const ATOMS: [&str; 18] = [
    "a", "A", "b", "B", "secret", "Secret", "/", "//", ".", "..", ".json", "%3A", ":", "%2F", "a%3Ab",
    "/a/b", "%61", "s%65cret",
];
const ROUTES: [&str; 14] = [
    "/",
    "/a",
    "/A",
    "/a/b",
    "/a/:p",
    "/:p/b",
    "/:p/secret",
    "/a/secret",
    "/b/",
    "/a/b/:p",
    "/a/a:b",
    "/secret",
    "/:p",
    "/A/:p/a",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// G-PATH-27: whatever combination of lenient habits a server has, the rule of the path that it routes has its say, as it is
    /// spelled and in any letter case.
    #[test]
    fn g_path_27_the_rule_of_every_path_that_a_server_may_route_must_allow(
        routes in prop::sample::subsequence(&ROUTES[..], 1..=8),
        atoms in prop::collection::vec(prop::sample::select(&ATOMS[..]), 1..7),
        parents in prop::sample::select(&[Parents::Endpoints, Parents::Longest, Parents::TrailingSlash][..]),
        lenient in any::<bool>(),
    ) {
        let paths = if lenient {
            PathPolicy {
                repeated_slashes: RepeatedSlashes::Merge,
                encoded_slashes: EncodedSlashes::BothReadings,
            }
        } else {
            PathPolicy::default()
        };
        let entries: Vec<_> = routes.iter().map(|route| (*route, "ALL")).collect();
        let table = table(&file(&entries), Matching { parents, paths });
        let path = format!("/{}", atoms.concat());
        if let Ok(rules) = found(&table, "GET", &path, false) {
            for server in Server::all().filter(|server| lenient || !server.splits) {
                let routed = server.routed(&path);
                for spelling in [Spelling::Exact, Spelling::AnyCase] {
                    let governs = table.walk(&routed, Method::Get, spelling, None).entry();
                    let rule = governs.and_then(|entry| entry.rule(false)).map(ToString::to_string);
                    if let Some(rule) = rule {
                        prop_assert!(
                            rules.contains(&rule),
                            "{path} in {routes:?}: {rule} of {routed} ({spelling:?}) by {server:?}; asked {rules:?}"
                        );
                    }
                }
            }
        }
    }
}

/// Found from outside: the closed rule was asked for the plain spelling, and not for this one.
#[test]
fn g_path_12_g_path_27_two_lenient_habits_at_once_get_no_more_than_one() {
    let entries = [
        "/",
        "/tenants",
        "/tenants/:id/secret",
        "/tenants/public/:page",
        "/admin",
        "/admin/a:b",
        "/admin/open",
        "/api/secret",
    ];
    let entries = entries.map(|key| (key, "ALL"));
    for (target, closed) in [
        ("/tenants/Public/secret.json", "/tenants/:id/secret"),
        ("/tenants/Public/secret.", "/tenants/:id/secret"),
        ("/Admin/a%3Ab", "/admin"),
        ("/Admin//open", "/admin"),
        ("/ADMIN//open/", "/admin"),
        ("/admin.//open", "/admin"),
        ("/api/secret..json", "/api/secret"),
        ("/api/secret%20.json", "/api/secret"),
        ("/tenants/p%75blic/secret", "/tenants/:id/secret"),
        ("/tenants/p%75blic/secret.json", "/tenants/:id/secret"),
        ("/admin/%6fpen", "/admin"),
    ] {
        let table = table(&file(&entries), RepeatedSlashes::Merge);
        let rules = found(&table, "GET", target, false).unwrap();
        assert!(rules.contains(&format!("{closed} → ALL → authorization")), "{target}: {rules:?}");
    }
}
