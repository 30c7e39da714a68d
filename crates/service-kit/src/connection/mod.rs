//! A connection as the HTTP parser gets to see it. What [`framing`] refuses never reaches the parser: it sees the end of
//! the connection instead, and when it has sent all answers it owes, the refusal is sent, and the connection is closed. A
//! head must arrive within its time on a used connection too, where the parser has no clock (T-FRM-08). A client that does
//! not take its answers is not read from, and is not waited for without end. It knows no handler and no
//! configuration.

pub(crate) mod answers;
mod crowd;
mod framing;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use common::ErrorBody;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::HttpMetrics;
use answers::Answers;
pub(crate) use crowd::Crowd;
use crowd::Member;
use framing::{Framing, FramingDefect};

/// A head that takes longer to arrive is answered 408 (T-FRM-08).
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// After a refusal, what the client still sends is read for this long: closing at once would take the answer away from
/// it (RFC 9112 §9.6).
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
/// So much is read of what a client sends before it has the answers to what it sent before. The answers to small requests
/// are many times as large.
const AHEAD: usize = 2 * 1024;
/// And so much at once.
const AT_ONCE: usize = 2 * 1024;
/// A client that takes nothing of its answers for so long is gone.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// And when the service stops.
const LAST_WRITE_TIME: Duration = Duration::from_secs(2);
/// After so many bytes the parser works before it reads on. It would fill 128 KiB for each connection first.
const BURST: usize = 16 * 1024;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Defect {
    #[error(transparent)]
    Framing(#[from] FramingDefect),
    #[error("the head of the request did not arrive within 10 seconds: send it faster")]
    TooSlow,
}

/// Makes a future that ends when the service stops.
pub(crate) type Stopping = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>>>;

/// A connection, watched.
pub(crate) struct Connection<S> {
    stream: S,
    framing: Framing,
    answers: Answers,
    /// Bytes read since there were requests without an answer.
    ahead: usize,
    burst: usize,
    head_time: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
    /// There while the client takes nothing.
    stall: Option<Stall>,
    stopping: Stopping,
    member: Member,
    metrics: HttpMetrics,
}

/// A client that does not take its answers.
struct Stall {
    time: Pin<Box<Sleep>>,
    stopping: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

/// The end of a connection that was refused.
#[derive(Debug)]
struct Closing {
    answer: Vec<u8>,
    written: usize,
    ended: bool,
    lingered: usize,
    linger_time: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, metrics: HttpMetrics, crowd: &Crowd, stopping: Stopping) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            answers: Answers::default(),
            ahead: 0,
            burst: 0,
            head_time: None,
            closing: None,
            stall: None,
            stopping,
            member: crowd.enter(),
            metrics,
        }
    }

    /// The answers to what is read here; whoever answers counts them.
    pub(crate) const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether a request that was read has no answer yet.
    fn owes_answers(&self) -> bool {
        self.framing.requests() > self.answers.ended()
    }

    /// Whether the client has sent enough for now: it takes no answers, or has many to come.
    fn is_far_ahead(&mut self, context: &Context<'_>) -> bool {
        if !self.owes_answers() {
            self.ahead = 0;
        }
        let far = self.stall.is_some() || self.ahead >= AHEAD;
        if far {
            // What has begun to arrive is not late: we do not look.
            self.head_time = None;
            self.answers.wake(context.waker());
        }
        far
    }

    fn refuse(&mut self, defect: Defect) {
        tracing::debug!(
            decision.reason = defect.word(),
            "a request was refused before it was read: {defect}"
        );
        self.metrics.malformed(defect.word());
        self.head_time = None;
        self.closing = Some(Closing {
            answer: defect.answer(),
            written: 0,
            ended: false,
            lingered: 0,
            linger_time: None,
        });
    }
}

impl<S> Connection<S> {
    /// Whether the client has taken nothing for too long.
    fn stall(&mut self, context: &mut Context<'_>) -> bool {
        let stall = self.stall.get_or_insert_with(|| Stall {
            time: Box::pin(sleep(WRITE_TIME)),
            stopping: Some((self.stopping)()),
        });
        if let Some(stopping) = &mut stall.stopping
            && stopping.as_mut().poll(context).is_ready()
        {
            stall.stopping = None;
            let last = Instant::now().checked_add(LAST_WRITE_TIME);
            let last = last.map_or(stall.time.deadline(), |last| last.min(stall.time.deadline()));
            stall.time.as_mut().reset(last);
        }
        stall.time.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> Connection<S> {
    fn read_some(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buffer.remaining().min(AT_ONCE);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Whether the head that has begun has had its time.
    fn head_is_late(&mut self, context: &mut Context<'_>) -> bool {
        if !self.framing.in_head() {
            self.head_time = None;
            return false;
        }
        let time = self.head_time.get_or_insert_with(|| Box::pin(sleep(HEAD_TIME)));
        time.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_some() || this.member.is_told_to_leave() {
            return Poll::Ready(Ok(()));
        }
        if this.is_far_ahead(context) {
            return Poll::Pending;
        }
        if this.burst >= BURST {
            this.burst = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if this.read_some(context, buffer)?.is_pending() {
            this.burst = 0;
            if this.head_is_late(context) {
                this.refuse(Defect::TooSlow);
                return Poll::Ready(Ok(()));
            }
            if !this.owes_answers() {
                this.member.waits(context.waker());
            }
            return Poll::Pending;
        }
        this.member.works();
        let read = buffer.filled().get(before..).unwrap_or_default();
        this.ahead = this.ahead.saturating_add(read.len());
        if read.is_empty() {
            this.answers.note_end_of_requests();
        }
        this.burst = this.burst.saturating_add(read.len());
        if let (visible, Err(defect)) = this.framing.advance(read) {
            buffer.set_filled(before.saturating_add(visible));
            this.refuse(defect.into());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            if this.stall.take().is_some() {
                this.member.works();
                // Reading goes on where it was left off.
                context.waker().wake_by_ref();
            }
            return Poll::Ready(written);
        }
        this.member.waits(context.waker());
        if this.member.is_told_to_leave() || this.stall(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match &mut this.closing {
            None => Pin::new(&mut this.stream).poll_shutdown(context),
            Some(closing) => closing.poll(&mut this.stream, context),
        }
    }
}

impl Closing {
    fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.answer.get(self.written..) {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = self.written.saturating_add(written);
        }
        if !self.ended {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            self.ended = true;
        }
        let time = self.linger_time.get_or_insert_with(|| Box::pin(sleep(LINGER_TIME)));
        let mut bytes = [0; 4096];
        while self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            if Pin::new(&mut *stream).poll_read(context, &mut buffer)?.is_pending() {
                return time.as_mut().poll(context).map(Ok);
            }
            if buffer.filled().is_empty() {
                break;
            }
            self.lingered = self.lingered.saturating_add(buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}

impl Defect {
    /// The label of the metric and the word in the log.
    const fn word(self) -> &'static str {
        match self {
            Self::Framing(
                FramingDefect::TargetTooLong | FramingDefect::HeadTooLarge | FramingDefect::TooManyHeaders,
            ) => "head_too_large",
            Self::Framing(
                FramingDefect::BareLineFeed
                | FramingDefect::FoldedHeader
                | FramingDefect::BodyLength
                | FramingDefect::Host,
            ) => "head_malformed",
            Self::Framing(FramingDefect::Chunk) => "chunks_malformed",
            Self::TooSlow => "head_too_slow",
        }
    }

    const fn status(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Framing(FramingDefect::TargetTooLong) => Some((414, "URI Too Long")),
            Self::Framing(FramingDefect::HeadTooLarge | FramingDefect::TooManyHeaders) => {
                Some((431, "Request Header Fields Too Large"))
            }
            Self::Framing(
                FramingDefect::BareLineFeed
                | FramingDefect::FoldedHeader
                | FramingDefect::BodyLength
                | FramingDefect::Host,
            ) => Some((400, "Bad Request")),
            // The head was good: its handler sees a body that breaks off, and answers.
            Self::Framing(FramingDefect::Chunk) => None,
            Self::TooSlow => Some((408, "Request Timeout")),
        }
    }

    fn answer(self) -> Vec<u8> {
        let Some((status, phrase)) = self.status() else { return Vec::new() };
        let body = ErrorBody::new(status, "invalid_request", &self.to_string());
        let body = serde_json::to_string(&body).unwrap_or_default();
        format!(
            "HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

impl<S> std::fmt::Debug for Connection<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").field("framing", &self.framing).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
