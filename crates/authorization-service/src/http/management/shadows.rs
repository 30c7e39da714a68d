//! `GET /shadows`: requests of which a rule and its shadow expression said different things.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::decide::DecisionPoint;
use crate::record::explained;

pub(super) const PATH: &str = "/shadows";

/// Once an answer has so many bytes, it takes no more differences: those of long expressions are 40 KiB each, and to explain them keeps the
/// listener from answering others.
const ENOUGH: usize = 1 << 20;

pub(super) fn get(_: &HttpRequest, point: &DecisionPoint) -> HttpResponse {
    let kept =
        point.recorder.differences.as_ref().map(|differences| differences.newest()).unwrap_or_default();
    let mut differences: Vec<Value> = Vec::new();
    let mut length: usize = 0;
    for difference in kept.iter().map(explained::difference) {
        length = length.saturating_add(difference.to_string().len());
        differences.push(difference);
        if length >= ENOUGH {
            break;
        }
    }
    let left_out = kept.len().saturating_sub(differences.len());
    HttpResponse::Ok().json(json!({ "differences": differences, "leftOut": left_out }))
}
