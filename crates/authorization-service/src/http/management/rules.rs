//! `GET /-/rules`: which rules are in force, and whether the file holds others that cannot be used.

use actix_web::HttpResponse;
use common::Clock;
use service_kit::SystemClock;

use crate::rules_source::LiveRules;

pub(super) const PATH: &str = "/-/rules";

pub(super) fn get(rules: &LiveRules) -> HttpResponse {
    HttpResponse::Ok().json(rules.status(SystemClock.now()))
}
