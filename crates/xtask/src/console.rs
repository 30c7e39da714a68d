//! What tasks print: results to standard output, progress to standard error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Whoever reads standard output reads no further, as `head` does: they have what they wanted, and the task ends.
#[derive(Debug)]
struct NobodyReads;

impl fmt::Display for NobodyReads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody reads on")
    }
}

impl std::error::Error for NobodyReads {}

/// Prints a line of a result.
pub(crate) fn line(text: impl fmt::Display) -> Result<()> {
    print_to(io::stdout(), format_args!("{text}\n"))
}

/// Prints a result that ends its own lines.
pub(crate) fn text(text: &str) -> Result<()> {
    print_to(io::stdout(), text)
}

/// Tells a person how it goes; a closed standard error is nobody to tell.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether a task ended because nobody reads what it prints: no failure.
pub(crate) fn nobody_reads(error: &anyhow::Error) -> bool {
    error.is::<NobodyReads>()
}

fn print_to(mut place: impl Write, text: impl fmt::Display) -> Result<()> {
    match place.write_all(text.to_string().as_bytes()).and_then(|()| place.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        printed => printed.context("standard output cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_goes_away_is_no_failure_and_a_full_disk_is_one() {
        let (reader, writer) = io::pipe().unwrap();
        print_to(&writer, "read\n").unwrap();
        drop(reader);
        let closed = print_to(&writer, "not read\n").context("the walk did not reach its end").unwrap_err();
        assert!(nobody_reads(&closed), "{closed:#}");

        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let failed = print_to(full, "text").unwrap_err();
        assert!(!nobody_reads(&failed) && failed.to_string().starts_with("standard output"), "{failed:#}");
        assert!(!nobody_reads(&io::Error::from(ErrorKind::BrokenPipe).into()), "of another pipe");
    }
}
