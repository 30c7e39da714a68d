//! A real store whose ports can be made to fail, each by itself, and that counts how often each is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use client_credentials::Stores;
use common::Timestamp;
use common::revocation::Revocation;
use credentials::audit::{AuditEvent, AuditFilter, AuditLog, AuditPage, EventId, Outcome};
use credentials::client::{
    Client, ClientFilter, ClientId, ClientPage, ClientStore, DeleteOutcome, ReplaceOutcome,
};
use credentials::key::{KeyDirectory, KeyRing, KeyRingStore, PublishedKey, StoredRing};
use credentials::replay::{ReplayGuard, UseId};
use credentials::revocation::{RevocationStore, RevocationWatch};
use credentials::secret::{
    RemoveOutcome, RotateOutcome, Rotation, SecretHash, SecretLookup, SecretStore, StoredSecret,
};
use credentials::store::DeploymentStore;
use credentials::{InsertError, StoreError};
use store_sqlite::SqliteStore;
use tokio::sync::{RwLock, RwLockWriteGuard};

/// A store with a switch for each port.
#[derive(Clone)]
pub(crate) struct FailingStores {
    store: SqliteStore,
    pub(crate) clients: Arc<Switch>,
    /// Of clients alone: what adds one, puts another version in its place, or removes it.
    pub(crate) insertions: Arc<Switch>,
    pub(crate) replacements: Arc<Switch>,
    pub(crate) removals: Arc<Switch>,
    pub(crate) secrets: Arc<Switch>,
    /// Of imported secrets alone.
    pub(crate) upgrades: Arc<Switch>,
    pub(crate) replay: Arc<Switch>,
    pub(crate) revocations: Arc<Switch>,
    pub(crate) keys: Arc<Switch>,
    pub(crate) audit: Arc<Switch>,
    pub(crate) key_ring: Arc<Switch>,
}

/// Whether a port fails, and how often it was asked.
#[derive(Default)]
pub(crate) struct Switch {
    down: AtomicBool,
    calls: AtomicUsize,
    gate: RwLock<()>,
    /// If not 0, the gate lets in every second call, beginning with this one.
    let_in_from: AtomicUsize,
}

impl Switch {
    pub(crate) fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn work(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    /// No secret is looked up or rotated, no client added, replaced or removed, and no event stored, until the guard is dropped.
    pub(crate) fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.blocking_write()
    }

    /// The same for the second call, the fourth and so on from now on. The others are let in.
    pub(crate) fn hold_every_second(&self) -> RwLockWriteGuard<'_, ()> {
        self.let_in_from.store(self.calls() + 1, Ordering::SeqCst);
        self.hold()
    }

    async fn let_in(&self, call: usize) {
        let from = self.let_in_from.load(Ordering::SeqCst);
        if from == 0 || !call.abs_diff(from).is_multiple_of(2) {
            drop(self.gate.read().await);
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so often.
    pub(crate) fn await_calls(&self, calls: usize) {
        while self.calls() < calls {
            std::thread::yield_now();
        }
    }

    /// The number of the call.
    fn pass(&self) -> Result<usize, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.check().map(|()| call)
    }

    /// Fails or not, and is no call: a watch is open all the time.
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("hunter2: connection refused".into()))
        } else {
            Ok(())
        }
    }
}

impl FailingStores {
    pub(crate) fn new(store: SqliteStore) -> Self {
        Self {
            store,
            clients: Arc::default(),
            insertions: Arc::default(),
            replacements: Arc::default(),
            removals: Arc::default(),
            secrets: Arc::default(),
            upgrades: Arc::default(),
            replay: Arc::default(),
            revocations: Arc::default(),
            keys: Arc::default(),
            audit: Arc::default(),
            key_ring: Arc::default(),
        }
    }

    pub(crate) fn ports(&self) -> Stores {
        Stores::of(self.clone())
    }

    pub(crate) fn switches(&self) -> [&Switch; 7] {
        [
            &self.clients,
            &self.secrets,
            &self.replay,
            &self.revocations,
            &self.keys,
            &self.key_ring,
            &self.audit,
        ]
    }
}

#[async_trait]
impl ClientStore for FailingStores {
    async fn insert_new(&self, client: &Client) -> Result<(), InsertError> {
        self.clients.pass()?;
        let call = self.insertions.pass()?;
        self.insertions.let_in(call).await;
        self.store.insert_new(client).await
    }

    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.clients.pass()?;
        ClientStore::find(&self.store, id).await
    }

    async fn list(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<ClientPage, StoreError> {
        self.clients.pass()?;
        self.store.list(filter, after, limit).await
    }

    async fn replace(&self, client: &Client, expected: u64) -> Result<ReplaceOutcome, StoreError> {
        self.clients.pass()?;
        let call = self.replacements.pass()?;
        self.replacements.let_in(call).await;
        self.store.replace(client, expected).await
    }

    async fn delete(
        &self,
        id: &ClientId,
        expected_version: Option<u64>,
    ) -> Result<DeleteOutcome, StoreError> {
        self.clients.pass()?;
        let call = self.removals.pass()?;
        self.removals.let_in(call).await;
        self.store.delete(id, expected_version).await
    }

    async fn note_login(&self, id: &ClientId, at: Timestamp, kid: Option<&str>) -> Result<(), StoreError> {
        self.clients.pass()?;
        self.store.note_login(id, at, kid).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.clients.pass()?;
        self.store.ping().await
    }
}

#[async_trait]
impl SecretStore for FailingStores {
    async fn add(&self, owner: &SecretLookup, secret: &StoredSecret) -> Result<(), StoreError> {
        self.secrets.pass()?;
        self.store.add(owner, secret).await
    }

    async fn find(&self, owner: &SecretLookup) -> Result<Vec<StoredSecret>, StoreError> {
        let call = self.secrets.pass()?;
        self.secrets.let_in(call).await;
        SecretStore::find(&self.store, owner).await
    }

    async fn rotate(&self, owner: &SecretLookup, rotation: &Rotation) -> Result<RotateOutcome, StoreError> {
        let call = self.secrets.pass()?;
        self.secrets.let_in(call).await;
        self.store.rotate(owner, rotation).await
    }

    async fn upgrade(
        &self,
        owner: &SecretLookup,
        old: &SecretHash,
        new: &StoredSecret,
    ) -> Result<bool, StoreError> {
        self.upgrades.pass()?;
        self.store.upgrade(owner, old, new).await
    }

    /// No call that is counted: it comes now and then, and nobody waits for it.
    async fn note_use(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.secrets.check()?;
        self.store.note_use(owner, hash, at).await
    }

    async fn any_imported(&self) -> Result<Option<SecretHash>, StoreError> {
        self.secrets.pass()?;
        self.store.any_imported().await
    }

    async fn remove(
        &self,
        owner: &SecretLookup,
        hash: &SecretHash,
        spare_last_at: Option<Timestamp>,
    ) -> Result<RemoveOutcome, StoreError> {
        self.secrets.pass()?;
        self.store.remove(owner, hash, spare_last_at).await
    }

    /// No call that is counted: the sweep makes it, whenever.
    async fn forget_ended(&self, before: Timestamp) -> Result<(), StoreError> {
        self.secrets.check()?;
        self.store.forget_ended(before).await
    }

    async fn delete_all(&self, owner: &SecretLookup) -> Result<(), StoreError> {
        self.secrets.pass()?;
        self.store.delete_all(owner).await
    }
}

#[async_trait]
impl ReplayGuard for FailingStores {
    async fn first_use(&self, id: UseId, until: Timestamp) -> Result<bool, StoreError> {
        self.replay.pass()?;
        self.store.first_use(id, until).await
    }
}

#[async_trait]
impl RevocationStore for FailingStores {
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.revocations.pass()?;
        self.store.revoke(revocation).await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        self.revocations.pass()?;
        self.store.revocations().await
    }

    async fn watch(&self) -> Result<Box<dyn RevocationWatch>, StoreError> {
        self.revocations.pass()?;
        let watch = self.store.watch().await?;
        Ok(Box::new(FailingWatch { watch, switch: Arc::clone(&self.revocations) }))
    }
}

struct FailingWatch {
    watch: Box<dyn RevocationWatch>,
    switch: Arc<Switch>,
}

#[async_trait]
impl RevocationWatch for FailingWatch {
    async fn next(&mut self) -> Result<Option<Revocation>, StoreError> {
        self.switch.check()?;
        self.watch.next().await
    }
}

#[async_trait]
impl KeyDirectory for FailingStores {
    async fn publish(&self, key: &PublishedKey) -> Result<(), StoreError> {
        self.keys.pass()?;
        self.store.publish(key).await
    }

    async fn published(&self) -> Result<Vec<PublishedKey>, StoreError> {
        self.keys.pass()?;
        self.store.published().await
    }

    async fn forget_unseen(&self, since: Timestamp) -> Result<(), StoreError> {
        self.keys.pass()?;
        self.store.forget_unseen(since).await
    }

    async fn withdraw(&self, kid: &str) -> Result<bool, StoreError> {
        self.keys.pass()?;
        self.store.withdraw(kid).await
    }
}

#[async_trait]
impl KeyRingStore for FailingStores {
    async fn key_ring(&self) -> Result<StoredRing, StoreError> {
        self.key_ring.pass()?;
        self.store.key_ring().await
    }

    async fn replace_key_ring(&self, ring: &KeyRing, expected: u64) -> Result<bool, StoreError> {
        self.key_ring.pass()?;
        self.store.replace_key_ring(ring, expected).await
    }
}

#[async_trait]
impl DeploymentStore for FailingStores {
    async fn agree(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.store.agree(name, proposal).await
    }
}

#[async_trait]
impl AuditLog for FailingStores {
    async fn append(&self, events: &[AuditEvent], keep_until: Timestamp) -> Result<(), StoreError> {
        let call = self.audit.pass()?;
        self.audit.let_in(call).await;
        self.store.append(events, keep_until).await
    }

    async fn settle(&self, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError> {
        self.audit.pass()?;
        self.store.settle(outcomes).await
    }

    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<&EventId>,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        self.audit.pass()?;
        self.store.events(filter, before, limit).await
    }

    async fn count(&self, filter: &AuditFilter, at_most: u32) -> Result<u32, StoreError> {
        self.audit.pass()?;
        self.store.count(filter, at_most).await
    }
}
