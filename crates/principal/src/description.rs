//! Who a userinfo answer describes (upstream contract §3.2, conformance §3.4): only a JSON object with a user id describes
//! somebody, and whatever is not plainly "nobody" is not an answer. How it was fetched is not known here.

use common::{NameSet, Principal, Timestamp, strict_json};
use serde_json::{Map, Value};

/// Which members of the answer mean what.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `CUSTOM_USER_ID_KEY`.
    pub user_id_key: String,
    /// `CUSTOM_PERMISSIONS_KEY`.
    pub permissions_key: Option<String>,
    /// Whether groups may be one text with commas instead of a list: a spelling of the drop-in profile (upstream
    /// contract §10.3), a schema error in the standard one (G-UI-03).
    pub groups_as_text: bool,
    /// `USER_PROPERTIES_TO_PROXY`: what services are told beside id and groups. Nothing else of an answer is kept.
    pub properties_to_proxy: Vec<String>,
}

impl Reading {
    /// Of the members of an answer those that services are told.
    #[must_use]
    pub fn told(&self, mut members: Map<String, Value>) -> Map<String, Value> {
        self.properties_to_proxy.iter().filter_map(|name| members.remove_entry(name)).collect()
    }
}

/// Why an answer does not describe a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPrincipal {
    #[error("there is no user id")]
    NoUserId,
    #[error("the user or the token is not active")]
    Inactive,
    #[error("the token has expired")]
    Expired,
    /// It says neither that there is a user nor that there is none.
    #[error("{0}")]
    Malformed(String),
}

/// Who the body of an answer describes.
///
/// # Errors
/// [`NoPrincipal`] if it describes nobody, or is not such an answer: a member of the wrong type, or one that is there
/// twice, at any depth.
pub fn of_json(body: &[u8], reading: &Reading, now: Timestamp) -> Result<Principal, NoPrincipal> {
    match strict_json::value(body) {
        Ok(Value::Object(members)) => of_members(members, reading, now),
        // A well-formed answer that describes nobody (G-UI-02).
        Ok(_) => Err(NoPrincipal::NoUserId),
        Err(error) => Err(NoPrincipal::Malformed(error.to_string())),
    }
}

/// Who the members of an answer describe.
///
/// # Errors
/// Those of [`of_json`].
pub fn of_members(
    members: Map<String, Value>,
    reading: &Reading,
    now: Timestamp,
) -> Result<Principal, NoPrincipal> {
    if let Some(why) = no_longer_valid(&members, now) {
        return Err(why);
    }
    let malformed = |what: &str| NoPrincipal::Malformed(what.to_owned());
    let id = user_id(members.get(&reading.user_id_key)).map_err(malformed)?;
    let id = id.ok_or(NoPrincipal::NoUserId)?;
    let groups = match members.get("groups") {
        Some(Value::String(text)) if reading.groups_as_text => split_groups(text),
        other => names(other).ok_or_else(|| malformed("groups is not a list of strings"))?,
    };
    let permissions = permissions(&members, reading).map_err(malformed)?;
    Ok(Principal { id, groups, permissions, properties: reading.told(members) })
}

/// Some endpoints answer 200 for a user or token that is no longer good, and say so in a member: `active` (RFC 7662
/// §2.2), or `exp` in whole seconds (RFC 7519 §4.1.4). G-UI-15.
fn no_longer_valid(properties: &Map<String, Value>, now: Timestamp) -> Option<NoPrincipal> {
    if properties.get("active") == Some(&Value::Bool(false)) {
        return Some(NoPrincipal::Inactive);
    }
    let expires_at = properties.get("exp")?.as_i64().map(Timestamp::from_unix_seconds)?;
    (expires_at <= now).then_some(NoPrincipal::Expired)
}

/// Numbers are printed (upstream contract §10.3), but only whole ones: two long ids must not round to one.
fn user_id(value: Option<&Value>) -> Result<Option<String>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone()).filter(|id| !id.is_empty())),
        Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
        Some(_) => Err("the user id is neither a string nor a whole number"),
    }
}

/// The permissions among the members of an answer; none if no member is configured.
///
/// # Errors
/// If they are not a list of strings.
pub fn permissions(properties: &Map<String, Value>, reading: &Reading) -> Result<NameSet, &'static str> {
    let value = reading.permissions_key.as_ref().and_then(|key| properties.get(key));
    names(value).ok_or("permissions is not a list of strings")
}

/// A comma-separated list, as in `miausergroups`; some gateways put a blank after the comma.
#[must_use]
pub fn split_groups(text: &str) -> NameSet {
    text.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect()
}

/// A list of strings; missing and null are the empty list.
fn names(value: Option<&Value>) -> Option<NameSet> {
    match value {
        None | Some(Value::Null) => Some(NameSet::new()),
        Some(Value::Array(elements)) => {
            elements.iter().map(|element| element.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn reading(groups_as_text: bool) -> Reading {
        Reading {
            user_id_key: "sub".to_owned(),
            permissions_key: Some("permissions".to_owned()),
            groups_as_text,
            properties_to_proxy: vec!["mail".to_owned(), "name".to_owned()],
        }
    }

    /// One word for what this body says.
    fn of_body(body: &str) -> String {
        match of_json(body.as_bytes(), &reading(false), NOW) {
            Ok(principal) => format!(
                "{} {:?} {:?}",
                principal.id,
                principal.groups.iter().collect::<Vec<_>>(),
                principal.permissions.iter().collect::<Vec<_>>()
            ),
            Err(NoPrincipal::Malformed(_)) => "invalid".to_owned(),
            Err(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn users() {
        let rows = [
            (r#"{"sub":"u","groups":["a","b"],"permissions":["p"]}"#, r#"u ["a", "b"] ["p"]"#),
            (r#"{"sub":"u"}"#, "u [] []"),
            (r#"{"sub":"u","groups":null,"permissions":null}"#, "u [] []"),
            (r#"{"sub":42}"#, "42 [] []"),
            (r#"{"sub":18446744073709551615}"#, "18446744073709551615 [] []"),
        ];
        for (body, expected) in rows {
            assert_eq!(of_body(body), expected, "{body}");
        }
    }

    #[test]
    fn of_the_other_members_only_those_are_kept_that_services_are_told() {
        let body = br#"{"sub":"u","name":"N","mail":{"a":[1]},"phone":"1"}"#;
        let principal = of_json(body, &reading(false), NOW).unwrap();
        assert_eq!(serde_json::to_string(&principal.properties).unwrap(), r#"{"mail":{"a":[1]},"name":"N"}"#);
        assert!(of_json(br#"{"sub":"u"}"#, &reading(false), NOW).unwrap().properties.is_empty());
    }

    #[test]
    fn g_ui_02_an_answer_without_a_user_id_is_nobody() {
        for body in
            ["{}", "[]", "null", "\"x\"", "7", r#"{"sub":""}"#, r#"{"sub":null}"#, r#"{"groups":["admin"]}"#]
        {
            assert_eq!(of_body(body), "NoUserId", "{body}");
        }
    }

    #[test]
    fn g_ui_03_wrong_types_and_repeated_members_are_not_an_answer() {
        for body in [
            r#"{"sub":"u","groups":["a"],"groups":["admin"]}"#,
            r#"{"sub":"u","sub":"admin"}"#,
            r#"{"sub":"u","groups":"admin"}"#,
            r#"{"sub":"u","groups":{"admin":true}}"#,
            r#"{"sub":"u","groups":7}"#,
            r#"{"sub":"u","groups":["a",7]}"#,
            r#"{"sub":"u","permissions":"p"}"#,
            r#"{"sub":"u","permissions":["p",null]}"#,
            r#"{"sub":true}"#,
            r#"{"sub":1.5}"#,
            r#"{"sub":18446744073709551616}"#,
            r#"{"sub":"u""#,
            "not json",
        ] {
            assert_eq!(of_body(body), "invalid", "{body}");
        }
    }

    #[test]
    fn g_ui_15_a_user_or_token_that_is_no_longer_good_is_nobody() {
        for (members, expected) in [
            (r#""active":false"#, "Inactive"),
            (r#""active":false,"exp":1800000001"#, "Inactive"),
            (r#""exp":1800000000"#, "Expired"),
            (r#""exp":0"#, "Expired"),
            (r#""exp":-1"#, "Expired"),
            (r#""active":true,"exp":1800000001"#, "u [] []"),
            (r#""active":"false","exp":"1""#, "u [] []"),
        ] {
            assert_eq!(of_body(&format!(r#"{{"sub":"u",{members}}}"#)), expected, "{members}");
        }
    }

    #[test]
    fn groups_as_one_text_are_a_spelling_of_the_drop_in_profile() {
        let principal = of_json(br#"{"sub":"u","groups":"a, b"}"#, &reading(true), NOW).unwrap();
        assert_eq!(principal.groups.iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
