//! Python's tokens, as far as a settings module has them, and the values written in it literally. Nothing is executed.

use super::edit::line_of;
pub(super) use super::pythontoken::{Kind, Token};
use crate::base::error::{Error, Result};
use std::ops::Range;

/// A logical line: a statement, or the head of a block.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// It stands in a block, whose condition is not known.
    pub indented: bool,
    pub tokens: Vec<Token>,
}

/// # Errors
/// `Invalid`, naming the line, for strings and brackets that do not close and for what is not UTF-8.
pub(super) fn lines(text: &[u8]) -> Result<Vec<Line>> {
    let source = std::str::from_utf8(text).map_err(|_| Error::invalid("the settings module is not UTF-8"))?;
    let mut lexer = Lexer { bytes: source.as_bytes(), source, at: 0, open: 0, fresh: true, lines: Vec::new(), now: Line::default() };
    if source.starts_with('\u{feff}') {
        lexer.at = 3;
    }
    while lexer.at < source.len() {
        lexer.step()?;
    }
    if lexer.open > 0 {
        return lexer.wrong("a bracket without end");
    }
    lexer.end_line();
    Ok(lexer.lines)
}

struct Lexer<'a> {
    bytes: &'a [u8],
    source: &'a str,
    at: usize,
    open: usize,
    /// At the beginning of a physical line outside of brackets.
    fresh: bool,
    lines: Vec<Line>,
    now: Line,
}

impl Lexer<'_> {
    fn wrong<T>(&self, what: &str) -> Result<T> {
        Err(Error::invalid(format!("line {}: {what}", line_of(self.bytes, self.at))))
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.now);
        if !line.tokens.is_empty() {
            self.lines.push(line);
        }
    }

    fn push(&mut self, kind: Kind, end: usize) {
        self.now.tokens.push(Token { kind, span: self.at..end });
        self.at = end;
    }

    fn step(&mut self) -> Result<()> {
        if self.fresh {
            let indent = self.bytes[self.at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | 0x0c)).count();
            self.now.indented = indent > 0;
            self.fresh = false;
        }
        let b = self.bytes[self.at];
        match b {
            b'\n' => {
                self.at += 1;
                if self.open == 0 {
                    self.end_line();
                    self.fresh = true;
                }
            }
            b' ' | b'\t' | b'\r' | 0x0c => self.at += 1,
            b'\\' => {
                self.at += 1 + usize::from(self.bytes.get(self.at + 1) == Some(&b'\r'));
                self.at += usize::from(self.bytes.get(self.at) == Some(&b'\n'));
            }
            b'#' => self.at = memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |n| self.at + n),
            b'"' | b'\'' => self.string(self.at)?,
            b if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 => self.word()?,
            b if b.is_ascii_digit() => {
                let len = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
                let number = self.source[self.at..self.at + len].to_owned();
                self.push(Kind::Number(number), self.at + len);
            }
            b';' if self.open == 0 => {
                let indented = self.now.indented;
                self.end_line();
                self.now.indented = indented;
                self.at += 1;
            }
            _ => {
                match b {
                    b'(' | b'[' | b'{' => self.open += 1,
                    b')' | b']' | b'}' if self.open == 0 => return self.wrong("a bracket that closes nothing"),
                    b')' | b']' | b'}' => self.open -= 1,
                    _ => {}
                }
                self.push(Kind::Sign(char::from(b)), self.at + 1);
            }
        }
        Ok(())
    }

    fn word(&mut self) -> Result<()> {
        let len = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80).count();
        let end = self.at + len;
        let word = &self.source[self.at..end];
        let prefix = len <= 2 && word.bytes().all(|b| b"rRbBuUfFtT".contains(&b));
        if prefix && matches!(self.bytes.get(end), Some(b'"' | b'\'')) {
            return self.string(end);
        }
        let word = word.to_owned();
        self.push(Kind::Name(word), end);
        Ok(())
    }

    /// A string whose prefix begins at the present place and whose quotes begin at `quote_at`.
    fn string(&mut self, quote_at: usize) -> Result<()> {
        let prefix = self.source[self.at..quote_at].to_ascii_lowercase();
        match string_end(self.bytes, quote_at, &prefix, 0) {
            Some((inner, end)) => {
                let computed = prefix.contains(['f', 't', 'b']);
                let raw = &self.source[inner.clone()];
                let value = if computed {
                    None
                } else if prefix.contains('r') {
                    Some(raw.to_owned())
                } else {
                    unescape(raw)
                };
                self.push(Kind::Text(value), end);
                Ok(())
            }
            None => self.wrong("a string without end"),
        }
    }
}

/// The inside of the string whose quotes begin at `at`, and where it ends.
fn string_end(bytes: &[u8], at: usize, prefix: &str, depth: usize) -> Option<(Range<usize>, usize)> {
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let start = at + if triple { 3 } else { 1 };
    let formatted = prefix.contains(['f', 't']);
    let mut i = start;
    loop {
        match *bytes.get(i)? {
            b'\\' => i += 2,
            b'\n' if !triple => return None,
            b if b == quote && !triple => return Some((start..i, i + 1)),
            b if b == quote && bytes[i..].starts_with(&[quote; 3]) => return Some((start..i, i + 3)),
            b'{' if formatted && bytes.get(i + 1) == Some(&b'{') => i += 2,
            b'{' if formatted => i = braces_end(bytes, i, depth + 1)?,
            _ => i += 1,
        }
    }
}

/// Behind the brace that closes the code within a formatted string, which may hold strings of its own.
fn braces_end(bytes: &[u8], mut i: usize, depth: usize) -> Option<usize> {
    let mut open = 0usize;
    if depth >= 8 {
        return None;
    }
    loop {
        match *bytes.get(i)? {
            b'{' => open += 1,
            b'}' if open == 1 => return Some(i + 1),
            b'}' => open -= 1,
            b'"' | b'\'' => {
                i = string_end(bytes, i, "", depth)?.1;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
}

fn unescape(raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let first = tail.chars().next()?;
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let hex = |n: usize| tail.get(1..=n).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| number(d, 16));
        let (c, taken) = match first {
            '\n' => (None, 1),
            '\r' => (None, if tail.starts_with("\r\n") { 2 } else { 1 }),
            '\\' | '\'' | '"' => (Some(first), 1),
            'n' => (Some('\n'), 1),
            't' => (Some('\t'), 1),
            'r' => (Some('\r'), 1),
            'a' => (Some('\x07'), 1),
            'b' => (Some('\x08'), 1),
            'f' => (Some('\x0c'), 1),
            'v' => (Some('\x0b'), 1),
            'x' => (Some(hex(2)?), 3),
            'u' => (Some(hex(4)?), 5),
            'U' => (Some(hex(8)?), 9),
            'N' => return None,
            '0'..='7' => {
                let n = tail.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                (Some(number(&tail[..n], 8)?), n)
            }
            other => {
                out.push('\\');
                (Some(other), other.len_utf8())
            }
        };
        out.extend(c);
        rest = &tail[taken..];
    }
    out.push_str(rest);
    Some(out)
}

/// A string literal with this value.
pub(super) fn quoted(value: &str, quote: char) -> String {
    let mut out = String::from(quote);
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A value with its place and its tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub span: Range<usize>,
    pub tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(String),
    /// `None`, `True`, or another name
    Name(String),
    Dict(Vec<(String, Node)>),
    Computed,
}

/// The value that an expression writes down.
pub(super) fn value(tokens: &[Token], depth: usize) -> Node {
    let span = match (tokens.first(), tokens.last()) {
        (Some(a), Some(b)) => a.span.start..b.span.end,
        _ => 0..0,
    };
    let texts: Option<String> = tokens.iter().map(Token::text).collect();
    let value = match tokens {
        [] => Value::Computed,
        // Strings side by side are one string.
        _ if texts.is_some() => Value::Text(texts.unwrap_or_default()),
        [Token { kind: Kind::Number(n), .. }] => Value::Number(n.clone()),
        [Token { kind: Kind::Name(n), .. }] => Value::Name(n.clone()),
        [a, inner @ .., b] if a.is('{') && b.is('}') && depth < 12 => dict(inner, depth),
        [a, inner @ .., b] if a.is('(') && b.is(')') && depth < 12 && parts(inner, ',').len() == 1 => {
            return Node { span, tokens: tokens.to_vec(), ..self::value(inner, depth + 1) };
        }
        _ => Value::Computed,
    };
    Node { value, span, tokens: tokens.to_vec() }
}

fn dict(inner: &[Token], depth: usize) -> Value {
    let mut found = Vec::new();
    for part in parts(inner, ',') {
        match part {
            [] => {}
            [key, colon, rest @ ..] if colon.is(':') && key.text().is_some() => {
                found.push((key.text().unwrap_or_default().to_owned(), value(rest, depth + 1)));
            }
            _ => return Value::Computed,
        }
    }
    Value::Dict(found)
}

/// The tokens between separators that stand outside of all brackets.
pub(super) fn parts(tokens: &[Token], separator: char) -> Vec<&[Token]> {
    let mut found = Vec::new();
    let (mut open, mut start) = (0usize, 0);
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => open += 1,
            Kind::Sign(')' | ']' | '}') => open = open.saturating_sub(1),
            Kind::Sign(c) if c == separator && open == 0 => {
                found.push(&tokens[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    found.push(&tokens[start..]);
    found
}

/// What a line does, as far as it concerns values.
pub(super) enum Statement<'a> {
    /// `NAME['key'] = expression`
    Assign {
        name: &'a str,
        path: Vec<String>,
        value: &'a [Token],
    },
    /// `NAME.update(…)`, `NAME |= …`: changed in a way that is not read
    Change {
        name: &'a str,
    },
    /// `from module import *`
    Star {
        module: String,
    },
    Other,
}

pub(super) fn statement(tokens: &[Token]) -> Statement<'_> {
    if tokens.first().and_then(Token::name) == Some("from") {
        return star(tokens);
    }
    let Some(name) = tokens.first().and_then(Token::name) else { return Statement::Other };
    let mut rest = &tokens[1..];
    let mut path = Vec::new();
    while let [open, key, close, more @ ..] = rest {
        let Some(key) = key.text().filter(|_| open.is('[') && close.is(']')) else { break };
        path.push(key.to_owned());
        rest = more;
    }
    match rest {
        [equals, value @ ..] if equals.is('=') && !value.first().is_some_and(|t| t.is('=')) => Statement::Assign { name, path, value },
        // NAME: type = value
        [colon, more @ ..] if colon.is(':') && path.is_empty() => match parts(more, '=')[..] {
            [_, _, ..] => Statement::Assign { name, path, value: &more[parts(more, '=')[0].len() + 1..] },
            _ => Statement::Other,
        },
        [sign, ..] if sign.is('.') || sign.is('[') || sign.is('|') || sign.is('+') => Statement::Change { name },
        _ => Statement::Other,
    }
}

fn star(tokens: &[Token]) -> Statement<'_> {
    let Some(import) = tokens.iter().position(|t| t.name() == Some("import")) else { return Statement::Other };
    if !tokens.get(import + 1).is_some_and(|t| t.is('*')) {
        return Statement::Other;
    }
    let module = tokens[1..import].iter().map(|t| match &t.kind {
        Kind::Name(n) => n.clone(),
        Kind::Sign(c) => c.to_string(),
        _ => String::new(),
    });
    Statement::Star { module: module.collect() }
}
