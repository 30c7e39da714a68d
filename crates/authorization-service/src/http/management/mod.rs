//! What operators and their tools may ask, on a listener of its own. No decisions are made here, and nothing can be
//! changed.

mod rules;

use std::future::ready;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use service_kit::metrics;
use service_kit::status::Status;

use super::auth::nothing_here;
use crate::decide::DecisionPoint;

/// The routes of the management listener. Those without a token have nothing secret to read.
pub(crate) fn routes(
    status: Status,
    decisions: Arc<DecisionPoint>,
) -> impl Fn(&mut ServiceConfig) + Send + Clone + 'static {
    move |config| {
        status.routes(config);
        let page = Arc::clone(&decisions);
        let page = web::get().to(move || {
            page.principals.measure();
            ready(page.metrics.page())
        });
        config.service(web::resource(metrics::PATH).route(page));
        let rules = Arc::clone(&decisions.rules);
        config.service(web::resource(rules::PATH).route(web::get().to(move || ready(rules::get(&rules)))));
        config.default_service(web::to(|| ready(nothing_here())));
    }
}
