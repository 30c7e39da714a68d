//! `GET /shadows`: requests of which a rule and its shadow expression said different things.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::decide::DecisionPoint;
use crate::record::explained;

pub(super) const PATH: &str = "/shadows";

pub(super) fn get(_: &HttpRequest, point: &DecisionPoint) -> HttpResponse {
    let kept =
        point.recorder.differences.as_ref().map(|differences| differences.newest()).unwrap_or_default();
    let differences: Vec<Value> = kept.iter().map(explained::difference).collect();
    HttpResponse::Ok().json(json!({ "differences": differences }))
}
