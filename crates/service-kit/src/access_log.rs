//! One line for each request, when it is answered (upstream contract §8; every field: `docs/logging.md`), and one count
//! of it. Handlers add what they know with [`annotate`]; nothing else about a request is logged elsewhere.

use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};

use crate::metrics::HttpMetrics;
use crate::request_id;

/// What a handler knows about its request beyond what HTTP shows.
#[derive(Debug, Default)]
pub struct Annotations {
    pub client_id: Option<String>,
    /// `allow` or `deny`.
    pub decision: Option<&'static str>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Why it was refused: a word of a fixed list.
    pub reason: Option<&'static str>,
    /// What went wrong inside, for us. Never shown to the caller, never a secret.
    pub error: Option<String>,
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
        http.request.userAgent.original = header(request.request(), "user-agent"),
        url.path = loggable_target(request.uri()),
        "incoming request"
    );
    let response = next.call(request).await?;
    completed(&response, &id, started);
    Ok(response)
}

fn completed(response: &ServiceResponse<impl MessageBody>, id: &str, started: Instant) {
    let (request, took) = (response.request(), started.elapsed());
    if let Some(metrics) = request.app_data::<HttpMetrics>() {
        metrics.answered(request, response.status().as_u16(), took);
    }
    let noted = request.extensions_mut().remove::<Annotations>().unwrap_or_default();
    let bytes = match response.response().body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    };
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                reqId = id,
                http.request.method = request.method().as_str(),
                http.request.userAgent.original = header(request, "user-agent"),
                http.response.statusCode = response.status().as_u16(),
                http.response.body.bytes = bytes,
                url.path = loggable_target(request.uri()),
                host.hostname = header(request, "host").map(without_port),
                host.forwardedHost = header(request, "x-forwarded-host"),
                host.ip = header(request, "x-forwarded-for"),
                responseTime = took.as_secs_f64() * 1000.0,
                client.id = noted.client_id,
                decision.outcome = noted.decision,
                decision.rule = noted.rule,
                decision.reason = noted.reason,
                error.message = noted.error,
                "request completed"
            )
        };
    }
    if response.status().is_server_error() { log!(error) } else { log!(info) }
}

fn header<'request>(request: &'request HttpRequest, name: &str) -> Option<&'request str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
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
fn loggable_target(uri: &actix_web::http::Uri) -> String {
    let query = uri.query().map(|query| {
        let names = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or_else(|| "*".to_owned(), |(name, _)| format!("{name}=*")));
        format!("?{}", names.collect::<Vec<_>>().join("&"))
    });
    format!("{}{}", uri.path(), query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{loggable_target, without_port};

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
}
