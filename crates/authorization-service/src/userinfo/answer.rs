//! What a userinfo answer says (upstream contract §3.2, conformance §3.4). Only a 200 with a JSON object that has a
//! user id describes somebody; whatever is not plainly "nobody" is "cannot know". No network here.

use common::{NameSet, Principal, Timestamp, strict_json};
use serde_json::{Map, Value};

use super::{Cause, Failure, Nobody, UserinfoAnswer};

/// Which members of the answer mean what.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// `CUSTOM_USER_ID_KEY`.
    pub(crate) user_id_key: String,
    /// `CUSTOM_PERMISSIONS_KEY`.
    pub(crate) permissions_key: Option<String>,
    /// Whether groups may be one text with commas instead of a list: a spelling of the drop-in profile (upstream
    /// contract §10.3), a schema error in the standard one (G-UI-03).
    pub(crate) groups_as_text: bool,
}

/// A complete answer, as it came.
#[derive(Debug)]
pub(crate) struct Received<'answer> {
    pub(crate) status: u16,
    /// `None` if there is none or more than one.
    pub(crate) content_type: Option<&'answer [u8]>,
    pub(crate) retry_after: Option<&'answer [u8]>,
    pub(crate) body: &'answer [u8],
}

/// Who the answer describes. A 400 is about what the caller sent, as an endpoint answers to a malformed token
/// (RFC 6750 §3.1), and not about the endpoint.
pub(crate) fn read(received: &Received<'_>, reading: &Reading, now: Timestamp) -> UserinfoAnswer {
    match received.status {
        200 if received.body.is_empty() => UserinfoAnswer::Nobody(Nobody::EmptyBody),
        200 if !received.content_type.is_some_and(is_json) => Cause::ContentType.into(),
        200 => describe(received.body, reading, now),
        400 => UserinfoAnswer::Nobody(Nobody::Malformed),
        401 => UserinfoAnswer::Nobody(Nobody::Unauthorized),
        403 => UserinfoAnswer::Nobody(Nobody::Forbidden),
        429 => UserinfoAnswer::Unknown(Failure {
            cause: Cause::Status(429),
            retry_after: received.retry_after.and_then(seconds),
        }),
        status => Cause::Status(status).into(),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Up to a day; a date or nonsense is ignored.
fn seconds(text: &[u8]) -> Option<u32> {
    let seconds: u32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(seconds.clamp(1, 86_400))
}

fn describe(body: &[u8], reading: &Reading, now: Timestamp) -> UserinfoAnswer {
    match strict_json::value(body) {
        Ok(Value::Object(properties)) => of_properties(properties, reading, now),
        // A well-formed answer that describes nobody (G-UI-02).
        Ok(_) => UserinfoAnswer::Nobody(Nobody::NoUserId),
        Err(error) => Cause::Malformed(error.to_string()).into(),
    }
}

/// Who the members of an answer describe.
pub(super) fn of_properties(
    properties: Map<String, Value>,
    reading: &Reading,
    now: Timestamp,
) -> UserinfoAnswer {
    if let Some(why) = no_longer_valid(&properties, now) {
        return UserinfoAnswer::Nobody(why);
    }
    principal(properties, reading).unwrap_or_else(|what| Cause::Malformed(what.to_owned()).into())
}

/// Some endpoints answer 200 for a user or token that is no longer good, and say so in a member: `active` (RFC 7662
/// §2.2), or `exp` in whole seconds (RFC 7519 §4.1.4). G-UI-15.
fn no_longer_valid(properties: &Map<String, Value>, now: Timestamp) -> Option<Nobody> {
    if properties.get("active") == Some(&Value::Bool(false)) {
        return Some(Nobody::Inactive);
    }
    let expires_at = properties.get("exp")?.as_i64().map(Timestamp::from_unix_seconds)?;
    (expires_at <= now).then_some(Nobody::Expired)
}

fn principal(properties: Map<String, Value>, reading: &Reading) -> Result<UserinfoAnswer, &'static str> {
    let Some(id) = user_id(properties.get(&reading.user_id_key))? else {
        return Ok(UserinfoAnswer::Nobody(Nobody::NoUserId));
    };
    let groups = match properties.get("groups") {
        Some(Value::String(text)) if reading.groups_as_text => split_groups(text),
        other => names(other).ok_or("groups is not a list of strings")?,
    };
    let permissions = permissions(&properties, reading)?;
    Ok(UserinfoAnswer::Known(Principal { id, groups, permissions, properties }))
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
pub(super) fn permissions(
    properties: &Map<String, Value>,
    reading: &Reading,
) -> Result<NameSet, &'static str> {
    let value = reading.permissions_key.as_ref().and_then(|key| properties.get(key));
    names(value).ok_or("permissions is not a list of strings")
}

/// A comma-separated list, as in `miausergroups`; some gateways put a blank after the comma.
pub(super) fn split_groups(text: &str) -> NameSet {
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
        }
    }

    /// One word for what a 200 with this JSON body says.
    fn of_body(body: &str) -> String {
        of(&Received {
            status: 200,
            content_type: Some(b"Application/JSON; charset=utf-8"),
            retry_after: None,
            body: body.as_bytes(),
        })
    }

    fn of(received: &Received<'_>) -> String {
        match read(received, &reading(false), NOW) {
            UserinfoAnswer::Known(principal) => format!(
                "{} {:?} {:?}",
                principal.id,
                principal.groups.iter().collect::<Vec<_>>(),
                principal.permissions.iter().collect::<Vec<_>>()
            ),
            UserinfoAnswer::Nobody(why) => format!("{why:?}"),
            UserinfoAnswer::Unknown(failure) => failure.cause.word().to_owned(),
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
        let body = br#"{"sub":"u","groups":"a, b"}"#;
        let UserinfoAnswer::Known(principal) = describe(body, &reading(true), NOW) else { panic!() };
        assert_eq!(principal.groups.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn g_ui_01_g_ui_05_g_ui_06_g_ui_07_statuses_and_content_types() {
        let of = |status, content_type: Option<&str>, body: &str| {
            let content_type = content_type.map(str::as_bytes);
            of(&Received { status, content_type, retry_after: None, body: body.as_bytes() })
        };
        let (json, user) = (Some("application/json"), r#"{"sub":"u"}"#);
        assert_eq!(of(200, json, user), "u [] []");
        for content_type in [None, Some("text/html"), Some("application/jsonp"), Some("application/jwt")] {
            assert_eq!(of(200, content_type, user), "invalid");
        }
        assert_eq!(of(200, None, ""), "EmptyBody");
        assert_eq!(of(401, json, user), "Unauthorized");
        assert_eq!(of(403, json, user), "Forbidden");
        assert_eq!(of(400, json, user), "Malformed");
        for status in [201, 202, 204, 206, 301, 302, 304, 307, 404, 405, 429, 500, 502, 503] {
            assert_eq!(of(status, json, user), "status", "{status}");
        }
    }

    #[test]
    fn g_ui_07_retry_after_of_a_429_is_kept_if_it_is_a_number() {
        for (text, expected) in
            [("7", Some(7)), ("0", Some(1)), ("999999", Some(86_400)), ("Fri, 31 Dec", None)]
        {
            let received =
                Received { status: 429, content_type: None, retry_after: Some(text.as_bytes()), body: b"" };
            let UserinfoAnswer::Unknown(failure) = read(&received, &reading(false), NOW) else { panic!() };
            assert_eq!(failure.retry_after, expected);
        }
    }
}
