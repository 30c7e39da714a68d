//! `GET /.well-known/openid-configuration` (upstream contract §1.6): the operator's file, unchanged.

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::Deps;
use crate::http::error::{Refusal, respond};

/// Answers the file of `OPENID_CONFIG_PATH`, or 404 if there is none.
pub async fn get(request: HttpRequest, deps: Data<Deps>) -> HttpResponse {
    let outcome = deps.openid_configuration.clone().ok_or(Refusal::NoSuchPath).map(|file| {
        HttpResponse::Ok()
            .content_type(ContentType::json())
            .insert_header((CACHE_CONTROL, "public, max-age=300"))
            .body(file)
    });
    respond(&request, &deps, outcome)
}
