//! `GET /.well-known/jwks.json` (RFC 7517 §5, upstream contract §1.5).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use credentials::key::PublicKey;
use serde::Serialize;

use super::CACHE;
use crate::Deps;

#[derive(Serialize)]
struct KeySet<'keys> {
    keys: Vec<&'keys PublicKey>,
}

/// Answers the public keys of all replicas, in ascending order of `kid`.
pub async fn get(deps: Data<Deps>) -> HttpResponse {
    let keys = &deps.signing_keys;
    // Without the store, the keys we know are still right: they verify every token we issue.
    let known = keys.refreshed(&*deps.clock).await.unwrap_or_else(|_| {
        deps.metrics.store_errors.inc();
        keys.known()
    });
    HttpResponse::Ok().insert_header((CACHE_CONTROL, CACHE)).json(KeySet { keys: known.public().collect() })
}
