//! The steps that operators take. Each is on the store when it returns, and known to this replica.

use common::Timestamp;
use credentials::Random;
use credentials::key::Algorithm;
use credentials::key::ring::{KeyState, RefusedStep, Urgency};

use super::shared::SharedKeys;
use super::{Holder, KeyStepError, SigningKeys};
use crate::administer_keys::{AdministerKeysError, KeyReport};

impl SigningKeys {
    /// All keys that are not gone, as the store has them.
    pub(crate) async fn reports(&self, now: Timestamp) -> Result<Vec<KeyReport>, KeyStepError> {
        let ring = self.stores.ring.key_ring().await?.ring;
        let mut reports: Vec<_> = ring.published(now).map(|key| KeyReport::of_ring(key, now)).collect();
        for key in self.stores.directory.published().await? {
            let state = key.state(now);
            if state == KeyState::Gone || reports.iter().any(|report| report.kid == key.kid) {
                continue;
            }
            reports.push(KeyReport {
                algorithm: key.key.algorithm().unwrap_or_default().to_owned(),
                state,
                shared: false,
                published_at: key.published_at,
                usable_from: None,
                activated_at: Some(key.published_at),
                retired_at: (state == KeyState::Retiring).then_some(key.last_seen),
                gone_at: Some(key.gone_at()),
                last_seen: Some(key.last_seen),
                kid: key.kid,
            });
        }
        Ok(reports)
    }

    pub(crate) async fn make(
        &self,
        algorithm: Algorithm,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<KeyReport, AdministerKeysError> {
        let Holder::Shared(keys) = &self.holder else { return Err(AdministerKeysError::NotShared) };
        let key = keys.make(algorithm, random).await?;
        let kid = key.kid.clone();
        SharedKeys::step(&*self.stores.ring, |ring| ring.add(key.clone(), now)).await?;
        self.report(&kid, now).await
    }

    pub(crate) async fn activate(
        &self,
        kid: &str,
        urgency: Urgency,
        now: Timestamp,
    ) -> Result<KeyReport, AdministerKeysError> {
        let Holder::Shared(_) = &self.holder else { return Err(AdministerKeysError::NotShared) };
        SharedKeys::step(&*self.stores.ring, |ring| ring.activate(kid, now, urgency)).await?;
        self.report(kid, now).await
    }

    pub(crate) async fn retire(
        &self,
        kid: &str,
        urgency: Urgency,
        now: Timestamp,
    ) -> Result<KeyReport, AdministerKeysError> {
        let reports = self.reports(now).await?;
        let before = reports.into_iter().find(|report| report.kid == kid);
        let before = before.ok_or(KeyStepError::Refused(RefusedStep::Unknown))?;
        if before.shared {
            let Holder::Shared(_) = &self.holder else { return Err(AdministerKeysError::NotShared) };
            SharedKeys::step(&*self.stores.ring, |ring| ring.retire(kid, now, urgency)).await?;
        }
        // Also beside the ring: a key that was one replica's before it was shared must be gone altogether.
        if urgency == Urgency::Immediately {
            if matches!(&self.holder, Holder::Own { key, .. } if key.kid() == kid) {
                return Err(AdministerKeysError::OwnKey);
            }
            self.stores.directory.withdraw(kid).await.map_err(KeyStepError::from)?;
        } else if !before.shared {
            return Err(AdministerKeysError::NotShared);
        }
        match self.report(kid, now).await {
            Err(AdministerKeysError::Step(KeyStepError::Refused(RefusedStep::Unknown))) => {
                Ok(KeyReport { state: KeyState::Gone, usable_from: None, gone_at: Some(now), ..before })
            }
            outcome => outcome,
        }
    }

    /// The key after a step, which this replica then knows of as well.
    async fn report(&self, kid: &str, now: Timestamp) -> Result<KeyReport, AdministerKeysError> {
        self.read(now).await.map_err(KeyStepError::from)?;
        let mut reports = self.reports(now).await?.into_iter();
        let report = reports.find(|report| report.kid == kid);
        Ok(report.ok_or(KeyStepError::Refused(RefusedStep::Unknown))?)
    }
}
