//! PHP's tokens, as far as a settings file has them. Nothing is ever executed.
//!
//! Written after the language's own lexical rules: what PHP takes for a comment, a string or a closing tag, this takes
//! for the same, because a value read from the wrong place would be a restore into the wrong database. A file that
//! cannot be cut into tokens with certainty is refused.

use super::edit::line_of;
use super::phpstring::{Escape, escape};
use crate::base::error::{Error, Result};
use std::ops::Range;

/// One token with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `<?php` or `<?=`, with the whitespace that belongs to it.
    Open,
    /// `?>`: ends a statement like a semicolon.
    Close,
    /// A name, perhaps with namespaces: `define`, `\define`, `__DIR__`.
    Name(String),
    /// `$name`, without the dollar.
    Variable(String),
    /// A string whose value is certain.
    Text {
        value: Vec<u8>,
        double: bool,
    },
    /// A string that PHP computes: variables in it, heredoc, backquotes.
    Computed,
    Number(String),
    /// Anything else, one operator: `=`, `=>`, `(`, `.`
    Sign(&'static str),
}

impl Token {
    pub fn is(&self, sign: &str) -> bool {
        matches!(&self.kind, Kind::Sign(s) if *s == sign)
    }
    /// A name in any case, as PHP's keywords and functions are.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(n) if n.trim_start_matches('\\').eq_ignore_ascii_case(name))
    }
    pub fn text(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Text { value, .. } => Some(value),
            _ => None,
        }
    }
    pub fn variable(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable(name) => Some(name),
            _ => None,
        }
    }
}

/// Longest first, so that `=>` is not read as `=`.
const SIGNS: [&str; 62] = [
    "<<<", "<=>", "**=", "...", "<<=", ">>=", "===", "!==", "??=", "?->", "=>", "->", "::", "==", "!=", "<>", "<=", ">=", "&&", "||", "??",
    "++", "--", "+=", "-=", "*=", "/=", ".=", "%=", "&=", "|=", "^=", "<<", ">>", "**", "#[", "=", "(", ")", "[", "]", "{", "}", ",", ";",
    ".", ":", "?", "!", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "@", "$",
];

/// All tokens of a file, without comments and whitespace.
///
/// # Errors
/// `Invalid`, naming the line, for a string or comment without end, for `<?` without `php`, and for stray bytes.
pub(super) fn tokens(text: &[u8]) -> Result<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0, out: Vec::new(), depth: 0 };
    lexer.outside()?;
    while lexer.at < text.len() {
        if lexer.step()? {
            break;
        }
    }
    Ok(lexer.out)
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<Token>,
    /// How many strings with code in them this code stands in.
    depth: usize,
}

fn starts_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn in_name(b: u8) -> bool {
    starts_name(b) || b.is_ascii_digit()
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }
    fn push(&mut self, kind: Kind, end: usize) {
        self.out.push(Token { kind, span: self.at..end });
        self.at = end;
    }
    fn wrong<T>(&self, what: &str) -> Result<T> {
        let line = line_of(self.text, self.at);
        Err(Error::invalid(format!("line {line}: {what}")).hint("`php -l` says whether PHP itself can read the file"))
    }

    /// Text outside of PHP's tags, up to and with the next opening tag.
    fn outside(&mut self) -> Result<()> {
        while let Some(found) = memchr::memmem::find(self.rest(), b"<?") {
            self.at += found;
            let rest = self.rest();
            if rest.len() >= 5 && rest[..5].eq_ignore_ascii_case(b"<?php") && rest.get(5).is_none_or(u8::is_ascii_whitespace) {
                let mut end = (self.at + 6).min(self.text.len());
                if self.byte(5) == b'\r' && self.byte(6) == b'\n' {
                    end += 1;
                }
                self.push(Kind::Open, end);
                return Ok(());
            }
            if rest.starts_with(b"<?=") {
                self.push(Kind::Open, self.at + 3);
                return Ok(());
            }
            if !rest[2..].to_ascii_lowercase().starts_with(b"xml") {
                return self.wrong("`<?` without `php`: whether PHP reads on there depends on its configuration");
            }
            self.at += 2;
        }
        self.at = self.text.len();
        Ok(())
    }

    /// One token, comment or stretch of whitespace; true at the end of what PHP reads.
    fn step(&mut self) -> Result<bool> {
        match self.byte(0) {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'?' if self.byte(1) == b'>' => return self.close().map(|()| false),
            b'#' if self.byte(1) != b'[' => self.line_comment(),
            b'/' if self.byte(1) == b'/' => self.line_comment(),
            b'/' if self.byte(1) == b'*' => match memchr::memmem::find(&self.rest()[2..], b"*/") {
                Some(end) => self.at += end + 4,
                None => return self.wrong("a comment without end"),
            },
            b'\'' => self.single()?,
            b'"' => self.double()?,
            b'`' => self.backquoted()?,
            b'$' if starts_name(self.byte(1)) => {
                let end = self.name_end(self.at + 1);
                let name = String::from_utf8_lossy(&self.text[self.at + 1..end]).into_owned();
                self.push(Kind::Variable(name), end);
            }
            b if starts_name(b) || (b == b'\\' && starts_name(self.byte(1))) => return self.name(),
            b if b.is_ascii_digit() || (b == b'.' && self.byte(1).is_ascii_digit()) => self.number(),
            b'<' if self.rest().starts_with(b"<<<") && self.heredoc()? => {}
            _ => self.sign()?,
        }
        Ok(false)
    }

    fn close(&mut self) -> Result<()> {
        let mut end = self.at + 2;
        if self.text[end..].starts_with(b"\r\n") {
            end += 2;
        } else if self.text[end..].starts_with(b"\n") {
            end += 1;
        }
        self.push(Kind::Close, end);
        self.outside()
    }

    /// Up to the end of the line, or to a closing tag, which ends PHP also inside such a comment.
    fn line_comment(&mut self) {
        let rest = self.rest();
        let line = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let end = memchr::memmem::find(&rest[..line], b"?>").unwrap_or(line);
        self.at += end;
    }

    fn name_end(&self, from: usize) -> usize {
        from + self.text[from..].iter().take_while(|b| in_name(**b)).count()
    }

    fn name(&mut self) -> Result<bool> {
        let mut end = self.at;
        loop {
            end = self.name_end(end + usize::from(self.text[end] == b'\\'));
            if self.text.get(end) != Some(&b'\\') || !self.text.get(end + 1).is_some_and(|b| starts_name(*b)) {
                break;
            }
        }
        let name = String::from_utf8_lossy(&self.text[self.at..end]).into_owned();
        let stop = name.eq_ignore_ascii_case("__halt_compiler");
        self.push(Kind::Name(name), end);
        Ok(stop)
    }

    fn number(&mut self) {
        let taken = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
        // `1...2` and `1 . 'x'` are not numbers as a whole, but nothing that is read here holds such a thing.
        let end = self.at + taken;
        let number = String::from_utf8_lossy(&self.text[self.at..end]).into_owned();
        self.push(Kind::Number(number), end);
    }

    fn sign(&mut self) -> Result<()> {
        match SIGNS.iter().find(|s| self.rest().starts_with(s.as_bytes())) {
            Some(sign) => {
                self.push(Kind::Sign(sign), self.at + sign.len());
                Ok(())
            }
            None if self.byte(0) == b'\\' => {
                self.push(Kind::Sign("\\"), self.at + 1);
                Ok(())
            }
            None => self.wrong("a byte that PHP does not know"),
        }
    }

    fn single(&mut self) -> Result<()> {
        let mut value = Vec::new();
        let mut at = self.at + 1;
        loop {
            match (self.text.get(at), self.text.get(at + 1)) {
                (Some(b'\''), _) => break,
                (Some(b'\\'), Some(next @ (b'\\' | b'\''))) => {
                    value.push(*next);
                    at += 2;
                }
                (Some(other), _) => {
                    value.push(*other);
                    at += 1;
                }
                (None, _) => return self.wrong("a string without end"),
            }
        }
        self.push(Kind::Text { value, double: false }, at + 1);
        Ok(())
    }

    fn double(&mut self) -> Result<()> {
        let (value, end) = self.unquote(b'"')?;
        let kind = value.map_or(Kind::Computed, |value| Kind::Text { value, double: true });
        self.push(kind, end + 1);
        Ok(())
    }

    fn backquoted(&mut self) -> Result<()> {
        let (_, end) = self.unquote(b'`')?;
        self.push(Kind::Computed, end + 1);
        Ok(())
    }

    /// Skips a heredoc or nowdoc; false when `<<<` is none.
    fn heredoc(&mut self) -> Result<bool> {
        let mut at = self.at + 3;
        while matches!(self.text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let quote = self.text.get(at).copied().filter(|b| matches!(b, b'"' | b'\''));
        at += usize::from(quote.is_some());
        let end = self.name_end(at);
        let label = &self.text[at..end];
        let after = end + usize::from(quote.is_some());
        let closed = quote.is_none() || self.text.get(end) == quote.as_ref();
        if !label.first().is_some_and(|b| starts_name(*b)) || !closed || !matches!(self.text.get(after), Some(b'\n' | b'\r')) {
            return Ok(false);
        }
        let mut line = after;
        while let Some(next) = self.text[line..].iter().position(|b| matches!(b, b'\n' | b'\r')) {
            line += next + 1;
            let start = line + self.text[line..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let tail = &self.text[start..];
            if tail.starts_with(label) && !tail.get(label.len()).is_some_and(|b| in_name(*b)) {
                self.push(Kind::Computed, start + label.len());
                return Ok(true);
            }
        }
        self.wrong("a heredoc without end")
    }

    /// The value of the string in `quote`s that begins here, and where its closing quote is; no value when PHP would put
    /// something into it.
    fn unquote(&self, quote: u8) -> Result<(Option<Vec<u8>>, usize)> {
        let mut value = Some(Vec::new());
        let mut at = self.at + 1;
        loop {
            let Some(b) = self.text.get(at).copied() else { return self.wrong("a string without end") };
            let next = self.text.get(at + 1).copied();
            if b == quote {
                return Ok((value, at));
            }
            if (b == b'$' && next == Some(b'{')) || (b == b'{' && next == Some(b'$')) {
                value = None;
                at = self.code_within(at)?;
                continue;
            }
            if b == b'$' && next.is_some_and(starts_name) {
                value = None;
            }
            let mut one = Vec::new();
            let taken = if b == b'\\' { escape(&self.text[at..], quote, &mut one) } else { Escape::None };
            match (taken, value.as_mut()) {
                (Escape::None, Some(v)) => v.push(b),
                (Escape::Bytes(_), Some(v)) => v.extend_from_slice(&one),
                (Escape::Refused, _) => value = None,
                (_, None) => {}
            }
            at += match taken {
                Escape::None => 1,
                Escape::Bytes(n) => n,
                Escape::Refused => 2,
            };
        }
    }

    /// Code in braces within a string may hold strings with the same quotes: it is cut into tokens like any other code
    /// to find its end.
    fn code_within(&self, at: usize) -> Result<usize> {
        if self.depth == 8 {
            return self.wrong("strings with code in them are nested too deeply");
        }
        let brace = at + usize::from(self.text[at] == b'$');
        let mut inner = Lexer { text: self.text, at: brace, out: Vec::new(), depth: self.depth + 1 };
        let mut open = 0usize;
        while inner.at < self.text.len() {
            let before = inner.out.len();
            if inner.step()? {
                break;
            }
            match inner.out[before..].first() {
                Some(t) if t.is("{") => open += 1,
                Some(t) if t.is("}") && open == 1 => return Ok(inner.at),
                Some(t) if t.is("}") => open -= 1,
                _ => {}
            }
        }
        self.wrong("a string without end")
    }
}
