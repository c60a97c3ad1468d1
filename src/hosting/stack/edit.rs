//! Replacing spans of a text; every other byte stays what it was.

use crate::base::error::{Error, Result};
use std::ops::Range;

/// Replacements to be made at once.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    pub fn replace(&mut self, span: Range<usize>, with: impl Into<Vec<u8>>) {
        self.0.push((span, with.into()));
    }
    pub fn insert(&mut self, at: usize, text: impl Into<Vec<u8>>) {
        self.0.push((at..at, text.into()));
    }

    /// The text with all replacements.
    ///
    /// # Errors
    /// `Internal` when two of them overlap or lie outside.
    pub fn apply(mut self, text: &[u8]) -> Result<Vec<u8>> {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Vec::with_capacity(text.len() + 256);
        let mut at = 0;
        for (span, with) in &self.0 {
            let between = text.get(at..span.start).ok_or_else(|| Error::internal("two changes of a settings file overlap"))?;
            out.extend_from_slice(between);
            out.extend_from_slice(with);
            at = span.end;
        }
        out.extend_from_slice(text.get(at..).ok_or_else(|| Error::internal("a change lies outside of the settings file"))?);
        Ok(out)
    }
}

/// The line of a byte, counted from 1.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', &text[..at.min(text.len())]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spans_change_and_overlaps_are_refused() {
        let mut e = Edits::default();
        e.replace(4..5, "Y");
        e.insert(5, "!");
        e.replace(0..1, "long");
        assert_eq!(e.apply(b"a b c d").unwrap(), b"long b Y! d");
        let mut e = Edits::default();
        e.replace(0..3, "x");
        e.replace(2..4, "y");
        assert!(e.apply(b"abcdef").is_err());
        assert_eq!(line_of(b"a\nb\nc", 4), 3);
    }
}
