//! The port: one `SET … NX` for each use, and the wait until replicas have it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Clock, Timestamp};
use credentials::StoreError;
use credentials::replay::{ReplayGuard, UseId};
use redis::{RedisError, Value};

use crate::connection::{Connection, Master, OpenError};
use crate::settings::Settings;

/// What the keys begin with: the Redis may serve others as well.
const PREFIX: &str = "gettone:used-assertion:";
/// How long a use is kept beyond its end: a clock that runs behind in another replica must not meet an assertion that
/// Redis has forgotten (T-CLM-19, T-CLM-20).
const MARGIN_MILLIS: i64 = 600_000;
/// The longest time to keep a key: 36 million years. Redis adds it to its own clock, and the sum must fit.
const LONGEST_MILLIS: i64 = 1 << 60;
/// How long replicas may take to confirm.
const CONFIRMATION_MILLIS: u32 = 500;
/// No call takes longer, whatever hangs: a caller holds a request open meanwhile.
const LIMIT: Duration = Duration::from_millis(2800);

/// Used assertions, kept in Redis.
pub struct RedisGuard {
    master: Master,
    replicas_to_wait_for: u16,
    clock: Arc<dyn Clock>,
}

/// Why a use is not known to be the first one.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    #[error(transparent)]
    NoMaster(#[from] OpenError),
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("Redis did not answer within {} ms", LIMIT.as_millis())]
    TooSlow,
    #[error("{0} of {1} replicas confirmed the use in time")]
    NotReplicated(i64, u16),
    #[error("the connection to Redis was lost, and the use is there: this call may have left it")]
    PerhapsOurs,
    #[error("Redis answered something else than to SET and WAIT")]
    NotUnderstood,
}

impl Doubt {
    /// Whether a new connection may do better: the old one is gone, and nothing was slow.
    fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Redis(error) if error.is_connection_dropped() && !error.is_timeout())
    }
}

impl RedisGuard {
    /// Connects. `clock` is the one that judges assertions: a record lives as long as it says, whatever the clock of
    /// Redis shows.
    ///
    /// # Errors
    /// [`OpenError`] that says what to do.
    pub async fn connect(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let replicas_to_wait_for = settings.replicas_to_wait_for;
        let this = Self { master: Master::new(settings)?, replicas_to_wait_for, clock };
        this.master.connection().await?;
        Ok(this)
    }

    /// A connection that sat idle may be gone without a sign. Then a second one is tried, which can tell that the use
    /// is new, but not whose it is if it is there.
    async fn record(&self, id: UseId, until: Timestamp) -> Result<bool, Doubt> {
        match self.attempt(id, until).await {
            Err(doubt) if doubt.is_lost_connection() => match self.attempt(id, until).await {
                Ok(false) => Err(Doubt::PerhapsOurs),
                answer => answer,
            },
            answer => answer,
        }
    }

    async fn attempt(&self, id: UseId, until: Timestamp) -> Result<bool, Doubt> {
        let connection = self.master.connection().await?;
        let answer = self.set(&connection, id, until).await;
        if answer.is_err() {
            // Whatever it was, the master may be another one by now.
            self.master.forget(&connection).await;
        }
        answer
    }

    async fn set(&self, connection: &Connection, id: UseId, until: Timestamp) -> Result<bool, Doubt> {
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(id.as_bytes()));
        let left = until.unix_millis().saturating_sub(self.clock.now().unix_millis());
        let kept_for = left.max(0).saturating_add(MARGIN_MILLIS).min(LONGEST_MILLIS);
        let mut commands = redis::pipe();
        commands.cmd("SET").arg(key).arg(1).arg("NX").arg("PX").arg(kept_for);
        if self.replicas_to_wait_for > 0 {
            // WAIT is about the writes of this connection so far, of which this one is the last or nearly so.
            commands.cmd("WAIT").arg(self.replicas_to_wait_for).arg(CONFIRMATION_MILLIS);
        }
        let answers: Vec<Value> = commands.query_async(&mut (**connection).clone()).await?;
        match (answers.as_slice(), self.replicas_to_wait_for) {
            // A refusal needs no confirmation: it lets nobody in.
            ([Value::Nil, ..], _) => Ok(false),
            ([Value::Okay], 0) => Ok(true),
            ([Value::Okay, Value::Int(confirmed)], wanted) if *confirmed >= i64::from(wanted) => Ok(true),
            ([Value::Okay, Value::Int(confirmed)], wanted) => Err(Doubt::NotReplicated(*confirmed, wanted)),
            _ => Err(Doubt::NotUnderstood),
        }
    }
}

#[async_trait]
impl ReplayGuard for RedisGuard {
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError> {
        let answer = tokio::time::timeout(LIMIT, self.record(id, until)).await;
        answer.unwrap_or(Err(Doubt::TooSlow)).map_err(|doubt| StoreError::Unavailable(Box::new(doubt)))
    }
}

impl fmt::Debug for RedisGuard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisGuard")
            .field("replicas_to_wait_for", &self.replicas_to_wait_for)
            .finish_non_exhaustive()
    }
}
