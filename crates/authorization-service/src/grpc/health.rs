//! `grpc.health.v1`: what `/-/ready` says, for those who ask over gRPC (Envoy's `grpc_health_check`, Kubernetes' `grpc`
//! probes). `Watch` is not offered: it would hold a call open for ever, and both ask again by themselves.

use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use futures_util::stream;
use service_kit::status::Status as Readiness;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::Checks;

#[derive(Debug)]
pub(super) struct FollowsReadiness(pub(super) Readiness);

#[tonic::async_trait]
impl Health for FollowsReadiness {
    /// The server as a whole has the empty name.
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !service.is_empty() && service != AuthorizationServer::<Checks>::NAME {
            return Err(Status::not_found("there is no such service"));
        }
        let status = if self.0.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again with Check"))
    }
}
