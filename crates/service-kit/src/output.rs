//! How a command shows its answer: JSON for programs, or a table of the members that matter to a person.

use std::io::Write;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// For whom an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// A column: its heading, and where its text is in a record.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    /// A JSON pointer (RFC 6901).
    pointer: &'static str,
    show: fn(Option<&Value>) -> String,
}

impl Column {
    /// A text, a number or a list of them.
    #[must_use]
    pub const fn text(heading: &'static str, pointer: &'static str) -> Self {
        Self { heading, pointer, show: text }
    }

    /// A moment: Unix time in milliseconds.
    #[must_use]
    pub const fn moment(heading: &'static str, pointer: &'static str) -> Self {
        Self { heading, pointer, show: moment }
    }

    fn of(&self, record: &Value) -> String {
        (self.show)(record.pointer(self.pointer))
    }
}

impl Format {
    /// Shows records as rows, or `json` as it is.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show(self, json: &Value, records: &[&Value], columns: &[Column]) -> std::io::Result<()> {
        match self {
            Self::Json => print(&escaped(json)),
            Self::Table => print(&format!("{}\n", table(records, columns))),
        }
    }

    /// Shows the members of one record below each other, or `json` as it is.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show_one(self, json: &Value, members: &[Column]) -> std::io::Result<()> {
        match self {
            Self::Json => print(&escaped(json)),
            Self::Table => print(&lines(json, members)),
        }
    }
}

fn table(records: &[&Value], columns: &[Column]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.heading));
    for record in records {
        table.add_row(columns.iter().map(|column| column.of(record)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn lines(record: &Value, members: &[Column]) -> String {
    let width = members.iter().map(|member| member.heading.len()).max().unwrap_or_default();
    let shown = members.iter().filter_map(|member| {
        record.pointer(member.pointer)?;
        Some(format!("{:width$}  {}\n", member.heading, member.of(record)))
    });
    shown.collect()
}

/// What a person reads; nothing is a dash. Characters that could move a terminal's cursor are shown as escapes.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => visible(text),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => items.iter().map(|item| text(Some(item))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

/// As RFC 3339 in UTC; what is no moment is shown as it is.
#[must_use]
pub fn moment(value: Option<&Value>) -> String {
    let date = value.and_then(Value::as_i64).and_then(|millis| {
        let date = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000)).ok()?;
        date.format(&Rfc3339).ok()
    });
    date.unwrap_or_else(|| text(value))
}

/// What could move the cursor or turn text around is an escape, and so are blanks that would forge a column.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let forges =
            character.is_whitespace() && (character != ' ' || shown.is_empty() || shown.ends_with(' '));
        if is_deceptive(character) || forges {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// JSON as it is, with `\\u` escapes for what a terminal would obey instead of showing. Outside of its texts JSON has no such
/// characters but line feeds.
fn escaped(json: &Value) -> String {
    let mut shown = String::new();
    for character in format!("{json:#}\n").chars() {
        if character != '\n' && is_deceptive(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls, ends of lines and directions of text, and what has no width (Unicode TR 36).
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whoever reads no further, as `head` does, has what they wanted: no failure of the command.
#[must_use]
pub fn nobody_reads_on(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Writes to standard output, as it is: [`visible`] makes it safe for a terminal.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_the_members_that_matter_and_a_dash_for_none() {
        let records =
            [json!({"id": "a", "in": {"n": 1}, "list": ["x", "y"]}), json!({"id": "b\u{1b}[2J", "list": []})];
        let columns = [("ID", "/id"), ("NUMBER", "/in/n"), ("LIST", "/list")];
        let columns = columns.map(|(heading, pointer)| Column::text(heading, pointer));
        let records: Vec<&Value> = records.iter().collect();
        let shown = table(&records, &columns).to_string();
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(
            rows,
            [vec!["ID", "NUMBER", "LIST"], vec!["a", "1", "x, y"], vec!["b\\u{1b}[2J", "-", "-"]],
            "{shown}"
        );
    }

    #[test]
    fn nobody_writes_into_a_terminal_or_forges_a_column() {
        for (text, shown) in [
            ("PUBLIC  basic", "PUBLIC \\u{20}basic"),
            (" a", "\\u{20}a"),
            ("a\u{a0}b", "a\\u{a0}b"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}x\u{2028}", "\\u{202e}x\\u{2028}"),
            ("Ordini \u{e8}", "Ordini \u{e8}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        let json = json!({"a": "\u{9b}31m\u{202e}\u{2028}\u{e0001}\u{1b}\u{e8}\n"});
        let shown = escaped(&json);
        assert!(!shown.chars().any(|character| character != '\n' && is_deceptive(character)), "{shown}");
        assert!(shown.contains("\\u009b31m\\u202e\\u2028\\udb40\\udc01\\u001b\u{e8}\\n"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json, "the same, for a program");
    }

    #[test]
    fn one_record_is_shown_line_by_line_without_what_it_lacks() {
        let members =
            [Column::text("client_id", "/client_id"), Column::text("s", "/s"), Column::moment("at", "/at")];
        let record = json!({"client_id": "c", "at": 1_795_296_147_999_i64});
        assert_eq!(lines(&record, &members), "client_id  c\nat         2026-11-21T21:22:27Z\n");
    }
}
