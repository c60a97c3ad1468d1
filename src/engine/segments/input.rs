//! A window on a stream: what was read and not yet consumed.

use super::{LONGEST_ROW, broken};
use memchr::memchr;
use std::io::{self, Read};

pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl Input {
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, buffer: Vec::with_capacity(2 << 20), start: 0, ended: false }
    }

    /// What is there and not consumed.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub fn consume(&mut self, n: usize) {
        self.start += n;
    }

    /// Reads more; `false` at the end of the stream. Each time at least as much as is there already, so that a long row
    /// is looked at only a few times.
    pub fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() > LONGEST_ROW {
            return Err(broken("has a row of more than 1 GiB"));
        }
        let want = self.buffer.len().max(1 << 20);
        let got = (&mut self.reader).take(want as u64).read_to_end(&mut self.buffer)?;
        self.ended = got < want;
        Ok(got > 0)
    }

    /// The length of the next line with its newline; of what is left where the last line has none; 0 at the end.
    pub fn line(&mut self) -> io::Result<usize> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.rest()[seen..]) {
                return Ok(seen + at + 1);
            }
            seen = self.rest().len();
            if !self.fill()? {
                return Ok(seen);
            }
        }
    }

    /// The next byte that is not white space, not consumed; `None` at the end.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.rest().first().copied() {
                Some(b' ' | b'\n' | b'\r') => self.start += 1,
                None if self.fill()? => {}
                byte => return Ok(byte),
            }
        }
    }

    /// Makes the rest long enough that `find` finds something in it, or says that the stream ends before.
    pub fn until(&mut self, find: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Option<usize>> {
        loop {
            if let Some(found) = find(self.rest()) {
                return Ok(Some(found));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }
}
