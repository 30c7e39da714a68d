//! Which service a call is for, and whether there is room for it. A call that finds none is refused before its message is
//! read: what waits must not fill the memory, and Envoy takes the refusal for "cannot know".

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use service_kit::access_log::{Annotations, Answered, Call};
use service_kit::metrics::HttpMetrics;
use service_kit::status::Status as Readiness;
use service_kit::traces::Traces;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic_health::pb::health_server::{HealthServer, SERVICE_NAME as HEALTH};

use super::health::FollowsReadiness;
use super::{CHECK, Checks};

/// The headers of a request, and what Envoy says around them. Envoy's own limit is 60 KiB unless it is raised.
const MAX_MESSAGE: usize = 128 * 1024;
/// The name of a service, and what there is around it.
const MAX_HEALTH_MESSAGE: usize = 1024;

#[derive(Clone)]
pub(super) struct Calls {
    checks: AuthorizationServer<Checks>,
    health: HealthServer<FollowsReadiness>,
    /// One place for each check on its way, over all connections. Health has room always.
    room: Arc<Semaphore>,
    metrics: HttpMetrics,
    traces: Traces,
}

impl Calls {
    pub(super) fn new(checks: Checks, readiness: Readiness, at_a_time: usize) -> Self {
        Self {
            metrics: checks.metrics.clone(),
            traces: checks.traces.clone(),
            checks: AuthorizationServer::new(checks).max_decoding_message_size(MAX_MESSAGE),
            health: HealthServer::new(FollowsReadiness(readiness))
                .max_decoding_message_size(MAX_HEALTH_MESSAGE),
            room: Arc::new(Semaphore::new(at_a_time)),
        }
    }

    /// With its line and its count, like every call that is not answered.
    async fn refuse(self) -> http::Response<Body> {
        let header = |_: &str| None;
        let call = Call { route: CHECK, header: &header, metrics: &self.metrics, traces: &self.traces };
        let status = Status::unavailable("too many calls are on their way already");
        let error = Some(status.message().to_owned());
        let noted = Annotations { error, ..Annotations::default() };
        let refused = async { ((), Answered { status: 503, bytes: None, noted }) };
        call.around(refused).await;
        status.into_http()
    }
}

impl Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = request.uri().path().split('/').nth(1);
        if service == Some(HEALTH) {
            return self.health.call(request);
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            let refused = self.clone().refuse();
            return Box::pin(async { Ok(refused.await) });
        };
        let call = self.checks.call(request);
        Box::pin(async move {
            let answer = call.await;
            drop(place);
            answer
        })
    }
}
