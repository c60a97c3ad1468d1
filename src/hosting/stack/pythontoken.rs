//! A token of Python: what it is, and where it stands in the text.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name(String),
    /// `None`: an f-string, bytes, or an escape that only Python's tables know.
    Text(Option<String>),
    Number(String),
    Sign(char),
}

impl Token {
    pub fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(n) => Some(n),
            _ => None,
        }
    }
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(t) => t.as_deref(),
            _ => None,
        }
    }
}
