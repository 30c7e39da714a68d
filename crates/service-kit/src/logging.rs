//! Logs in the platform's format (upstream contract §8, `docs/logging.md`): one JSON object a line on standard
//! output, `level` as a number, `time` in Unix milliseconds, dotted field names as nested objects.

use std::fmt;
use std::io::{self, Stdout};
use std::ops::Range;
use std::sync::Arc;

use common::Clock;
use serde::{Deserialize, Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::log_output::{LogOutput, Urgency};

/// `LOG_LEVEL`. `fatal` is accepted for compatibility and shows errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
    Silent,
}

impl LogLevel {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error | Self::Fatal => LevelFilter::ERROR,
            Self::Silent => LevelFilter::OFF,
        }
    }
}

/// Sends the log of this process to standard output. Called once, at start. Dropped at its end, the log is complete.
///
/// # Errors
/// If the thread that writes lines cannot be started.
pub fn install(level: LogLevel, clock: Arc<dyn Clock>) -> io::Result<Log> {
    let output = Arc::new(LogOutput::new(io::stdout()));
    output.run()?;
    let lines = JsonLines { clock, level, output: Arc::clone(&output) };
    let subscriber = tracing_subscriber::registry().with(lines);
    // Fails only if a test harness installed another one first; that one then receives the events.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(Log(output))
}

/// The log of this process.
#[derive(Debug)]
pub struct Log(Arc<LogOutput<Stdout>>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.write_out();
    }
}

/// Writes a line that has a type of its own, because there are many of it. `line` makes it at a time in Unix milliseconds.
pub(crate) fn write<L: Serialize>(level: Level, line: impl Fn(i64) -> L) {
    tracing::dispatcher::get_default(|dispatch| {
        if let Some(lines) = dispatch.downcast_ref::<JsonLines>()
            && level <= lines.level.filter()
        {
            let mut text = Vec::with_capacity(USUAL_LINE);
            if serde_json::to_writer(&mut text, &line(lines.clock.now().unix_millis())).is_ok() {
                lines.put(text, level);
            }
        }
    });
}

/// Bytes of a line that need no further room.
const USUAL_LINE: usize = 768;

#[derive(Debug)]
struct JsonLines {
    clock: Arc<dyn Clock>,
    level: LogLevel,
    output: Arc<LogOutput<Stdout>>,
}

impl JsonLines {
    fn put(&self, mut line: Vec<u8>, level: Level) {
        line.push(b'\n');
        // What went wrong may be the last thing this process tells.
        let urgency = if level <= Level::WARN { Urgency::Now } else { Urgency::Soon };
        self.output.put(&line, urgency);
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries speak at warn and above, so that a debug log of ours holds our lines, and no driver's chatter.
        let ours = OURS.iter().any(|name| metadata.target().starts_with(name));
        let noise = metadata.target().starts_with(NOISE) && self.level.filter() < LevelFilter::DEBUG;
        *metadata.level() <= self.level.filter() && (ours || *metadata.level() <= Level::WARN) && !noise
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.put(line(event, self.clock.now().unix_millis()), *event.metadata().level());
    }
}

const OURS: &[&str] =
    &["access_rules", "authorization_service", "client_credentials", "jose", "service_kit", "store_"];

/// The HTTP parser calls every request it cannot read an error of level 50. They are counted instead
/// (`http_server_malformed_requests_total`): a caller must not write our log full.
const NOISE: &str = "actix_http::h1";

/// Text longer than this is cut: a caller must not write our log full (T-LOG-03).
const MAX_TEXT: usize = 1024;

fn line(event: &Event<'_>, time: i64) -> Vec<u8> {
    let mut fields = Fields::default();
    fields.put("level", number_of(*event.metadata().level()));
    fields.put("time", time);
    event.record(&mut fields);
    fields.nested()
}

/// The number of a level in a line.
pub(crate) const fn number_of(level: Level) -> u8 {
    match level {
        Level::TRACE => 10,
        Level::DEBUG => 20,
        Level::INFO => 30,
        Level::WARN => 40,
        Level::ERROR => 50,
    }
}

/// A text as a line shows it.
pub(crate) struct LogText<'text>(pub(crate) &'text str);

impl Serialize for LogText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(text) = self;
        // A character has a byte at least.
        let end = match text.len() {
            0..=MAX_TEXT => text.len(),
            _ => text.char_indices().nth(MAX_TEXT).map_or(text.len(), |(end, _)| end),
        };
        serializer.serialize_str(text.get(..end).unwrap_or_default())
    }
}

/// Collects the fields of an event, each written as JSON at once.
#[derive(Default)]
struct Fields {
    values: Vec<u8>,
    /// The name of each field, and where its value is.
    places: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    fn put(&mut self, name: &'static str, value: impl Serialize) {
        let start = self.values.len();
        if serde_json::to_writer(&mut self.values, &value).is_ok() {
            self.places.push((name, start..self.values.len()));
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.put(name, LogText(text));
    }

    /// The fields as one JSON object; `a.b.c` is a member of `{"a":{"b":{…}}}`. Of two of one name, the later one.
    fn nested(mut self) -> Vec<u8> {
        // Names that share their first parts follow one another then.
        self.places.sort_by_key(|(name, _)| *name);
        let mut line = Vec::with_capacity(self.values.len().saturating_mul(2));
        let mut parents: Vec<&str> = Vec::new();
        line.push(b'{');
        let mut places = self.places.iter().peekable();
        while let Some((name, place)) = places.next() {
            if places.peek().is_some_and(|(next, _)| next == name) {
                continue;
            }
            let (path, leaf) = name.rsplit_once('.').map_or((None, *name), |(path, leaf)| (Some(path), leaf));
            let path = || path.into_iter().flat_map(|path| path.split('.'));
            let shared = path().zip(&parents).take_while(|(part, parent)| part == *parent).count();
            line.extend(std::iter::repeat_n(b'}', parents.len().saturating_sub(shared)));
            parents.truncate(shared);
            for part in path().skip(shared) {
                begin_member(&mut line, part);
                line.push(b'{');
                parents.push(part);
            }
            begin_member(&mut line, leaf);
            line.extend_from_slice(self.values.get(place.clone()).unwrap_or_default());
        }
        line.extend(std::iter::repeat_n(b'}', parents.len().saturating_add(1)));
        line
    }
}

/// `name` is one of our own, without a character that JSON would escape.
fn begin_member(line: &mut Vec<u8>, name: &str) {
    if line.last() != Some(&b'{') {
        line.push(b',');
    }
    line.push(b'"');
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put_text(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;

    /// Keeps the lines instead of printing them.
    struct Kept(Arc<Mutex<Vec<Value>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(serde_json::from_slice(&line(event, 5)).unwrap());
        }
    }

    fn lines(act: impl FnOnce()) -> Vec<Value> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Kept(kept.clone())), act);
        Arc::try_unwrap(kept).unwrap().into_inner().unwrap()
    }

    #[test]
    fn a_line_has_the_platforms_shape() {
        let lines = lines(|| {
            let absent: Option<&str> = None;
            tracing::info!(
                reqId = "r1",
                http.request.method = "GET",
                http.response.statusCode = 200,
                client.id = absent,
                "request completed"
            );
        });
        assert_eq!(
            lines,
            [json!({"level":30,"time":5,"msg":"request completed","reqId":"r1",
                "http":{"request":{"method":"GET"},"response":{"statusCode":200}}})]
        );
    }

    #[test]
    fn fields_are_nested_in_whatever_order_they_come() {
        let kept = Arc::new(Mutex::new(String::new()));
        struct Raw(Arc<Mutex<String>>);
        impl<S: Subscriber> Layer<S> for Raw {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                *self.0.lock().unwrap() = String::from_utf8(line(event, 5)).unwrap();
            }
        }
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Raw(kept.clone())), || {
            tracing::info!(b.c.d = 1, a = true, b.e = 2.5, z = "last", b.c.a = "x", "said");
        });
        assert_eq!(
            *kept.lock().unwrap(),
            r#"{"a":true,"b":{"c":{"a":"x","d":1},"e":2.5},"level":30,"msg":"said","time":5,"z":"last"}"#
        );
    }

    #[test]
    fn t_log_01_hostile_text_stays_one_escaped_line() {
        let lines = lines(|| tracing::warn!(client = "x\r\n{\"level\":30}\u{1b}[2J", "odd"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["client"], "x\r\n{\"level\":30}\u{1b}[2J");
    }

    #[test]
    fn t_log_03_long_text_is_cut() {
        let lines = lines(|| tracing::warn!(client = "x".repeat(1_000_000), "odd"));
        assert_eq!(lines[0]["client"].as_str().unwrap().len(), MAX_TEXT);
    }
}
