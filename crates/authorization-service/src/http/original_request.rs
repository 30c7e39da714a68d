//! The request the gateway asks about: its raw target and verb, from the one configured source (architecture
//! decision 11). There is no fallback from one source to another: what the gateway does not set, a client could. Two
//! values are a refusal, equal or not: one of them may be the client's (G-HDR-08, G-METH-06, G-METH-07).

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use serde::Deserialize;
use service_kit::is_token_byte;

/// `ORIGINAL_REQUEST_FROM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Headers,
    Path,
    XForwarded,
}

/// What the gateway's client asked for. Nothing in it is decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OriginalRequest<'request> {
    /// Path and query.
    pub(crate) target: &'request [u8],
    pub(crate) method: &'request [u8],
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

/// The most of a target that a log shows, in bytes (T-LOG-01).
const MAX_LOGGED: usize = 256;

impl OriginalRequest<'_> {
    /// Verb and path for the log; the query stays out of it, and bytes that are no text show as such.
    pub(crate) fn loggable(&self) -> String {
        let path = self.target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        let path = path.get(..MAX_LOGGED).unwrap_or(path);
        format!("{} {}", String::from_utf8_lossy(self.method), String::from_utf8_lossy(path))
    }
}

impl Source {
    /// Reads the original request; `below_auth` is what follows `/auth` in the target of the call, raw.
    pub(crate) fn read<'request>(
        self,
        request: &'request HttpRequest,
        below_auth: &'request str,
    ) -> Result<OriginalRequest<'request>, Unclear> {
        let headers = request.headers();
        let original = match self {
            Self::Headers => OriginalRequest {
                target: target_from(headers, common::headers::ORIGINAL_REQUEST_URI)?,
                method: only_value(headers, common::headers::ORIGINAL_REQUEST_METHOD)?,
            },
            Self::XForwarded => OriginalRequest {
                target: target_from(headers, "x-forwarded-uri")?,
                method: only_value(headers, "x-forwarded-method")?,
            },
            Self::Path if below_auth.is_empty() => return Err(Unclear::Missing),
            Self::Path => OriginalRequest {
                target: below_auth.as_bytes(),
                method: request.method().as_str().as_bytes(),
            },
        };
        if original.method.is_empty() || !original.method.iter().copied().all(is_token_byte) {
            return Err(Unclear::BadMethod);
        }
        Ok(original)
    }
}

fn only_value<'request>(headers: &'request HeaderMap, name: &str) -> Result<&'request [u8], Unclear> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(Unclear::Repeated),
        (None, _) => Err(Unclear::Missing),
    }
}

/// Something in between may have joined two values with a comma: a second path begins after one.
fn target_from<'request>(headers: &'request HeaderMap, name: &str) -> Result<&'request [u8], Unclear> {
    let target = only_value(headers, name)?;
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let joined = path.windows(2).any(|pair| pair == b",/") || path.windows(3).any(|three| three == b", /");
    if joined { Err(Unclear::Repeated) } else { Ok(target) }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> HttpRequest {
        let request = TestRequest::default().method(Method::PATCH);
        headers.iter().fold(request, |request, header| request.append_header(*header)).to_http_request()
    }

    const URI: &str = "Original-Request-Uri";
    const METHOD: &str = "original-request-method";

    #[test]
    fn one_target_and_one_verb_are_taken_raw() {
        let request = request(&[(URI, "/a//b/%2e%2e?x=/y,/z"), (METHOD, "DELETE")]);
        let original = Source::Headers.read(&request, "/ignored").unwrap();
        assert_eq!(original, OriginalRequest { target: b"/a//b/%2e%2e?x=/y,/z", method: b"DELETE" });
    }

    #[test]
    fn g_hdr_08_g_meth_06_g_meth_07_anything_but_one_of_each_is_refused() {
        let rows: &[(&[(&'static str, &'static str)], Unclear)] = &[
            (&[], Unclear::Missing),
            (&[(URI, "/a")], Unclear::Missing),
            (&[(METHOD, "GET")], Unclear::Missing),
            (&[(URI, "/a"), (URI, "/a"), (METHOD, "GET")], Unclear::Repeated),
            (&[(URI, "/a"), (URI, "/b"), (METHOD, "GET")], Unclear::Repeated),
            (&[(URI, "/a,/b"), (METHOD, "GET")], Unclear::Repeated),
            (&[(URI, "/a, /b"), (METHOD, "GET")], Unclear::Repeated),
            (&[(URI, "/a"), (METHOD, "GET"), (METHOD, "GET")], Unclear::Repeated),
            (&[(URI, "/a"), (METHOD, "GET,POST")], Unclear::BadMethod),
            (&[(URI, "/a"), (METHOD, "GET POST")], Unclear::BadMethod),
            (&[(URI, "/a"), (METHOD, "GET ")], Unclear::BadMethod),
            (&[(URI, "/a"), (METHOD, "")], Unclear::BadMethod),
        ];
        for (headers, expected) in rows {
            assert_eq!(Source::Headers.read(&request(headers), "/x").unwrap_err(), *expected, "{headers:?}");
        }
    }

    #[test]
    fn k_15_the_path_counts_only_where_it_is_the_source() {
        let request = request(&[(URI, "/public"), (METHOD, "GET")]);
        let original = Source::Path.read(&request, "/admin?x").unwrap();
        assert_eq!(original, OriginalRequest { target: b"/admin?x", method: b"PATCH" });
        assert_eq!(Source::Path.read(&request, "").unwrap_err(), Unclear::Missing);
        assert_eq!(Source::XForwarded.read(&request, "/admin").unwrap_err(), Unclear::Missing);
    }

    #[test]
    fn g_hdr_09_x_forwarded_headers_count_only_where_they_are_the_source() {
        let request = request(&[("X-Forwarded-Uri", "/a?b"), ("X-Forwarded-Method", "PUT")]);
        let original = Source::XForwarded.read(&request, "").unwrap();
        assert_eq!(original, OriginalRequest { target: b"/a?b", method: b"PUT" });
        assert_eq!(Source::Headers.read(&request, "").unwrap_err(), Unclear::Missing);
    }
}
