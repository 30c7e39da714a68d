//! The request the gateway asks about: its raw target and verb, from the one configured source (architecture
//! decision 11). There is no fallback from one source to another: what the gateway does not set, a client could. Two
//! values are a refusal, equal or not: one of them may be the client's (G-HDR-08, G-METH-06, G-METH-07).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use common::headers;
use serde::Deserialize;

use crate::decide::question::{OriginalRequest, Unclear};

/// `ORIGINAL_REQUEST_FROM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Headers,
    Path,
    XForwarded,
}

static ORIGINAL_REQUEST_URI: HeaderName = HeaderName::from_static(headers::ORIGINAL_REQUEST_URI);
static ORIGINAL_REQUEST_METHOD: HeaderName = HeaderName::from_static(headers::ORIGINAL_REQUEST_METHOD);
static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

impl Source {
    /// Reads the original request; `below_auth` is what follows `/auth` in the target of the call, raw.
    pub(crate) fn read<'request>(
        self,
        request: &'request HttpRequest,
        below_auth: &'request str,
    ) -> Result<OriginalRequest<'request>, Unclear> {
        let headers = request.headers();
        let (target, method) = match self {
            Self::Headers => {
                (target_from(headers, &ORIGINAL_REQUEST_URI)?, only_value(headers, &ORIGINAL_REQUEST_METHOD)?)
            }
            Self::XForwarded => {
                (target_from(headers, &X_FORWARDED_URI)?, only_value(headers, &X_FORWARDED_METHOD)?)
            }
            Self::Path if below_auth.is_empty() => return Err(Unclear::Missing),
            Self::Path => (below_auth.as_bytes(), request.method().as_str().as_bytes()),
        };
        OriginalRequest::new(method, target)
    }
}

fn only_value<'request>(headers: &'request HeaderMap, name: &HeaderName) -> Result<&'request [u8], Unclear> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(Unclear::Repeated),
        (None, _) => Err(Unclear::Missing),
    }
}

/// Something in between may have joined two values with a comma: a second path begins after one.
fn target_from<'request>(headers: &'request HeaderMap, name: &HeaderName) -> Result<&'request [u8], Unclear> {
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
        assert_eq!(Ok(original), OriginalRequest::new(b"DELETE", b"/a//b/%2e%2e?x=/y,/z"));
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
        assert_eq!(Ok(original), OriginalRequest::new(b"PATCH", b"/admin?x"));
        assert_eq!(Source::Path.read(&request, "").unwrap_err(), Unclear::Missing);
        assert_eq!(Source::XForwarded.read(&request, "/admin").unwrap_err(), Unclear::Missing);
    }

    #[test]
    fn g_hdr_09_x_forwarded_headers_count_only_where_they_are_the_source() {
        let request = request(&[("X-Forwarded-Uri", "/a?b"), ("X-Forwarded-Method", "PUT")]);
        let original = Source::XForwarded.read(&request, "").unwrap();
        assert_eq!(Ok(original), OriginalRequest::new(b"PUT", b"/a?b"));
        assert_eq!(Source::Headers.read(&request, "").unwrap_err(), Unclear::Missing);
    }
}
