//! The decision log: one line for each decision, for those who count, replay and audit. Written by a thread of its own
//! behind a queue that is never waited for: when it is full, a line is lost and counted, and the decision stands.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use access_rules::Rule;
use common::{NameSet, Principal, Random, RandomError, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::id::DecisionId;
use crate::decide::Findings;
use crate::decide::denial::Denial;
use crate::decide::question::Question;
use crate::metrics::DecisionLogMetrics;
use crate::rules_source::RulesVersion;
use crate::userinfo::UserinfoAnswer;

/// Decisions that may wait to be written: a tenth of a second's at full speed.
const QUEUE: usize = 4096;
/// Of a path and a client type. What is longer is cut, and the line says so.
const MAX_TEXT: usize = 2048;
/// Names of a caller, of each kind.
const MAX_NAMES: usize = 1000;
/// How long the end of the process waits for the lines that are still on their way.
const FLUSH: Duration = Duration::from_secs(2);
/// Lines are written together up to about this size.
const CHUNK: usize = 64 * 1024;

/// `DECISION_LOG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Off,
    Denials,
    All,
}

/// `DECISION_LOG_USER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserIds {
    Plain,
    Pseudonym,
}

/// Where decisions are handed in.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    queue: SyncSender<Message>,
    allows: bool,
    /// One allow in so many is written.
    sample: u64,
    allowed: AtomicU64,
    metrics: Arc<DecisionLogMetrics>,
}

#[derive(Debug)]
enum Message {
    Decision(Box<Entry>),
    /// Everything handed in before is written.
    Flush(oneshot::Sender<()>),
}

/// A decision that is to be written. The caller and the rule are shared, not copied.
#[derive(Debug)]
pub(super) struct Entry {
    at: Timestamp,
    id: Option<DecisionId>,
    denied: Option<Denial>,
    sample_of: u64,
    request: Option<AskedFor>,
    client_type: String,
    is_backoffice: bool,
    rules: Option<RulesVersion>,
    rule: Option<Arc<Rule>>,
    caller: Option<Arc<UserinfoAnswer>>,
}

#[derive(Debug)]
struct AskedFor {
    method: String,
    path: String,
    is_cut: bool,
}

impl DecisionLog {
    /// Starts the thread that writes to `output`. `sample` is at least 1.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        scope: Scope,
        sample: u32,
        names: Names,
        metrics: Arc<DecisionLogMetrics>,
        output: impl Write + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        if scope == Scope::Off {
            return Ok(None);
        }
        let (queue, waiting) = sync_channel(QUEUE);
        let counted = Arc::clone(&metrics);
        let thread = thread::Builder::new().name("decision-log".to_owned());
        thread.spawn(move || write(&waiting, output, &names, &counted))?;
        Ok(Some(Self {
            queue,
            allows: scope == Scope::All,
            sample: sample.max(1).into(),
            allowed: AtomicU64::new(0),
            metrics,
        }))
    }

    /// How many decisions this one stands for, if it is to be written.
    pub(super) fn wants(&self, denied: Option<Denial>) -> Option<u64> {
        match denied {
            Some(_) => Some(1),
            None if !self.allows => None,
            None => {
                let number = self.allowed.fetch_add(1, Ordering::Relaxed);
                number.is_multiple_of(self.sample).then_some(self.sample)
            }
        }
    }

    pub(super) fn hand_in(&self, entry: Entry) {
        if self.queue.try_send(Message::Decision(Box::new(entry))).is_err() {
            self.metrics.dropped();
        }
    }

    /// Waits until everything is written, but not for ever: the reader of our output may be gone.
    pub(crate) async fn flush(&self) {
        let flushed = async {
            let (done, is_done) = oneshot::channel();
            let mut message = Message::Flush(done);
            while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
                message = back;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = is_done.await;
        };
        if tokio::time::timeout(FLUSH, flushed).await.is_err() {
            tracing::warn!("the decision log could not be written to its end");
        }
    }
}

impl Entry {
    pub(super) fn new(
        at: Timestamp,
        id: Option<DecisionId>,
        denied: Option<Denial>,
        sample_of: u64,
        question: &Question<'_>,
        findings: &Findings,
    ) -> Self {
        let facts = question.facts.unwrap_or_default();
        let request = question.original.as_ref().ok().map(|original| {
            let (method, path) = (original.method_text(MAX_TEXT), original.path_text(MAX_TEXT));
            let is_cut = method.len() >= MAX_TEXT || path.len() >= MAX_TEXT;
            AskedFor { method: method.into_owned(), path: path.into_owned(), is_cut }
        });
        Self {
            at,
            id,
            denied,
            sample_of,
            request,
            client_type: facts.client_type.to_owned(),
            is_backoffice: facts.is_backoffice,
            rules: findings.rules,
            rule: findings.rule.clone(),
            caller: findings.caller.clone(),
        }
    }
}

/// How callers are named.
#[derive(Debug)]
pub(crate) struct Names(Option<[u8; 32]>);

impl Names {
    /// A pseudonym is good until the process ends.
    pub(crate) fn new(ids: UserIds, random: &dyn Random) -> Result<Self, RandomError> {
        if ids == UserIds::Plain {
            return Ok(Self(None));
        }
        let mut key = [0; 32];
        random.fill(&mut key)?;
        Ok(Self(Some(key)))
    }

    fn of(&self, principal: &Principal) -> String {
        let Some(key) = &self.0 else { return principal.id.clone() };
        let digest = Sha256::new().chain_update(key).chain_update(&principal.id).finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn write(waiting: &Receiver<Message>, mut output: impl Write, names: &Names, metrics: &DecisionLogMetrics) {
    let mut lines = Vec::with_capacity(CHUNK);
    let mut count: u64 = 0;
    let mut next = waiting.recv().ok();
    while let Some(message) = next {
        let mut flushed = None;
        match message {
            Message::Decision(entry) => {
                if serde_json::to_writer(&mut lines, &Line::of(&entry, names)).is_ok() {
                    lines.push(b'\n');
                    count = count.saturating_add(1);
                }
            }
            Message::Flush(done) => flushed = Some(done),
        }
        next = waiting.try_recv().ok();
        if next.is_none() || flushed.is_some() || lines.len() >= CHUNK {
            // Nobody is left to tell if standard output is gone.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            metrics.written(std::mem::take(&mut count));
            lines.clear();
        }
        if let Some(done) = flushed {
            let _ = done.send(());
        }
        next = next.or_else(|| waiting.recv().ok());
    }
}

/// A line, as `docs/logging.md` describes it.
#[derive(Serialize)]
struct Line<'e> {
    level: u8,
    time: i64,
    msg: &'static str,
    decision: DecisionPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestPart<'e>>,
    caller: CallerPart<'e>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<String>,
    sample_of: u64,
    /// Something of the line was cut: it cannot be replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestPart<'e> {
    method: &'e str,
    path: &'e str,
    client_type: &'e str,
    backoffice: bool,
}

#[derive(Serialize)]
struct CallerPart<'e> {
    is: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<&'e str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<&'e str>>,
}

impl<'e> Line<'e> {
    fn of(entry: &'e Entry, names: &Names) -> Self {
        let known = match entry.caller.as_deref() {
            Some(UserinfoAnswer::Known(principal)) => Some(principal),
            _ => None,
        };
        let too_many = |principal: &&Principal| {
            principal.groups.len() > MAX_NAMES || principal.permissions.len() > MAX_NAMES
        };
        let is_cut = known.as_ref().is_some_and(too_many)
            || entry.request.as_ref().is_some_and(|request| request.is_cut)
            || entry.client_type.len() > MAX_TEXT;
        let client_type = entry.client_type.get(..entry.client_type.floor_char_boundary(MAX_TEXT));
        Self {
            level: 30,
            time: entry.at.unix_millis(),
            msg: "decision",
            decision: DecisionPart {
                id: entry.id.map(|id| id.to_string()),
                outcome: if entry.denied.is_some() { "deny" } else { "allow" },
                reason: entry.denied.map(Denial::word),
                rule: entry.rule.as_ref().map(ToString::to_string),
                rules: entry.rules.map(|version| version.to_string()),
                sample_of: entry.sample_of,
                cut: is_cut.then_some(true),
            },
            request: entry.request.as_ref().map(|request| RequestPart {
                method: &request.method,
                path: &request.path,
                client_type: client_type.unwrap_or_default(),
                backoffice: entry.is_backoffice,
            }),
            caller: CallerPart {
                is: UserinfoAnswer::word(entry.caller.as_deref()),
                id: known.map(|principal| names.of(principal)),
                groups: known.map(|principal| first(&principal.groups)),
                permissions: known.map(|principal| first(&principal.permissions)),
            },
        }
    }
}

fn first(names: &NameSet) -> Vec<&str> {
    names.iter().take(MAX_NAMES).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use serde_json::Value;
    use service_kit::SystemRandom;

    use super::*;

    /// Keeps what is written, once the gate is open.
    #[derive(Clone, Default)]
    struct Gated(Arc<Gate>);

    #[derive(Default)]
    struct Gate {
        state: Mutex<(bool, Vec<u8>)>,
        changed: Condvar,
    }

    impl Gated {
        fn open(&self) {
            self.0.state.lock().unwrap().0 = true;
            self.0.changed.notify_all();
        }

        fn lines(&self) -> Vec<Value> {
            let written = &self.0.state.lock().unwrap().1;
            String::from_utf8(written.clone())
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut state =
                self.0.changed.wait_while(self.0.state.lock().unwrap(), |state| !state.0).unwrap();
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn entry(number: u128, caller: Option<UserinfoAnswer>) -> Entry {
        Entry {
            at: Timestamp::from_unix_millis(5),
            id: DecisionId::parse(&format!("{number:032x}")),
            denied: Some(Denial::UntrustedPeer),
            sample_of: 1,
            request: None,
            client_type: String::new(),
            is_backoffice: false,
            rules: None,
            rule: None,
            caller: caller.map(Arc::new),
        }
    }

    fn start(scope: Scope, sample: u32, ids: UserIds) -> (DecisionLog, Gated, Arc<DecisionLogMetrics>) {
        let (output, metrics) = (Gated::default(), Arc::new(DecisionLogMetrics::unregistered()));
        let names = Names::new(ids, &SystemRandom).unwrap();
        let log = DecisionLog::start(scope, sample, names, Arc::clone(&metrics), output.clone());
        (log.unwrap().unwrap(), output, metrics)
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_costs_lines_that_are_counted_and_holds_up_nobody() {
        let (log, output, metrics) = start(Scope::All, 1, UserIds::Plain);
        let handed_in = 3 * QUEUE as u64;
        for number in 0..handed_in {
            log.hand_in(entry(number.into(), None));
        }
        let (_, dropped) = metrics.counts();
        assert!(dropped > 0, "none of them waited");
        output.open();
        log.flush().await;
        let (written, dropped) = metrics.counts();
        assert_eq!((written, written + dropped), (output.lines().len() as u64, handed_in));
        assert!(written >= QUEUE as u64);
    }

    #[test]
    fn allows_are_sampled_and_denials_are_not() {
        let wanted =
            |log: &DecisionLog, denied| (0..10).filter_map(|_| log.wants(denied)).collect::<Vec<_>>();
        let denied = Some(Denial::UntrustedPeer);
        let (log, ..) = start(Scope::All, 4, UserIds::Plain);
        assert_eq!((wanted(&log, None), wanted(&log, denied)), (vec![4, 4, 4], vec![1; 10]));
        let (log, ..) = start(Scope::Denials, 1, UserIds::Plain);
        assert_eq!((wanted(&log, None), wanted(&log, denied)), (vec![], vec![1; 10]));
    }

    #[tokio::test]
    async fn t_log_03_a_line_is_bounded_and_says_that_it_was_cut() {
        let (log, output, _) = start(Scope::All, 1, UserIds::Plain);
        output.open();
        let many = Principal {
            id: "u".to_owned(),
            groups: (0..2 * MAX_NAMES).map(|number| number.to_string()).collect(),
            ..Principal::default()
        };
        let asked = |path: &str| AskedFor { method: "GET".to_owned(), path: path.to_owned(), is_cut: false };
        log.hand_in(Entry {
            request: Some(asked("/\n{}\u{1b}[2J")),
            ..entry(1, Some(UserinfoAnswer::Known(many)))
        });
        log.hand_in(Entry {
            client_type: "é".repeat(MAX_TEXT), request: Some(asked("/")), ..entry(2, None)
        });
        log.flush().await;
        let lines = output.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["caller"]["groups"].as_array().unwrap().len(), MAX_NAMES);
        assert_eq!(lines[1]["request"]["clientType"].as_str().unwrap().len(), MAX_TEXT);
        assert!(lines.iter().all(|line| line["decision"]["cut"] == true));
    }

    #[tokio::test]
    async fn a_pseudonym_is_the_same_for_the_same_user_and_tells_nothing() {
        let user =
            |id: &str| Some(UserinfoAnswer::Known(Principal { id: id.to_owned(), ..Principal::default() }));
        let mut runs = Vec::new();
        for _ in 0..2 {
            let (log, output, _) = start(Scope::All, 1, UserIds::Pseudonym);
            output.open();
            ["ivo", "ivo", "bob"].iter().for_each(|id| log.hand_in(entry(0, user(id))));
            log.flush().await;
            runs.push(
                output
                    .lines()
                    .iter()
                    .map(|line| line["caller"]["id"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            );
        }
        assert!(runs[0][0] == runs[0][1] && runs[0][0] != runs[0][2] && runs[0][0] != runs[1][0], "{runs:?}");
        assert!(runs[0].iter().all(|name| name.len() == 16 && !name.contains("ivo")));
    }
}
