//! What stands between a request and the collector: a queue with an end. A span that finds it full is dropped and counted,
//! so that neither a request nor the memory ever waits for a collector.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use crate::metrics::SpanMetrics;

/// Spans that wait to be exported.
pub(super) const MAX_WAITING: usize = 2048;
/// Between two warnings about a collector that takes nothing.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The spans in the queue, and what became of all others.
#[derive(Debug)]
pub(super) struct Waiting {
    number: AtomicUsize,
    metrics: SpanMetrics,
    warned: Mutex<Option<Instant>>,
}

impl Waiting {
    pub(super) fn new(metrics: SpanMetrics) -> Self {
        Self { number: AtomicUsize::new(0), metrics, warned: Mutex::new(None) }
    }

    fn enter(&self) -> bool {
        let entered = self.number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
            (number < MAX_WAITING).then(|| number.saturating_add(1))
        });
        if entered.is_err() {
            self.metrics.dropped.inc();
        }
        entered.is_ok()
    }

    fn left(&self, spans: usize) {
        self.number.fetch_sub(spans, Ordering::Relaxed);
    }

    fn exported(&self, spans: usize, outcome: &OTelSdkResult) {
        let Err(error) = outcome else {
            self.metrics.exported.inc_by(spans as u64);
            return;
        };
        self.metrics.failed.inc_by(spans as u64);
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| now.duration_since(last) >= WARN_EVERY) {
            *warned = Some(now);
            tracing::warn!(error.message = %error, "traces are lost: the collector did not take them");
        }
    }
}

/// The SDK's batches behind an entrance of ours: theirs drops as well, but tells nobody how much.
#[derive(Debug)]
pub(super) struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<Waiting>,
}

impl Bounded {
    pub(super) fn new(batches: BatchSpanProcessor, waiting: Arc<Waiting>) -> Self {
        Self { batches, waiting }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.waiting.enter() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what an exporter does.
#[derive(Debug)]
pub(super) struct CountedExporter<E> {
    exporter: E,
    waiting: Arc<Waiting>,
}

impl<E> CountedExporter<E> {
    pub(super) fn new(exporter: E, waiting: Arc<Waiting>) -> Self {
        Self { exporter, waiting }
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.left(spans);
        let outcome = self.exporter.export(batch).await;
        self.waiting.exported(spans, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
