//! What of a dump's text is let through to psql.
//!
//! psql obeys client commands (`\! rm`, `\o |sh`, `\connect`) wherever a backslash stands outside of strings and of the rows
//! of a COPY. No dump needs one but `\restrict` and `\unrestrict`, so anything else is refused. Statements that would end
//! the one transaction of an import, or that only a superuser may run, are taken out or refused. Rights, not this text,
//! keep a dump inside its database: it runs as an account that can do nothing elsewhere.

use super::lexer::{Lexer, Piece};
use super::only::{Fate, Only};
use super::tools::Version;
use crate::base::error::{Error, Result};
use std::collections::BTreeSet;

/// A statement up to this length is looked at as a whole.
const STATEMENT: usize = 1 << 20;
/// What pg_dump ends with.
const TRAILER: &[u8] = b"-- PostgreSQL database dump complete";

/// What depends on where the dump goes.
#[derive(Clone, Debug)]
pub struct Rules {
    pub server: Version,
    /// Large objects that the database has already and that must not change: they belong to the database as a whole.
    pub kept_objects: BTreeSet<String>,
    /// Schemas that stay as they are: they hold nothing but extensions.
    pub kept_schemas: BTreeSet<String>,
    /// Only what concerns these tables is let through.
    pub only: Option<Only>,
}

enum Verdict {
    Keep,
    Drop,
    Replace(Vec<u8>),
    Rows,
    /// Rows behind another head.
    RowsBehind(Vec<u8>),
    /// Rows that are dropped with their head.
    NoRows,
}

/// Reads a dump piece by piece and writes what psql may see.
pub struct Filter {
    rules: Rules,
    lexer: Lexer,
    /// Input that more input is needed for.
    waiting: Vec<u8>,
    /// The current statement, as long as it is short enough to be looked at; None when it was passed on.
    held: Option<Vec<u8>>,
    started: bool,
    words: Vec<String>,
    comment: Vec<u8>,
    /// In the rows of a COPY; at the start of a line?
    rows: Option<bool>,
    /// These rows are not let through.
    dropped: bool,
    /// In a large object that is kept as it is.
    in_kept_object: bool,
    complete: bool,
}

impl Filter {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            lexer: Lexer::new(),
            waiting: Vec::new(),
            held: Some(Vec::new()),
            started: false,
            words: Vec::new(),
            comment: Vec::new(),
            rows: None,
            dropped: false,
            in_kept_object: false,
            complete: false,
        }
    }

    /// Takes `input` and appends what may pass to `out`.
    ///
    /// # Errors
    /// `Permanent` for what no dump holds.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.read(input, false, out)
    }

    /// The dump is at its end.
    ///
    /// # Errors
    /// `Damaged` when it ends before pg_dump's last line.
    pub fn end(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.read(b"\n", true, out)?;
        if self.complete && !self.started && self.rows.is_none() && self.lexer.is_plain() {
            return Ok(());
        }
        Err(Error::damaged("the dump ends too early: its last line, `PostgreSQL database dump complete`, is missing")
            .hint("choose another backup; this one cannot be restored as a whole"))
    }

    fn read(&mut self, input: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let joined;
        let text = if self.waiting.is_empty() {
            input
        } else {
            self.waiting.extend_from_slice(input);
            joined = std::mem::take(&mut self.waiting);
            &joined
        };
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let n = if self.rows.is_some() { self.row(rest, last, out) } else { self.piece(rest, last, out)? };
            if n == 0 {
                break;
            }
            at += n;
        }
        self.waiting = text[at..].to_vec();
        Ok(())
    }

    /// Rows pass as they are, up to the line `\.`.
    fn row(&mut self, text: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
        let at_start = self.rows == Some(true);
        if at_start && text.len() < 4 && !last && b"\\.\r\n".starts_with(&text[..text.len().min(2)]) && !text.contains(&b'\n') {
            return 0;
        }
        let ends = at_start && (text.starts_with(b"\\.\n") || text.starts_with(b"\\.\r\n"));
        let line = memchr::memchr(b'\n', text).map(|i| i + 1);
        let n = line.unwrap_or(text.len());
        if !self.dropped {
            out.extend_from_slice(&text[..n]);
        }
        self.rows = if ends { None } else { Some(line.is_some()) };
        n
    }

    fn piece(&mut self, text: &[u8], last: bool, out: &mut Vec<u8>) -> Result<usize> {
        // What follows a semicolon must be there before the statement is judged, the whole line of a backslash before it.
        if text[0] == b';' && text.len() == 1 && !last && self.lexer.is_plain() {
            return Ok(0);
        }
        if text[0] == b'\\' && self.lexer.is_plain() {
            return self.backslash(text, last);
        }
        let Some((piece, n)) = self.lexer.next(text, last) else { return Ok(0) };
        let bytes = &text[..n];
        if piece == Piece::Comment {
            let room = TRAILER.len() + 1 - self.comment.len().min(TRAILER.len() + 1);
            self.comment.extend_from_slice(&bytes[..n.min(room)]);
        } else {
            self.complete |= std::mem::take(&mut self.comment) == TRAILER && !self.started;
        }
        match piece {
            Piece::Space | Piece::Comment if !self.started => out.extend_from_slice(bytes),
            Piece::End => {
                self.hold(bytes, out);
                self.judge(text.get(1), out)?;
            }
            _ => {
                (self.started, self.complete) = (true, false);
                if piece == Piece::Word && self.words.len() < 5 {
                    self.words.push(String::from_utf8_lossy(bytes).to_ascii_lowercase());
                }
                self.hold(bytes, out);
            }
        }
        Ok(n)
    }

    fn hold(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.started = true;
        match &mut self.held {
            Some(held) if held.len() + bytes.len() <= STATEMENT => held.extend_from_slice(bytes),
            // Too long to be looked at: no statement about a chosen table is.
            held if self.rules.only.is_some() => *held = None,
            held => {
                out.extend_from_slice(&held.take().unwrap_or_default());
                out.extend_from_slice(bytes);
            }
        }
    }

    /// `\restrict TOKEN` and `\unrestrict TOKEN` are ours to say, so the dump's own are taken out; nothing else is let through.
    fn backslash(&mut self, text: &[u8], last: bool) -> Result<usize> {
        let line = match memchr::memchr(b'\n', text) {
            Some(end) => &text[..=end],
            None if !last && text.len() < 4096 => return Ok(0),
            None => text,
        };
        let shown = String::from_utf8_lossy(&line[..line.len().min(40)]).trim_end().to_owned();
        let mut parts = shown.split(' ');
        let known = matches!(parts.next(), Some("\\restrict" | "\\unrestrict"))
            && parts.next().is_some_and(|token| !token.is_empty() && line.len() < 200)
            && line.trim_ascii_end()[1..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ')
            && parts.next().is_none();
        if known && !self.started {
            return Ok(line.len());
        }
        Err(refused(&format!("the client command {shown:?}")))
    }

    fn judge(&mut self, next: Option<&u8>, out: &mut Vec<u8>) -> Result<()> {
        let words = std::mem::take(&mut self.words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let held = self.held.replace(Vec::new());
        self.started = false;
        let verdict = match self.verdict(&words, held.as_deref(), next)? {
            Verdict::Keep | Verdict::Replace(_) | Verdict::Rows if self.rules.only.is_some() => {
                let (text, is_copy) = (held.as_deref().unwrap_or_default(), words.first() == Some(&"copy"));
                self.rules.only.as_mut().map_or(Ok(Verdict::Drop), |only| Self::chosen(only, text, is_copy))?
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Keep => out.extend_from_slice(&held.unwrap_or_default()),
            Verdict::Replace(text) => out.extend_from_slice(&text),
            Verdict::Drop => {}
            Verdict::Rows => {
                out.extend_from_slice(&held.unwrap_or_default());
                // The rows begin after this line's end, which is the next byte.
                (self.rows, self.dropped) = (Some(false), false);
            }
            Verdict::RowsBehind(head) => {
                out.extend_from_slice(&head);
                (self.rows, self.dropped) = (Some(false), false);
            }
            Verdict::NoRows => (self.rows, self.dropped) = (Some(false), true),
        }
        Ok(())
    }

    /// What the rows of a chosen table, and the statements that make one, become; everything else goes nowhere.
    fn chosen(only: &mut Only, text: &[u8], is_copy: bool) -> Result<Verdict> {
        Ok(match only.fate(&String::from_utf8_lossy(text), is_copy)? {
            Fate::Drop => Verdict::Drop,
            Fate::Replace(text) => Verdict::Replace(text.into_bytes()),
            Fate::Rows(None) => Verdict::NoRows,
            Fate::Rows(Some(head)) => Verdict::RowsBehind(head.into_bytes()),
        })
    }

    fn verdict(&mut self, words: &[&str], held: Option<&[u8]>, next: Option<&u8>) -> Result<Verdict> {
        let text = held.unwrap_or_default();
        match words {
            ["copy", ..] => {
                if text.ends_with(b" FROM stdin;") && text.starts_with(b"COPY ") && next == Some(&b'\n') {
                    return Ok(Verdict::Rows);
                }
                Err(refused("a COPY that is not one of pg_dump's"))
            }
            // pg_dump wraps the large objects into a transaction; an import is one already.
            ["begin"] | ["commit"] if text == b"BEGIN;" || text == b"COMMIT;" => Ok(Verdict::Drop),
            ["begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" | "prepare", ..] => {
                Err(refused(&format!("the statement {}", words[0].to_uppercase())))
            }
            ["set", "standard_conforming_strings", ..] if text != b"SET standard_conforming_strings = on;" => {
                Err(refused("a change of the rules for strings"))
            }
            // Written by pg_dump 17 and newer; an older server does not know it.
            ["set", "transaction_timeout", ..] if self.rules.server.major < 17 => Ok(Verdict::Drop),
            ["create", "schema", ..] if text.starts_with(b"CREATE SCHEMA ") && words.get(2) != Some(&"if") => {
                let mut made = b"CREATE SCHEMA IF NOT EXISTS ".to_vec();
                made.extend_from_slice(&text[b"CREATE SCHEMA ".len()..]);
                Ok(Verdict::Replace(made))
            }
            // Only the extension's owner may say this, who is the server's account; the extension says it itself.
            ["comment", "on", "extension", ..] => Ok(Verdict::Drop),
            // These belong to superusers; `check` warns of them.
            ["create" | "alter", "event", "trigger", ..] | ["comment", "on", "event", "trigger", ..] => Ok(Verdict::Drop),
            ["comment", "on", "schema", ..] if self.is_kept_schema(text) => Ok(Verdict::Drop),
            ["select", ..] | ["comment", "on", "large", ..] => Ok(self.large_object(text)),
            _ => Ok(Verdict::Keep),
        }
    }

    fn is_kept_schema(&self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        let name = text.strip_prefix("COMMENT ON SCHEMA ").and_then(|t| t.split_once(" IS "));
        name.is_some_and(|(name, _)| self.rules.kept_schemas.contains(name.trim_matches('"')))
    }

    /// A large object that is there already is neither made nor written again.
    fn large_object(&mut self, text: &[u8]) -> Verdict {
        let text = String::from_utf8_lossy(&text[..text.len().min(100)]);
        let kept = |start: &str| {
            let number = text.strip_prefix(start).map(|t| t.chars().take_while(char::is_ascii_digit).collect::<String>());
            number.is_some_and(|n| self.rules.kept_objects.contains(&n))
        };
        if kept("SELECT pg_catalog.lo_create('") || kept("COMMENT ON LARGE OBJECT ") {
            return Verdict::Drop;
        }
        if kept("SELECT pg_catalog.lo_open('") {
            self.in_kept_object = true;
        }
        let inside = ["lo_open(", "lowrite(", "lo_close("].iter().any(|f| text.starts_with(&format!("SELECT pg_catalog.{f}")));
        let drop = self.in_kept_object && inside;
        if text.starts_with("SELECT pg_catalog.lo_close(") {
            self.in_kept_object = false;
        }
        if drop { Verdict::Drop } else { Verdict::Keep }
    }
}

fn refused(what: &str) -> Error {
    Error::permanent(format!("the dump holds {what}, which no dump of a database needs: it is refused"))
        .hint("the backup may have been tampered with; choose another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str, major: u32, step: usize) -> Result<String> {
        let kept = |name: &str| BTreeSet::from([name.to_owned()]);
        let rules =
            Rules { server: Version { major, minor: 0 }, kept_objects: kept("16401"), kept_schemas: kept("extensions"), only: None };
        let (mut filter, mut out) = (Filter::new(rules), Vec::new());
        for chunk in text.as_bytes().chunks(step) {
            filter.push(chunk, &mut out)?;
        }
        filter.end(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    const END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";

    #[test]
    fn what_a_server_or_an_account_cannot_take_is_left_out_however_the_dump_is_cut_into_pieces() {
        for (text, expected) in [
            ("\\restrict aB3\n\nSET lock_timeout = 0;\n\\unrestrict aB3\n", "\nSET lock_timeout = 0;\n"),
            ("SET transaction_timeout = 0;\n", "\n"),
            ("CREATE SCHEMA hard;\n", "CREATE SCHEMA IF NOT EXISTS hard;\n"),
            ("COMMENT ON EXTENSION pg_trgm IS 'x;y';\n", "\n"),
            ("COMMENT ON SCHEMA extensions IS 'x';\nCOMMENT ON SCHEMA public IS 'x';\n", "\nCOMMENT ON SCHEMA public IS 'x';\n"),
            ("CREATE EVENT TRIGGER e ON ddl_command_end\n   EXECUTE FUNCTION f();\n", "\n"),
            ("BEGIN;\n\nSELECT 1;\n\nCOMMIT;\n", "\n\nSELECT 1;\n\n\n"),
            (
                "COPY public.t (a) FROM stdin;\n\\! x\n\\.x\nCOMMIT;\n\\N\n\\.\n\n",
                "COPY public.t (a) FROM stdin;\n\\! x\n\\.x\nCOMMIT;\n\\N\n\\.\n\n",
            ),
            ("COPY public.t (a) FROM stdin;\n\\.\n\n", "COPY public.t (a) FROM stdin;\n\\.\n\n"),
            ("COPY public.\"a;\nb\" (a) FROM stdin;\n1\n\\.\n", "COPY public.\"a;\nb\" (a) FROM stdin;\n1\n\\.\n"),
            ("SELECT pg_catalog.lo_create('16401');\nSELECT pg_catalog.lo_create('16402');\n", "\nSELECT pg_catalog.lo_create('16402');\n"),
            (
                "SELECT pg_catalog.lo_open('16401', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\n\
                 SELECT pg_catalog.lo_open('16402', 131072);\nSELECT pg_catalog.lowrite(0, '\\x01');\n",
                "\n\n\nSELECT pg_catalog.lo_open('16402', 131072);\nSELECT pg_catalog.lowrite(0, '\\x01');\n",
            ),
        ] {
            for step in [1, 2, 3, 5, 11, 4096] {
                let out = filtered(&format!("{text}{END}"), 16, step).unwrap();
                assert_eq!(out, format!("{expected}{END}\n"), "in pieces of {step}");
            }
        }
        assert!(filtered(&format!("SET transaction_timeout = 0;\n{END}"), 17, 99).unwrap().contains("transaction_timeout"));
    }

    #[test]
    fn only_a_dump_that_reaches_its_last_line_is_whole() {
        for text in [
            "",
            "SELECT 1;\n",
            "-- PostgreSQL database dump complet",
            "SELECT 'x",
            "COPY t (a) FROM stdin;\n1\n-- PostgreSQL database dump complete\n",
        ] {
            assert_eq!(filtered(text, 15, 7).unwrap_err().class(), crate::base::error::Class::Damaged, "{text:?}");
        }
        let more = format!("{END}SELECT 1;\n");
        assert!(filtered(&more, 15, 7).is_err(), "nothing comes after the last line");
        let inside = format!("SELECT 1\n{END};");
        assert!(filtered(&inside, 15, 7).is_err(), "the last line stands in a statement");
    }

    #[test]
    fn a_long_statement_passes_without_being_held() {
        let text = format!("INSERT INTO t VALUES ('{}');\n{END}", "x;".repeat(STATEMENT));
        for step in [4096, 100_000] {
            assert_eq!(filtered(&text, 15, step).unwrap(), format!("{text}\n"));
        }
        let copy = format!("COPY t ({}) FROM stdin;\n{END}", "a".repeat(STATEMENT));
        assert!(filtered(&copy, 15, 4096).is_err(), "but not as the head of rows");
    }
}
