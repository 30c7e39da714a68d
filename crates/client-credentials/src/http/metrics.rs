//! `GET /-/metrics`, on the management listener alone and without a token: it shows neither secrets nor clients, and
//! what reads it can seldom be given a token for each place it reads.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::Deps;

/// Answers what was counted.
pub async fn get(deps: Data<Deps>) -> HttpResponse {
    deps.metrics.revocations(deps.revocations.extent());
    deps.metrics.signing_keys(deps.signing_keys.extent(deps.clock.now()));
    deps.metrics.page()
}
