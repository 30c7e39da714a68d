//! The door of the management listener: a bearer token, compared in constant time.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use credentials::audit::Actor;
use subtle::ConstantTimeEq;

use super::audit;
use super::bearer::{self, BearerDefect};
use super::error::respond;
use crate::Deps;

/// Lets a request with the management token pass, and answers every other one.
pub(super) async fn require(
    deps: Data<Deps>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match check(&request, &deps) {
        Ok(()) => {
            audit::acting(request.request(), Actor::Bootstrap);
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(defect) => {
            let response = respond(request.request(), &deps, Err(defect.into()));
            Ok(request.into_response(response))
        }
    }
}

fn check(request: &ServiceRequest, deps: &Deps) -> Result<(), BearerDefect> {
    let token = bearer::token(request.headers())?;
    let expected = deps.bootstrap_token.expose().as_bytes();
    if token.as_bytes().ct_eq(expected).into() { Ok(()) } else { Err(BearerDefect::Wrong) }
}
