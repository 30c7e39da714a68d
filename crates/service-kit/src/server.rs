//! Listening, limits, and stopping without losing a request.

use std::future::ready;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::ServerBuilder;
use actix_service::{Service as _, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use futures_util::future::{join_all, try_join_all};
use tokio::signal::unix::{SignalKind, signal};

use crate::access_log;
use crate::body::BodyRoom;
use crate::connection::{self, Connection, Crowd, Stopping, answers};
use crate::metrics::HttpMetrics;
use crate::service::StartError;
use crate::status::Status;
use crate::to_the_end::with_its_work;
use crate::traces::Traces;
use crate::unread_body;

/// Longer than the idle time of nginx's (60 s) and Envoy's upstream pools, so that the gateway closes first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Enough for operators, dashboards and scrapers.
pub const MANAGEMENT_CONNECTIONS: u32 = 256;
/// A client that does not take the end of a connection gets this long.
const DISCONNECT_TIME: Duration = Duration::from_secs(1);
/// In-flight requests get this long to end once the listener is closed.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Binds `host:port`. `variable` is the variable that chose the port.
///
/// # Errors
/// [`StartError`] that says which variable to change if the port is taken or not allowed.
pub fn bind(host: &str, port: u16, variable: &str) -> Result<TcpListener, StartError> {
    let host_variable = variable.replace("_PORT", "_HOST");
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| StartError::new(format!("{host_variable}: {host} has no address: {error}")))?;
    TcpListener::bind(addresses.as_slice()).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is in use: stop what listens there or set {variable} to a free port")
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs privileges: set {variable} to a port above 1023")
            }
            _ => format!("cannot listen on {host}:{port} ({host_variable}, {variable}): {error}"),
        };
        StartError::new(what)
    })
}

/// Serves `routes` on `listener` within the limits every service has, with the access log, `metrics` and
/// `traces` around them. At most `max_connections` are open at a time. Before they are, those that have waited for their
/// clients for longest are closed; if all are at work, more wait to be accepted, in the queue of the operating system.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    max_connections: u32,
    metrics: HttpMetrics,
    traces: &Traces,
    routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static,
) -> io::Result<Server> {
    let max_connections = usize::try_from(max_connections).unwrap_or(usize::MAX).max(1);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(max_connections);
    let room = BodyRoom::default();
    let crowd = Crowd::new(max_connections.saturating_sub(spare(max_connections)).max(1));
    let builder = ServerBuilder::new();
    let stopping = builder.graceful_shutdown_signal();
    // actix-web's `HttpServer`, but with `Connection` between socket and parser.
    let traces = traces.clone();
    let connections = move || {
        let (metrics, stopping, crowd) = (metrics.clone(), stopping.clone(), crowd.clone());
        let stopped: Stopping = Rc::new({
            let stopping = stopping.clone();
            move || {
                let stopping = stopping.clone();
                Box::pin(async move { stopping.notified().await })
            }
        });
        let app = App::new()
            .app_data(metrics.clone())
            .app_data(room.clone())
            .app_data(traces.clone())
            .wrap(safe_headers())
            .wrap(from_fn(unread_body::middleware))
            .wrap(from_fn(answers::middleware))
            .wrap(from_fn(access_log::middleware))
            .configure(routes.clone());
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(connection::HEAD_TIME)
            .client_disconnect_timeout(DISCONNECT_TIME)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                data.insert(connection.answers().clone());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let counted = metrics.clone();
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            // An answer must not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let connection = Connection::new(stream, metrics.clone(), &crowd, Rc::clone(&stopped));
            ready(Ok((connection, peer)))
        })
        .and_then(apply_fn_factory(http, |stream, http| with_its_work(http.call(stream))))
        .map_err(move |error| {
            if let DispatchError::Parse(_) = error {
                counted.malformed("unreadable");
            }
        })
    };
    let server = builder
        .workers(workers)
        .max_concurrent_connections(max_connections.div_ceil(workers))
        .shutdown_timeout(DRAIN.as_secs())
        // Which signal means what is decided below, for all listeners together.
        .disable_signals()
        .listen("http", listener, connections)?;
    Ok(server.run())
}

/// What every answer carries unless its handler says otherwise: nobody guesses its type, and nobody keeps it. Most hold
/// tokens, secrets or what is true at this moment only.
fn safe_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::CACHE_CONTROL, "no-store"))
}

/// Of so many connections, how many are kept for those who come.
fn spare(max_connections: usize) -> usize {
    max_connections.div_ceil(16).min(64)
}

/// A listener that is served, and how to stop it.
pub struct Running {
    ended: Local<io::Result<()>>,
    stop: Box<dyn FnOnce() -> Local<()>>,
}

type Local<T> = Pin<Box<dyn Future<Output = T>>>;

impl Running {
    /// `ended` ends when serving has. `stop` closes the listener and lets what is in flight end, within [`DRAIN`].
    pub fn new<S: Future<Output = ()> + 'static>(
        ended: impl Future<Output = io::Result<()>> + 'static,
        stop: impl FnOnce() -> S + 'static,
    ) -> Self {
        Self { ended: Box::pin(ended), stop: Box::new(|| Box::pin(stop())) }
    }
}

impl From<Server> for Running {
    fn from(server: Server) -> Self {
        let handle = server.handle();
        Self::new(server, move || async move { handle.stop(true).await })
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Running(..)")
    }
}

/// Runs until a signal asks to stop. SIGTERM: readiness flips, and we go on answering for `delay`, until every
/// gateway has noticed; then the listeners close and requests in flight end (upstream contract §8). SIGINT, a
/// person's Ctrl-C: the same without the delay.
///
/// # Errors
/// If a listener fails, or signals cannot be received.
pub async fn run_until_stopped(
    servers: Vec<impl Into<Running>>,
    status: &Status,
    delay: Duration,
) -> io::Result<()> {
    let servers = servers.into_iter().map(Into::into);
    let (ended, stops): (Vec<_>, Vec<_>) = servers.map(|Running { ended, stop }| (ended, stop)).unzip();
    let running = actix_web::rt::spawn(try_join_all(ended));
    let stopper = stop_requested(status.clone(), delay)?;
    let stop = actix_web::rt::spawn(async move {
        stopper.await;
        join_all(stops.into_iter().map(|stop| stop())).await;
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
