//! Status routes (upstream contract §8): outside `SERVICE_PREFIX`, unlogged, the same in every service. `/-/healthz` says
//! that the process runs, `/-/ready` that it wants traffic; neither asks anybody, so that a database that is away does
//! not take every replica out at once. `/-/check-up` asks what the service depends on: for people and dashboards.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, guard, http::StatusCode};
use serde::Serialize;

/// Whether what a service depends on answers now.
pub type CheckUp = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool>>> + Send + Sync>;

/// Who answers, and whether it wants traffic.
#[derive(Clone)]
pub struct Status {
    name: &'static str,
    version: String,
    warming_up: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    check_up: Option<CheckUp>,
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
        let version = version.into();
        Self { name, version, warming_up: Arc::default(), stopping: Arc::default(), check_up: None }
    }

    /// With a service that depends on something.
    #[must_use]
    pub fn with_check_up(mut self, check_up: CheckUp) -> Self {
        self.check_up = Some(check_up);
        self
    }

    /// `/-/ready` answers 503 until [`Self::warm`]: it runs, but does not know yet what it needs to answer well.
    pub fn warming_up(&self) {
        self.warming_up.store(true, Ordering::Relaxed);
    }

    /// From now on it wants traffic.
    pub fn warm(&self) {
        self.warming_up.store(false, Ordering::Relaxed);
    }

    /// From now on `/-/ready` answers 503, so that no new traffic is sent here; everything else goes on.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to stop: answers that do not end by themselves should end now.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What `/-/ready` says.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && !self.warming_up.load(Ordering::Relaxed)
    }

    /// Mounts `/-/healthz`, `/-/ready` and `/-/check-up`.
    pub fn routes(&self, config: &mut ServiceConfig) {
        let status = self.clone();
        config.service(web::resource("/-/healthz").route(get().to(move || answer(status.clone(), true))));
        let status = self.clone();
        config.service(web::resource("/-/check-up").route(get().to(move || check_up(status.clone()))));
        let status = self.clone();
        config.service(
            web::resource("/-/ready").route(get().to(move || answer(status.clone(), status.is_ready()))),
        );
    }
}

/// HEAD is answered like GET, without the body (RFC 9110 §9.3.2): some load balancers ask so.
fn get() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn check_up(status: Status) -> HttpResponse {
    let well = match &status.check_up {
        Some(check_up) => check_up().await,
        None => true,
    };
    answer(status, well).await
}

impl fmt::Debug for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Status({}, stopping: {})", self.name, self.stopping.load(Ordering::Relaxed))
    }
}

async fn answer(status: Status, well: bool) -> HttpResponse {
    let (code, word) = if well { (StatusCode::OK, "OK") } else { (StatusCode::SERVICE_UNAVAILABLE, "KO") };
    HttpResponse::build(code).json(StatusBody { status: word, name: status.name, version: &status.version })
}
