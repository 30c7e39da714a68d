//! Headers of a request that go on to the crud-service, where one keeps the clients (upstream contract §2): it writes down
//! who changed what, and both logs tell of one request.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use common::headers::X_REQUEST_ID;
use service_kit::carried::{carried, carrying};
use service_kit::{HeaderName, request_id};

use crate::Deps;

/// Names and values, carried along with the work on the request.
#[derive(Clone, Default)]
struct PassedOn(Vec<(String, Vec<u8>)>);

/// Answers the request with its headers at hand.
pub(super) async fn carry<B: MessageBody + 'static>(
    deps: Data<Deps>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let headers = PassedOn(deps.passed_on.iter().flat_map(|name| values(&request, name)).collect());
    carrying(headers, next.call(request)).await
}

/// The headers of the request that is being answered. Where there is none, there are none.
pub(crate) fn of_current_request() -> Vec<(String, Vec<u8>)> {
    carried::<PassedOn>().unwrap_or_default().0
}

fn values(request: &ServiceRequest, name: &HeaderName) -> Vec<(String, Vec<u8>)> {
    let pair = |value: &[u8]| (name.as_str().to_owned(), value.to_owned());
    if name.as_str() == X_REQUEST_ID {
        // The one in our log, if the caller sent another or none.
        return request_id::current(request.request()).iter().map(|id| pair(id.as_bytes())).collect();
    }
    request.headers().get_all(name.as_str()).map(|value| pair(value.as_bytes())).collect()
}
