//! Writes audit events. What a request or a sweep changes is announced before it is done: the event is stored first, and
//! what became of it a moment later, so that no kill leaves such a change without its event. What happens with every token,
//! and what is due by itself (an upgraded secret, a step of a key), waits in a queue and is stored a moment later, many events with one write: a token must not wait for the disk because it is
//! audited. The queue is bounded, and so is what strangers can make us write; what finds no place is counted.

use std::sync::Arc;
use std::time::Duration;

use common::{Clock, Timestamp};
use credentials::audit::{AuditAction, AuditEvent, AuditLog, EventId, Outcome};
use credentials::client::ClientId;
use credentials::{Random, StoreError};
use service_kit::metrics::Counter;
use tokio::sync::{Notify, mpsc, oneshot};

/// Events that may wait, and that are written with one write.
const QUEUE: usize = 1024;
/// Places that events of strangers leave to the others.
const RESERVED: usize = QUEUE / 2;
/// Time between two writes. With [`QUEUE`] it bounds how fast the stored events can grow: 5,000 a second.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a flush waits for a store that may be down.
const PATIENCE: Duration = Duration::from_secs(4);
const SECONDS_A_DAY: i64 = 86_400;

/// How long events are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRetention {
    pub changes: u32,
    /// Of issued and refused tokens. 0: they are not stored, only logged.
    pub tokens: u32,
}

/// The way to the audit log.
#[derive(Debug)]
pub struct Audit {
    keeper: Arc<Keeper>,
    queue: mpsc::Sender<Message>,
    hurry: Arc<Notify>,
    lost: Counter,
}

/// Stores events.
struct Keeper {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    retention: AuditRetention,
}

enum Message {
    Event(Box<AuditEvent>),
    /// What became of an event that is stored.
    Settled(EventId, Outcome),
    /// Everything before it has been tried.
    Flushed(oneshot::Sender<()>),
}

impl Audit {
    /// Starts the task that writes; it ends when this is dropped.
    pub fn start(
        log: Arc<dyn AuditLog>,
        clock: Arc<dyn Clock>,
        retention: AuditRetention,
        lost: Counter,
    ) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let keeper = Arc::new(Keeper { log, clock, retention });
        let hurry = Arc::new(Notify::new());
        tokio::spawn(write(messages, Arc::clone(&keeper), Arc::clone(&hurry)));
        Self { keeper, queue, hurry, lost }
    }

    /// Stores an event of something that is about to be done. `Ok` means that it survives, and says of itself that it is
    /// unfinished until it is settled.
    ///
    /// # Errors
    /// [`StoreError`]. What it tells of must not be done then. The event may be stored all the same.
    pub async fn announce(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.keeper.store(&[event.bounded().announced()]).await
    }

    /// Has it stored soon what became of an announced event. If that is lost, the event stays unfinished.
    pub fn settle(&self, id: EventId, outcome: Outcome) {
        if self.queue.try_send(Message::Settled(id, outcome)).is_err() {
            tracing::warn!("an audit event stays unfinished: too many are waiting for the store");
        }
    }

    /// Has an event stored soon. It is lost if the service is killed meanwhile, or if too many wait already.
    pub fn note(&self, event: AuditEvent) {
        if event.action.is_frequent() && self.keeper.retention.tokens == 0 {
            return;
        }
        let crowded = event.reason.is_some() && self.queue.capacity() <= RESERVED;
        if crowded || self.queue.try_send(Message::Event(Box::new(event.bounded()))).is_err() {
            self.lost.inc();
        }
    }

    /// Notes what the service did by itself, to a client or to a key.
    pub fn note_own(
        &self,
        action: AuditAction,
        client: Option<&ClientId>,
        subject: Option<&str>,
        at: Timestamp,
        random: &dyn Random,
    ) {
        match AuditEvent::by_service(action, client, subject, at, random) {
            Ok(event) => self.note(event),
            Err(_) => self.lose(),
        }
    }

    /// One more event is lost: it could not even be made.
    pub(crate) fn lose(&self) {
        self.lost.inc();
    }

    /// Waits until every event noted before has been tried to be stored, but not for long.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let flushing = async {
            if self.queue.send(Message::Flushed(done)).await.is_ok() {
                self.hurry.notify_one();
                let _ = flushed.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, flushing).await;
    }
}

async fn write(mut queue: mpsc::Receiver<Message>, keeper: Arc<Keeper>, hurry: Arc<Notify>) {
    // Events that the store did not take, to be sent again.
    let mut waiting: Vec<AuditEvent> = Vec::new();
    let mut settled: Vec<(EventId, Outcome)> = Vec::new();
    loop {
        let mut messages = Vec::new();
        if waiting.is_empty() && settled.is_empty() {
            if queue.recv_many(&mut messages, QUEUE).await == 0 {
                return;
            }
        } else {
            // While the store is down, new ones stay in the queue, which is bounded.
            let room = QUEUE.saturating_sub(waiting.len()).saturating_sub(settled.len());
            messages.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(room));
        }
        let mut flushed = Vec::new();
        for message in messages {
            match message {
                Message::Event(event) => waiting.push(*event),
                Message::Settled(id, outcome) => settled.push((id, outcome)),
                Message::Flushed(done) => flushed.push(done),
            }
        }
        match keeper.store(&waiting).await {
            Ok(()) => waiting.clear(),
            Err(error) => tracing::error!(error.message = %error, "audit events wait for the store"),
        }
        match keeper.settle(&settled).await {
            Ok(()) => settled.clear(),
            Err(error) => {
                tracing::error!(error.message = %error, "outcomes of audit events wait for the store")
            }
        }
        for done in flushed {
            // Whoever asked may have left.
            let _ = done.send(());
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = hurry.notified() => {}
        }
    }
}

impl Keeper {
    async fn store(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let (frequent, rare): (Vec<_>, Vec<_>) =
            events.iter().cloned().partition(|event| event.action.is_frequent());
        for (events, days) in [(rare, self.retention.changes), (frequent, self.retention.tokens)] {
            if !events.is_empty() {
                self.log.append(&events, self.end(days)).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError> {
        if outcomes.is_empty() { Ok(()) } else { self.log.settle(outcomes).await }
    }

    fn end(&self, days: u32) -> Timestamp {
        self.clock.now().plus_seconds(i64::from(days).saturating_mul(SECONDS_A_DAY))
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keeper").field("retention", &self.retention).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use credentials::audit::{Actor, AuditFilter, AuditPage};
    use testkit::{FakeClock, SeededRandom};

    use super::*;

    /// Keeps the batches it gets, unless it is down.
    #[derive(Default)]
    struct Batches {
        down: Mutex<bool>,
        kept: Mutex<Vec<Vec<AuditEvent>>>,
    }

    #[async_trait]
    impl AuditLog for Batches {
        async fn append(&self, events: &[AuditEvent], _: Timestamp) -> Result<(), StoreError> {
            if *self.down.lock().unwrap() {
                return Err(StoreError::Unavailable("down".into()));
            }
            self.kept.lock().unwrap().push(events.to_vec());
            Ok(())
        }

        async fn settle(&self, _: &[(EventId, Outcome)]) -> Result<(), StoreError> {
            Ok(())
        }

        async fn events(
            &self,
            _: &AuditFilter,
            _: Option<&EventId>,
            _: u32,
        ) -> Result<AuditPage, StoreError> {
            Ok(AuditPage::default())
        }

        async fn count(&self, _: &AuditFilter, _: u32) -> Result<u32, StoreError> {
            Ok(0)
        }
    }

    fn audit(log: &Arc<Batches>) -> Audit {
        let retention = AuditRetention { changes: 1, tokens: 1 };
        Audit::start(Arc::clone(log) as _, Arc::new(FakeClock::default()), retention, Counter::default())
    }

    fn event(seed: u64, action: AuditAction) -> AuditEvent {
        let at = FakeClock::default().now();
        AuditEvent {
            id: EventId::generate(at, &SeededRandom::new(seed)).unwrap(),
            at,
            action,
            actor: Actor::Anybody,
            client: None,
            subject: None,
            reason: (action == AuditAction::TokenRefused).then(|| "wrong_secret".to_owned()),
            request_id: None,
            source: None,
        }
    }

    fn kept(log: &Batches) -> Vec<usize> {
        log.kept.lock().unwrap().iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn many_events_are_one_write_and_refusals_leave_room() {
        let log = Arc::new(Batches::default());
        let audit = audit(&log);
        // Nothing is written between two of them: this thread does not let go.
        (0..3000).for_each(|seed| audit.note(event(seed, AuditAction::TokenRefused)));
        assert_eq!(audit.lost.get(), 3000 - 512);
        (3000..3600).for_each(|seed| audit.note(event(seed, AuditAction::TokenIssued)));
        assert_eq!(audit.lost.get(), 3000 - 512 + 88);
        audit.flush().await;
        assert_eq!(kept(&log), [1024]);
    }

    #[tokio::test]
    async fn events_wait_for_a_store_that_is_down_and_a_flush_does_not() {
        let log = Arc::new(Batches::default());
        let audit = audit(&log);
        *log.down.lock().unwrap() = true;
        audit.note(event(1, AuditAction::TokenIssued));
        audit.flush().await;
        audit.note(event(2, AuditAction::ClientRegistered));
        audit.flush().await;
        assert!(audit.announce(event(3, AuditAction::ClientChanged)).await.is_err());
        *log.down.lock().unwrap() = false;
        audit.flush().await;
        assert_eq!(kept(&log), [1, 1], "each kind for its own time");
        assert_eq!(audit.lost.get(), 0);
    }
}
