//! Builds the service from its configuration, once, and runs it.

mod principals;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use common::Clock;
use service_kit::server::{self, Running};
use service_kit::status::Status;
use service_kit::traces::Traces;
use service_kit::{
    CommandFailure, HeaderName, Problems, Service, StartError, SystemClock, SystemRandom, Variable, Vars,
};

use crate::answer::Answers;
use crate::cli;
use crate::config::{Config, FailureStatus, LongSecret};
use crate::decide::DecisionPoint;
use crate::decide::facts::FactHeaders;
use crate::grpc::{self, Checks, Limits};
use crate::http::auth::{self, DecisionRoute};
use crate::http::management;
use crate::metrics::Metrics;
use crate::record::Recorder;
use crate::record::denials::Denials;
use crate::record::differences::Differences;
use crate::record::log::{DecisionLog, Names};
use crate::rules_source::{self, LiveRules, Watch};
use crate::userinfo::proxy;

/// After so long it is ready without what it waits for: userinfo may know.
const LONGEST_WARM_UP: Duration = Duration::from_secs(10);

/// What is left of a gRPC call's time when userinfo has had its own.
const GRPC_REST: Duration = Duration::from_secs(5);

/// The authorization service, listening.
#[derive(Debug)]
pub struct AuthorizationService {
    listener: TcpListener,
    management: Option<TcpListener>,
    grpc: Option<(TcpListener, Limits)>,
    route: Arc<DecisionRoute>,
    status: Status,
    delay: Duration,
    max_connections: u32,
    traces: Traces,
    watch: Watch,
    management_token: Option<LongSecret>,
}

impl AuthorizationService {
    /// Where it listens.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics are served, if they are.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn management_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.management.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Where Envoy calls over gRPC, if it may.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn grpc_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.grpc.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }
}

impl Service for AuthorizationService {
    const NAME: &'static str = "authorization-service";
    const VARIABLES: &'static [Variable] = Config::TABLE;
    type Config = Config;

    fn configure(vars: &Vars) -> Result<Config, Problems> {
        Config::from_vars(vars)
    }

    fn telemetry(config: &Config) -> service_kit::Telemetry {
        service_kit::Telemetry {
            log_level: config.log_level,
            http_host: config.http_host.clone(),
            http_port: config.http_port,
        }
    }

    fn check(config: &Config) -> Result<(), StartError> {
        rules_source::start(&config.rules(), SystemClock.now()).map(drop)
    }

    fn with_commands(program: clap::Command) -> clap::Command {
        cli::with_commands(program)
    }

    fn command(arguments: &clap::ArgMatches, vars: &Vars) -> Option<Result<(), CommandFailure>> {
        cli::run(arguments, vars)
    }

    async fn build(config: Config) -> Result<Self, StartError> {
        warn_about(&config);
        let settings = config.rules();
        let rules = rules_source::start(&settings, SystemClock.now())?;
        let version = config.service_version.as_deref().unwrap_or(service_kit::VERSION);
        let metrics = Metrics::new(Self::NAME, version, SystemClock.now(), &rules);
        let live = Arc::new(LiveRules::new(rules, settings.file.display().to_string()));
        let watch =
            Watch::new(settings, Arc::clone(&live), Arc::clone(&metrics.rules), Arc::new(SystemClock));
        // Nobody could ask for what is kept without a listener to ask at, and a token.
        let askable = config.management_port.is_some() && config.management_token.is_some();
        let kept = usize::try_from(config.decisions_kept.0).unwrap_or(usize::MAX);
        let recorder = Recorder {
            random: Arc::new(SystemRandom),
            clock: Arc::new(SystemClock),
            denials: (askable && kept > 0).then(|| Denials::new(kept)),
            log: decision_log(&config, &metrics)?,
            differences: askable.then(Differences::default),
        };
        let principals = principals::principals(&config, &metrics)?;
        let traces = Traces::start(config.traces(), version, metrics.spans())?;
        let listener = server::bind(&config.http_host, config.http_port, "HTTP_PORT")?;
        let management = config.management_port;
        let management = management
            .map(|port| server::bind(&config.management_host, port, "MANAGEMENT_PORT"))
            .transpose()?;
        let grpc = config.grpc_port;
        let limits = Limits {
            at_a_time: usize::try_from(config.max_connections.0).unwrap_or(usize::MAX),
            // The decision ends before, and says why.
            time: config.userinfo_timeout_ms.0.saturating_add(GRPC_REST),
        };
        let grpc = grpc.map(|port| server::bind(&config.grpc_host, port, "GRPC_PORT")).transpose()?;
        Ok(Self {
            listener,
            management,
            grpc: grpc.map(|listener| (listener, limits)),
            watch,
            management_token: config.management_token,
            traces,
            status: Status::new(Self::NAME, version),
            delay: Duration::from_secs(config.delay_shutdown_seconds),
            max_connections: config.max_connections.0,
            route: Arc::new(DecisionRoute {
                path: format!("{}/auth", config.service_prefix.0),
                source: config.original_request_from,
                answers: Answers {
                    profile: config.profile,
                    strict: config.authorization_strict_mode_enabled,
                    on_failure: config
                        .userinfo_failure_status
                        .unwrap_or_else(|| FailureStatus::of(config.profile)),
                    resource_metadata: config.resource_metadata_url,
                },
                decision_point: Arc::new(DecisionPoint {
                    rules: live,
                    principals,
                    peer_secret: config.trusted_peer_secret,
                    fact_headers: FactHeaders {
                        client_type: config.client_type_header_key,
                        backoffice: config.backoffice_header_key,
                    },
                    metrics,
                    recorder,
                }),
            }),
        })
    }

    async fn run(self) -> io::Result<()> {
        if self.route.decision_point.principals.have_to_warm_up() {
            let (status, point) = (self.status.clone(), Arc::clone(&self.route.decision_point));
            status.warming_up();
            actix_web::rt::spawn(async move {
                point.principals.warm_up(LONGEST_WARM_UP).await;
                status.warm();
            });
        }
        tracing::info!(
            server.address = %self.local_addr()?,
            management = self.management_addr()?.map(|address| address.to_string()),
            grpc = self.grpc_addr()?.map(|address| address.to_string()),
            "listening"
        );
        // Until the end of this function: dropped, it ends the watch.
        let _watch = rules_source::run(self.watch)?;
        let decision_point = Arc::clone(&self.route.decision_point);
        let metrics = decision_point.metrics.http();
        let routes = routes(self.status.clone(), Arc::clone(&self.route));
        let traces = &self.traces;
        let public = server::serve(self.listener, self.max_connections, metrics.clone(), traces, routes)?;
        let mut servers: Vec<Running> = vec![public.into()];
        if let Some((listener, limits)) = self.grpc {
            let checks = Checks {
                decision_point: Arc::clone(&decision_point),
                answers: self.route.answers.clone(),
                metrics: metrics.clone(),
                traces: traces.clone(),
            };
            servers.push(grpc::serve(listener, checks, self.status.clone(), limits)?);
        }
        if let Some(listener) = self.management {
            let routes =
                management::routes(self.status.clone(), Arc::clone(&decision_point), self.management_token);
            let connections = server::MANAGEMENT_CONNECTIONS;
            servers.push(server::serve(listener, connections, metrics, traces, routes)?.into());
        }
        let outcome = server::run_until_stopped(servers, &self.status, self.delay).await;
        decision_point.recorder.flush().await;
        self.traces.stop().await;
        outcome
    }
}

fn decision_log(config: &Config, metrics: &Metrics) -> Result<Option<DecisionLog>, StartError> {
    let cannot = |error: &dyn std::error::Error| StartError::new(format!("DECISION_LOG: {error}"));
    let names = Names::new(config.decision_log_user, &SystemRandom).map_err(|error| cannot(&error))?;
    let sample = config.decision_log_allow_sample.0;
    let metrics = Arc::clone(&metrics.log);
    DecisionLog::start(config.decision_log, sample, names, metrics, io::stdout())
        .map_err(|error| cannot(&error))
}

fn routes(status: Status, route: Arc<DecisionRoute>) -> impl Fn(&mut ServiceConfig) + Send + Clone + 'static {
    move |config| {
        status.routes(config);
        let route = Arc::clone(&route);
        config.default_service(web::to(move |request| auth::any(request, Arc::clone(&route))));
    }
}

/// What is allowed but may not be meant.
fn warn_about(config: &Config) {
    if !config.authorization_strict_mode_enabled {
        tracing::warn!(
            "AUTHORIZATION_STRICT_MODE_ENABLED is false: denials are answered 200, so the gateway must refuse what \
             has mia-allowed: 0 (the nginx file in deploy/gateway does)"
        );
    }
    if config.trust_mia_user_headers {
        return;
    }
    for name in config.headers_to_proxy.0.iter().filter(|name| !proxy::may_be_copied(name)) {
        tracing::warn!("HEADERS_TO_PROXY names {}, which is never copied to another request", name.as_str());
    }
    let named = &config.authorization_headers_to_proxy.0;
    let is_credential =
        |name: &HeaderName| matches!(name.as_str(), "authorization" | "cookie") || named.contains(name);
    if !principals::copied_headers(config).any(is_credential) {
        tracing::warn!(
            "HEADERS_TO_PROXY names no header with credentials, such as authorization or cookie: userinfo will know \
             nobody"
        );
    }
}
