//! Who may have a key set fetched now. A fetch waits for a host that a client chose, so there are few at a time, divided so
//! that no stranger has them all: those whom we know, and those whom an operator made, have their own, and no source and
//! no host has more than a share (T-SSRF-06). Who finds none waits for a moment, in the order of coming.

use std::sync::Arc;
use std::time::Duration;

use credentials::client::{Client, ClientOrigin};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::shares::Shares;
use crate::source::Source;

/// Fetches at one time for all clients of one standing.
const SLOTS: usize = 16;
/// Of these, for requests from one source.
const OF_SOURCE: usize = 4;
/// Of these, to one host. More than one source has: nobody uses up the slots to a host that others share.
const OF_HOST: usize = 8;
/// Whoever finds no slot for so long is sent away.
const PATIENCE: Duration = Duration::from_secs(1);

/// What we know of a client before its keys are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Registered itself, as far as we know, and has never had a token.
    Newcomer,
    /// Registered itself, as far as we know, and proved once that it has a key of those it publishes.
    Known,
    /// No stranger can make one.
    MadeByOperator,
}

/// For whom, and from where.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) standing: Standing,
    pub(super) source: Source,
    /// With the port.
    pub(super) host: String,
}

/// The slots of a process.
#[derive(Debug)]
pub(super) struct FetchSlots {
    newcomers: Slots,
    known: Slots,
    made_by_operator: Slots,
    patience: Duration,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _permits: [OwnedSemaphorePermit; 3],
}

/// There was no slot in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSlot;

#[derive(Debug)]
struct Slots {
    all: Arc<Semaphore>,
    of_source: Shares<Source>,
    of_host: Shares<String>,
}

impl Standing {
    pub(super) fn of(client: &Client) -> Self {
        match client.origin {
            ClientOrigin::Operator => Self::MadeByOperator,
            ClientOrigin::Registration | ClientOrigin::Unknown if client.last_login.is_some() => Self::Known,
            ClientOrigin::Registration | ClientOrigin::Unknown => Self::Newcomer,
        }
    }
}

impl Default for FetchSlots {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl FetchSlots {
    fn with_patience(patience: Duration) -> Self {
        let [newcomers, known, made_by_operator] = std::array::from_fn(|_| Slots::default());
        Self { newcomers, known, made_by_operator, patience }
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// [`NoSlot`].
    pub(super) async fn take(&self, asker: &Asker) -> Result<Slot, NoSlot> {
        let slots = match asker.standing {
            Standing::Newcomer => &self.newcomers,
            Standing::Known => &self.known,
            Standing::MadeByOperator => &self.made_by_operator,
        };
        let taking = tokio::time::timeout(self.patience, slots.take(asker));
        taking.await.ok().and_then(Result::ok).ok_or(NoSlot)
    }
}

impl Slots {
    /// Shares first: who waits for one of its own keeps nobody else waiting.
    async fn take(&self, asker: &Asker) -> Result<Slot, AcquireError> {
        let source = self.of_source.of(asker.source).acquire_owned().await?;
        let host = self.of_host.of(asker.host.clone()).acquire_owned().await?;
        let all = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Slot { _permits: [source, host, all] })
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(SLOTS)),
            of_source: Shares::new(OF_SOURCE),
            of_host: Shares::new(OF_HOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn asker(standing: Standing, source: u8, host: &str) -> Asker {
        let source = Source::from(IpAddr::from([127, 0, 0, source]));
        Asker { standing, source, host: host.to_owned() }
    }

    /// Slots for as many of these as find one.
    async fn taken(slots: &FetchSlots, askers: impl IntoIterator<Item = Asker>) -> Vec<Slot> {
        let mut taken = Vec::new();
        for asker in askers {
            taken.extend(slots.take(&asker).await.ok());
        }
        taken
    }

    #[tokio::test]
    async fn t_ssrf_06_nobody_has_more_than_a_share() {
        let slots = FetchSlots::with_patience(Duration::from_millis(1));
        let newcomer =
            |source: u8, host: usize| asker(Standing::Newcomer, source, &format!("{host}.example"));
        let from_one_source = taken(&slots, (0..100).map(|host| newcomer(1, host))).await;
        assert_eq!(from_one_source.len(), OF_SOURCE, "however many hosts it names");
        let to_one_host = taken(&slots, (2..20).map(|source| newcomer(source, 7777))).await;
        assert_eq!(to_one_host.len(), OF_HOST, "however many sources ask");
        let others = taken(&slots, (20..40).map(|source| newcomer(source, source.into()))).await;
        assert_eq!(others.len(), SLOTS - OF_SOURCE - OF_HOST);
        for standing in [Standing::Known, Standing::MadeByOperator] {
            assert!(slots.take(&asker(standing, 1, "7777.example")).await.is_ok(), "{standing:?}");
        }
        drop((from_one_source, to_one_host, others));
        assert!(slots.take(&newcomer(1, 7777)).await.is_ok(), "slots come back");
    }

    #[test]
    fn t_ssrf_06_a_client_of_unknown_origin_is_a_strangers() {
        let standing = |origin, last_login| {
            let client = Client { origin, last_login, ..testkit::client("c") };
            Standing::of(&client)
        };
        let some = Some(common::Timestamp::from_unix_seconds(1));
        assert_eq!(standing(ClientOrigin::Operator, None), Standing::MadeByOperator);
        for origin in [ClientOrigin::Registration, ClientOrigin::Unknown] {
            assert_eq!(standing(origin, None), Standing::Newcomer);
            assert_eq!(standing(origin, some), Standing::Known);
        }
    }

    #[tokio::test]
    async fn who_waits_gets_the_next_slot() {
        let slots = FetchSlots::default();
        let one = asker(Standing::Known, 1, "keys.example");
        let mut held = taken(&slots, vec![one.clone(); OF_SOURCE]).await;
        let (late, ()) = tokio::join!(slots.take(&one), async {
            tokio::task::yield_now().await;
            drop(held.pop());
        });
        assert!(late.is_ok());
    }
}
