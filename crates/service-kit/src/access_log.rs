//! One line for each request, when it is answered (upstream contract §8; every field: `docs/logging.md`), and one count
//! of it. Handlers add what they know with [`annotate`]; nothing else about a request is logged elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};
use opentelemetry::KeyValue;
use tracing::Level;

use crate::access_line::{AccessLine, Outcome};
use crate::logging;
use crate::metrics::{HttpMetrics, route_of, word_of};
use crate::request_id::{self, RequestId};
use crate::traces::{OnlyValue, RequestSpan, Traces};

/// What a caller sends is cut to this many bytes: a caller must not write our log full (T-LOG-01, T-LOG-03).
const MAX_SENT_TEXT: usize = 256;

/// What a handler knows about its request beyond what HTTP shows.
#[derive(Debug, Default)]
pub struct Annotations {
    pub client_id: Option<String>,
    /// The client that an operator does something to.
    pub target_client: Option<String>,
    /// The request that a decision is about: verb and path.
    pub asked: Option<String>,
    /// What a denial is asked about by.
    pub decision_id: Option<String>,
    /// `allow` or `deny`.
    pub decision: Option<&'static str>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Why it was refused: a word of a fixed list.
    pub reason: Option<&'static str>,
    /// What went wrong inside, for us. Never shown to the caller, never a secret.
    pub error: Option<String>,
    /// The audit event of the request, if it has one.
    pub audit: Option<Audited>,
}

/// What the line of a request says about its audit event.
#[derive(Debug)]
pub struct Audited {
    pub id: String,
    pub action: &'static str,
    pub actor: String,
    pub subject: Option<String>,
}

/// Adds to the line of this request.
pub fn annotate(request: &HttpRequest, change: impl FnOnce(&mut Annotations)) {
    let mut extensions = request.extensions_mut();
    if extensions.get::<Annotations>().is_none() {
        extensions.insert(Annotations::default());
    }
    if let Some(annotations) = extensions.get_mut::<Annotations>() {
        change(annotations);
    }
}

/// The middleware. Status routes (`/-/…`) are neither logged nor counted.
///
/// # Errors
/// Those of the service it wraps.
pub async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.path().starts_with("/-/") {
        return next.call(request).await;
    }
    let started = Instant::now();
    let id = request_id::of(request.headers());
    tracing::trace!(
        reqId = id,
        http.request.method = request.method().as_str(),
        http.request.userAgent.original = header(request.request(), &header::USER_AGENT),
        url.path = &*loggable_target(request.uri()),
        "incoming request"
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = request.app_data::<Traces>().and_then(|traces| traces.request(&request));
    let response = match &span {
        Some(span) => span.around(next.call(request)).await?,
        None => next.call(request).await?,
    };
    completed(&response, &id, started, span);
    Ok(response)
}

fn completed(
    response: &ServiceResponse<impl MessageBody>,
    id: &str,
    started: Instant,
    span: Option<RequestSpan>,
) {
    let request = response.request();
    let bytes = match response.response().body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    };
    let noted = request.extensions_mut().remove::<Annotations>().unwrap_or_default();
    let asked = Asked {
        id,
        method: request.method().as_str(),
        method_word: word_of(request.method()),
        route: route_of(request),
        path: request.uri().path(),
        target: loggable_target(request.uri()),
        host: hostname(request),
        forwarded_host: header(request, &header::X_FORWARDED_HOST),
        ip: header(request, &header::X_FORWARDED_FOR),
        user_agent: header(request, &header::USER_AGENT),
    };
    let answered = Answered { status: response.status().as_u16(), bytes, noted };
    write(&asked, answered, started.elapsed(), request.app_data::<HttpMetrics>(), span);
}

/// A call that comes through another door than [`crate::server::serve`], for instance gRPC.
#[derive(Clone, Copy)]
pub struct Call<'call> {
    /// What is called: its route in metrics, its path in the line.
    pub route: &'static str,
    /// The value of a header that the call is about, if there is exactly one and it is a text.
    pub header: &'call OnlyValue<'call>,
    pub metrics: &'call HttpMetrics,
    pub traces: &'call Traces,
}

/// What a call was answered.
#[derive(Debug)]
pub struct Answered {
    /// As HTTP would have it.
    pub status: u16,
    /// Of the body.
    pub bytes: Option<u64>,
    pub noted: Annotations,
}

impl Call<'_> {
    /// Does `work`, which answers the call: with its line, its count and its span, like a request over HTTP.
    pub async fn around<T>(self, work: impl Future<Output = (T, Answered)>) -> T {
        let started = Instant::now();
        let id = request_id::kept_or_new((self.header)(common::headers::X_REQUEST_ID));
        let span = self.traces.call(self.header);
        let (answer, answered) = match &span {
            Some(span) => span.around(work).await,
            None => work.await,
        };
        let text = |name| (self.header)(name).map(cut);
        let asked = Asked {
            id: &id,
            method: "POST",
            method_word: "POST",
            route: self.route,
            path: self.route,
            target: self.route.into(),
            host: text("host").map(without_port),
            forwarded_host: text("x-forwarded-host"),
            ip: text("x-forwarded-for"),
            user_agent: text("user-agent"),
        };
        write(&asked, answered, started.elapsed(), Some(self.metrics), span);
        answer
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Call").field(&self.route).finish()
    }
}

/// A request, as its line and its span show it.
pub(crate) struct Asked<'request> {
    pub(crate) id: &'request str,
    pub(crate) method: &'request str,
    pub(crate) method_word: &'static str,
    pub(crate) route: &'static str,
    pub(crate) path: &'request str,
    /// The path, and the names of the query.
    pub(crate) target: Cow<'request, str>,
    pub(crate) host: Option<&'request str>,
    pub(crate) forwarded_host: Option<&'request str>,
    pub(crate) ip: Option<&'request str>,
    pub(crate) user_agent: Option<&'request str>,
}

fn write(
    asked: &Asked<'_>,
    answered: Answered,
    took: Duration,
    metrics: Option<&HttpMetrics>,
    span: Option<RequestSpan>,
) {
    let Answered { status, bytes, noted } = answered;
    if let Some(metrics) = metrics {
        metrics.answered(asked.route, asked.method_word, status, took);
    }
    let ids = span.as_ref().map(RequestSpan::ids);
    if let Some(span) = span.filter(RequestSpan::is_recorded) {
        let name = format!("{} {}", asked.method_word, asked.route);
        span.end(name, status, attributes(asked, status, &noted));
    }
    let level = if status >= 500 { Level::ERROR } else { Level::INFO };
    let outcome = Outcome { status, bytes, milliseconds: took.as_secs_f64() * 1000.0 };
    let ids = ids.as_ref().map(|(trace, span)| (trace.as_str(), span.as_str()));
    logging::write(level, |time| {
        AccessLine::new(logging::number_of(level), time, asked, outcome, &noted, ids)
    });
}

/// What a span tells about its request: the semantic conventions of OpenTelemetry for HTTP, and what the line tells.
fn attributes(asked: &Asked<'_>, status: u16, noted: &Annotations) -> Vec<KeyValue> {
    let method = match asked.method_word {
        "other" => "_OTHER",
        word => word,
    };
    let texts = [
        ("server.address", asked.host),
        ("user_agent.original", asked.user_agent),
        ("client.id", noted.client_id.as_deref()),
        ("decision.outcome", noted.decision),
        ("decision.request", noted.asked.as_deref()),
        ("decision.rule", noted.rule.as_deref()),
        ("decision.reason", noted.reason),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some(KeyValue::new(name, text?.to_owned())));
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", asked.route),
        KeyValue::new("http.response.status_code", i64::from(status)),
        KeyValue::new("url.path", cut(asked.path).to_owned()),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("request.id", asked.id.to_owned()),
    ];
    attributes.extend(texts);
    attributes
}

fn header<'request>(request: &'request HttpRequest, name: &HeaderName) -> Option<&'request str> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(cut)
}

/// The host that the request names, without its port. `X-Forwarded-Host`, which any caller may send, has a field of its
/// own.
fn hostname(request: &HttpRequest) -> Option<&str> {
    let host = request.uri().authority().map(|authority| cut(authority.as_str()));
    host.or_else(|| header(request, &header::HOST)).map(without_port)
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_SENT_TEXT)).unwrap_or_default()
}

/// The host of a `Host` header; the colons of an IPv6 address are inside its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The target with the names of its query and without their values: a token in a query must not reach a log
/// (C-6749-05, C-6750-07).
fn loggable_target(uri: &actix_web::http::Uri) -> Cow<'_, str> {
    let Some(query) = uri.query() else { return cut(uri.path()).into() };
    let names = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or_else(|| "*".to_owned(), |(name, _)| format!("{name}=*")));
    let target = format!("{}?{}", uri.path(), names.collect::<Vec<_>>().join("&"));
    cut(&target).to_owned().into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn contract_8_the_hostname_is_the_host_without_its_port() {
        for (host, name) in [
            ("auth.example", "auth.example"),
            ("auth.example:3000", "auth.example"),
            ("[::1]:3000", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name, "{host}");
        }
    }

    #[test]
    fn c_6750_07_query_values_are_not_logged() {
        let target = "/oauth/token?client_secret=hunter2&hunter3&x=".parse().unwrap();
        assert_eq!(loggable_target(&target), "/oauth/token?client_secret=*&*&x=*");
    }

    #[test]
    fn contract_8_the_host_is_that_of_the_request_without_its_port() {
        for (host, expected) in [
            ("api.example", "api.example"),
            ("api.example:8080", "api.example"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let request = TestRequest::get()
                .insert_header(("host", host))
                .insert_header(("x-forwarded-host", "evil.example"))
                .insert_header(("forwarded", "host=evil.example"))
                .to_http_request();
            assert_eq!(hostname(&request), Some(expected));
        }
        assert_eq!(hostname(&TestRequest::get().to_http_request()), None);
    }

    #[test]
    fn t_log_01_what_a_caller_sends_is_cut() {
        let long = "x".repeat(6_000);
        let request = TestRequest::get()
            .uri(&format!("/{long}?{long}=1"))
            .insert_header(("host", long.as_str()))
            .insert_header(("user-agent", long.as_str()))
            .to_http_request();
        for text in [
            &*loggable_target(request.uri()),
            hostname(&request).unwrap(),
            header(&request, &header::USER_AGENT).unwrap(),
        ] {
            assert_eq!(text.len(), MAX_SENT_TEXT);
        }
    }
}
