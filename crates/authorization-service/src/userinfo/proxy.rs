//! Asks the userinfo endpoint (upstream contract §3.2): one GET with the headers that `HEADERS_TO_PROXY` names, one
//! deadline for everything, at most 256 KiB of answer. No redirects, no proxies, no retries, and no call while the
//! endpoint is in trouble ([`Breaker`]). Credentials pass through and are never logged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::Clock;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use service_kit::HeaderName;
use service_kit::metrics::Counter;
use service_kit::traces::Parent;
use url::Url;

use super::answer::{self, Received};
use super::breaker::Breaker;
use super::coalesce::{Coalesced, Key};
use super::download::{body_of, innermost};
use super::{Cause, Nobody, Presented, UserinfoAnswer};
use crate::metrics::UserinfoMetrics;
use principal::Reading;

/// Different calls on their way at one time.
const MAX_CALLS: usize = 1024;

/// W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// Headers that speak about the connection, the body or the form of the answer: those are ours to say (G-UI-13).
const NEVER_COPIED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header may be copied to the userinfo call.
pub(crate) fn may_be_copied(name: &HeaderName) -> bool {
    !NEVER_COPIED.contains(&name.as_str())
}

/// Where userinfo is asked.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) breaker: Arc<Breaker>,
}

/// The way to the userinfo endpoints.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) client: reqwest::Client,
    pub(crate) endpoint: Endpoint,
    /// Who is asked about backoffice requests; the same one if there is no other.
    pub(crate) backoffice: Endpoint,
    /// Only names that [`may_be_copied`].
    pub(crate) copied: Vec<HeaderName>,
    /// If there are any, a request without them is not asked about.
    pub(crate) credentials: Vec<HeaderName>,
    pub(crate) deadline: Duration,
    pub(crate) reading: Arc<Reading>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) calls: Calls,
    pub(crate) metrics: Arc<UserinfoMetrics>,
}

/// The calls to the endpoint that are on their way.
pub(crate) type Calls = Coalesced<UserinfoAnswer>;

/// No calls yet; `shared` counts who joins one.
pub(crate) fn no_calls(shared: Counter) -> Calls {
    Coalesced::new(MAX_CALLS).counting(shared)
}

impl Proxy {
    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        let also = self.credentials.iter().filter(|name| !self.copied.contains(name));
        self.copied.iter().chain(also).collect()
    }

    pub(super) async fn ask(&self, presented: &Presented, is_backoffice: bool) -> Arc<UserinfoAnswer> {
        if !self.credentials.is_empty() && !presented.has_any(&self.credentials) {
            return Arc::new(UserinfoAnswer::Nobody(Nobody::NotAsked));
        }
        let Endpoint { url, breaker } = if is_backoffice { &self.backoffice } else { &self.endpoint };
        let Some(mut headers) = self.copy(presented) else { return Arc::new(Cause::UnsendableHeader.into()) };
        let request = Parent::current();
        let tells_trace = request.is_some() && headers_of_a_trace_are_taken_out(&mut headers, &self.copied);
        let key = key(url, &headers);
        let call = Call {
            client: self.client.clone(),
            url: url.clone(),
            headers,
            deadline: self.deadline,
            clock: Arc::clone(&self.clock),
        };
        let call = Traced { call, request, tells_trace };
        let call = counted(call.run(Arc::clone(&self.reading)), Arc::clone(&self.metrics));
        let call = through(Arc::clone(breaker), call, Arc::clone(&self.metrics));
        let answer = self.calls.run(key, call).await;
        answer.unwrap_or_else(|_| {
            self.metrics.no_answer(&Cause::Overloaded);
            Arc::new(Cause::Overloaded.into())
        })
    }

    /// Whether a request shows the endpoint anything.
    pub(super) fn would_be_shown(&self, presented: &Presented) -> bool {
        presented.has_any(&self.copied)
    }

    /// The configured headers with all their values; `None` if one cannot be sent as it is.
    fn copy(&self, presented: &Presented) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for name in &self.copied {
            let copied = reqwest::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            for value in presented.values(name) {
                let mut value = HeaderValue::from_bytes(value).ok()?;
                value.set_sensitive(true);
                headers.append(copied.clone(), value);
            }
        }
        Some(headers)
    }
}

/// Where a request is recorded, its call tells its own place in the trace instead of the caller's, which is none that an
/// answer depends on. Whether it may tell at all, `HEADERS_TO_PROXY` says like of any header (upstream contract §3.2).
fn headers_of_a_trace_are_taken_out(headers: &mut HeaderMap, copied: &[HeaderName]) -> bool {
    headers.remove(TRACEPARENT);
    headers.remove("tracestate");
    copied.iter().any(|name| name.as_str() == TRACEPARENT)
}

fn key(url: &Url, headers: &HeaderMap) -> Key {
    let fields = headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    Key::of([b"GET".as_slice(), url.as_str().as_bytes()].into_iter().chain(fields))
}

/// Makes the call if the breaker lets it, and tells the breaker what became of it.
async fn through(
    breaker: Arc<Breaker>,
    call: impl Future<Output = UserinfoAnswer>,
    metrics: Arc<UserinfoMetrics>,
) -> UserinfoAnswer {
    let Ok(admitted) = breaker.admit(Instant::now()) else {
        metrics.no_answer(&Cause::CircuitOpen);
        return Cause::CircuitOpen.into();
    };
    let answer = call.await;
    let failed = matches!(&answer, UserinfoAnswer::Unknown(failure) if failure.cause.is_trouble());
    admitted.ended(failed, Instant::now());
    answer
}

async fn counted(
    call: impl Future<Output = UserinfoAnswer>,
    metrics: Arc<UserinfoMetrics>,
) -> UserinfoAnswer {
    let (_in_flight, started) = (metrics.begin(), Instant::now());
    let answer = call.await;
    metrics.ended(&answer, started.elapsed());
    answer
}

/// One call, with all it needs, so that it can outlive the request that started it.
struct Call {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    deadline: Duration,
    clock: Arc<dyn Clock>,
}

/// A call in a span of its own, if the request that starts it is recorded. Who joins it has none.
struct Traced {
    call: Call,
    request: Option<Parent>,
    tells_trace: bool,
}

impl Traced {
    async fn run(mut self, reading: Arc<Reading>) -> UserinfoAnswer {
        let Some(request) = self.request else { return self.call.run(reading).await };
        let url = &self.call.url;
        let span = request.get(url.host_str().unwrap_or_default(), url.port_or_known_default());
        if self.tells_trace
            && let Ok(place) = HeaderValue::from_str(&span.traceparent())
        {
            self.call.headers.insert(TRACEPARENT, place);
        }
        let answer = self.call.run(reading).await;
        span.end(match &answer {
            UserinfoAnswer::Unknown(failure) => Some(failure.cause.word()),
            UserinfoAnswer::Known(_) | UserinfoAnswer::Nobody(_) => None,
        });
        answer
    }
}

impl Call {
    async fn run(self, reading: Arc<Reading>) -> UserinfoAnswer {
        let exchange = tokio::time::timeout(self.deadline, self.exchange(&reading)).await;
        let answer = exchange.unwrap_or(Err(Cause::Deadline)).unwrap_or_else(UserinfoAnswer::from);
        match &answer {
            UserinfoAnswer::Unknown(failure) => tracing::error!(
                userinfo.failure = failure.cause.word(),
                error.message = %failure.cause,
                "userinfo did not say who the caller is"
            ),
            UserinfoAnswer::Nobody(why @ Nobody::NoUserId) => {
                tracing::error!(userinfo.failure = "no_user_id", error.message = %why, "userinfo described nobody");
            }
            UserinfoAnswer::Nobody(_) | UserinfoAnswer::Known(_) => {}
        }
        answer
    }

    async fn exchange(self, reading: &Reading) -> Result<UserinfoAnswer, Cause> {
        let request = self.client.get(self.url).headers(self.headers).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| Cause::Unreachable(innermost(&error)))?;
        let headers = std::mem::take(response.headers_mut());
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let content_type = match (types.next(), types.next()) {
            (Some(only), None) => Some(only.as_bytes()),
            _ => None,
        };
        let status = response.status().as_u16();
        // Only the body of a 200 means anything; an unread one closes the connection.
        let body = if status == 200 { body_of(&mut response).await? } else { Vec::new() };
        let retry_after = headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
        let received = Received { status, content_type, retry_after, body: &body };
        Ok(answer::read(&received, reading, self.clock.now()))
    }
}
