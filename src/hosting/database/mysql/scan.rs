//! Where a statement ends, and what begins there, as the client sees it.

use super::tokens::{Kind, Tokens};
use crate::base::error::{Error, Result};
use memchr::{memchr, memchr2};

/// How many bytes a decision may need: `delimiter ` is the longest.
pub const LOOK_AHEAD: usize = 16;

/// Finds the end of a statement, as the client does.
#[derive(Debug)]
pub struct Scanner {
    /// What ends a statement.
    pub delimiter: Vec<u8>,
    /// Whether a backslash in a string escapes: NO_BACKSLASH_ESCAPES is off.
    pub escapes: bool,
    inside: Inside,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Inside {
    Code,
    Quotes(u8),
    Line,
    Block,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { delimiter: b";".to_vec(), escapes: true, inside: Inside::Code }
    }
}

impl Scanner {
    /// A new statement begins.
    pub fn restart(&mut self) {
        self.inside = Inside::Code;
    }

    /// Goes on from `at`; gives where the delimiter stands. None: `at` is where to go on with more.
    pub fn run(&mut self, text: &[u8], at: &mut usize, last: bool) -> Result<Option<usize>> {
        loop {
            let rest = &text[*at..];
            if rest.is_empty() || (!last && rest.len() < LOOK_AHEAD) {
                return Ok(None);
            }
            let step = match self.inside {
                Inside::Code => match self.code(rest, last)? {
                    Code::End(n) => return Ok(Some(*at + n)),
                    Code::Step(n) => n,
                },
                Inside::Quotes(quote) => self.quotes(rest, quote),
                Inside::Line => self.until(memchr(b'\n', rest).map(|n| n + 1), rest.len()),
                // The star at the end of what is known may be the first half of the end.
                Inside::Block => {
                    let known = if last { rest.len() } else { rest.len() - 1 };
                    self.until(memchr::memmem::find(rest, b"*/").map(|n| n + 2), known)
                }
            };
            *at += step;
        }
    }

    fn until(&mut self, end: Option<usize>, otherwise: usize) -> usize {
        if end.is_some() {
            self.inside = Inside::Code;
        }
        end.unwrap_or(otherwise)
    }

    fn quotes(&mut self, rest: &[u8], quote: u8) -> usize {
        let found = if self.escapes && quote != b'`' { memchr2(quote, b'\\', rest) } else { memchr(quote, rest) };
        match found {
            None => rest.len(),
            // An escaped byte that is not there yet is looked at again with more.
            Some(n) if rest[n] == b'\\' => {
                if n + 2 <= rest.len() {
                    n + 2
                } else {
                    n.max(1)
                }
            }
            // A doubled quote closes here and opens again there.
            Some(n) => {
                self.inside = Inside::Code;
                n + 1
            }
        }
    }

    fn code(&mut self, rest: &[u8], last: bool) -> Result<Code> {
        let first = self.delimiter[0];
        let upto = if last { rest.len() } else { rest.len() + 1 - LOOK_AHEAD };
        let mut n = 0;
        while n < upto {
            let byte = rest[n];
            if byte == first && rest[n..].starts_with(&self.delimiter) {
                return Ok(Code::End(n));
            }
            match byte {
                b'\'' | b'"' | b'`' => {
                    self.inside = Inside::Quotes(byte);
                    return Ok(Code::Step(n + 1));
                }
                b'#' => self.inside = Inside::Line,
                b'-' if is_dashes(&rest[n..]) => self.inside = Inside::Line,
                b'/' if is_comment(&rest[n..]) => {
                    self.inside = Inside::Block;
                    return Ok(Code::Step(n + 2));
                }
                // The client obeys this word wherever it stands; no dump has it inside a statement.
                b'd' | b'D' if matches!(rest.get(n + 1), Some(b'e' | b'E')) && starts_with_word(&rest[n..], b"delimiter") => {
                    return Err(Error::damaged("the dump sets a delimiter inside a statement"));
                }
                _ => {}
            }
            n += 1;
            if self.inside != Inside::Code {
                return Ok(Code::Step(n));
            }
        }
        Ok(Code::Step(n))
    }
}

enum Code {
    End(usize),
    Step(usize),
}

/// `-- `: two dashes and then white space or nothing.
pub fn is_dashes(text: &[u8]) -> bool {
    text.starts_with(b"--") && text.get(2).is_none_or(|c| *c <= b' ')
}

/// A comment whose content nobody executes.
pub fn is_comment(text: &[u8]) -> bool {
    text.starts_with(b"/*") && !text[2..].starts_with(b"!") && !text[2..].starts_with(b"M!")
}

/// The line by which a dump asks the client to turn its commands off.
pub fn is_sandbox_mark(text: &[u8]) -> bool {
    text.starts_with(b"/*M!999999") || text.starts_with(b"/*!999999")
}

/// Does this word, in any case, stand here with white space behind it?
pub fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.len() > word.len() && text[..word.len()].eq_ignore_ascii_case(word) && text[word.len()].is_ascii_whitespace()
}

/// May rows begin here?
pub fn is_insert(text: &[u8]) -> bool {
    starts_with_word(text, b"insert") || starts_with_word(text, b"replace")
}

/// What stands where rows may begin.
pub enum Head {
    Is(usize),
    Unfinished,
    Other,
}

/// The length of `INSERT [IGNORE] INTO name [(columns)] VALUES`, when that is what stands there.
pub fn insert_head(text: &[u8]) -> Head {
    let (mut depth, mut named) = (0, false);
    for token in Tokens::new(text) {
        if token.end == text.len() {
            return Head::Unfinished;
        }
        match token.kind {
            Kind::Word if depth == 0 && named && token.is("values") => return Head::Is(token.end),
            Kind::Word if depth == 0 && named && (token.is("select") || token.is("set")) => return Head::Other,
            Kind::Word if token.is("into") => named = true,
            Kind::Sign if token.text == b"(" => depth += 1,
            Kind::Sign if token.text == b")" && depth == 0 => return Head::Other,
            Kind::Sign if token.text == b")" => depth -= 1,
            Kind::Sign if token.text == b";" => return Head::Other,
            _ => {}
        }
    }
    Head::Unfinished
}

/// Whether a statement turns the backslash in strings on or off: `SET sql_mode = '…'`.
pub fn backslash_escapes(sql: &[u8]) -> Option<bool> {
    if sql.len() > 4096 || memchr::memmem::find(&sql.to_ascii_lowercase(), b"sql_mode").is_none() {
        return None;
    }
    let mut tokens = Tokens::new(sql);
    if !tokens.next()?.is("set") {
        return None;
    }
    // The last assignment counts: `SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='…'`. What is put back from a variable
    // is the mode that the dump began with, which escapes.
    let all: Vec<_> = tokens.collect();
    let at = all.iter().rposition(|t| t.is("sql_mode"))?;
    match all.get(at + 2) {
        Some(value) if value.kind == Kind::Text => {
            Some(memchr::memmem::find(&value.text.to_ascii_uppercase(), b"NO_BACKSLASH_ESCAPES").is_none())
        }
        Some(_) => Some(true),
        None => None,
    }
}
