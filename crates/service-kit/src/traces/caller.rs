//! The place in a trace that a caller gives its request: `traceparent` (W3C Trace Context §3.2). Whatever is not exactly
//! one well-formed value begins a trace of its own.

use actix_web::http::header::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// `00`, 32 digits, 16 digits, two digits, and what joins them.
const LENGTH: usize = 55;
/// What W3C Trace Context §3.3.1.5 asks everybody to pass on.
const MAX_STATE: usize = 512;

/// The parent of the request's span. `header` gives the only value of a header, if there is just one. `tracestate` is for
/// whoever is trusted: it travels on to the collector.
pub(super) fn context(header: &OnlyValue<'_>, trusted: bool) -> Context {
    // Asked for by name, once each: no list of names is needed.
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Sent { header, trusted })
}

/// The value of a header, if there is exactly one and it is a text.
pub type OnlyValue<'request> = dyn Fn(&str) -> Option<&'request str> + Sync + 'request;

/// See [`OnlyValue`].
pub(super) fn only_value<'request>(headers: &'request HeaderMap, name: &str) -> Option<&'request str> {
    let mut values = headers.get_all(name);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}

struct Sent<'call, 'request> {
    header: &'call OnlyValue<'request>,
    trusted: bool,
}

impl Extractor for Sent<'_, '_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = (self.header)(name)?;
        match name {
            "traceparent" => is_parent(value).then_some(value),
            "tracestate" => (self.trusted && value.len() <= MAX_STATE).then_some(value),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// The SDK is lenient about lengths and signs. Later versions may append to what version 0 has (§3.2.4).
fn is_parent(value: &str) -> bool {
    let Some((known, rest)) = value.split_at_checked(LENGTH) else { return false };
    let mut lengths = known.split('-').map(str::len);
    let shaped = [2, 32, 16, 2].into_iter().all(|length| lengths.next() == Some(length));
    let digits = known.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    shaped && digits && (rest.is_empty() || (!known.starts_with("00") && rest.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use opentelemetry::trace::TraceContextExt as _;

    use super::{context, only_value};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_of(sent: &[&str]) -> Option<String> {
        let mut request = TestRequest::get();
        for value in sent {
            request = request.append_header(("traceparent", *value));
        }
        let request = request.to_http_request();
        let headers = request.headers();
        let context = context(&|name| only_value(headers, name), false);
        let id = context.span().span_context().clone();
        id.is_valid().then(|| id.trace_id().to_string())
    }

    #[test]
    fn one_well_formed_traceparent_is_taken() {
        let later = format!("cc{}-what-comes-later", &GOOD[2..]);
        for sent in [GOOD, &later, &GOOD.replace("-01", "-00")] {
            assert_eq!(trace_of(&[sent]).unwrap(), "0af7651916cd43dd8448eb211c80319c", "{sent}");
        }
    }

    #[test]
    fn anything_else_begins_a_trace_of_its_own() {
        let bad = [
            String::new(),
            "00".into(),
            GOOD.to_uppercase(),
            GOOD.replace("00-0af", "ff-0af"),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            GOOD.replace("b7ad6b7169203331", "0000000000000000"),
            GOOD.replace("0af", "+af"),
            GOOD.replace("-b7ad", "b-7ad"),
            format!("{GOOD}-more"),
            format!("{GOOD}{}", "0".repeat(8000)),
            "é".repeat(55),
        ];
        for sent in bad {
            assert_eq!(trace_of(&[&sent]), None, "{sent}");
        }
        assert_eq!(trace_of(&[GOOD, GOOD]), None, "two of them");
    }
}
