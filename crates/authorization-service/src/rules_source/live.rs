//! The rules in force, and what became of the file since. Reading them takes no lock.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use common::Timestamp;
use serde::Serialize;

use super::RuleSet;

/// The rules in force. A request takes them once and keeps to them (G-CACHE-10).
#[derive(Debug)]
pub(crate) struct LiveRules {
    current: ArcSwap<RuleSet>,
    file: String,
    file_state: Mutex<FileState>,
}

#[derive(Debug)]
struct FileState {
    checked_at: Timestamp,
    refusal: Option<Refusal>,
}

/// Why the file as it is now is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    /// When it was first seen so.
    pub(crate) since: Timestamp,
    pub(crate) message: String,
}

/// What the status route tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RulesStatus {
    version: String,
    rules: usize,
    file: String,
    loaded_at: Timestamp,
    age_seconds: i64,
    checked_at: Timestamp,
    /// `None` if the file is what is in force.
    error: Option<Refusal>,
}

impl LiveRules {
    /// `file` is where they were read, as people are told it.
    pub(crate) fn new(rules: RuleSet, file: String) -> Self {
        let state = FileState { checked_at: rules.loaded_at, refusal: None };
        Self { current: ArcSwap::from_pointee(rules), file, file_state: Mutex::new(state) }
    }

    /// What is in force now.
    pub(crate) fn current(&self) -> Arc<RuleSet> {
        self.current.load_full()
    }

    /// Where the rules are read.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn replace(&self, rules: Arc<RuleSet>) {
        self.current.store(rules);
        self.with_state(|state| state.refusal = None);
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        self.with_state(|state| state.refusal = Some(refusal));
    }

    /// The file is what is in force again. Whether it was not.
    pub(super) fn recover(&self) -> bool {
        self.with_state(|state| state.refusal.take().is_some())
    }

    pub(super) fn checked(&self, now: Timestamp) {
        self.with_state(|state| state.checked_at = now);
    }

    pub(crate) fn status(&self, now: Timestamp) -> RulesStatus {
        let current = self.current();
        let (checked_at, error) = self.with_state(|state| (state.checked_at, state.refusal.clone()));
        RulesStatus {
            version: current.version.to_string(),
            rules: current.table.rules().count(),
            file: self.file.clone(),
            loaded_at: current.loaded_at,
            age_seconds: now.unix_seconds().saturating_sub(current.loaded_at.unix_seconds()),
            checked_at,
            error,
        }
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut FileState) -> T) -> T {
        act(&mut self.file_state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
