//! Status routes (upstream contract §8): outside `SERVICE_PREFIX`, unlogged, the same in every service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;

/// Who answers, and whether it wants traffic.
#[derive(Debug, Clone)]
pub struct Status {
    name: &'static str,
    version: String,
    stopping: Arc<AtomicBool>,
}

/// Body of a status answer, members in this order.
#[derive(Debug, Serialize)]
struct StatusBody<'status> {
    status: &'static str,
    name: &'static str,
    version: &'status str,
}

impl Status {
    /// The status of a service that is starting.
    #[must_use]
    pub fn new(name: &'static str, version: impl Into<String>) -> Self {
        Self { name, version: version.into(), stopping: Arc::default() }
    }

    /// From now on `/-/ready` answers 503, so that no new traffic is sent here; everything else goes on.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Mounts `/-/healthz`, `/-/ready` and `/-/check-up`.
    pub fn routes(&self, config: &mut ServiceConfig) {
        for path in ["/-/healthz", "/-/check-up"] {
            let status = self.clone();
            config.service(web::resource(path).route(web::get().to(move || answer(status.clone(), true))));
        }
        let status = self.clone();
        config.service(web::resource("/-/ready").route(web::get().to(move || {
            let ready = !status.stopping.load(Ordering::Relaxed);
            answer(status.clone(), ready)
        })));
    }
}

async fn answer(status: Status, well: bool) -> HttpResponse {
    let (code, word) = if well { (StatusCode::OK, "OK") } else { (StatusCode::SERVICE_UNAVAILABLE, "KO") };
    HttpResponse::build(code).json(StatusBody { status: word, name: status.name, version: &status.version })
}
