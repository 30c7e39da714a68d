//! Which headers of a request go on to the crud-service (upstream contract §2).

use serde::Deserialize;
use service_kit::{HeaderName, HeaderNames};

/// Those that always do.
const ALWAYS: [&str; 5] =
    ["request-id", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
/// Those that never do: they hold credentials of a client, describe our own call, or are orders that a crud-service takes
/// from whoever calls it (contract §7.3).
const NEVER: [&str; 19] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "content-encoding",
    "acl_rows",
    "acl_read_columns",
];

/// Headers that may go on.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "HeaderNames")]
pub struct PassedOn(pub Vec<HeaderName>);

/// One such header.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "HeaderName")]
pub struct PassedOnHeader(pub HeaderName);

impl PassedOn {
    /// These, the user's id, and those that always go on; each once.
    pub(super) fn with(self, user_id: PassedOnHeader) -> Self {
        let always = ALWAYS.into_iter().filter_map(HeaderName::parse);
        let mut all = Vec::new();
        for name in always.chain([user_id.0]).chain(self.0) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        Self(all)
    }
}

fn may_go_on(name: &HeaderName) -> bool {
    !NEVER.contains(&name.as_str())
}

impl TryFrom<HeaderNames> for PassedOn {
    type Error = &'static str;

    fn try_from(names: HeaderNames) -> Result<Self, &'static str> {
        if names.0.iter().all(may_go_on) { Ok(Self(names.0)) } else { Err(REFUSED) }
    }
}

impl TryFrom<HeaderName> for PassedOnHeader {
    type Error = &'static str;

    fn try_from(name: HeaderName) -> Result<Self, &'static str> {
        if may_go_on(&name) { Ok(Self(name)) } else { Err(REFUSED) }
    }
}

const REFUSED: &str = "names a header that is never passed on: one with a credential, one of the call itself, or acl_rows or \
                       acl_read_columns";
