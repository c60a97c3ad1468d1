//! A dump on its way into a scratch database, looked at while it passes: is it whole, and in which character set?

use crate::base::error::Error;
use crate::domain::drill::{Fault, Finding};
use crate::domain::element::Element;
use std::io::{self, Read};

/// What a dump must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text that ends with a mark. `unicode`: every byte of it must be valid UTF-8.
    Text { mark: &'static str, unicode: bool },
    /// So many bytes.
    Image(u64),
}

impl Shape {
    /// Of a dump by its engine and the character set that its manifest names.
    pub fn of(engine: &str, charset: &str, size: u64) -> Self {
        match engine {
            "sqlite" => Self::Image(size),
            "postgres" => Self::Text { mark: "PostgreSQL database dump complete", unicode: !charset.starts_with("SQL_ASCII") },
            _ => Self::Text { mark: "-- Dump completed", unicode: true },
        }
    }
}

/// Kept from the beginning, where a dump says how it is written, and from the end, where it says that it is whole.
const HEAD: usize = 16 << 10;
const TAIL: usize = 1024;

pub(super) struct Looked {
    inner: Box<dyn Read + Send>,
    shape: Shape,
    pub bytes: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// The bytes of a character that was cut by the end of a read.
    cut: Vec<u8>,
    /// Where the first byte stands that is no part of a character.
    wrong_at: Option<u64>,
    /// What the repository said instead of giving more.
    pub broken: Option<Error>,
}

impl Looked {
    pub fn new(inner: Box<dyn Read + Send>, shape: Shape) -> Self {
        Self { inner, shape, bytes: 0, head: Vec::new(), tail: Vec::new(), cut: Vec::new(), wrong_at: None, broken: None }
    }

    /// Reads on to the end, where whoever read it gave up before.
    pub fn drain(&mut self) {
        let mut buffer = vec![0; 256 << 10];
        while self.read(&mut buffer).is_ok_and(|n| n > 0) {}
    }

    /// What is wrong with it by itself, after its end.
    pub fn finding(&self) -> Option<Finding> {
        let found = |fault, message: String| Some(Finding { fault, element: Some(Element::Database), message });
        if self.bytes == 0 {
            return found(Fault::Empty, "there is not a byte in it".into());
        }
        match &self.shape {
            Shape::Image(size) if self.bytes < *size => {
                found(Fault::Truncated, format!("the database's file has {} of {size} bytes", self.bytes))
            }
            Shape::Text { mark, .. } if !self.ends_with(mark) => {
                found(Fault::Truncated, format!("after {} bytes it ends without the line that ends a dump: {mark}", self.bytes))
            }
            Shape::Text { unicode, .. } => self.charset(*unicode).and_then(|message| found(Fault::Charset, message)),
            Shape::Image(_) => None,
        }
    }

    fn ends_with(&self, mark: &str) -> bool {
        memchr::memmem::find(&self.tail, mark.as_bytes()).is_some()
    }

    fn charset(&self, unicode: bool) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head);
        let said = declared(&head).filter(|said| !["utf8mb4", "utf8"].contains(&said.as_str()));
        match (said, self.wrong_at) {
            (Some(said), _) => Some(format!("it says that it is written in {said}, and was asked for in Unicode (UTF-8)")),
            (None, Some(at)) if unicode => {
                Some(format!("the byte {at} is no part of a character of Unicode (UTF-8), in which it says it is"))
            }
            _ => None,
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len().min(HEAD);
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let from = bytes.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(&bytes[from..]);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        if self.wrong_at.is_none() && matches!(self.shape, Shape::Text { unicode: true, .. }) {
            self.check(bytes);
        }
        self.bytes += bytes.len() as u64;
    }

    fn check(&mut self, bytes: &[u8]) {
        let before = self.cut.len() as u64;
        let whole = [std::mem::take(&mut self.cut), bytes.to_vec()].concat();
        if let Err(e) = std::str::from_utf8(&whole) {
            match e.error_len() {
                Some(_) => self.wrong_at = Some(self.bytes - before + e.valid_up_to() as u64),
                None => self.cut = whole[e.valid_up_to()..].to_vec(),
            }
        }
    }
}

/// `SET NAMES latin1` and `SET client_encoding = 'LATIN1'`: the last word of them, in small letters.
fn declared(head: &str) -> Option<String> {
    let small = head.to_ascii_lowercase();
    let after = ["set names ", "set client_encoding = "].into_iter().find_map(|begin| small.split_once(begin));
    let word: String = after?.1.trim_start_matches('\'').chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

impl Read for Looked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(n) => {
                self.note(&buffer[..n]);
                Ok(n)
            }
            Err(e) => {
                let ours = e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
                self.broken.get_or_insert(ours.unwrap_or_else(|| Error::damaged(e.to_string())));
                Err(e)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte at a time: nothing may depend on how a stream is cut.
    struct Drops(Vec<u8>, usize);
    impl Read for Drops {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = usize::from(self.1 < self.0.len() && !into.is_empty());
            into[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n)
        }
    }

    fn fault(engine: &str, bytes: &[u8]) -> Option<Fault> {
        let mut looked = Looked::new(Box::new(Drops(bytes.to_vec(), 0)), Shape::of(engine, "utf8mb4", 9));
        looked.drain();
        assert!(looked.broken.is_none() && looked.bytes == bytes.len() as u64);
        looked.finding().map(|f| f.fault)
    }

    #[test]
    fn a_dump_is_whole_in_unicode_or_it_is_said_what_it_is() {
        let dump = |head: &str, body: &[u8], end: &str| [head.as_bytes(), body, end.as_bytes()].concat();
        let (names, end) = ("/*!40101 SET NAMES utf8mb4 */;\n", "\n-- Dump completed\n");
        assert_eq!(fault("mysql", &dump(names, "insert 'naïve 日本 🎉'".as_bytes(), end)), None);
        assert_eq!(fault("mysql", b""), Some(Fault::Empty));
        assert_eq!(fault("mysql", &dump(names, b"insert 'x'", "\n-- Dump comp")), Some(Fault::Truncated));
        assert_eq!(fault("mysql", &dump(names, b"insert 'na\xefve'", end)), Some(Fault::Charset));
        assert_eq!(fault("mysql", &dump("SET NAMES latin1;\n", b"x", end)), Some(Fault::Charset));
        let (names, end) = ("SET client_encoding = 'UTF8';\n", "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n");
        assert_eq!(fault("postgres", &dump(names, b"x", end)), None);
        assert_eq!(fault("postgres", &dump("SET client_encoding = 'LATIN1';\n", b"x", end)), Some(Fault::Charset));
        assert_eq!(fault("postgres", names.as_bytes()), Some(Fault::Truncated));
        assert_eq!(
            (fault("sqlite", b"123456789"), fault("sqlite", b"12345"), fault("sqlite", b"")),
            (None, Some(Fault::Truncated), Some(Fault::Empty))
        );
    }
}
