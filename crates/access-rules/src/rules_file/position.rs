//! Byte offsets to lines and columns.

/// Translates ascending offsets of one text, in one pass over it: a file full of mistakes is listed as fast as it is
/// read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, column: 1 }
    }

    /// Line and column of a byte offset, both from 1, the column in characters. An offset before the last one asked
    /// for has the position of that one.
    pub(super) fn position(&mut self, offset: usize) -> (usize, usize) {
        let passed = self.text.get(self.offset..offset).unwrap_or_default();
        for character in passed.chars() {
            if character == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.offset = self.offset.saturating_add(passed.len());
        (self.line, self.column)
    }
}
