//! The list of rows, as a person keeps it: one line each, in sections.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

/// All rows.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) sections: Vec<Section>,
    ids: BTreeSet<String>,
}

/// Rows of one source.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// One thing that is asked.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) profiles: String,
    pub(super) requirement: String,
    pub(super) status: Status,
}

/// How a row is shown, or why it is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// By tests that carry the id in their names.
    ById,
    /// By a line of a table in these tests.
    In(Vec<String>),
    /// Not, or not only, by tests: a kind of reason and its sentence.
    Reason(&'static str, String),
}

const REASONS: [&str; 4] = ["open", "later", "waived", "elsewhere"];

impl Status {
    pub(super) const fn reason(&self) -> Option<(&'static str, &String)> {
        match self {
            Self::Reason(kind, sentence) => Some((kind, sentence)),
            _ => None,
        }
    }

    fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::ById);
        }
        if let Some(names) = text.strip_prefix("in ") {
            return Ok(Self::In(names.split(',').map(|name| name.trim().to_owned()).collect()));
        }
        for kind in REASONS {
            if let Some(sentence) = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(": ")) {
                return Ok(Self::Reason(kind, sentence.to_owned()));
            }
        }
        bail!("a status is empty, `in NAME`, or one of {} with a reason; not `{text}`", REASONS.join(", "))
    }
}

impl Catalogue {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut sections: Vec<Section> = Vec::new();
        let mut ids = BTreeSet::new();
        for line in text.lines().map(str::trim) {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section { title: title.to_owned(), rows: Vec::new() });
            } else if !line.is_empty() && !line.starts_with('#') {
                let row = Row::parse(line)?;
                ensure!(ids.insert(row.id.clone()), "{} is there twice", row.id);
                match sections.last_mut() {
                    Some(section) => section.rows.push(row),
                    None => bail!("{} stands before the first section", row.id),
                }
            }
        }
        Ok(Self { sections, ids })
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

impl Row {
    fn parse(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, level, profiles, requirement, status @ ..] = parts.as_slice() else {
            bail!("a row is `id | level | profiles | requirement | status`, not `{line}`");
        };
        ensure!(["M", "S", "D"].contains(level), "{id}: the level is M, S or D");
        ensure!(["both", "standard", "drop-in"].contains(profiles), "{id}: no profile is {profiles}");
        ensure!(status.len() <= 1, "{id}: too many columns");
        Ok(Self {
            id: (*id).to_owned(),
            level: (*level).to_owned(),
            profiles: (*profiles).to_owned(),
            requirement: (*requirement).to_owned(),
            status: Status::parse(status.first().copied().unwrap_or_default())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_is_asked_and_how_it_is_shown() {
        let list =
            Catalogue::parse("# about\n## S\nK-01 | M | both | x\nK-02 | S | drop-in | y | waived: z\n")
                .unwrap();
        let rows = &list.sections[0].rows;
        assert_eq!((rows[0].id.as_str(), &rows[0].status), ("K-01", &Status::ById));
        assert_eq!(rows[1].status.reason(), Some(("waived", &"z".to_owned())));
        assert!(list.knows("K-02") && !list.knows("K-03"));
        assert_eq!(Status::parse("in a, b").unwrap(), Status::In(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for list in [
            "K-01 | M | both | x",
            "## S\nK-01 | M | both",
            "## S\nK-01 | X | both | x",
            "## S\nK-01 | M | none | x",
            "## S\nK-01 | M | both | x | maybe",
            "## S\nK-01 | M | both | x | open",
            "## S\nK-01 | M | both | x\nK-01 | M | both | x",
        ] {
            assert!(Catalogue::parse(list).is_err(), "{list}");
        }
    }
}
