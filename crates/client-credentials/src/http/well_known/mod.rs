//! What strangers may know about this service.

pub mod authorization_server;
mod discovery;
pub mod jwks;
pub mod openid_configuration;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::error::{Refusal, respond};
use crate::Deps;

pub use discovery::Discovery;

pub(super) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub(super) const JWKS: &str = "/.well-known/jwks.json";
pub(super) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// How long others may keep what is here. Those who meet an unknown `kid` ask again at once.
/// At most half of the time for which a key is published before it signs (C-7517-07).
pub(crate) const CACHE: &str = "public, max-age=300";

/// A document that is JSON already, or 404.
fn document(request: &HttpRequest, deps: &Deps, document: Option<&Bytes>) -> HttpResponse {
    let outcome = document.ok_or(Refusal::NoSuchPath).map(|document| {
        HttpResponse::Ok()
            .content_type(ContentType::json())
            .insert_header((CACHE_CONTROL, CACHE))
            .body(document.clone())
    });
    respond(request, deps, outcome)
}
