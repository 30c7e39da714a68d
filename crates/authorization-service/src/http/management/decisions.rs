//! `GET /decisions/{id}`: why a request was denied.

use actix_web::{HttpRequest, HttpResponse};
use common::ErrorBody;

use crate::decide::DecisionPoint;
use crate::record::explained;
use crate::record::id::DecisionId;

pub(super) const PATH: &str = "/decisions/{id}";

pub(super) fn get(request: &HttpRequest, point: &DecisionPoint) -> HttpResponse {
    let id = request.match_info().get("id").and_then(DecisionId::parse);
    let kept = id.and_then(|id| point.recorder.denials.as_ref()?.find(id));
    let Some(kept) = kept else {
        let sentence = "No denial with this id is remembered: it may be another replica's, or too old.";
        return HttpResponse::NotFound().json(ErrorBody::new(404, "not_found", sentence));
    };
    HttpResponse::Ok().json(explained::denial(&kept, point.rules.file()))
}
