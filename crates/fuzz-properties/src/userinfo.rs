//! Answers of userinfo, read again in another way: a user is described for a reason, and nothing is read into an answer
//! that says something else.

use common::{Principal, Timestamp, strict_json};
use principal::{NoPrincipal, Reading, of_json};
use serde_json::{Map, Value};

const NOW: i64 = 1_800_000_000;

pub(crate) fn check(input: &[u8]) {
    let members = strict_json::object(input).unwrap_or_default();
    for groups_as_text in [false, true] {
        let reading = Reading {
            user_id_key: "sub".to_owned(),
            permissions_key: Some("permissions".to_owned()),
            groups_as_text,
            properties_to_proxy: members.keys().cloned().collect(),
        };
        let read = of_json(input, &reading, Timestamp::from_unix_seconds(NOW));
        if let Ok(principal) = &read {
            assert_eq!(principal.properties, members);
            assert_described(principal, groups_as_text);
        }
        let word = match &read {
            Ok(_) => "user",
            Err(NoPrincipal::NoUserId) => "no user id",
            Err(NoPrincipal::Inactive) => "inactive",
            Err(NoPrincipal::Expired) => "expired",
            Err(NoPrincipal::Malformed(_)) => "malformed",
        };
        assert_eq!(word, expected(input, groups_as_text), "{read:?}");
    }
}

/// What an answer is, by the types of its members alone.
fn expected(input: &[u8], groups_as_text: bool) -> &'static str {
    // That it refuses repeated members, and nothing else that serde_json takes, is a property of `registration`.
    let Ok(value) = strict_json::value(input) else { return "malformed" };
    let Value::Object(members) = value else { return "no user id" };
    let member = |name: &str| members.get(name).filter(|value| !value.is_null());
    if member("active").is_some_and(|active| active == false) {
        return "inactive";
    }
    if member("exp").and_then(Value::as_i64).is_some_and(|exp| exp <= NOW) {
        return "expired";
    }
    match member("sub") {
        None => return "no user id",
        Some(Value::String(id)) if id.is_empty() => return "no user id",
        Some(Value::String(_)) => {}
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => {}
        Some(_) => return "malformed",
    }
    let is_list = |name: &str| {
        member(name).is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(Value::is_string)))
    };
    let groups = is_list("groups") || (groups_as_text && members["groups"].is_string());
    if groups && is_list("permissions") { "user" } else { "malformed" }
}

/// Nothing is there that the answer does not say, and all that it says (G-UI-02, G-UI-03).
fn assert_described(principal: &Principal, groups_as_text: bool) {
    let members = &principal.properties;
    let id = match &members["sub"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    assert!(!id.is_empty() && principal.id == id);
    match members.get("groups") {
        Some(Value::String(text)) if groups_as_text => {
            assert!(principal.groups.iter().all(|group| !group.is_empty() && text.contains(group)));
            assert!(principal.groups.iter().all(|group| !group.contains(',') && group.trim() == group));
        }
        _ => assert!(principal.groups.iter().eq(&names(members, "groups"))),
    }
    assert!(principal.permissions.iter().eq(&names(members, "permissions")));
}

/// The elements of a list, each once.
fn names(members: &Map<String, Value>, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    for element in members.get(name).and_then(Value::as_array).into_iter().flatten() {
        let element = element.as_str().expect("a string").to_owned();
        if !names.contains(&element) {
            names.push(element);
        }
    }
    names
}
