//! The editor that turns a dump sideways: tables under other names, everything else into notes.

use super::super::rewrite::{Verb, is_server_setting, neutral, verb};
use super::super::script::{Edit, Editor};
use super::super::session::name;
use super::super::tokens::{Kind, Token, Tokens, replaced};
use super::keys;
use super::notes::{Side, note};
use super::{Names, under};
use crate::base::error::{Error, Result};

/// What is let through beside the notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The tables, under their staged names.
    Tables,
    /// Nothing: only the notes are wanted.
    Notes,
}

/// Lets through what fills staged tables, and nothing that could touch another one: the import runs as the site's user,
/// who may write to the live tables.
pub struct Sideways {
    database: String,
    names: Names,
    side: Side,
    keep: Keep,
}

/// An edit under construction: ranges and what takes their place.
type Edits = Vec<(std::ops::Range<usize>, Vec<u8>)>;

impl Sideways {
    pub fn new(database: &str, names: &Names, side: Side, keep: Keep) -> Self {
        Self { database: database.to_owned(), names: names.clone(), side, keep }
    }

    fn notes_table(&self) -> String {
        format!("{}0", self.names.staged)
    }

    fn note(&self, kind: &str, a: &str, b: &str, body: &[u8]) -> Vec<u8> {
        note(&self.notes_table(), self.side, kind, a, b, body).into_bytes()
    }

    /// The table's own name, from its token on; how many tokens it takes. A name in another database is refused.
    fn table(&self, tokens: &[Token], at: usize) -> Result<(String, usize)> {
        let part = |n: usize| tokens.get(n).and_then(Token::name);
        let first = part(at).ok_or_else(|| strange(&format!("a statement without a table's name: {}", begin_of(tokens))))?;
        if !tokens.get(at + 1).is_some_and(|t| t.is_sign(b'.')) {
            return Ok((first, 1));
        }
        if first != self.database {
            return Err(strange(&format!("a statement on another database, {first}")));
        }
        let second = part(at + 2).ok_or_else(|| strange("a statement without a table's name"))?;
        Ok((second, 3))
    }

    /// Puts the staged name where the table is named.
    fn rename(&self, tokens: &[Token], at: usize, edits: &mut Edits) -> Result<String> {
        let (table, count) = self.table(tokens, at)?;
        edits.push((tokens[at].start..tokens[at + count - 1].end, name(&under(&self.names.staged, &table)).into_bytes()));
        Ok(table)
    }

    /// Where the name stands: behind the object's kind and IF [NOT] EXISTS.
    fn place(tokens: &[Token], kind: &str) -> Result<usize> {
        let mut at = tokens.iter().position(|t| t.is(kind)).ok_or_else(|| strange("a statement without its object"))? + 1;
        while tokens.get(at).is_some_and(|t| t.is_any(&["if", "not", "exists"])) {
            at += 1;
        }
        Ok(at)
    }

    fn create_table(&self, sql: &[u8], tokens: &[Token], delimiter: &[u8]) -> Result<Edit> {
        let at = Self::place(tokens, "table")?;
        if !self.names.is_meant(&self.table(tokens, at)?.0) {
            return Ok(Edit::Drop);
        }
        if tokens.iter().take(6).any(|t| t.is_any(&["temporary", "like", "select"])) {
            return Err(strange("a CREATE TABLE that copies another table"));
        }
        let mut edits = Edits::new();
        let table = self.rename(tokens, at, &mut edits)?;
        let mut out = self.note("table", &table, "", b"");
        for key in keys::named(tokens) {
            let own = tokens[key].name().unwrap_or_default();
            out.extend_from_slice(delimiter);
            out.extend(self.note("key", &table, &own, b""));
            edits.push((tokens[key].start..tokens[key].end, name(&under(&self.names.staged, &own)).into_bytes()));
        }
        for n in (0..tokens.len()).filter(|n| tokens[*n].is("references")) {
            let other = self.rename(tokens, n + 1, &mut edits)?;
            if !self.names.is_meant(&other) {
                return Err(tied(&table, &other));
            }
        }
        if self.keep == Keep::Tables {
            out.extend_from_slice(delimiter);
            out.extend(replaced(sql, edits));
        }
        Ok(Edit::Replace(out))
    }

    fn sequence(&self, sql: &[u8], tokens: &[Token], delimiter: &[u8], made: bool) -> Result<Edit> {
        let mut edits = Edits::new();
        let table = self.rename(tokens, Self::place(tokens, "sequence")?, &mut edits)?;
        if !self.names.is_meant(&table) {
            return Ok(Edit::Drop);
        }
        let mut out = Vec::new();
        if made {
            out.extend(self.note("sequence", &table, "", b""));
            if self.keep == Keep::Tables {
                out.extend_from_slice(delimiter);
            }
        }
        if self.keep == Keep::Tables {
            out.extend(replaced(sql, edits));
        }
        Ok(if out.is_empty() { Edit::Drop } else { Edit::Replace(out) })
    }

    fn program(&self, sql: &[u8], tokens: &[Token], delimiter: &[u8]) -> Result<Edit> {
        if self.names.only.is_some() && !self.is_trigger_of_a_chosen_table(tokens)? {
            return Ok(Edit::Drop);
        }
        let neutral = neutral(sql, tokens, Verb::Program, &self.database);
        let mut out = self.note("sql", "", "", neutral.as_deref().unwrap_or(sql));
        let kinds = ["view", "trigger", "procedure", "function", "event", "package"];
        let at = tokens.iter().position(|t| t.is_any(&kinds)).ok_or_else(|| strange("a statement without its object"))?;
        let mut kind = String::from_utf8_lossy(tokens[at].text).to_ascii_lowercase();
        let mut at = at + 1;
        if kind == "package" && tokens.get(at).is_some_and(|t| t.is("body")) {
            kind.push_str(" body");
            at += 1;
        }
        while tokens.get(at).is_some_and(|t| t.is_any(&["if", "not", "exists"])) {
            at += 1;
        }
        let (program, _) = self.table(tokens, at)?;
        out.extend_from_slice(delimiter);
        out.extend(self.note("program", &kind, &program, b""));
        Ok(Edit::Replace(out))
    }

    /// `CREATE TRIGGER name BEFORE INSERT ON table …`. What drops one has no table.
    fn is_trigger_of_a_chosen_table(&self, tokens: &[Token]) -> Result<bool> {
        let kinds = ["view", "trigger", "procedure", "function", "event", "package"];
        let Some(at) = tokens.iter().position(|t| t.is_any(&kinds)).filter(|at| tokens[*at].is("trigger")) else { return Ok(false) };
        let on = tokens.iter().skip(at + 2).take(12).position(|t| t.is("on"));
        on.map_or(Ok(false), |on| Ok(self.names.is_meant(&self.table(tokens, at + 2 + on + 1)?.0)))
    }

    /// Settings apply to the tables and to what is noted alike: they are done and noted.
    fn set(&self, sql: &[u8], tokens: &[Token], delimiter: &[u8]) -> Result<Edit> {
        if is_server_setting(tokens) {
            return Ok(Edit::Drop);
        }
        if tokens.iter().any(|t| t.is_any(&["global", "persist", "password", "role", "statement"])) {
            return Err(strange("a SET that is more than a setting of the session"));
        }
        let mut out = self.note("sql", "", "", sql);
        out.extend_from_slice(delimiter);
        out.extend_from_slice(sql);
        Ok(Edit::Replace(out))
    }

    fn renamed(&self, sql: &[u8], tokens: &[Token], at: usize) -> Result<Edit> {
        if self.keep == Keep::Notes {
            return Ok(Edit::Drop);
        }
        let mut edits = Edits::new();
        let table = self.rename(tokens, at, &mut edits)?;
        Ok(if self.names.is_meant(&table) { Edit::Replace(replaced(sql, edits)) } else { Edit::Drop })
    }

    fn drop_tables(&self, sql: &[u8], tokens: &[Token]) -> Result<Edit> {
        // Of chosen tables none is staged yet: the place was made empty.
        if self.keep == Keep::Notes || self.names.only.is_some() {
            return Ok(Edit::Drop);
        }
        let mut edits = Edits::new();
        let mut at = Self::place(tokens, "table")?;
        self.rename(tokens, at, &mut edits)?;
        at += self.table(tokens, at)?.1;
        while tokens.get(at).is_some_and(|t| t.is_sign(b',')) {
            self.rename(tokens, at + 1, &mut edits)?;
            at += 1 + self.table(tokens, at + 1)?.1;
        }
        Ok(Edit::Replace(replaced(sql, edits)))
    }
}

impl Editor for Sideways {
    fn statement(&mut self, sql: &[u8], delimiter: &[u8]) -> Result<Edit> {
        let tokens: Vec<Token> = Tokens::new(sql).collect();
        if tokens.is_empty() {
            return Ok(Edit::Drop);
        }
        match verb(&tokens) {
            Verb::Set => self.set(sql, &tokens, delimiter),
            Verb::CreateTable => self.create_table(sql, &tokens, delimiter),
            Verb::DropTable => self.drop_tables(sql, &tokens),
            Verb::CreateSequence => self.sequence(sql, &tokens, delimiter, true),
            Verb::DropSequence => self.sequence(sql, &tokens, delimiter, false),
            Verb::SetSequence if tokens.get(2).is_some_and(|t| t.is_sign(b'(')) => self.renamed(sql, &tokens, 3),
            Verb::Keys => self.renamed(sql, &tokens, 2),
            Verb::LockTables | Verb::Use | Verb::CreateDatabase | Verb::Transaction => Ok(Edit::Drop),
            Verb::AlterDatabase if self.names.only.is_some() => Ok(Edit::Drop),
            Verb::AlterDatabase => {
                let text = neutral(sql, &tokens, Verb::AlterDatabase, &self.database);
                Ok(Edit::Replace(self.note("sql", "", "", text.as_deref().unwrap_or(sql))))
            }
            Verb::Program => self.program(sql, &tokens, delimiter),
            Verb::SetSequence | Verb::Other => Err(strange(&format!("a statement that no dump holds: {}", begin_of(&tokens)))),
        }
    }

    fn insert(&mut self, head: &[u8]) -> Result<Edit> {
        if self.keep == Keep::Notes {
            return Ok(Edit::Drop);
        }
        let tokens: Vec<Token> = Tokens::new(head).collect();
        let at = tokens.iter().position(|t| t.is("into")).map_or(usize::MAX, |n| n + 1);
        if at >= tokens.len() || tokens[at].kind == Kind::Text {
            return Err(strange("rows for no table"));
        }
        let mut edits = Edits::new();
        let table = self.rename(&tokens, at, &mut edits)?;
        Ok(if self.names.is_meant(&table) { Edit::Replace(replaced(head, edits)) } else { Edit::Drop })
    }
}

fn tied(table: &str, other: &str) -> Error {
    Error::invalid(format!("the table {table} refers to the table {other} by a foreign key, and {other} was not chosen"))
        .hint(format!("choose {other}, too, or restore the whole database"))
}

/// The first words of a statement, for a message; no string of it, which may be a secret.
fn begin_of(tokens: &[Token]) -> String {
    let words: Vec<_> = tokens.iter().take(8).take_while(|t| t.kind != Kind::Text).map(|t| String::from_utf8_lossy(t.text)).collect();
    words.join(" ").chars().take(80).collect()
}

fn strange(what: &str) -> Error {
    Error::damaged(format!("the dump holds {what}")).hint(
        "beside live tables only what a dump tool writes can be imported: add a server account, so that it gets a database of its own",
    )
}
