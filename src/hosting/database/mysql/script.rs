//! A dump as a stream of statements, read as the client reads it.
//!
//! The stream is handed through byte by byte except where an [`Editor`] changes a statement. Rows are never held as a
//! whole: of an INSERT only the head is shown to the editor. What stands inside strings, quoted names and comments is
//! never looked at, so that a text in a row can say `DEFINER=` or `;` as it likes.

use super::scan::{
    Head, LOOK_AHEAD, Scanner, backslash_escapes, insert_head, is_comment, is_dashes, is_insert, is_sandbox_mark, starts_with_word,
};
use crate::base::error::{Error, Result};
use memchr::memchr;
use std::io::{self, Read};

/// The longest statement that is not rows: the largest definition of a table, a view or a routine.
const STATEMENT_LIMIT: usize = 64 << 20;
/// How far the head of an INSERT may reach: its list of columns.
const HEAD_LIMIT: usize = 256 << 10;
/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

/// What becomes of a statement.
pub enum Edit {
    Keep,
    /// Text that takes its place; it may hold several statements with the delimiter between them.
    Replace(Vec<u8>),
    Drop,
}

/// Decides what becomes of each statement.
pub trait Editor {
    /// A whole statement that is not rows, without comments before it and without its delimiter.
    fn statement(&mut self, sql: &[u8], delimiter: &[u8]) -> Result<Edit>;
    /// `INSERT INTO t (…) VALUES`: the rows go behind what becomes of it.
    fn insert(&mut self, head: &[u8]) -> Result<Edit>;
    /// White space and comments between statements.
    fn between(&mut self, _text: &[u8]) {}
}

/// Reads a dump through an [`Editor`].
pub struct Script<R, E> {
    source: R,
    pub editor: E,
    buffer: Vec<u8>,
    /// Where the part of `buffer` that is not yet dealt with begins.
    start: usize,
    /// How far the current statement was scanned.
    seen: usize,
    ended: bool,
    state: State,
    scanner: Scanner,
    out: Vec<u8>,
    out_at: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Between,
    Statement,
    /// Inside rows; `true` when they are dropped.
    Rows(bool),
}

impl<R: Read, E: Editor> Script<R, E> {
    pub fn new(source: R, editor: E) -> Self {
        Self {
            source,
            editor,
            buffer: Vec::with_capacity(2 * CHUNK),
            start: 0,
            seen: 0,
            ended: false,
            state: State::Between,
            scanner: Scanner::default(),
            out: Vec::new(),
            out_at: 0,
        }
    }

    /// What ends a statement at this point of the script.
    pub fn delimiter(&self) -> &[u8] {
        &self.scanner.delimiter
    }

    /// Goes on until there is something to hand out; false at the end.
    fn advance(&mut self) -> Result<bool> {
        while self.out.is_empty() {
            let moved = match self.state {
                State::Between => self.between()?,
                State::Statement => self.statement()?,
                State::Rows(dropped) => self.rows(dropped)?,
            };
            if !moved && !self.fill()? {
                return if self.start == self.buffer.len() && self.state == State::Between { Ok(false) } else { Err(cut()) };
            }
        }
        Ok(true)
    }

    /// Reads more; false when the source has no more.
    fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        let before = self.buffer.len();
        let got = (&mut self.source).take(CHUNK as u64).read_to_end(&mut self.buffer).map_err(from_io)?;
        self.ended = got < CHUNK;
        Ok(self.buffer.len() > before || self.ended)
    }

    fn enough(&self, at: usize, bytes: usize) -> bool {
        self.ended || self.buffer.len() - at >= bytes
    }

    /// White space, comments, DELIMITER lines, up to the first byte of a statement. False: more is needed.
    fn between(&mut self) -> Result<bool> {
        let from = self.start;
        let mut at = from;
        let found = loop {
            let Some(&byte) = self.buffer.get(at) else { break false };
            if !self.enough(at, LOOK_AHEAD) {
                break false;
            }
            let rest = &self.buffer[at..];
            let length = match byte {
                _ if byte.is_ascii_whitespace() => Some(1),
                b'#' => memchr(b'\n', rest),
                b'-' if is_dashes(rest) => memchr(b'\n', rest),
                b'/' if is_sandbox_mark(rest) || is_comment(rest) => memchr::memmem::find(rest, b"*/").map(|n| n + 2),
                _ if starts_with_word(rest, b"delimiter") => match memchr(b'\n', rest) {
                    Some(n) => Some(self.set_delimiter(at, n)?),
                    None => None,
                },
                _ => break true,
            };
            match length {
                Some(n) => at += n,
                None if self.ended && byte != b'/' => at = self.buffer.len(),
                None => break false,
            }
        };
        if at > from {
            let text = &self.buffer[from..at];
            self.editor.between(text);
            self.out.extend_from_slice(text);
            self.start = at;
            self.seen = at;
        }
        if found {
            self.state = State::Statement;
            self.scanner.restart();
        }
        // A comment larger than any statement may be has no end.
        if !found && self.buffer.len() - self.start > STATEMENT_LIMIT {
            return Err(Error::damaged("the dump holds a comment without an end"));
        }
        Ok(found || at > from)
    }

    fn set_delimiter(&mut self, at: usize, length: usize) -> Result<usize> {
        let word = self.buffer[at + b"delimiter".len()..at + length].trim_ascii();
        if word.is_empty() || word.len() > 8 || word.contains(&b'\\') {
            return Err(Error::damaged("the dump sets a delimiter that no dump has"));
        }
        self.scanner.delimiter = word.to_vec();
        Ok(length)
    }

    /// One statement, or the head of rows. False: more is needed.
    fn statement(&mut self) -> Result<bool> {
        if self.seen == self.start && is_insert(&self.buffer[self.start..]) {
            match insert_head(&self.buffer[self.start..]) {
                Head::Is(length) => return self.head(length),
                Head::Unfinished if !self.ended && self.buffer.len() - self.start < HEAD_LIMIT => return Ok(false),
                _ => {}
            }
        }
        let Some(end) = self.scan()? else {
            if self.buffer.len() - self.start > STATEMENT_LIMIT {
                return Err(Error::damaged(format!(
                    "the dump holds a statement larger than {}",
                    crate::base::units::size(STATEMENT_LIMIT as u64)
                )));
            }
            return Ok(false);
        };
        let (sql, delimiter) = (&self.buffer[self.start..end], &self.scanner.delimiter);
        match self.editor.statement(sql, delimiter)? {
            Edit::Keep => self.out.extend_from_slice(sql),
            Edit::Replace(text) => self.out.extend_from_slice(&text),
            Edit::Drop => {
                self.finish(end);
                return Ok(true);
            }
        }
        self.out.extend_from_slice(&self.scanner.delimiter);
        self.finish(end);
        Ok(true)
    }

    fn finish(&mut self, end: usize) {
        if let Some(escapes) = backslash_escapes(&self.buffer[self.start..end]) {
            self.scanner.escapes = escapes;
        }
        self.start = end + self.scanner.delimiter.len();
        self.seen = self.start;
        self.state = State::Between;
    }

    fn head(&mut self, length: usize) -> Result<bool> {
        let head = &self.buffer[self.start..self.start + length];
        let dropped = match self.editor.insert(head)? {
            Edit::Keep => {
                self.out.extend_from_slice(head);
                false
            }
            Edit::Replace(text) => {
                self.out.extend_from_slice(&text);
                false
            }
            Edit::Drop => true,
        };
        self.start += length;
        self.seen = self.start;
        self.state = State::Rows(dropped);
        Ok(true)
    }

    fn rows(&mut self, dropped: bool) -> Result<bool> {
        let end = self.scan()?;
        let upto = end.map_or(self.seen, |end| end + self.scanner.delimiter.len());
        if !dropped {
            self.out.extend_from_slice(&self.buffer[self.start..upto]);
        }
        let moved = upto > self.start;
        self.start = upto;
        self.seen = upto;
        if end.is_some() {
            self.state = State::Between;
        }
        Ok(moved)
    }

    /// Where the statement's delimiter stands, once that is known.
    fn scan(&mut self) -> Result<Option<usize>> {
        let end = self.scanner.run(&self.buffer, &mut self.seen, self.ended)?;
        Ok(end)
    }
}

impl<R: Read, E: Editor> Read for Script<R, E> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
            if into.is_empty() || !self.advance().map_err(into_io)? {
                return Ok(0);
            }
        }
        let part = &self.out[self.out_at..];
        let n = part.len().min(into.len());
        into[..n].copy_from_slice(&part[..n]);
        self.out_at += n;
        Ok(n)
    }
}

fn cut() -> Error {
    Error::damaged("the dump ends inside a statement").hint("it was cut off: use another backup")
}

/// An [`Error`] on its way through a reader.
pub fn into_io(error: Error) -> io::Error {
    io::Error::other(error)
}

/// The [`Error`] that went through a reader, or what an I/O error means.
pub fn from_io(error: io::Error) -> Error {
    match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(inner) => inner.clone(),
        None => error.into(),
    }
}
