//! The gRPC face: Envoy's ext_authz (`envoy.service.auth.v3.Authorization`), on a listener of its own. It reads the
//! question from what Envoy itself says about the request, never from headers that a client could send, and gives the
//! answers of the HTTP face. Only this module knows gRPC.

mod answer;
mod calls;
mod health;
mod original;
mod server;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use service_kit::HeaderName;
use service_kit::access_log::{Annotations, Answered, Call};
use service_kit::metrics::HttpMetrics;
use service_kit::server::Running;
use service_kit::status::Status as Readiness;
use service_kit::traces::Traces;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::answer::Answers;
use crate::decide::DecisionPoint;
use crate::decide::question::RequestHeaders;
use calls::Calls;
use original::Original;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Everything a call needs.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) decision_point: Arc<DecisionPoint>,
    pub(crate) answers: Answers,
    pub(crate) metrics: HttpMetrics,
    pub(crate) traces: Traces,
}

/// What calls may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Checks on their way at a time, over all connections.
    pub(crate) at_a_time: usize,
    /// A call that is not answered by then has failed.
    pub(crate) time: Duration,
}

/// Serves calls on `listener` until told to stop. Health is that of `readiness`.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn serve(
    listener: TcpListener,
    checks: Checks,
    readiness: Readiness,
    limits: Limits,
) -> io::Result<Running> {
    server::serve(listener, Calls::new(checks, readiness, limits.at_a_time), limits.time)
}

#[tonic::async_trait]
impl Authorization for Checks {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let original = Original::of(&message);
        let header = |name: &str| original.only_text(name);
        let call = Call { route: CHECK, header: &header, metrics: &self.metrics, traces: &self.traces };
        Ok(Response::new(call.around(self.decide(&original, &metadata)).await))
    }
}

impl Checks {
    async fn decide(&self, original: &Original<'_>, metadata: &MetadataMap) -> (CheckResponse, Answered) {
        let request = original.request();
        let question = self.decision_point.question(request, original, metadata);
        let verdict = self.decision_point.decide(&question).await;
        let mut noted = Annotations::default();
        verdict.annotate(&mut noted);
        let answer = self.answers.of(&verdict);
        let bytes = answer.body.as_ref().map_or(0, String::len) as u64;
        let answered = Answered { status: answer.status, bytes: Some(bytes), noted };
        let to_remove = original.smuggled(self.decision_point.gateway_headers());
        (answer::response(answer, &verdict, to_remove), answered)
    }
}

/// What the gateway proves itself with is in the metadata of the call: `initial_metadata` in Envoy's configuration.
impl RequestHeaders for MetadataMap {
    fn values<'this>(&'this self, name: &HeaderName) -> impl Iterator<Item = &'this [u8]> {
        self.as_ref().get_all(name.as_str()).iter().map(|value| value.as_bytes())
    }
}
