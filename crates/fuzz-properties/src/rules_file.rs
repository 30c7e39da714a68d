//! Rules files: every finding has a place, and no rule of any file lets pass whom it must not.

use access_rules::{Caller, Facts, LoadedRules, RepeatedSlashes, Request, decide, load_rules};
use common::Principal;
use serde_json::{Map, Value};

pub(crate) fn check(input: &[u8]) {
    for repeated_slashes in [RepeatedSlashes::Refuse, RepeatedSlashes::Merge] {
        match load_rules("auth.json", input, repeated_slashes) {
            Ok(loaded) => assert_decisions(&loaded, &targets(input)),
            Err(invalid) => {
                assert!(!invalid.findings.is_empty(), "a refusal has a reason");
                assert!(invalid.findings.iter().all(|finding| finding.line >= 1 && finding.column >= 1));
            }
        }
    }
}

fn assert_decisions(loaded: &LoadedRules, targets: &[String]) {
    let principal = Principal { id: "u".to_owned(), ..Principal::default() };
    for target in targets {
        for (method, is_backoffice) in [(&b"GET"[..], false), (b"POST", true), (b"get", false)] {
            let facts = Facts { client_type: "", is_backoffice };
            let found = loaded.table.find(&Request { method, target: target.as_bytes(), facts });
            let allows = |caller| decide(&found, caller, &facts).is_allow();
            let anonymous = allows(Caller::Anonymous);
            if let Ok(found) = &found {
                assert!(!anonymous || found.rules().all(|rule| rule.is_public()));
            } else {
                assert!(!anonymous && !allows(Caller::Known(&principal)), "no rule, no allow (G-EXP)");
            }
            assert!(!allows(Caller::Unknown) || anonymous, "cannot know is never better than nobody (K-14)");
        }
    }
}

/// The keys of the file, parameters filled in.
fn targets(input: &[u8]) -> Vec<String> {
    let keys: Map<String, Value> = serde_json::from_slice(input).unwrap_or_default();
    let filled = |key: &String| {
        let segments = key.split('/').map(|segment| match segment.chars().next() {
            Some(':' | '*' | '{') => "x",
            _ => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    };
    keys.keys().map(filled).chain(["/".to_owned(), "/X//y%3A".to_owned()]).take(20).collect()
}
