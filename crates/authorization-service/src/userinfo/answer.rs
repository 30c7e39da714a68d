//! What a userinfo answer says (upstream contract §3.2, conformance §3.4). Only a 200 may describe somebody, as
//! [`principal`] reads it; whatever is not plainly "nobody" is "cannot know". No network here.

use common::{Principal, Timestamp};
use principal::{NoPrincipal, Reading};

use super::{Cause, Failure, Nobody, UserinfoAnswer};

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
        200 => principal::of_json(received.body, reading, now).into(),
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

impl From<Result<Principal, NoPrincipal>> for UserinfoAnswer {
    fn from(described: Result<Principal, NoPrincipal>) -> Self {
        match described {
            Ok(principal) => Self::Known(principal),
            Err(NoPrincipal::NoUserId) => Self::Nobody(Nobody::NoUserId),
            Err(NoPrincipal::Inactive) => Self::Nobody(Nobody::Inactive),
            Err(NoPrincipal::Expired) => Self::Nobody(Nobody::Expired),
            Err(NoPrincipal::Malformed(what)) => Cause::Malformed(what).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn reading() -> Reading {
        Reading {
            user_id_key: "sub".to_owned(),
            permissions_key: None,
            groups_as_text: false,
            properties_to_proxy: Vec::new(),
        }
    }

    /// One word for what an answer says.
    fn of(received: &Received<'_>) -> String {
        let reading = reading();
        match read(received, &reading, NOW) {
            UserinfoAnswer::Known(principal) => principal.id,
            UserinfoAnswer::Nobody(why) => format!("{why:?}"),
            UserinfoAnswer::Unknown(failure) => failure.cause.word().to_owned(),
        }
    }

    #[test]
    fn what_a_200_describes() {
        for (body, expected) in [
            (r#"{"sub":"u"}"#, "u"),
            ("{}", "NoUserId"),
            (r#"{"sub":"u","active":false}"#, "Inactive"),
            (r#"{"sub":"u","exp":1}"#, "Expired"),
            (r#"{"sub":"u","groups":"admin"}"#, "invalid"),
        ] {
            let content_type = Some(b"Application/JSON; charset=utf-8".as_slice());
            let received = Received { status: 200, content_type, retry_after: None, body: body.as_bytes() };
            assert_eq!(of(&received), expected, "{body}");
        }
    }

    #[test]
    fn g_ui_01_g_ui_05_g_ui_06_g_ui_07_statuses_and_content_types() {
        let of = |status, content_type: Option<&str>, body: &str| {
            let content_type = content_type.map(str::as_bytes);
            of(&Received { status, content_type, retry_after: None, body: body.as_bytes() })
        };
        let (json, user) = (Some("application/json"), r#"{"sub":"u"}"#);
        assert_eq!(of(200, json, user), "u");
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
        let reading = reading();
        for (text, expected) in
            [("7", Some(7)), ("0", Some(1)), ("999999", Some(86_400)), ("Fri, 31 Dec", None)]
        {
            let received =
                Received { status: 429, content_type: None, retry_after: Some(text.as_bytes()), body: b"" };
            let UserinfoAnswer::Unknown(failure) = read(&received, &reading, NOW) else { panic!() };
            assert_eq!(failure.retry_after, expected);
        }
    }
}
