//! The request that Envoy asks about: verb and target as Envoy sends them on, and the headers of the client as they are
//! after the filters before ours. With `encode_raw_headers` every header comes for itself; without, those of one name
//! come joined.

use common::headers::{MIA_ALLOWED, MIA_GROUPS, MIA_USERID, MIA_USERPROPERTIES};
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use service_kit::HeaderName;

use crate::decide::question::{OriginalRequest, RequestHeaders, Unclear};

/// See the module.
#[derive(Debug)]
pub(super) struct Original<'call> {
    http: Option<&'call HttpRequest>,
    /// Names as they came.
    headers: Vec<(&'call str, &'call [u8])>,
    joined: bool,
}

/// What services or we take for the word of a gateway, without the signs between letters: CGI-like services read
/// `mia_userid` as they read `mia-userid` (G-HDR-03), and the platform writes both `miauserid` and `mia-userid`.
const WORDS_OF_GATEWAYS: [&str; 12] = [
    "miaallowed",
    "miauserid",
    "miagroups",
    "miausergroups",
    "miauserproperties",
    "clienttype",
    "isbackoffice",
    "aclrows",
    "aclreadcolumns",
    "originalrequesturi",
    "originalrequestmethod",
    "xgettonepeer",
];

const OVERWRITTEN: [&str; 4] = [MIA_ALLOWED, MIA_USERID, MIA_GROUPS, MIA_USERPROPERTIES];

impl<'call> Original<'call> {
    pub(super) fn of(message: &'call CheckRequest) -> Self {
        let attributes = message.attributes.as_ref();
        let http = attributes.and_then(|attributes| attributes.request.as_ref()?.http.as_ref());
        let raw = http.and_then(|http| http.header_map.as_ref());
        let headers = match (raw, http) {
            (Some(raw), _) => raw
                .headers
                .iter()
                .map(|header| match header.raw_value.as_slice() {
                    [] => (header.key.as_str(), header.value.as_bytes()),
                    raw => (header.key.as_str(), raw),
                })
                .collect(),
            (None, Some(http)) => {
                http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
            }
            (None, None) => Vec::new(),
        };
        Self { http, headers, joined: raw.is_none() }
    }

    /// Path and verb are Envoy's. What a client says about them in headers is not looked at (G-HDR-07, G-HDR-09).
    pub(super) fn request(&self) -> Result<OriginalRequest<'call>, Unclear> {
        let http = self.http.ok_or(Unclear::Missing)?;
        if http.path.is_empty() || http.method.is_empty() {
            return Err(Unclear::Missing);
        }
        OriginalRequest::new(http.method.as_bytes(), http.path.as_bytes())
    }

    /// The value of a header, if there is exactly one and it is a text.
    pub(super) fn only_text(&self, name: &str) -> Option<&'call str> {
        if name == "host" {
            return self.http.map(|http| http.host.as_str());
        }
        let mut values = self.named(name);
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        std::str::from_utf8(value).ok()
    }

    /// The headers that no service may see: what only a gateway may say, in any spelling but the one that is overwritten by
    /// us or set by the gateway.
    pub(super) fn smuggled<'name>(&self, gateway: impl Iterator<Item = &'name HeaderName>) -> Vec<String> {
        let gateway: Vec<_> = gateway.map(HeaderName::as_str).collect();
        let gateways_words: Vec<_> = gateway.iter().map(|name| letters(name)).collect();
        let is_smuggled = |name: &str| {
            let word = letters(name);
            let is_word = WORDS_OF_GATEWAYS.contains(&word.as_str()) || gateways_words.contains(&word);
            is_word && !OVERWRITTEN.contains(&name) && !gateway.contains(&name)
        };
        let names = self.headers.iter().filter(|(name, _)| !name.starts_with(':'));
        let mut smuggled: Vec<_> =
            names.map(|(name, _)| name.to_ascii_lowercase()).filter(|name| is_smuggled(name)).collect();
        smuggled.sort_unstable();
        smuggled.dedup();
        smuggled
    }

    fn named<'this>(&'this self, name: &str) -> impl Iterator<Item = &'call [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

impl RequestHeaders for Original<'_> {
    fn values<'this>(&'this self, name: &HeaderName) -> impl Iterator<Item = &'this [u8]> {
        self.named(name.as_str())
    }

    fn may_be_joined(&self) -> bool {
        self.joined
    }
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}
