//! Traces by OpenTelemetry (`docs/tracing.md`): a span for each request, one for each slow step of it, sent to a collector
//! in batches. Without a collector nothing here is made, started or asked. A span carries what the access line carries,
//! and like it never a credential.

mod caller;
mod collector;
mod queue;
mod sampling;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{
    SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};

use crate::metrics::SpanMetrics;
use crate::service::StartError;
use collector::Collector;
use queue::{Bounded, CountedExporter, MAX_WAITING, Waiting};
use sampling::ServerSampler;

pub use caller::OnlyValue;
pub use settings::{OtlpEndpoint, Share, TraceSettings, TracesSampler};

/// Spans of one export.
const BATCH: usize = 512;
/// A batch that the collector does not take in this time is lost.
const EXPORT_TIME: Duration = Duration::from_secs(5);
/// What is left at shutdown is sent within this time, or lost.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// The traces of a process; the default makes none.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Running>>);

struct Running {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    trust_callers: bool,
}

impl Traces {
    /// Begins to make traces, if there is a collector to send them to. Must be called inside the runtime that serves.
    ///
    /// # Errors
    /// [`StartError`] if the collector can never be reached, for instance over TLS without root certificates.
    pub fn start(
        settings: Option<TraceSettings>,
        version: &str,
        metrics: SpanMetrics,
    ) -> Result<Self, StartError> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let wrong = |error: &dyn fmt::Display| {
            StartError::new(format!("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: {error}"))
        };
        let collector = Collector::new(&settings.endpoint, EXPORT_TIME).map_err(|error| wrong(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(settings.endpoint.traces())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIME)
            .build()
            .map_err(|error| wrong(&error))?;
        let waiting = Arc::new(Waiting::new(metrics));
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(settings.delay);
        let exporter = CountedExporter::new(exporter, Arc::clone(&waiting));
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
        let resource = Resource::builder()
            .with_service_name(settings.service_name)
            .with_attribute(KeyValue::new("service.version", version.to_owned()));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_sampler(ServerSampler::new(settings.sampler, settings.share, settings.trust_callers))
            .with_span_processor(Bounded::new(batches, waiting))
            .build();
        let tracer = provider.tracer("gettone");
        Ok(Self(Some(Arc::new(Running { provider, tracer, trust_callers: settings.trust_callers }))))
    }

    pub(crate) fn are_made(&self) -> bool {
        self.0.is_some()
    }

    /// The span of this request begins.
    pub(crate) fn request(&self, request: &ServiceRequest) -> Option<RequestSpan> {
        let headers = request.headers();
        self.call(&|name| caller::only_value(headers, name))
    }

    /// The span of a call with these headers begins.
    pub(crate) fn call(&self, header: &OnlyValue<'_>) -> Option<RequestSpan> {
        let running = self.0.as_ref()?;
        let parent = caller::context(header, running.trust_callers);
        // Its name is known with its route, when it is answered.
        let span = SpanBuilder::from_name("HTTP").with_kind(SpanKind::Server);
        let span = running.tracer.build_with_context(span, &parent);
        Some(RequestSpan(Context::new().with_value(CurrentTracer(running.tracer.clone())).with_span(span)))
    }

    /// Sends what is left, within a bounded time. To be called when the last request is answered.
    pub async fn stop(self) {
        let Some(running) = self.0 else { return };
        // Blocks its thread, and needs the runtime meanwhile.
        let flushed = tokio::task::spawn_blocking(move || running.provider.shutdown_with_timeout(FLUSH_TIME));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach the collector");
        }
    }
}

/// Who makes the children of the current span.
struct CurrentTracer(SdkTracer);

/// The span of a request on its way.
pub(crate) struct RequestSpan(Context);

impl RequestSpan {
    /// Does `work` inside the span.
    pub(crate) fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.with_context(self.0.clone())
    }

    /// The ids of the trace and of this span, for the log.
    pub(crate) fn ids(&self) -> (String, String) {
        let span = self.0.span();
        let context = span.span_context();
        (context.trace_id().to_string(), context.span_id().to_string())
    }

    /// Whether anything that is told to [`Self::end`] goes anywhere.
    pub(crate) fn is_recorded(&self) -> bool {
        self.0.span().is_recording()
    }

    /// The request is answered.
    pub(crate) fn end(self, name: String, status: u16, attributes: Vec<KeyValue>) {
        let span = self.0.span();
        span.update_name(name);
        span.set_attributes(attributes);
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Does a step of the request that is being answered, in a span of its own if the request is recorded. `name` is a word of
/// ours; of an error, only that there was one is told.
///
/// # Errors
/// Those of `work`.
pub async fn step<T, E>(name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let Some(request) = Parent::current() else { return work.await };
    let step = request.child(SpanBuilder::from_name(name).with_kind(SpanKind::Internal));
    let outcome = work.with_context(step.clone()).await;
    let span = step.span();
    if outcome.is_err() {
        span.set_status(Status::error(""));
    }
    span.end();
    outcome
}

/// The span that is current, if it is recorded: to take along into another task.
#[derive(Clone)]
pub struct Parent(Context);

impl Parent {
    /// Of the request that is being answered.
    #[must_use]
    pub fn current() -> Option<Self> {
        // Without traces there is no tracer, and nothing is cloned.
        let is_recorded = Context::map_current(|context| {
            context.get::<CurrentTracer>().is_some() && context.span().span_context().is_sampled()
        });
        is_recorded.then(|| Self(Context::current()))
    }

    fn child(&self, span: SpanBuilder) -> Context {
        let Some(CurrentTracer(tracer)) = self.0.get::<CurrentTracer>() else { return self.0.clone() };
        self.0.with_span(tracer.build_with_context(span, &self.0))
    }

    /// A GET of ours to another service begins.
    #[must_use]
    pub fn get(&self, host: &str, port: Option<u16>) -> OutgoingGet {
        let mut attributes = vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("server.address", host.to_owned()),
        ];
        attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        let span = SpanBuilder::from_name("GET").with_kind(SpanKind::Client).with_attributes(attributes);
        OutgoingGet(self.child(span))
    }
}

/// A GET on its way. Its span ends when this is dropped, if it was not ended before.
pub struct OutgoingGet(Context);

impl OutgoingGet {
    /// The header that tells the other service whose part it is (W3C Trace Context).
    #[must_use]
    pub fn traceparent(&self) -> String {
        let span = self.0.span();
        let context = span.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    /// Answered, or failed for the reason of that word.
    pub fn end(self, failure: Option<&'static str>) {
        let span = self.0.span();
        if let Some(word) = failure {
            span.set_attribute(KeyValue::new("error.type", word));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Traces").field(&self.are_made()).finish()
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parent(..)")
    }
}

impl fmt::Debug for OutgoingGet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OutgoingGet(..)")
    }
}

#[cfg(test)]
mod tests;
