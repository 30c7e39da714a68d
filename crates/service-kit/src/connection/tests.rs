use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{AHEAD, Connection, Crowd, HEAD_TIME, LAST_WRITE_TIME, Stopping, WRITE_TIME};
use crate::metrics::MetricRegistry;

/// A client that sends its parts and then is silent, and keeps what it gets.
#[derive(Debug, Default)]
struct Client {
    sends: Vec<&'static str>,
    got: Vec<u8>,
    takes_nothing: bool,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sends.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(self.sends.remove(0).as_bytes());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.takes_nothing {
            return Poll::Pending;
        }
        self.got.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn connection(sends: &[&'static str]) -> Connection<Client> {
    in_crowd(sends, &Crowd::new(10))
}

fn in_crowd(sends: &[&'static str], crowd: &Crowd) -> Connection<Client> {
    that_stops(sends, crowd, Rc::new(|| Box::pin(std::future::pending())))
}

fn that_stops(sends: &[&'static str], crowd: &Crowd, stopping: Stopping) -> Connection<Client> {
    let metrics = MetricRegistry::new("test", "1", Timestamp::from_unix_millis(0)).http();
    Connection::new(Client { sends: sends.to_vec(), ..Client::default() }, metrics, crowd, stopping)
}

/// Whether it accepts an answer now.
fn accepts(connection: &mut Connection<Client>) -> bool {
    let mut context = Context::from_waker(std::task::Waker::noop());
    Pin::new(connection).poll_write(&mut context, b"x").is_ready()
}

/// Tries to send it an answer: how long it took to give up.
async fn gives_up(connection: &mut Connection<Client>) -> Duration {
    let begun = Instant::now();
    let writing = std::future::poll_fn(|context| Pin::new(&mut *connection).poll_write(context, b"x"));
    assert_eq!(writing.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    begun.elapsed()
}

/// What the parser is given next; `None` if there is nothing within `patience`.
async fn next(connection: &mut Connection<Client>, patience: Duration) -> Option<String> {
    let mut bytes = [0; 1024];
    let mut buffer = ReadBuf::new(&mut bytes);
    let reading = std::future::poll_fn(|context| Pin::new(&mut *connection).poll_read(context, &mut buffer));
    tokio::time::timeout(patience, reading).await.ok()?.unwrap();
    Some(String::from_utf8(buffer.filled().to_vec()).unwrap())
}

async fn closed(mut connection: Connection<Client>) -> String {
    std::future::poll_fn(|context| Pin::new(&mut connection).poll_shutdown(context)).await.unwrap();
    String::from_utf8(connection.stream.got).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn t_frm_08_a_head_has_its_time_on_a_used_connection_too() {
    let mut connection = connection(&[GET, "GET / HT", "TP/1.1\r\n"]);
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(GET));
    let begun = Instant::now();
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some("GET / HT"));
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some("TP/1.1\r\n"));
    assert_eq!(next(&mut connection, HEAD_TIME * 2).await.as_deref(), Some(""), "the end");
    assert_eq!(begun.elapsed().as_secs(), HEAD_TIME.as_secs());
    let answer = closed(connection).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_idle_between_requests() {
    let mut connection = connection(&[GET]);
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(GET));
    assert_eq!(next(&mut connection, HEAD_TIME * 7).await, None);
    assert_eq!(closed(connection).await, "");
}

#[tokio::test(start_paused = true)]
async fn t_frm_11_the_parser_never_sees_what_is_refused() {
    let mut connection = connection(&[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
        GET,
    ]);
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(GET), "the good one before it");
    for _ in 0..2 {
        assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(""));
    }
    let answer = closed(connection).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn t_frm_11_a_broken_body_is_answered_by_its_handler_alone() {
    let mut connection = connection(&["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "x\r\n"]);
    assert!(next(&mut connection, HEAD_TIME).await.is_some());
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(""));
    assert_eq!(closed(connection).await, "");
}

#[tokio::test(start_paused = true)]
async fn r_18_r_19_who_takes_no_answers_is_not_read_from_and_not_waited_for() {
    let mut connection = connection(&[GET, GET, GET]);
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(GET));
    connection.stream.takes_nothing = true;
    assert!(!accepts(&mut connection));
    assert_eq!(next(&mut connection, WRITE_TIME / 2).await, None, "nothing is read");
    // It takes something after all.
    connection.stream.takes_nothing = false;
    assert!(accepts(&mut connection));
    assert_eq!(next(&mut connection, HEAD_TIME).await.as_deref(), Some(GET));
    connection.stream.takes_nothing = true;
    assert_eq!(gives_up(&mut connection).await.as_secs(), WRITE_TIME.as_secs(), "anew");
}

#[tokio::test(start_paused = true)]
async fn r_20_who_takes_no_answers_does_not_hold_up_the_end() {
    let mut connection = that_stops(&[], &Crowd::new(1), Rc::new(|| Box::pin(std::future::ready(()))));
    connection.stream.takes_nothing = true;
    assert_eq!(gives_up(&mut connection).await.as_secs(), LAST_WRITE_TIME.as_secs());
}

#[tokio::test(start_paused = true)]
async fn r_18_requests_are_read_ahead_of_their_answers_so_far_and_no_further() {
    let parts = 2 * AHEAD / GET.len();
    let mut connection = connection(&vec![GET; parts]);
    let mut read = 0;
    while next(&mut connection, HEAD_TIME).await.is_some() {
        read += 1;
    }
    assert!((AHEAD..AHEAD + 2 * GET.len()).contains(&(read * GET.len())), "{read}");
    let answers = connection.answers().clone();
    for _ in 1..read {
        drop(answers.begin());
    }
    assert_eq!(next(&mut connection, HEAD_TIME).await, None, "one is not answered yet");
    let (more, ()) = tokio::join!(next(&mut connection, HEAD_TIME), async { drop(answers.begin()) });
    assert_eq!(more.as_deref(), Some(GET), "and whoever waited is woken");
}

#[tokio::test(start_paused = true)]
async fn t_frm_08_who_says_nothing_makes_room() {
    let crowd = Crowd::new(1);
    let mut first = in_crowd(&[GET], &crowd);
    assert_eq!(next(&mut first, HEAD_TIME).await.as_deref(), Some(GET));
    assert_eq!(next(&mut first, HEAD_TIME).await, None);
    let _second = in_crowd(&[], &crowd);
    assert_eq!(next(&mut first, HEAD_TIME).await, None, "it has an answer to come");
    drop(first.answers().begin());
    assert_eq!(next(&mut first, HEAD_TIME).await, None);
    let _third = in_crowd(&[], &crowd);
    assert_eq!(next(&mut first, HEAD_TIME).await.as_deref(), Some(""), "the end");
}
