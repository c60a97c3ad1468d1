//! Dumps of PostgreSQL: `COPY … FROM stdin;`, one row a line, `\.`.

use super::input::Input;
use super::tally::{Sums, Tally, quoted};
use super::{Cutter, LEAST, MOST, Segment, Splitter, broken, says_cut};
use memchr::memmem;
use std::io::{self, Read};

const END: &[u8] = b"\\.\n";
/// Where the sum of large objects stands among the tables'. They belong to none.
const LARGE_OBJECTS: &str = "large objects";

pub(super) struct Postgres {
    input: Input,
    out: Cutter,
    lexer: Lexer,
    /// A statement that begins with COPY, as far as it was read.
    copy: Vec<u8>,
    /// `COPY … FROM stdin;` while its rows are being read.
    head: Option<Vec<u8>>,
    /// The current segment holds a head, and lacks its `\.`.
    open: bool,
    /// The last statement was the data of a table: what comes next that is not data belongs to no table.
    after_data: bool,
    tally: Tally,
}

impl Postgres {
    pub fn new(dump: Box<dyn Read + Send>) -> Self {
        Self {
            input: Input::new(dump),
            out: Cutter::new(),
            lexer: Lexer::default(),
            copy: Vec::new(),
            head: None,
            open: false,
            after_data: false,
            tally: Tally::default(),
        }
    }

    /// One line outside the data; `false` at the end of the dump.
    fn text(&mut self) -> io::Result<bool> {
        let len = self.input.line()?;
        if len == 0 {
            self.out.push(&std::mem::take(&mut self.copy));
            return Ok(false);
        }
        let line = &self.input.rest()[..len];
        let between = self.lexer.between_statements();
        if between && is_large_object(line) {
            self.tally.enter(LARGE_OBJECTS.to_owned());
            self.tally.row(line);
        }
        let begins_copy = between && line.starts_with(b"COPY ");
        self.lexer.read(line);
        if begins_copy || !self.copy.is_empty() {
            self.copy.extend_from_slice(line);
            self.input.consume(len);
            self.copy_line();
            return Ok(true);
        }
        let says_something = !line.trim_ascii().is_empty() && !line.starts_with(b"--");
        if says_something && std::mem::take(&mut self.after_data) {
            self.out.enter(b"after.data");
        }
        if self.out.len() + len > MOST {
            self.out.cut();
        }
        let line = &self.input.rest()[..len];
        self.out.push(line);
        // Large objects are long runs of statements: they, too, are cut where their content says so.
        if self.lexer.between_statements() && self.out.len() >= LEAST && says_cut(line) {
            self.out.cut();
        }
        self.input.consume(len);
        Ok(true)
    }

    /// The statement in `copy` got a line; is it the head of data now? (A column's name may hold a newline.)
    fn copy_line(&mut self) {
        if !self.lexer.between_statements() {
            return;
        }
        let statement = std::mem::take(&mut self.copy);
        if !statement.trim_ascii_end().ends_with(b" FROM stdin;") {
            self.out.push(&statement);
            return;
        }
        self.out.enter(table_of(&statement));
        self.tally.enter(label_of(&statement));
        self.begin(&statement);
        self.head = Some(statement);
    }

    fn begin(&mut self, head: &[u8]) {
        self.out.cut();
        self.out.push(head);
        self.open = true;
    }

    /// One row of the data, or its end; `head` is put back while there may be more.
    fn row(&mut self, head: Vec<u8>) -> io::Result<()> {
        let len = self.input.line()?;
        let line = &self.input.rest()[..len];
        if len == 0 || !line.ends_with(b"\n") {
            return Err(broken("ends inside the data of a table"));
        }
        if line == END {
            self.input.consume(len);
            self.close();
            self.after_data = true;
            return Ok(());
        }
        let full = self.out.len() + len + END.len() > MOST && self.out.len() > head.len();
        if full {
            self.close();
        }
        if !self.open {
            self.begin(&head);
        }
        let line = &self.input.rest()[..len];
        self.out.push(line);
        self.tally.row(line);
        let cut = self.out.len() >= LEAST && says_cut(line);
        self.input.consume(len);
        if cut {
            self.close();
        }
        self.head = Some(head);
        Ok(())
    }

    /// Completes the current segment of rows. A table without rows keeps its empty COPY.
    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.out.push(END);
            self.out.cut();
        }
    }
}

impl Splitter for Postgres {
    fn next(&mut self) -> io::Result<Option<Segment>> {
        loop {
            if let Some(segment) = self.out.ready.pop_front() {
                return Ok(Some(segment));
            }
            if let Some(head) = self.head.take() {
                self.row(head)?;
            } else if !self.text()? {
                self.out.cut();
                return Ok(self.out.ready.pop_front());
            }
        }
    }

    fn sums(&mut self) -> Sums {
        self.tally.sums()
    }
}

/// A statement that opens a large object by its number, or writes to it: each is one line.
fn is_large_object(line: &[u8]) -> bool {
    line.starts_with(b"SELECT pg_catalog.lowrite(") || line.starts_with(b"SELECT pg_catalog.lo_open(")
}

/// The table of a COPY as people name it: the schema is said where it is not `public`.
fn label_of(statement: &[u8]) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut rest = statement.strip_prefix(b"COPY ").unwrap_or(statement);
    loop {
        let plain = rest.iter().position(|c| matches!(c, b'.' | b' ' | b'(')).unwrap_or(rest.len());
        let (name, behind) = quoted(rest, b'"').unwrap_or_else(|| (rest[..plain].to_vec(), &rest[plain..]));
        names.push(String::from_utf8_lossy(&name).into_owned());
        match behind.strip_prefix(b".") {
            Some(more) => rest = more,
            None => break,
        }
    }
    if names.len() == 2 && names[0] == "public" { names.swap_remove(1) } else { names.join(".") }
}

/// `public.t` of `COPY public.t (a, b) FROM stdin;`
fn table_of(statement: &[u8]) -> &[u8] {
    let rest = statement.strip_prefix(b"COPY ").unwrap_or(statement);
    let end = memmem::find(rest, b" (").or_else(|| memmem::find(rest, b" FROM ")).unwrap_or(rest.len());
    &rest[..end]
}

/// Follows quotes and comments, line by line, so that a COPY inside a function's body or a comment is not taken for one.
#[derive(Default)]
struct Lexer {
    within: Within,
    /// Something was said since the last `;`.
    begun: bool,
}

#[derive(Default)]
enum Within {
    #[default]
    Nothing,
    /// `'…'`; in `E'…'` a backslash escapes.
    Text { escapes: bool },
    /// `"…"`
    Name,
    /// `$tag$…$tag$`, delimiters included.
    Dollar(Vec<u8>),
    /// `/* … */`, nested.
    Comment(u32),
}

impl Lexer {
    fn between_statements(&self) -> bool {
        !self.begun && matches!(self.within, Within::Nothing)
    }

    fn read(&mut self, line: &[u8]) {
        let mut at = 0;
        while at < line.len() {
            at = match &mut self.within {
                Within::Nothing => self.outside(line, at),
                Within::Text { escapes: true } if line[at] == b'\\' => at + 2,
                Within::Text { .. } if line[at..].starts_with(b"''") => at + 2,
                Within::Text { .. } if line[at] == b'\'' => self.leave(at + 1),
                Within::Name if line[at] == b'"' => self.leave(at + 1),
                Within::Dollar(tag) => match memmem::find(&line[at..], tag) {
                    Some(found) => {
                        let end = at + found + tag.len();
                        self.leave(end)
                    }
                    None => line.len(),
                },
                Within::Comment(depth) if line[at..].starts_with(b"/*") => {
                    *depth += 1;
                    at + 2
                }
                Within::Comment(depth) if line[at..].starts_with(b"*/") => {
                    *depth -= 1;
                    if *depth == 0 { self.leave(at + 2) } else { at + 2 }
                }
                _ => at + 1,
            };
        }
    }

    fn leave(&mut self, at: usize) -> usize {
        self.within = Within::Nothing;
        at
    }

    fn outside(&mut self, line: &[u8], at: usize) -> usize {
        let rest = &line[at..];
        let before = at.checked_sub(1).map(|i| line[i]);
        let in_word = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || c >= 0x80);
        match rest[0] {
            b'-' if rest.starts_with(b"--") => return line.len(),
            b'\\' if at == 0 && !self.begun => return line.len(), // a client's command such as \restrict: one line
            b'/' if rest.starts_with(b"/*") => {
                self.within = Within::Comment(1);
                return at + 2;
            }
            b';' => {
                self.begun = false;
                return at + 1;
            }
            c if c.is_ascii_whitespace() => return at + 1,
            _ => self.begun = true,
        }
        match rest[0] {
            b'\'' => {
                let marker = before.is_some_and(|c| matches!(c, b'E' | b'e'));
                let alone = at < 2 || !(line[at - 2].is_ascii_alphanumeric() || line[at - 2] == b'_');
                self.within = Within::Text { escapes: marker && alone };
            }
            b'"' => self.within = Within::Name,
            b'$' if !in_word => {
                if let Some(tag) = dollar_tag(rest) {
                    self.within = Within::Dollar(tag.to_vec());
                    return at + tag.len();
                }
            }
            _ => {}
        }
        at + 1
    }
}

/// `$tag$` at the start, if that is what stands there.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let word = rest[1..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'_' || **c >= 0x80).count();
    let digit_first = rest.get(1).is_some_and(u8::is_ascii_digit);
    (!digit_first && rest.get(1 + word) == Some(&b'$')).then(|| &rest[..word + 2])
}
