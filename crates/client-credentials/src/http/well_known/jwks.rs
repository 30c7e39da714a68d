//! `GET /.well-known/jwks.json` (RFC 7517 §5, upstream contract §1.5).

use actix_web::http::header::{CACHE_CONTROL, ContentType, ETAG};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use service_kit::etag;

use super::CACHE;
use crate::Deps;

/// Answers the public keys of all replicas that sign, will sign, or have signed tokens that are still good, in ascending
/// order of `kid`; 304 to those who have them already.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let keys = &deps.signing_keys;
    // Without the store, the keys we know are still right: they verify every token we issue.
    let known = keys.refreshed(&*deps.clock).await.unwrap_or_else(|_| {
        deps.metrics.store_errors.inc();
        keys.known(deps.clock.now())
    });
    let has = etag::caller_has(&request, &known.etag);
    let mut response = if has { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, CACHE)).insert_header((ETAG, known.etag.as_str()));
    if has {
        return response.finish();
    }
    response.content_type(ContentType::json()).body(known.key_set.clone())
}
