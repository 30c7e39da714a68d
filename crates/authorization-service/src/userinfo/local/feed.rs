//! Reads the revocation feed of client-credentials (docs/http-api.md) for as long as the process runs, and goes on where it
//! left off after every interruption.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use common::revocation::FeedEvent;
use jose::ParsedAccessToken;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::event_stream::{Event, EventStream, TooLarge};
use super::feed_token::{FeedToken, Issued, NoFeedToken};
use super::metrics::LocalMetrics;
use super::revocations::{Full, Revocations};
use crate::userinfo::download::innermost;

/// A feed tells something every ten seconds. One that does not is opened anew, before what is known is too old.
const LONGEST_QUIET: Duration = Duration::from_secs(15);
/// Between two attempts: twice as long after each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A feed that was followed for so long is opened again at once.
const STEADY: Duration = Duration::from_secs(5);

/// The feed of one deployment.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) token: FeedToken,
    /// Whose tokens are judged here.
    pub(super) issuer: String,
    /// Whether it has been told that our own token names another one.
    pub(super) strange_issuer_told: bool,
    /// For the head of an answer, and for a token.
    pub(super) deadline: Duration,
    pub(super) jitter: Jitter,
    pub(super) metrics: Arc<LocalMetrics>,
}

/// Why a feed ended before its end.
#[derive(Debug, thiserror::Error)]
enum FeedFailure {
    #[error(transparent)]
    NoToken(#[from] NoFeedToken),
    #[error("no answer in time")]
    Deadline,
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is not text/event-stream")]
    ContentType,
    #[error("it broke off: {0}")]
    Broken(String),
    #[error("it was silent for {} seconds", LONGEST_QUIET.as_secs())]
    Silent,
    #[error("an event does not say what events of its name say, or comes too early")]
    Malformed,
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    Full(#[from] Full),
}

impl FeedFailure {
    /// Then the other side knows us still.
    const fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Deadline | Self::Unreachable(_) | Self::Broken(_) | Self::Silent)
    }
}

/// Follows the feed.
pub(super) async fn follow(mut feed: Feed, revocations: Arc<Revocations>) -> Infallible {
    let (mut cursor, mut issued, mut failures) = (None, None, 0_u32);
    loop {
        let mut reading = Reading::new(&revocations, &mut cursor);
        let outcome = feed.read(&mut reading, &mut issued).await;
        let was_steady = reading.complete_since.is_some_and(|since| since.elapsed() >= STEADY);
        if was_steady {
            failures = 0;
        }
        if let Err(failure) = &outcome {
            feed.metrics.feed_failed();
            tell(failure, failures);
            if !failure.is_of_the_connection() {
                // Nothing we had is to be built on.
                (cursor, issued) = (None, None);
            }
        }
        if !was_steady {
            sleep(feed.jitter.pause(failures)).await;
        }
        if outcome.is_err() || !was_steady {
            failures = failures.saturating_add(1);
        }
    }
}

/// The first of several in a row is for the operator.
fn tell(failure: &FeedFailure, failures_before: u32) {
    if failures_before == 0 {
        tracing::warn!(error.message = %failure, "the revocation feed is not followed: trying again");
    } else {
        tracing::debug!(error.message = %failure, "the revocation feed is still not followed");
    }
}

impl Feed {
    /// Opens the feed and reads it to its end, which the other side tells.
    async fn read(
        &mut self,
        reading: &mut Reading<'_>,
        issued: &mut Option<Issued>,
    ) -> Result<(), FeedFailure> {
        let opened = timeout(self.deadline, self.open(reading.cursor.as_deref(), issued)).await;
        let mut answer = opened.map_err(|_| FeedFailure::Deadline)??;
        self.metrics.feed_opened();
        let mut stream = EventStream::default();
        loop {
            let chunk = timeout(LONGEST_QUIET, answer.chunk()).await.map_err(|_| FeedFailure::Silent)?;
            let chunk = chunk.map_err(|error| FeedFailure::Broken(innermost(&error)))?;
            let chunk = chunk.ok_or_else(|| FeedFailure::Broken("it ended without a goodbye".to_owned()))?;
            for event in stream.push(&chunk)? {
                if reading.apply(event, Instant::now())? == Next::Ended {
                    return Ok(());
                }
            }
        }
    }

    async fn open(
        &mut self,
        cursor: Option<&str>,
        issued: &mut Option<Issued>,
    ) -> Result<reqwest::Response, FeedFailure> {
        let token = self.token.get(&self.http, issued).await?;
        self.compare_issuer(token.expose());
        let mut request = self.http.get(self.url.clone()).bearer_auth(token.expose());
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(cursor) = cursor {
            request = request.header("last-event-id", cursor);
        }
        let answer = request.send().await.map_err(|error| FeedFailure::Unreachable(innermost(&error)))?;
        if answer.status() != StatusCode::OK {
            return Err(FeedFailure::Status(answer.status().as_u16()));
        }
        let content_type = answer.headers().get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        if media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream") {
            Ok(answer)
        } else {
            Err(FeedFailure::ContentType)
        }
    }

    /// Our own token is of the issuer whose tokens we are to judge, or `MIA_JWT_ISSUER` is wrong. Told once: it would be as
    /// wrong the next time.
    fn compare_issuer(&mut self, token: &str) {
        if let Some(named) = another_issuer(token, &self.issuer).filter(|_| !self.strange_issuer_told) {
            self.strange_issuer_told = true;
            tracing::error!(
                "MIA_JWT_ISSUER is {}, but the token for the revocation feed names the issuer {named}: tokens of that \
                 issuer are not judged here; set MIA_JWT_ISSUER as client-credentials has it",
                self.issuer
            );
        }
    }
}

/// The issuer that a token names, if it is not the one that is expected. Nothing is verified: it is for a message.
fn another_issuer(token: &str, expected: &str) -> Option<String> {
    let parsed = ParsedAccessToken::parse(token).ok()?;
    parsed.issuer().filter(|named| *named != expected).map(str::to_owned)
}

/// One opened feed.
struct Reading<'follower> {
    revocations: &'follower Revocations,
    /// Up to where everything has been taken in, in the words of the other side.
    cursor: &'follower mut Option<String>,
    /// Whether it begins where another one ended, or has told of a snapshot, be it an empty one.
    has_beginning: bool,
    /// Since when this feed has told everything.
    complete_since: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoesOn,
    Ended,
}

impl<'follower> Reading<'follower> {
    const fn new(revocations: &'follower Revocations, cursor: &'follower mut Option<String>) -> Self {
        let has_beginning = cursor.is_some();
        Self { revocations, cursor, has_beginning, complete_since: None }
    }

    /// Takes an event in. Only after the one that says so is everything known, and only then does another event tell that
    /// it still is. A feed that says so and has told nothing is not believed.
    fn apply(&mut self, event: Event, now: Instant) -> Result<Next, FeedFailure> {
        match FeedEvent::parse(&event.name, &event.data).map_err(|_| FeedFailure::Malformed)? {
            Some(FeedEvent::Snapshot(part)) => {
                self.revocations.add(&part)?;
                self.has_beginning = true;
            }
            Some(FeedEvent::Revocation(one)) => self.revocations.add(&[one])?,
            Some(FeedEvent::UpToDate) if !self.has_beginning => return Err(FeedFailure::Malformed),
            Some(FeedEvent::UpToDate) => {
                tracing::info!("the revocation feed is followed");
                self.complete_since = Some(now);
            }
            Some(FeedEvent::Goodbye) => return Ok(Next::Ended),
            Some(FeedEvent::Heartbeat) | None => {}
        }
        if event.id.is_some() {
            *self.cursor = event.id;
        }
        if self.complete_since.is_some() {
            self.revocations.heard(now);
        }
        Ok(Next::GoesOn)
    }
}

/// Pauses that differ between replicas, so that they do not all come back at once.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    /// The pauses follow from `seed`, which is no secret.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Half of the pause to all of it.
    fn pause(&mut self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(16)));
        let longest = doubled.min(LONGEST_PAUSE);
        // Of the generator PCG: enough to spread a crowd.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = u16::try_from(self.0 >> 48).map(f64::from).unwrap_or_default();
        longest.mul_f64(0.5 + 0.5 * share / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use common::revocation::Revocation;

    use super::super::revocations::LONGEST_SILENCE;
    use super::*;

    fn event(event: &FeedEvent, id: Option<&str>) -> Event {
        Event { name: event.name().to_owned(), data: event.data().unwrap(), id: id.map(str::to_owned) }
    }

    fn token(jti: &str) -> Revocation {
        Revocation::Token { jti: jti.to_owned(), client_id: "c".to_owned(), exp: 1_900_000_000 }
    }

    #[test]
    fn everything_is_known_only_after_the_event_that_says_so() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        let mut cursor = None;
        let mut reading = Reading::new(&revocations, &mut cursor);
        for (told, id) in [
            (FeedEvent::Snapshot(vec![token("a")]), None),
            (FeedEvent::Heartbeat, None),
            (FeedEvent::Snapshot(vec![token("b")]), None),
            (FeedEvent::Revocation(token("missed")), Some("7f-1")),
        ] {
            assert_eq!(reading.apply(event(&told, id), now).unwrap(), Next::GoesOn);
            assert!(!revocations.is_current(now), "{told:?}");
        }
        assert_eq!(reading.cursor.as_deref(), Some("7f-1"));
        reading.apply(event(&FeedEvent::UpToDate, Some("7f-2")), now).unwrap();
        assert!(revocations.is_current(now));
        assert_eq!(revocations.extent(), (3, 0));
        // Everything tells that the feed is alive, also what is not known here.
        let mut later = now;
        for told in [
            event(&FeedEvent::Heartbeat, None),
            event(&FeedEvent::Revocation(token("c")), Some("7f-3")),
            Event { name: "of-tomorrow".to_owned(), data: "?".to_owned(), id: None },
        ] {
            later += LONGEST_SILENCE - Duration::from_secs(1);
            reading.apply(told, later).unwrap();
            assert!(revocations.is_current(later));
        }
        assert_eq!(reading.apply(event(&FeedEvent::Goodbye, None), later).unwrap(), Next::Ended);
        assert_eq!(cursor.as_deref(), Some("7f-3"));
    }

    #[test]
    fn an_event_that_cannot_be_read_ends_it_and_moves_nothing() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        let mut cursor = None;
        let mut reading = Reading::new(&revocations, &mut cursor);
        reading.complete_since = Some(now);
        let odd = Event { name: "revocation".to_owned(), data: "{}".to_owned(), id: Some("7f-9".to_owned()) };
        assert!(matches!(reading.apply(odd, now), Err(FeedFailure::Malformed)));
        assert!(cursor.is_none() && !revocations.is_current(now));
    }

    #[test]
    fn a_feed_that_has_told_nothing_does_not_know_everything() {
        let (revocations, now) = (Revocations::default(), Instant::now());
        let complete = || event(&FeedEvent::UpToDate, Some("7f-1"));
        let mut cursor = None;
        let outcome = Reading::new(&revocations, &mut cursor).apply(complete(), now);
        assert!(matches!(outcome, Err(FeedFailure::Malformed)));
        assert!(cursor.is_none() && !revocations.is_current(now));
        // It goes on where another one ended.
        cursor = Some("7f-0".to_owned());
        Reading::new(&revocations, &mut cursor).apply(complete(), now).unwrap();
        assert!(revocations.is_current(now));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut jitter = Jitter::new(7);
        let mut seen = std::collections::HashSet::new();
        for failures in 0..100 {
            let pause = jitter.pause(failures);
            let most = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST_PAUSE);
            assert!((most / 2..=most).contains(&pause), "{failures}: {pause:?}");
            seen.insert(pause);
        }
        assert!(seen.len() > 90, "{}", seen.len());
    }
}
