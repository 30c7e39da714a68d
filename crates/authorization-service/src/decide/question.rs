//! What the decision is asked. A face (HTTP, gRPC) reads it from what the gateway sent; whatever is unclear stays
//! unclear here and is refused by the decision, not by the face.

use std::borrow::Cow;

use access_rules::Facts;
use service_kit::{HeaderName, is_token_byte};

use super::facts::ClientTypeUnclear;
use crate::userinfo::Presented;

/// May this request pass?
#[derive(Debug)]
pub(crate) struct Question<'request> {
    /// Whether it is our gateway that asks, as far as that is checked.
    pub(crate) from_gateway: bool,
    pub(crate) original: Result<OriginalRequest<'request>, Unclear>,
    pub(crate) facts: Result<Facts<'request>, ClientTypeUnclear>,
    pub(crate) presented: Presented,
    /// Whether the request has an `Authorization` header, presented to userinfo or not.
    pub(crate) has_token: bool,
}

/// What the gateway's client asked for. Nothing in it is decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OriginalRequest<'request> {
    /// Path and query.
    target: &'request [u8],
    method: &'request [u8],
}

/// Why there is no original request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("the gateway did not say which request it asks about")]
    Missing,
    #[error("the gateway named more than one request")]
    Repeated,
    #[error("the verb of the original request is malformed")]
    BadMethod,
}

/// The headers of a request, as they came through a face.
pub(crate) trait RequestHeaders {
    /// Every value of the header with this name, in the order they came.
    fn values<'this>(&'this self, name: &HeaderName) -> impl Iterator<Item = &'this [u8]>;

    /// Whether several headers of one name may have become one value, joined with commas.
    fn may_be_joined(&self) -> bool {
        false
    }
}

/// The most of a target that a log shows, in bytes (T-LOG-01).
const MAX_LOGGED: usize = 256;

impl<'request> OriginalRequest<'request> {
    /// The request with this raw path and query, and this verb.
    ///
    /// # Errors
    /// [`Unclear::BadMethod`] if the verb is not one token (G-METH-07).
    pub(crate) fn new(method: &'request [u8], target: &'request [u8]) -> Result<Self, Unclear> {
        if method.is_empty() || !method.iter().copied().all(is_token_byte) {
            return Err(Unclear::BadMethod);
        }
        Ok(Self { target, method })
    }

    /// As the rules see it.
    pub(crate) const fn with<'this>(&'this self, facts: Facts<'this>) -> access_rules::Request<'this> {
        access_rules::Request { method: self.method, target: self.target, facts }
    }

    /// Verb and path for the log; the query stays out of it, and bytes that are no text show as such.
    pub(crate) fn loggable(&self) -> String {
        format!("{} {}", String::from_utf8_lossy(self.method), self.path_text(MAX_LOGGED))
    }

    /// The verb as a text, at most so many bytes of it.
    pub(crate) fn method_text(&self, max: usize) -> Cow<'request, str> {
        String::from_utf8_lossy(self.method.get(..max).unwrap_or(self.method))
    }

    /// The path without its query as a text, at most so many bytes of it; bytes that are no text show as such.
    pub(crate) fn path_text(&self, max: usize) -> Cow<'request, str> {
        let path = self.target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        String::from_utf8_lossy(path.get(..max).unwrap_or(path))
    }
}

impl<'request> Question<'request> {
    /// Verb and path as [`OriginalRequest`] shows them; empty if the gateway did not say which request it asks about.
    pub(crate) fn texts(&self, max: usize) -> (Cow<'request, str>, Cow<'request, str>) {
        match &self.original {
            Ok(original) => (original.method_text(max), original.path_text(max)),
            Err(_) => Default::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use service_kit::HeaderName;

    use super::RequestHeaders;

    /// Headers of a test: names in lower case, and values.
    impl RequestHeaders for Vec<(String, Vec<u8>)> {
        fn values<'this>(&'this self, name: &HeaderName) -> impl Iterator<Item = &'this [u8]> {
            self.iter().filter(move |(other, _)| other == name.as_str()).map(|(_, value)| value.as_slice())
        }
    }

    /// One header with these values.
    pub(crate) fn header(name: &str, values: &[&str]) -> Vec<(String, Vec<u8>)> {
        values.iter().map(|value| (name.to_owned(), value.as_bytes().to_vec())).collect()
    }
}
