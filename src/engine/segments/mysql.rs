//! Dumps of MySQL and MariaDB: extended INSERT statements.

use super::input::Input;
use super::tally::{Sums, Tally, quoted as unquoted};
use super::{Cutter, LEAST, MOST, Segment, Splitter, broken, says_cut};
use memchr::{memchr, memchr2, memchr3};
use std::io::{self, Read};

pub(super) struct Mysql {
    input: Input,
    out: Cutter,
    /// `INSERT INTO … VALUES` of the statement that is being read; `None` between statements.
    insert: Option<Vec<u8>>,
    /// The same of the segment that is being collected: statements of one head flow together.
    head: Vec<u8>,
    /// The current segment holds rows, and lacks its closing `;`.
    rows: bool,
    delimiter: Vec<u8>,
    tally: Tally,
}

impl Mysql {
    pub fn new(dump: Box<dyn Read + Send>) -> Self {
        Self {
            input: Input::new(dump),
            out: Cutter::new(),
            insert: None,
            head: Vec::new(),
            rows: false,
            delimiter: b";".to_vec(),
            tally: Tally::default(),
        }
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.rows) {
            self.out.push(b";\n");
        }
        self.out.cut();
    }

    /// One line outside the rows; `false` at the end of the dump.
    fn text(&mut self) -> io::Result<bool> {
        let len = self.input.line()?;
        if len == 0 {
            return Ok(false);
        }
        let line = &self.input.rest()[..len];
        // Bodies of triggers and routines hold INSERT lines, too; there the delimiter is another.
        if self.delimiter == b";"
            && let Some((table, head)) = insert_head(line)
        {
            let (table, head) = (table.to_vec(), head.to_vec());
            self.input.consume(head.len());
            self.enter(&table);
            self.tally.enter(whole_name(&head));
            self.insert = Some(head);
            return Ok(true);
        }
        let table = [&b"DROP TABLE IF EXISTS `"[..], b"CREATE TABLE `"].iter().find_map(|start| quoted(line.strip_prefix(*start)?));
        let table = table.map(<[u8]>::to_vec);
        if let Some(delimiter) = line.strip_prefix(b"DELIMITER ") {
            self.delimiter = delimiter.trim_ascii().to_vec();
        }
        if let Some(table) = table {
            self.enter(&table);
        }
        if self.rows || self.out.len() + len > MOST {
            self.cut();
        }
        self.out.push(&self.input.rest()[..len]);
        self.input.consume(len);
        Ok(true)
    }

    fn enter(&mut self, table: &[u8]) {
        if self.out.table != table {
            self.cut();
        }
        self.out.enter(table);
    }

    /// One row of the statement that is being read.
    fn row(&mut self) -> io::Result<()> {
        if self.input.peek()? != Some(b'(') {
            return Err(broken("has no row where one must stand"));
        }
        let len = self.input.until(row_end)?.ok_or_else(|| broken("ends inside a row"))?;
        let same_head = self.insert.as_deref() == Some(&self.head[..]);
        let fits = self.out.len() + len + 4 <= MOST;
        if (self.rows && !(same_head && fits)) || (!self.rows && self.out.len() > 0) {
            self.cut();
        }
        if self.rows {
            self.out.push(b",\n");
        } else {
            if let Some(head) = &self.insert {
                self.head.clone_from(head);
            }
            self.out.push(&self.head);
            self.out.push(b"\n");
            self.rows = true;
        }
        let row = &self.input.rest()[..len];
        self.out.push(row);
        self.tally.row(row);
        let cut = self.out.len() >= LEAST && says_cut(row);
        self.input.consume(len);
        if cut {
            self.cut();
        }
        self.after_row()
    }

    fn after_row(&mut self) -> io::Result<()> {
        match self.input.peek()? {
            Some(b',') => self.input.consume(1),
            Some(b';') => {
                self.input.consume(1);
                if self.input.rest().is_empty() {
                    self.input.fill()?;
                }
                if self.input.rest().first() == Some(&b'\n') {
                    self.input.consume(1);
                }
                self.insert = None;
            }
            _ => return Err(broken("ends inside a statement")),
        }
        Ok(())
    }
}

impl Splitter for Mysql {
    fn next(&mut self) -> io::Result<Option<Segment>> {
        loop {
            if let Some(segment) = self.out.ready.pop_front() {
                return Ok(Some(segment));
            }
            if self.insert.is_some() {
                self.row()?;
            } else if !self.text()? {
                self.cut();
                return Ok(self.out.ready.pop_front());
            }
        }
    }

    fn sums(&mut self) -> Sums {
        self.tally.sums()
    }
}

/// The name of the table in the head of an INSERT, as the server knows it.
fn whole_name(head: &[u8]) -> String {
    let name = head.strip_prefix(b"INSERT INTO ").and_then(|rest| unquoted(rest, b'`'));
    String::from_utf8_lossy(&name.map(|(name, _)| name).unwrap_or_default()).into_owned()
}

/// The name up to the closing backtick (a doubled one in the name ends it early: good enough to tell tables apart).
fn quoted(rest: &[u8]) -> Option<&[u8]> {
    rest.get(..memchr(b'`', rest)?)
}

/// Table and head of ``INSERT INTO `t` [(columns)] VALUES``, where the line begins with one.
fn insert_head(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const START: &[u8] = b"INSERT INTO `";
    let table = quoted(line.strip_prefix(START)?)?;
    let mut at = START.len() - 1;
    while at < line.len() {
        if line[at] == b'`' {
            at += 2 + memchr(b'`', line.get(at + 1..)?)?; // a column may be called ` VALUES`
        } else if line[at..].starts_with(b" VALUES") {
            return Some((table, &line[..at + b" VALUES".len()]));
        } else {
            at += 1;
        }
    }
    None
}

/// The length of the row at the start, from its `(` to its `)`; `None` when more bytes are needed.
fn row_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0u32);
    loop {
        let found = at + memchr3(b'\'', b'(', b')', bytes.get(at..)?)?;
        at = found + 1;
        match bytes[found] {
            b'(' => depth += 1,
            b')' if depth <= 1 => return Some(at),
            b')' => depth -= 1,
            _ => at = string_end(bytes, at)?,
        }
    }
}

/// Behind the quote that closes the string in which `at` stands. A doubled quote simply opens the next string.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'\'', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'\'' {
            return Some(found + 1);
        }
        at = found + 2;
    }
}
