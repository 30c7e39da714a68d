//! `GET /.well-known/oauth-authorization-server` (RFC 8414 §3).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::document;
use crate::Deps;

/// Answers the generated document, or 404 if the issuer is no URL.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    document(&request, &deps, deps.discovery.authorization_server.as_ref())
}
