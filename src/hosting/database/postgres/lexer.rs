//! Where statements, strings, comments and names begin and end in SQL text, as psql itself sees it (psqlscan.l): only
//! then is it known where a backslash would be a client command, and where a statement ends.
//!
//! The text comes in pieces of any size; nothing but the current token is held.

use memchr::{memchr, memchr2, memmem};

/// A part of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    Space,
    Comment,
    /// A name or a keyword without quotes.
    Word,
    /// Anything else that belongs to a statement.
    Text,
    /// The semicolon that ends a statement.
    End,
    /// A backslash where psql would read a client command.
    Backslash,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Plain,
    /// In `'…'`; with backslash escapes in `E'…'`.
    Quote {
        escapes: bool,
    },
    Name,
    Dollar(Vec<u8>),
    Line,
    Block(u32),
}

/// Cuts SQL text into [`Piece`]s.
#[derive(Debug)]
pub struct Lexer {
    state: State,
    parens: u32,
    /// `begin atomic … end` in the body of an SQL function: its semicolons end nothing.
    begins: u32,
    /// The first letters of `create [or replace] function|procedure` among the first words, as psql keeps them.
    opening: Vec<u8>,
    words: usize,
    /// The next quote is that of `E'…'`.
    escape_next: bool,
    /// After `E'…'`: a quote after a line's end goes on with the same string. `Some(true)`: the line has ended.
    goes_on: Option<bool>,
}

impl Lexer {
    pub fn new() -> Self {
        Self { state: State::Plain, parens: 0, begins: 0, opening: Vec::new(), words: 0, escape_next: false, goes_on: None }
    }

    /// Outside of strings and comments.
    pub fn is_plain(&self) -> bool {
        self.state == State::Plain
    }

    /// The next piece of `text` and its length; None when more text is needed to tell. `last`: no more will come.
    pub fn next(&mut self, text: &[u8], last: bool) -> Option<(Piece, usize)> {
        if text.is_empty() {
            return None;
        }
        match &self.state {
            State::Plain => self.plain(text, last),
            State::Quote { escapes } => {
                let escapes = *escapes;
                self.quoted(text, last, b'\'', escapes)
            }
            State::Name => self.quoted(text, last, b'"', false),
            State::Dollar(tag) => match memmem::find(text, tag) {
                Some(at) => {
                    let n = at + tag.len();
                    self.state = State::Plain;
                    Some((Piece::Text, n))
                }
                None => some(Piece::Text, (text.len() + 1).saturating_sub(tag.len())),
            },
            State::Line => match memchr(b'\n', text) {
                Some(at) => {
                    self.state = State::Plain;
                    some(Piece::Comment, at).or_else(|| self.plain(text, last))
                }
                None => Some((Piece::Comment, text.len())),
            },
            State::Block(depth) => {
                let depth = *depth;
                self.block(text, depth, last)
            }
        }
    }

    fn plain(&mut self, text: &[u8], last: bool) -> Option<(Piece, usize)> {
        let first = text[0];
        let second = text.get(1).copied();
        if matches!(first, b'-' | b'/') && second.is_none() && !last {
            return None;
        }
        match (first, second) {
            (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => {
                let n = text.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)).count();
                if let Some(ended) = &mut self.goes_on {
                    *ended |= text[..n].iter().any(|b| matches!(b, b'\n' | b'\r'));
                }
                Some((Piece::Space, n))
            }
            (b'-', Some(b'-')) => {
                self.state = State::Line;
                Some((Piece::Comment, 2))
            }
            (b'/', Some(b'*')) => {
                self.state = State::Block(1);
                Some((Piece::Comment, 2))
            }
            _ => self.token(text, last),
        }
    }

    fn token(&mut self, text: &[u8], last: bool) -> Option<(Piece, usize)> {
        let first = text[0];
        if starts_word(first) {
            return self.word(text, last);
        }
        if first == b'$' {
            return self.dollar(text, last);
        }
        let escapes = std::mem::take(&mut self.escape_next) || self.goes_on == Some(true);
        self.goes_on = None;
        match first {
            b'\'' => self.state = State::Quote { escapes },
            b'"' => self.state = State::Name,
            b'(' => self.parens += 1,
            b')' => self.parens = self.parens.saturating_sub(1),
            b'\\' => return Some((Piece::Backslash, 1)),
            b';' if self.parens == 0 && self.begins == 0 => {
                (self.words, self.opening) = (0, Vec::new());
                return Some((Piece::End, 1));
            }
            _ => {}
        }
        Some((Piece::Text, 1))
    }

    fn word(&mut self, text: &[u8], last: bool) -> Option<(Piece, usize)> {
        let n = text.iter().take_while(|b| starts_word(**b) || b.is_ascii_digit() || **b == b'$').count();
        if n == text.len() && !last && n < 1024 {
            return None;
        }
        self.goes_on = None;
        self.escape_next = n == 1 && matches!(text[0], b'e' | b'E') && text.get(1) == Some(&b'\'');
        self.count_word(&text[..n]);
        Some((Piece::Word, n))
    }

    /// psql's own rule for the semicolons in `create function … begin atomic …; end`.
    fn count_word(&mut self, word: &[u8]) {
        let is = |w: &str| word.eq_ignore_ascii_case(w.as_bytes());
        let routine = matches!(&self.opening[..], [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p', ..]);
        if routine && self.parens == 0 {
            if is("begin") || (is("case") && self.begins > 0) {
                self.begins += 1;
            } else if is("end") {
                self.begins = self.begins.saturating_sub(1);
            }
        }
        if self.words < 4 {
            let kept = ["create", "function", "procedure", "or", "replace"].into_iter().any(is);
            self.opening.push(if kept { word[0].to_ascii_lowercase() } else { 0 });
        }
        self.words += 1;
    }

    fn dollar(&mut self, text: &[u8], last: bool) -> Option<(Piece, usize)> {
        self.goes_on = None;
        let tag = text[1..].iter().take_while(|b| starts_word(**b) || b.is_ascii_digit()).count();
        match text.get(1 + tag) {
            None if !last && tag < 1024 => None,
            Some(b'$') if tag == 0 || !text[1].is_ascii_digit() => {
                self.state = State::Dollar(text[..tag + 2].to_vec());
                Some((Piece::Text, tag + 2))
            }
            _ => Some((Piece::Text, 1)),
        }
    }

    fn quoted(&mut self, text: &[u8], last: bool, quote: u8, escapes: bool) -> Option<(Piece, usize)> {
        let found = if escapes { memchr2(quote, b'\\', text) } else { memchr(quote, text) };
        let Some(at) = found else { return Some((Piece::Text, text.len())) };
        match text.get(at + 1) {
            None if !last => some(Piece::Text, at),
            // A doubled quote, or whatever a backslash escapes.
            Some(next) if text[at] == b'\\' || *next == quote => Some((Piece::Text, at + 2)),
            _ => {
                self.state = State::Plain;
                self.goes_on = escapes.then_some(false);
                Some((Piece::Text, at + 1))
            }
        }
    }

    fn block(&mut self, text: &[u8], depth: u32, last: bool) -> Option<(Piece, usize)> {
        let Some(at) = memchr2(b'*', b'/', text) else { return Some((Piece::Comment, text.len())) };
        let Some(next) = text.get(at + 1) else {
            return if last { Some((Piece::Comment, text.len())) } else { some(Piece::Comment, at) };
        };
        let (n, depth) = match (text[at], next) {
            (b'/', b'*') => (2, depth + 1),
            (b'*', b'/') => (2, depth - 1),
            _ => (1, depth),
        };
        self.state = if depth == 0 { State::Plain } else { State::Block(depth) };
        Some((Piece::Comment, at + n))
    }
}

fn starts_word(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn some(piece: Piece, n: usize) -> Option<(Piece, usize)> {
    (n > 0).then_some((piece, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of a text that comes in pieces of `step` bytes, and whether a backslash was seen outside.
    fn statements(text: &str, step: usize) -> (Vec<String>, bool) {
        let (mut lexer, mut held, mut found, mut now, mut backslash) = (Lexer::new(), Vec::new(), Vec::new(), String::new(), false);
        let bytes = text.as_bytes();
        for (i, chunk) in bytes.chunks(step).enumerate() {
            held.extend_from_slice(chunk);
            let last = (i + 1) * step >= bytes.len();
            while let Some((piece, n)) = lexer.next(&held, last) {
                let part: Vec<u8> = held.drain(..n).collect();
                now.push_str(&String::from_utf8_lossy(&part));
                backslash |= piece == Piece::Backslash;
                if piece == Piece::End {
                    found.push(std::mem::take(&mut now).trim().to_owned());
                }
            }
        }
        assert!(held.is_empty(), "left over: {held:?}");
        (found, backslash)
    }

    #[test]
    fn statements_end_where_psql_ends_them_however_the_text_is_cut() {
        for (text, expected) in [
            ("select 1; select ';' ;", 2),
            ("select 'it''s;'; x;", 2),
            ("select E'a\\';b'; x;", 2),
            ("select 'a\\'; x;", 2),
            ("select E'a'\n'\\';b'; x;", 2),
            ("select E'a' '\\'; x;", 2),
            ("select $$;'$$; select $a$ ;$$ $b$ $a$; x;", 3),
            ("select a$b; select $1; x;", 3),
            ("-- ; \n/* ; /* ; */ ' */ select \"a;\"\"b\"; x;", 2),
            ("create rule r as on insert to t do (select 1; select 2); x;", 2),
            ("create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; x;", 2),
            ("create table \"begin\" (a int); begin; end;", 3),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(statements(text, step).0.len(), expected, "{text:?} in pieces of {step}: {:?}", statements(text, step).0);
            }
        }
    }

    #[test]
    fn a_backslash_counts_only_outside_of_strings_names_and_comments() {
        for (text, seen) in [
            ("select 'a\\b', E'\\\\', $x$ \\! $x$, \"\\!\" -- \\!\n /* \\! */;", false),
            ("select 1 \\! x;", true),
            ("select 'a' \\g |x;", true),
            ("select E'\\'' \\! x;", true),
            ("/* /* */ \\! */;", false),
            ("select $a$ $a \\! $a$;", false),
        ] {
            for step in [1, 2, 5, 1000] {
                assert_eq!(statements(text, step).1, seen, "{text:?} in pieces of {step}");
            }
        }
    }
}
