//! Our own copy of a catalogue: a line for each row, and before the rows of each table one that names it.

use super::input::Input;
use super::{Cutter, LEAST, MOST, Segment, Splitter, Sums, says_cut};
use std::io::{self, Read};

/// How the line begins that names a table.
const HEAD: &[u8] = b"{\"table\":\"";

pub(super) struct Lines {
    input: Input,
    out: Cutter,
    ended: bool,
}

impl Lines {
    pub fn new(dump: Box<dyn Read + Send>) -> Self {
        Self { input: Input::new(dump), out: Cutter::ending(".jsonl"), ended: false }
    }

    /// One line; none at the end.
    fn line(&mut self) -> io::Result<()> {
        let len = self.input.line()?;
        if len == 0 {
            self.out.cut();
            self.ended = true;
            return Ok(());
        }
        let line = &self.input.rest()[..len];
        if let Some(rest) = line.strip_prefix(HEAD) {
            let name = rest.split(|&c| c == b'"').next().unwrap_or_default();
            self.out.enter(name);
        } else if self.out.len() + len > MOST {
            self.out.cut();
        }
        self.out.push(line);
        if self.out.len() >= LEAST && says_cut(line) {
            self.out.cut();
        }
        self.input.consume(len);
        Ok(())
    }
}

impl Splitter for Lines {
    fn next(&mut self) -> io::Result<Option<Segment>> {
        loop {
            if let Some(segment) = self.out.ready.pop_front() {
                return Ok(Some(segment));
            }
            if self.ended {
                return Ok(None);
            }
            self.line()?;
        }
    }

    /// Nobody imports it into a database to compare it: it ends with the numbers of its own rows.
    fn sums(&mut self) -> Sums {
        Sums::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_more_changes_one_segment_of_its_table_and_all_together_are_the_copy() {
        let row = |n: u32| format!("[\"bak_{n:020}\",\"{}\"]\n", "x".repeat((n as usize * 7) % 90));
        let of = |from: u32| (from..9000).map(row).collect::<String>();
        let copy = |from: u32| format!("{{\"format\":1}}\n{{\"table\":\"a\"}}\n{}{{\"table\":\"b\"}}\n[1]\n{{\"end\":1}}\n", of(from));
        let cut = |text: &str| {
            let mut lines = Lines::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())));
            std::iter::from_fn(|| lines.next().unwrap()).collect::<Vec<_>>()
        };
        let (one, other) = (cut(&copy(1)), cut(&copy(0)));
        let whole: Vec<u8> = one.iter().flat_map(|s| s.content.clone()).collect();
        assert_eq!(String::from_utf8(whole).unwrap(), copy(1));
        let mut folders: Vec<&str> = one.iter().map(|s| s.folder.as_str()).collect();
        folders.dedup();
        assert_eq!(folders, ["00000-head", "00001-a", "00002-b"]);
        assert!(one.iter().all(|s| s.name.ends_with(".jsonl") && s.content.len() <= MOST));
        let new = other.iter().filter(|s| !one.iter().any(|o| o.content == s.content)).count();
        assert!(one.len() > 4 && new <= 2, "{new} of {} are new", other.len());
    }
}
