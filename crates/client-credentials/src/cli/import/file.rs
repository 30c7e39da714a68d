//! The clients in a file, each with the line on which it begins, so that whoever reads of a mistake finds it.

use std::ops::Range;

use common::strict_json;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// One client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'text> {
    /// Counted from 1.
    pub(super) line: usize,
    json: &'text str,
}

impl Entry<'_> {
    /// Its members.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that does not repeat it.
    pub(super) fn members(&self) -> Result<Map<String, Value>, String> {
        strict_json::object(self.json.as_bytes()).map_err(|error| {
            let error = error.to_string();
            // Where that is, counted from the beginning of the entry, would mislead.
            let what = error.split(" at line ").next().unwrap_or_default();
            format!("it is not a client: {what}")
        })
    }
}

/// The elements of an array, those of the member `clients` of an object, the object itself, or one on each line.
///
/// # Errors
/// What is wrong with the file as a whole.
pub(super) fn entries(text: &str) -> Result<Vec<Entry<'_>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let begin = text.len().saturating_sub(text.trim_start().len());
    let ranges = match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) if text.trim_start().starts_with('[') => elements(text, begin),
        Ok(_) => {
            clients_of(text, begin).unwrap_or_else(|| std::iter::once(begin..text.trim_end().len()).collect())
        }
        Err(error) => {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            if first.trim_start().starts_with('[') || serde_json::from_str::<IgnoredAny>(first).is_err() {
                return Err(format!("it is neither JSON nor one JSON object a line: {error}"));
            }
            lines(text)
        }
    };
    let (mut line, mut counted) = (1_usize, 0);
    let entries = ranges.into_iter().filter_map(|range| {
        let passed = text.get(counted..range.start)?;
        line = line.saturating_add(passed.bytes().filter(|byte| *byte == b'\n').count());
        counted = range.start;
        Some(Entry { line, json: text.get(range)? })
    });
    Ok(entries.collect())
}

/// The lines that hold something.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut begin = 0_usize;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let end = begin.saturating_add(line.len());
        if !line.trim().is_empty() {
            found.push(begin..end);
        }
        begin = end;
    }
    found
}

/// The elements of the array that is the member `clients` of the object at `begin`.
fn clients_of(text: &str, begin: usize) -> Option<Vec<Range<usize>>> {
    elements(text, begin).into_iter().find_map(|member| {
        let (name, value) = text.get(member.clone())?.split_once(':')?;
        let array = value.trim_start();
        let is_clients = name.trim_end() == "\"clients\"" && array.starts_with('[');
        is_clients.then(|| elements(text, member.end.saturating_sub(array.len())))
    })
}

/// Where the elements of the array, or the members of the object, are that begins at `begin`. The text is JSON.
fn elements(text: &str, begin: usize) -> Vec<Range<usize>> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let (mut found, mut start) = (Vec::new(), None);
    for (at, byte) in text.bytes().enumerate().skip(begin) {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if depth == 1 && !matches!(byte, b',' | b']' | b'}') && !byte.is_ascii_whitespace() {
            start.get_or_insert(at);
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ended = depth == 0 || (depth == 1 && byte == b',');
        if ended && let Some(start) = start.take() {
            found.push(start..at);
        }
        if depth == 0 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        let entries = entries(text).unwrap();
        entries.iter().map(|entry| (entry.line, entry.json.trim().to_owned())).collect()
    }

    #[test]
    fn clients_are_found_with_their_lines() {
        let first = r#"{"a":"],\"[\\","n":[1,{"b":2}]}"#;
        for (text, lines) in [
            (format!("[\n {first},\n\n {{\"c\":1}}\n]"), [2, 4]),
            (format!("[{first}, {{\"c\":1}}]"), [1, 1]),
            (format!("{first}\n\n{{\"c\":1}}\n"), [1, 3]),
            (format!("\u{feff}\n{first}\r\n{{\"c\":1}}"), [2, 3]),
            (
                format!(
                    "{{\n\"x\":{{\"clients\":[3]}},\"y\":\"clients\",\n\"clients\" : [{first},\n{{\"c\":1}}]}}"
                ),
                [3, 4],
            ),
        ] {
            let expected = [(lines[0], first.to_owned()), (lines[1], "{\"c\":1}".to_owned())];
            assert_eq!(found(&text), expected, "{text}");
        }
        assert_eq!(found("\n{\n\"c\": 1}\n"), [(2, "{\n\"c\": 1}".to_owned())]);
        assert_eq!(found("{\"clients\": 3}").len(), 1);
        assert_eq!((found("[]"), found("[ \n ]"), found("{\"clients\":[]}")), (vec![], vec![], vec![]));
    }

    #[test]
    fn t_frm_13_a_line_that_is_no_client_is_one_mistake_and_a_broken_file_another() {
        let entries = entries("{\"a\":1}\n{\"a\":1,\"a\":2}\n[1]\n{\"hunter2\n{\"b\":1}").unwrap();
        let well: Vec<bool> = entries.iter().map(|entry| entry.members().is_ok()).collect();
        assert_eq!(well, [true, false, false, false, true]);
        let mistakes = entries.iter().filter_map(|entry| entry.members().err());
        assert!(mistakes.into_iter().all(|mistake| !mistake.contains("hunter2")));
        for broken in ["", "  \n", "[{\"a\":1},\n", "{\n\"a\": 1,\n", "client_id,secret"] {
            assert!(super::entries(broken).is_err(), "{broken:?}");
        }
    }
}
