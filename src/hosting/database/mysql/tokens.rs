//! The words, names, strings and signs of one statement.

use memchr::memchr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, an unquoted name, a number, a variable.
    Word,
    /// A name in backticks.
    Name,
    /// A string in single or double quotes.
    Text,
    /// Any other single byte.
    Sign,
}

/// A piece of a statement, with where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    pub text: &'a [u8],
}

impl Token<'_> {
    /// Is it this keyword?
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }
    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.is(w))
    }
    pub fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign && self.text == [sign]
    }
    fn unquoted(&self) -> String {
        String::from_utf8_lossy(&self.text[1..self.text.len().max(2) - 1]).into_owned()
    }
    /// The name that it stands for, without quotes.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(String::from_utf8_lossy(self.text).into_owned()),
            Kind::Name => Some(self.unquoted().replace("``", "`")),
            // Under ANSI_QUOTES names stand in double quotes; where a name must stand, nothing else can be meant.
            Kind::Text if self.text[0] == b'"' => Some(self.unquoted().replace("\"\"", "\"")),
            _ => None,
        }
    }
}

/// Reads a statement piece by piece. Comments are passed over; the marks of executable ones too, but not their content.
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn skip(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            let rest = &self.text[self.at..];
            self.at += match byte {
                _ if byte.is_ascii_whitespace() => 1,
                b'#' => memchr(b'\n', rest).unwrap_or(rest.len()),
                b'-' if rest.starts_with(b"--") && rest.get(2).is_none_or(|c| *c <= b' ') => memchr(b'\n', rest).unwrap_or(rest.len()),
                b'*' if rest.starts_with(b"*/") => 2,
                b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => executable_mark(rest),
                b'/' if rest.starts_with(b"/*") => memchr::memmem::find(rest, b"*/").map_or(rest.len(), |n| n + 2),
                _ => return,
            };
        }
    }
}

/// The length of `/*!50017` or `/*M!100300`.
fn executable_mark(text: &[u8]) -> usize {
    let head = if text[2] == b'M' { 4 } else { 3 };
    head + text[head..].iter().take(6).take_while(|c| c.is_ascii_digit()).count()
}

/// The length of a quoted piece; a doubled quote is a part of it.
fn quoted(text: &[u8]) -> usize {
    let quote = text[0];
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'\\' if quote != b'`' => 2,
            _ if byte == quote && text.get(at + 1) == Some(&quote) => 2,
            _ if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip();
        let rest = &self.text[self.at..];
        let (kind, length) = match *rest.first()? {
            b'`' => (Kind::Name, quoted(rest)),
            b'\'' | b'"' => (Kind::Text, quoted(rest)),
            byte if is_word(byte) => (Kind::Word, rest.iter().take_while(|c| is_word(**c)).count()),
            _ => (Kind::Sign, 1),
        };
        let start = self.at;
        self.at += length;
        Some(Token { kind, start, end: self.at, text: &self.text[start..self.at] })
    }
}

/// A text with some of its parts replaced.
pub fn replaced(text: &[u8], mut edits: Vec<(std::ops::Range<usize>, Vec<u8>)>) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut at = 0;
    for (range, new) in edits {
        out.extend_from_slice(&text[at..range.start]);
        out.extend_from_slice(&new);
        at = range.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}
