//! The door of the management listener: the bootstrap token, compared in constant time, or an access token of ours that
//! has the permission the route names.

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use credentials::audit::Actor;
use credentials::client::ClientId;
use service_kit::access_log::annotate;
use service_kit::metrics::Route;
use service_kit::to_the_end::to_the_end;
use subtle::ConstantTimeEq;

use super::audit;
use super::bearer::{self, BearerDefect};
use super::error::{Refusal, respond};
use super::{Endpoint, MANAGEMENT};
use crate::Deps;
use crate::administer_clients::Operator;
use crate::describe_token;

/// A good token, but without the permission that the route wants (RFC 6750 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token has not the permission {0}")]
pub(super) struct MissingPermission(pub(super) &'static str);

/// Lets a request with a good token pass, and answers every other one.
pub(super) async fn require(
    deps: Data<Deps>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match check(&request, &deps).await {
        // No operator keeps a change out of the audit log by leaving before its end.
        Ok(()) => to_the_end(next.call(request)).await.map(ServiceResponse::map_into_boxed_body),
        Err(refusal) => {
            let response = respond(request.request(), &deps, Err(refusal));
            Ok(request.into_response(response))
        }
    }
}

async fn check(request: &ServiceRequest, deps: &Deps) -> Result<(), Refusal> {
    let token = bearer::token(request.headers())?;
    let bootstrap = deps.bootstrap_token.expose().as_bytes();
    if token.as_bytes().ct_eq(bootstrap).into() {
        audit::acting(request.request(), Actor::Bootstrap);
        request.extensions_mut().insert(Operator::Bootstrap);
        return Ok(());
    }
    let claims = describe_token::run(deps, token).await?;
    let id = ClientId::parse(&claims.sub).map_err(|_| BearerDefect::Wrong)?;
    annotate(request.request(), |line| line.client_id = Some(claims.sub.clone()));
    let wanted = wanted_permission(request);
    if !claims.permissions.iter().any(|permission| permission == wanted) {
        return Err(MissingPermission(wanted).into());
    }
    audit::acting(request.request(), Actor::Client { id });
    let operator = Operator::Client { permissions: claims.permissions.clone() };
    request.extensions_mut().insert(operator);
    // For answers that go on for longer than the token may.
    request.extensions_mut().insert(claims);
    Ok(())
}

/// The permission that the endpoint names. A method that the path does not answer wants that of the first it does.
fn wanted_permission(request: &ServiceRequest) -> &'static str {
    let path = request.app_data::<Route>().map(|route| route.0);
    let of_path = || MANAGEMENT.iter().filter(|endpoint| Some(endpoint.path) == path);
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let endpoint = of_path().find(|endpoint| endpoint.method == *method).or_else(|| of_path().next());
    endpoint.map_or(NOBODY, |endpoint: &Endpoint| endpoint.permission)
}

/// The empty text is nobody's permission: no route is without one.
const NOBODY: &str = "";
