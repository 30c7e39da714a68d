//! What operators and their tools may ask, on a listener of its own. No decisions are made here, and nothing can be
//! changed. What tells of callers wants the management token; metrics and the state of the rules do not.

mod decisions;
mod rules;
mod shadows;

use std::future::ready;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use common::ErrorBody;
use service_kit::metrics;
use service_kit::status::Status;
use subtle::ConstantTimeEq;

use super::auth::nothing_here;
use crate::config::LongSecret;
use crate::decide::DecisionPoint;

/// The routes of the management listener.
pub(crate) fn routes(
    status: Status,
    decisions: Arc<DecisionPoint>,
    token: Option<LongSecret>,
) -> impl Fn(&mut ServiceConfig) + Send + Clone + 'static {
    let token = token.map(Arc::new);
    move |config| {
        status.routes(config);
        let point = Arc::clone(&decisions);
        let page = web::get().to(move || {
            point.principals.measure();
            ready(point.metrics.page())
        });
        config.service(web::resource(metrics::PATH).route(page));
        let point = Arc::clone(&decisions);
        let rules = web::get().to(move || ready(rules::get(&point.rules)));
        config.service(web::resource(rules::PATH).route(rules));
        let guarded = |answer: fn(&HttpRequest, &DecisionPoint) -> HttpResponse| {
            let (point, token) = (Arc::clone(&decisions), token.clone());
            web::get().to(move |request: HttpRequest| {
                let refused = refusal(token.as_deref(), request.headers());
                ready(refused.unwrap_or_else(|| answer(&request, &point)))
            })
        };
        for (path, answer) in
            [(decisions::PATH, guarded(decisions::get)), (shadows::PATH, guarded(shadows::get))]
        {
            config.service(web::resource(path).app_data(metrics::Route(path)).route(answer));
        }
        config.default_service(web::to(|| ready(nothing_here())));
    }
}

/// The answer to a request that does not carry the management token, compared in constant time.
fn refusal(token: Option<&LongSecret>, headers: &HeaderMap) -> Option<HttpResponse> {
    let Some(token) = token else {
        let sentence = "Decisions are shown to nobody as long as MANAGEMENT_TOKEN is not set.";
        return Some(HttpResponse::Forbidden().json(ErrorBody::new(403, "access_denied", sentence)));
    };
    let mut values = headers.get_all(header::AUTHORIZATION);
    let presented = match (values.next(), values.next()) {
        (Some(value), None) => value.as_bytes(),
        _ => &[],
    };
    let presented = match presented.split_at_checked("Bearer ".len()) {
        Some((scheme, presented)) if scheme.eq_ignore_ascii_case(b"Bearer ") => presented,
        _ => &[],
    };
    if presented.ct_eq(token.0.expose().as_bytes()).into() {
        return None;
    }
    let sentence = "Send the management token: Authorization: Bearer TOKEN.";
    let answer = HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="gettone-management""#))
        .json(ErrorBody::new(401, "unauthorized", sentence));
    Some(answer)
}
