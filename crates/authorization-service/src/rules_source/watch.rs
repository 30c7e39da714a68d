//! Looks at the file, and swaps the rules when it holds others.
//!
//! It asks for the file's metadata twice a second instead of being told by the kernel. That is one system call; it
//! works on every file system, network mounts among them, and it cannot miss what a kernel's watch misses: a watch is
//! on an inode, and Kubernetes, editors and `mv` all put another inode in its place, or another folder above it.
//! A file that is being written is never taken for rules: a JSON object that is cut off is no JSON.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use common::{Clock, Timestamp};
use tokio::signal::unix::{SignalKind, signal};

use super::file::{self, Content, Stamp};
use super::live::Refusal;
use super::{LiveRules, RuleSet, RulesVersion, rule_set};
use crate::config::RulesSettings;
use crate::metrics::RulesMetrics;

/// Between two looks: new rules are in force within a second (G-CACHE-10), after two looks at the most.
const LOOK: Duration = Duration::from_millis(500);

/// The one who looks.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(super) settings: RulesSettings,
    live: Arc<LiveRules>,
    metrics: Arc<RulesMetrics>,
    pub(super) clock: Arc<dyn Clock>,
    /// The file as it was read last, if that can be told from every other state.
    pub(super) seen: Option<Stamp>,
    doubt: Option<Doubt>,
}

/// A file that cannot be put in force. It is told at the second look, so that a file that is just being written is not
/// complained about.
#[derive(Debug)]
struct Doubt {
    about: Bad,
    refusal: Refusal,
    told: bool,
}

/// What is bad, to tell whether it is still the same.
#[derive(Debug, PartialEq, Eq)]
enum Bad {
    Unreadable(String),
    Invalid(RulesVersion),
}

/// Why a look happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Time,
    /// Somebody asked, and wants an answer in the log.
    Asked,
}

/// Looks until the returned sender is dropped; a message to it, or SIGHUP, makes it look at once.
///
/// # Errors
/// If the thread cannot be started, or signals cannot be received.
pub(crate) fn run(watch: Watch) -> io::Result<Sender<()>> {
    let (sender, receiver) = channel();
    let mut hangup = signal(SignalKind::hangup())?;
    let on_hangup = sender.clone();
    actix_web::rt::spawn(async move { while hangup.recv().await.is_some() && on_hangup.send(()).is_ok() {} });
    // A thread of its own: reading may block, and compiling takes a while.
    let thread = thread::Builder::new().name("rules".to_owned());
    thread.spawn(move || look_again(watch, &receiver))?;
    Ok(sender)
}

fn look_again(mut watch: Watch, asked: &Receiver<()>) {
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(()) => watch.look(Cause::Asked),
            Err(RecvTimeoutError::Timeout) => watch.look(Cause::Time),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Watch {
    pub(crate) fn new(
        settings: RulesSettings,
        live: Arc<LiveRules>,
        metrics: Arc<RulesMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { settings, live, metrics, clock, seen: None, doubt: None }
    }

    /// One look at the file, and what follows from it.
    pub(super) fn look(&mut self, cause: Cause) {
        let now = self.clock.now();
        let unchanged = cause == Cause::Time
            && self
                .seen
                .is_some_and(|seen| file::stamp(&self.settings.file).is_ok_and(|stamp| stamp == seen));
        if unchanged {
            self.tell_doubt();
        } else {
            match file::read(&self.settings.file) {
                Ok(content) => self.consider(&content, cause, now),
                Err(error) => {
                    self.seen = None;
                    let message = format!("{} cannot be read: {error}", self.settings.file.display());
                    self.refuse(Bad::Unreadable(error.to_string()), message, cause, now);
                }
            }
        }
        self.live.checked(now);
        self.metrics.checked(now);
    }

    fn consider(&mut self, read: &Content, cause: Cause, now: Timestamp) {
        self.seen = Some(read.stamp).filter(|stamp| stamp.is_settled(now));
        let version = RulesVersion::of(&read.bytes);
        if version == self.live.current().version {
            self.doubt = None;
            if self.live.recover() {
                self.metrics.recovered();
                tracing::info!(rules.version = %version, "the rules file is the one in force again");
            } else if cause == Cause::Asked {
                tracing::info!(rules.version = %version, "asked to reload: the rules file has not changed");
            }
            return;
        }
        if cause == Cause::Time
            && self.doubt.as_ref().is_some_and(|doubt| doubt.about == Bad::Invalid(version))
        {
            self.tell_doubt();
            return;
        }
        match rule_set(&self.settings, &read.bytes, now) {
            Ok(rules) => self.put_in_force(rules),
            Err(invalid) => self.refuse(Bad::Invalid(version), invalid.to_string(), cause, now),
        }
    }

    fn put_in_force(&mut self, rules: RuleSet) {
        let (rules, before) = (Arc::new(rules), self.live.current());
        self.doubt = None;
        self.live.replace(Arc::clone(&rules));
        self.metrics.loaded(&rules);
        tracing::info!(
            rules.version = %rules.version,
            rules.before = %before.version,
            rules.count = rules.table.rules().count(),
            "new rules are in force"
        );
    }

    fn refuse(&mut self, about: Bad, message: String, cause: Cause, now: Timestamp) {
        let known = self.doubt.take().filter(|doubt| doubt.about == about);
        let tell = known.is_some() || cause == Cause::Asked;
        let mut doubt =
            known.unwrap_or(Doubt { about, refusal: Refusal { since: now, message }, told: false });
        // Whoever asks is told again.
        doubt.told &= cause == Cause::Time;
        self.doubt = Some(doubt);
        if tell {
            self.tell_doubt();
        }
    }

    /// Once for each content, and not once for each look.
    fn tell_doubt(&mut self) {
        let Some(doubt) = self.doubt.as_mut().filter(|doubt| !doubt.told) else { return };
        doubt.told = true;
        tracing::error!(
            rules.version = %self.live.current().version,
            error.message = doubt.refusal.message,
            "the rules file cannot be used: the rules of before stay in force"
        );
        self.live.refuse(doubt.refusal.clone());
        self.metrics.refused();
    }
}
