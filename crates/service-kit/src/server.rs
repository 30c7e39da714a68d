//! Listening, limits, and stopping without losing a request.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use futures_util::future::{join_all, try_join_all};
use tokio::signal::unix::{SignalKind, signal};

use crate::access_log;
use crate::metrics::HttpMetrics;
use crate::service::StartError;
use crate::status::Status;
use crate::unread_body;

/// Longer than the idle time of nginx's (60 s) and Envoy's upstream pools, so that the gateway closes first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Headers that take longer to arrive are answered 408 (T-FRM-08).
const HEADER_TIME: Duration = Duration::from_secs(10);
/// In-flight requests get this long to end once the listener is closed.
const DRAIN_SECONDS: u64 = 30;

/// Binds `host:port`. `variable` is the variable that chose the port.
///
/// # Errors
/// [`StartError`] that says which variable to change if the port is taken or not allowed.
pub fn bind(host: &str, port: u16, variable: &str) -> Result<TcpListener, StartError> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| StartError::new(format!("the host of {variable} has no address: {error}")))?;
    TcpListener::bind(addresses.as_slice()).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is in use: stop what listens there or set {variable} to a free port")
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs privileges: set {variable} to a port above 1023")
            }
            _ => format!("cannot listen on {host}:{port} ({variable}): {error}"),
        };
        StartError::new(what)
    })
}

/// Serves `routes` on `listener` within the limits every service has, with the access log and `metrics` around them.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    metrics: HttpMetrics,
    routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static,
) -> io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(metrics.clone())
            .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .wrap(from_fn(unread_body::middleware))
            .wrap(from_fn(access_log::middleware))
            .configure(routes.clone())
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADER_TIME)
        .shutdown_timeout(DRAIN_SECONDS)
        // Which signal means what is decided below, for all listeners together.
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Runs until a signal asks to stop. SIGTERM: readiness flips, and we go on answering for `delay`, until every
/// gateway has noticed; then the listeners close and requests in flight end (upstream contract §8). SIGINT, a
/// person's Ctrl-C: the same without the delay.
///
/// # Errors
/// If a listener fails, or signals cannot be received.
pub async fn run_until_stopped(servers: Vec<Server>, status: &Status, delay: Duration) -> io::Result<()> {
    let handles: Vec<_> = servers.iter().map(Server::handle).collect();
    let running = actix_web::rt::spawn(try_join_all(servers));
    let stopper = stop_requested(status.clone(), delay)?;
    let stop = actix_web::rt::spawn(async move {
        stopper.await;
        join_all(handles.iter().map(|handle| handle.stop(true))).await;
    });
    let outcome = running.await.map_err(io::Error::other)?;
    stop.abort();
    outcome.map(|_| ())
}

fn stop_requested(status: Status, delay: Duration) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let delay = tokio::select! {
            _ = terminate.recv() => delay,
            _ = interrupt.recv() => Duration::ZERO,
        };
        tracing::info!(delaySeconds = delay.as_secs(), "stopping: still answering, no longer ready");
        status.stopping();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = interrupt.recv() => {}
        }
    })
}
