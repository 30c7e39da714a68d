//! Work that goes on if the caller leaves. A handler is dropped, wherever it waits, when its connection is reset: whoever
//! resets it at the right moment would leave half a change behind, or one that the audit log does not tell of (T-REG-11).

use std::convert::Infallible;
use std::future::{Future, pending};
use std::panic::resume_unwind;

use tokio::sync::mpsc;

use crate::carried::taken_along;

tokio::task_local! {
    /// Held by each piece of work that a connection began.
    static WORK: mpsc::Sender<Infallible>;
}

/// Does the work to its end, in a task of its own, with what the request carries.
pub async fn to_the_end<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    let held = WORK.try_with(mpsc::Sender::clone);
    let task = async move {
        let done = work.await;
        drop(held);
        done
    };
    match actix_web::rt::spawn(taken_along(task)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The thread ends, and takes whoever waits here with it.
            Err(_) => pending().await,
        },
    }
}

/// Serves a connection, and waits for what goes on of its work after it: the thread of a server that stops ends as soon as
/// it has no connection left, and takes every task with it.
pub(crate) async fn with_its_work<T>(connection: impl Future<Output = T>) -> T {
    let (work, mut held) = mpsc::channel(1);
    let ended = WORK.scope(work, connection).await;
    // Nothing is ever sent: it ends when nobody holds it any more.
    while held.recv().await.is_some() {}
    ended
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    use actix_web::HttpResponse;
    use actix_web::web::{self, Data};
    use common::Timestamp;
    use tokio::sync::Notify;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::metrics::MetricRegistry;
    use crate::server::serve;
    use crate::traces::Traces;

    #[derive(Default)]
    struct Steps {
        begun: Notify,
        done: Notify,
    }

    async fn change(steps: Data<Steps>) -> HttpResponse {
        to_the_end(async move {
            steps.begun.notify_one();
            sleep(Duration::from_secs(2)).await;
            steps.done.notify_one();
            HttpResponse::Ok().finish()
        })
        .await
    }

    #[test]
    fn a_server_that_stops_waits_for_work_whose_caller_has_left() {
        actix_web::rt::System::new().block_on(stop_while_work_goes_on());
    }

    async fn stop_while_work_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let steps = Arc::new(Steps::default());
        let routes = {
            let steps = Arc::clone(&steps);
            move |config: &mut web::ServiceConfig| {
                config.app_data(Data::from(Arc::clone(&steps))).route("/", web::get().to(change));
            }
        };
        let metrics = MetricRegistry::new("test", "1", Timestamp::from_unix_seconds(0));
        let server = serve(listener, 8, metrics.http(), &Traces::default(), routes).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let mut connection = TcpStream::connect(address).unwrap();
        // With an answer that nobody read, its end is a reset.
        connection.write_all(b"GET /other HTTP/1.1\r\nHost: auth\r\n\r\n").unwrap();
        sleep(Duration::from_millis(200)).await;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: auth\r\n\r\n").unwrap();
        steps.begun.notified().await;
        drop(connection);
        // Long enough for its thread to see that.
        sleep(Duration::from_millis(200)).await;
        handle.stop(true).await;
        timeout(Duration::from_millis(1), steps.done.notified()).await.expect("it was cut off");
    }
}
