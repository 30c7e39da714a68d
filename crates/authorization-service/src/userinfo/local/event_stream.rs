//! Server-sent events, taken out of the bytes that carry them (WHATWG HTML §9.2.6). No network, and no more memory than
//! [`FeedEvent::LARGEST`], for a line and for the data of one event.

use common::revocation::FeedEvent;

/// A longer `id` is none: it would be sent back in a header.
const LONGEST_ID: usize = 256;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
    /// Only what a header can carry.
    pub(super) id: Option<String>,
}

/// An event is larger than we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than 32 MiB")]
pub(super) struct TooLarge;

/// A stream, as far as it has been read.
#[derive(Debug)]
pub(super) struct EventStream {
    /// The line that has not ended.
    line: Vec<u8>,
    /// A line feed after a carriage return ends no second line.
    after_return: bool,
    is_first_line: bool,
    /// The event that has not ended.
    name: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    largest: usize,
}

impl Default for EventStream {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            after_return: false,
            is_first_line: true,
            name: String::new(),
            data: String::new(),
            has_data: false,
            id: None,
            largest: FeedEvent::LARGEST,
        }
    }
}

impl EventStream {
    /// Reads on. The events that have ended with these bytes.
    ///
    /// # Errors
    /// [`TooLarge`]: there is no reading on after it.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (begin, rest) = bytes.split_at(at);
            let (end, rest) = rest.split_first().unwrap_or((&b'\n', &[]));
            let ends_nothing = *end == b'\n' && self.after_return && begin.is_empty();
            self.after_return = *end == b'\r';
            bytes = rest;
            if ends_nothing {
                continue;
            }
            self.extend_line(begin)?;
            events.extend(self.line_ended()?);
        }
        if !bytes.is_empty() {
            self.after_return = false;
        }
        self.extend_line(bytes)?;
        Ok(events)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len().saturating_add(bytes.len()) > self.largest {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line_ended(&mut self) -> Result<Option<Event>, TooLarge> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let mut line = &*line;
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.event_ended());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.data.len().saturating_add(value.len()) > self.largest {
                    return Err(TooLarge);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" => self.id = Some(value.to_owned()).filter(|id| is_sendable(id)),
            // A comment, `retry` (how long we wait is ours to say), or a field of tomorrow.
            _ => {}
        }
        Ok(None)
    }

    fn event_ended(&mut self) -> Option<Event> {
        let (name, data, id) =
            (std::mem::take(&mut self.name), std::mem::take(&mut self.data), self.id.take());
        std::mem::take(&mut self.has_data).then_some(Event { name, data, id })
    }
}

fn is_sendable(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<(String, String, Option<String>)> {
        let read = EventStream::default().push(text.as_bytes()).unwrap();
        read.into_iter().map(|event| (event.name, event.data, event.id)).collect()
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> (String, String, Option<String>) {
        (name.to_owned(), data.to_owned(), id.map(str::to_owned))
    }

    #[test]
    fn fields_make_an_event_and_an_empty_line_ends_it() {
        let text = "id: 7f-1\nevent: revocation\nretry: 1000\ndata: {\"a\":1}\n\ndata:x\n\n";
        assert_eq!(
            events(text),
            [event("revocation", r#"{"a":1}"#, Some("7f-1")), event("", "x", None)],
            "an id is that of its own event"
        );
    }

    #[test]
    fn every_line_end_every_cut_and_a_byte_order_mark_read_the_same() {
        let lines = "\u{feff}: hello\nevent: a\ndata: 1\ndata:  è\nunknown: x\n\nevent: nothing\n\ndata\n\n";
        let expected = [event("a", "1\n è", None), event("", "", None)];
        for end in ["\n", "\r", "\r\n"] {
            let text = lines.replace('\n', end);
            assert_eq!(events(&text), expected, "{end:?}");
            let mut stream = EventStream::default();
            let mut one_by_one = Vec::new();
            for byte in text.bytes() {
                one_by_one.extend(stream.push(&[byte]).unwrap());
            }
            assert_eq!(one_by_one.len(), 2, "{end:?}");
            assert_eq!(one_by_one[0].data, "1\n è");
        }
    }

    #[test]
    fn what_has_not_ended_is_no_event() {
        assert!(events("data: x\n").is_empty());
        assert!(events("data: x").is_empty());
        assert!(events("event: x\nid: 1\n\n").is_empty());
    }

    #[test]
    fn g_ui_13_an_id_that_no_header_can_carry_is_none() {
        for id in ["", "a b", "a\u{0}b", "é", "a\tb", &"x".repeat(257)] {
            assert_eq!(events(&format!("id: {id}\ndata: x\n\n")), [event("", "x", None)], "{id:?}");
        }
    }

    #[test]
    fn g_ui_10_a_line_or_an_event_without_end_is_given_up() {
        let small = || EventStream { largest: 100, ..EventStream::default() };
        let endless = |piece: &[u8]| {
            let mut stream = small();
            (0..1000).find_map(|_| stream.push(piece).err())
        };
        assert_eq!(endless(b"xxxxxxxxxx"), Some(TooLarge));
        assert_eq!(endless(b"data: xxxxxxxxxx\n"), Some(TooLarge));
        assert_eq!(endless(b"data: xxxxxxxxxx\n\n"), None, "many small ones are well");
        assert_eq!(endless(b": xxxxxxxxxx\n"), None);
    }
}
