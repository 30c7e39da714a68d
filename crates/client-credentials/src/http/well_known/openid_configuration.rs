//! `GET /.well-known/openid-configuration` (OpenID Connect Discovery §4, upstream contract §1.6).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::document;
use crate::Deps;

/// Answers the file of `OPENID_CONFIG_PATH` unchanged; without one the generated document, or 404 if the issuer is no
/// URL.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    document(&request, &deps, deps.discovery.openid_configuration.as_ref())
}
