//! Listening for Envoy, with limits: how many connections, how many calls on each, how long. How many together and how large
//! is said in [`super::calls`].
//! It runs on threads of its own, for every processor, as the HTTP listeners do.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, stream};
use service_kit::server::{DRAIN, Running};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Sleep, sleep};
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::calls::Calls;

/// An Envoy opens one for each of its workers, and one more for each [`CALLS_OF_A_CONNECTION`] on their way.
const MAX_CONNECTIONS: usize = 1024;
const CALLS_OF_A_CONNECTION: u32 = 256;
/// Of the metadata of a call, in bytes.
const MAX_METADATA: u32 = 16 * 1024;
/// A connection that has not said by then that it speaks HTTP/2 is closed.
const PREFACE_TIME: Duration = Duration::from_secs(10);
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// A connection that is gone shows within both of these.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_TIME: Duration = Duration::from_secs(10);
/// When the operating system has no more file descriptors, there may be one after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves calls on `listener` until told to stop. Connections are then told to go (GOAWAY), and calls on their way end.
///
/// # Errors
/// If there are no threads to be had, or the listener cannot be used.
pub(super) fn serve(listener: TcpListener, calls: Calls, time: Duration) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("grpc")
        .enable_all()
        .build()?;
    let (stop, stopped) = watch::channel(());
    let serving = runtime.spawn(serve_until(listener, calls, time, stopped));
    let threads = Threads(Some(runtime));
    let ended = async move {
        let _threads = threads;
        serving.await.map_err(io::Error::other)?
    };
    Ok(Running::new(ended, move || async move { drop(stop) }))
}

async fn serve_until(
    listener: TcpListener,
    calls: Calls,
    time: Duration,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut stopping = stopped.clone();
    let serving = Server::builder()
        .timeout(time)
        .max_concurrent_streams(CALLS_OF_A_CONNECTION)
        .http2_max_header_list_size(MAX_METADATA)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_TIME))
        .serve_with_incoming_shutdown(calls, connections(listener), async move {
            let _ = stopping.changed().await;
        });
    let drained = async move {
        let _ = stopped.changed().await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        outcome = serving => outcome.map_err(io::Error::other),
        () = drained => Ok(()),
    }
}

/// Connections as they come, while there is room.
fn connections(listener: tokio::net::TcpListener) -> impl Stream<Item = io::Result<Connection>> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    stream::unfold((listener, room), async |(listener, room)| {
        let place = Arc::clone(&room).acquire_owned().await.ok()?;
        let connection = match listener.accept().await {
            Ok((stream, _)) => Ok(Connection::new(stream, place)),
            Err(error) => {
                sleep(ACCEPT_PAUSE).await;
                Err(error)
            }
        };
        Some((connection, (listener, room)))
    })
}

/// A connection that has its place, and must say in time what it is.
struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    /// There until the preface of HTTP/2 has arrived.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        // An answer must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        Self { stream, _place: place, preface: Some((PREFACE, Box::pin(sleep(PREFACE_TIME)))) }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some((_, time)) = &mut this.preface
            && time.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if let Some((missing, _)) = &mut this.preface {
            *missing = missing.saturating_sub(buffer.filled().len().saturating_sub(before));
            if *missing == 0 {
                this.preface = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The threads of the listener. They end without being waited for: dropped inside another runtime, they could not be.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
