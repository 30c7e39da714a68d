//! What is counted, for Prometheus (every metric: `docs/metrics.md`). Labels are words of fixed lists or of the
//! operator's own files: nothing that a caller sends becomes one, so no caller can make the page grow. The page belongs
//! on a management listener, never on the public one (T-OPS-01).

use std::fmt;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use common::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

/// Where the page is served.
pub const PATH: &str = "/-/metrics";

/// Fixed names with words of fixed lists.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters of one name, told apart by labels. Asking for one allocates only the first time.
pub type Counters<S> = Family<S, Counter>;

/// Gauges of one name, told apart by labels.
pub type Gauges<S> = Family<S, Gauge>;

/// Of the text that [`MetricRegistry::page`] answers.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets of every duration, in seconds. Both services answer within a millisecond when nothing is in
/// their way; the upper half shows what is.
const BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The metrics of a process: what every service has, and what it adds.
pub struct MetricRegistry {
    registry: Registry,
    http: HttpMetrics,
    spans: SpanMetrics,
}

impl MetricRegistry {
    /// With the metrics that every service has.
    #[must_use]
    pub fn new(service: &'static str, version: &str, started: Timestamp) -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("service", service.to_owned()), ("version", version.to_owned())]);
        registry.register("gettone_build", "Which service this is, and of which version", build);
        let start_time = Gauge::<f64, AtomicU64>::default();
        start_time.set(Duration::from_millis(started.unix_millis().unsigned_abs()).as_secs_f64());
        let help = "When the process started, since the Unix epoch";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, start_time);
        let http = HttpMetrics::register(&mut registry);
        let spans = SpanMetrics::register(&mut registry);
        Self { registry, http, spans }
    }

    /// A counter from 0. `_total` is added to its name.
    pub fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    /// Counters with labels. `_total` is added to their name. Those of `known` labels are shown from the start, at 0,
    /// so that a rate sees their first event too.
    pub fn counters<S>(&mut self, name: &str, help: &str, known: impl IntoIterator<Item = S>) -> Counters<S>
    where
        S: EncodeLabelSet + Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    {
        let counters = Counters::default();
        for labels in known {
            drop(counters.get_or_create(&labels));
        }
        self.add(name, help, counters)
    }

    /// Numbers with labels that go up and down, from 0. Those of `known` labels are shown from the start.
    pub fn gauges<S>(&mut self, name: &str, help: &str, known: impl IntoIterator<Item = S>) -> Gauges<S>
    where
        S: EncodeLabelSet + Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
    {
        let gauges = Gauges::default();
        for labels in known {
            drop(gauges.get_or_create(&labels));
        }
        self.add(name, help, gauges)
    }

    /// A number that goes up and down, from 0.
    pub fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.add(name, help, Gauge::default())
    }

    /// How old something is, or how long it will last, in whole seconds. `_seconds` is added to its name.
    pub fn gauge_of_seconds(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        gauge
    }

    /// How long something takes. `_seconds` is added to its name.
    pub fn durations(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = durations();
        self.registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }

    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        metric
    }

    /// What [`crate::server::serve`] counts requests with.
    #[must_use]
    pub fn http(&self) -> HttpMetrics {
        self.http.clone()
    }

    /// What [`crate::traces::Traces::start`] counts spans with.
    #[must_use]
    pub fn spans(&self) -> SpanMetrics {
        self.spans.clone()
    }

    /// Writes every metric as OpenMetrics 1.0 text.
    ///
    /// # Errors
    /// Those of `page`.
    pub fn write(&self, page: &mut String) -> fmt::Result {
        text::encode(page, &self.registry)
    }

    /// The page that Prometheus reads, as OpenMetrics 1.0 text.
    #[must_use]
    pub fn page(&self) -> HttpResponse {
        let mut page = String::new();
        if self.write(&mut page).is_err() {
            // Only a label that writes itself could fail, and ours are texts.
            return HttpResponse::InternalServerError().finish();
        }
        HttpResponse::Ok().insert_header((header::CONTENT_TYPE, CONTENT_TYPE)).body(page)
    }
}

fn durations() -> Histogram {
    Histogram::new(BUCKETS)
}

/// The route of a request, as the service's documentation writes it. A resource has it as `app_data`; a handler that
/// chooses by itself puts it into the extensions. A request without one counts as `other`.
#[derive(Debug, Clone, Copy)]
pub struct Route(pub &'static str);

/// Requests and how long they took.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Counters<RequestLabels>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    malformed: Counters<Labels<1>>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

impl HttpMetrics {
    fn register(registry: &mut Registry) -> Self {
        let this = Self {
            requests: Counters::default(),
            durations: Family::new_with_constructor(durations as fn() -> Histogram),
            malformed: Counters::default(),
        };
        let help = "Answered requests, without the status routes";
        registry.register("http_server_requests", help, this.requests.clone());
        let help = "From the head of a request to the head of its answer";
        let durations = this.durations.clone();
        registry.register_with_unit("http_server_request_duration", help, Unit::Seconds, durations);
        let help = "Requests refused before they were read, and their connections closed";
        registry.register("http_server_malformed_requests", help, this.malformed.clone());
        for reason in ["head_too_large", "head_malformed", "head_too_slow", "chunks_malformed", "unreadable"]
        {
            drop(this.malformed.get_or_create(&[("reason", reason)]));
        }
        this
    }

    /// Counts a request that is none.
    pub(crate) fn malformed(&self, reason: &'static str) {
        self.malformed.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: &'static str, method: &'static str, status: u16, took: Duration) {
        let labels = RequestLabels { route, method, status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
    }
}

pub(crate) fn route_of(request: &HttpRequest) -> &'static str {
    let chosen = request.extensions().get::<Route>().copied();
    chosen.or_else(|| request.app_data::<Route>().copied()).map_or("other", |route| route.0)
}

/// What became of the spans of finished requests.
#[derive(Debug, Clone)]
pub struct SpanMetrics {
    pub(crate) exported: Counter,
    pub(crate) failed: Counter,
    pub(crate) dropped: Counter,
}

impl SpanMetrics {
    fn register(registry: &mut Registry) -> Self {
        let spans = Counters::<Labels<1>>::default();
        let help = "Spans of traces, by what became of them";
        registry.register("trace_spans", help, spans.clone());
        let of = |outcome| spans.get_or_create_owned(&[("outcome", outcome)]);
        Self { exported: of("exported"), failed: of("failed"), dropped: of("dropped") }
    }
}

/// A caller may invent verbs.
pub(crate) fn word_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

impl fmt::Debug for MetricRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MetricRegistry(..)")
    }
}
