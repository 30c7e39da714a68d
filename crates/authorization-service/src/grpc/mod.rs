//! The gRPC face: Envoy's ext_authz (`envoy.service.auth.v3.Authorization`), on a listener of its own. It reads the
//! question from what Envoy itself says about the request, never from headers that a client could send, and gives the
//! answers of the HTTP face. Only this module knows gRPC.

mod answer;
mod original;
mod server;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{Authorization, CheckRequest, CheckResponse};
use service_kit::access_log::{Annotations, Answered, Call};
use service_kit::metrics::HttpMetrics;
use service_kit::traces::Traces;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::answer::Answers;
use crate::decide::DecisionPoint;
use crate::decide::question::RequestHeaders;
use original::Original;
pub(crate) use server::serve;
use service_kit::HeaderName;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Everything a call needs.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) decision_point: Arc<DecisionPoint>,
    pub(crate) answers: Answers,
    pub(crate) metrics: HttpMetrics,
    pub(crate) traces: Traces,
    /// A call that is not answered by then has failed.
    pub(crate) time: Duration,
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
