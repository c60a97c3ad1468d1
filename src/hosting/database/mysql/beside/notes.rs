//! The table in which a restore beside the live tables writes down what it needs for the switch and for the way back.

use super::super::catalogue::exists;
use super::super::session::{SHORT, Session, name, text, unhex, unhex_bytes};
use super::Names;
use crate::base::error::{Error, Result};

/// Whose structure a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What was staged.
    New,
    /// What was live before.
    Old,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
        }
    }
}

/// How far the switch is, beside what the name of the notes table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Staged,
    /// A switch began.
    Going,
    /// A switch is done.
    New,
    /// A way back began.
    Back,
    /// A way back is done.
    Old,
}

const STATES: [(State, &str); 5] =
    [(State::Staged, "staged"), (State::Going, "going"), (State::New, "new"), (State::Back, "back"), (State::Old, "old")];

/// The notes of one ticket.
#[derive(Clone, Debug)]
pub struct Notes {
    pub table: String,
    /// The tables have changed places: the notes table has its second name.
    pub renamed: bool,
    pub state: State,
}

impl Notes {
    pub fn make(live: &Session, names: &Names) -> Result<()> {
        let table = name(&format!("{}0", names.staged));
        let sql = format!(
            "create table {table} (n bigint not null auto_increment primary key, side varchar(3) not null, kind varchar(10) not null, \
             a text not null, b text not null, body longblob not null) engine=InnoDB default charset=utf8mb4;\n\
             insert into {table} (side, kind, a, b, body) values ('', 'state', 'staged', '', '');\n"
        );
        live.ask(&sql, SHORT).map(|_| ())
    }

    /// The notes, under whichever of their two names they are.
    pub fn find(live: &Session, names: &Names) -> Result<Option<Self>> {
        for (beginning, renamed) in [(&names.aside, true), (&names.staged, false)] {
            let table = format!("{beginning}0");
            if exists(live, &table)? {
                let rows = live.ask(&format!("select a from {} where kind='state';", name(&table)), SHORT)?;
                let word = rows.first().map(|r| r[0].as_str()).unwrap_or("staged");
                let state = STATES.iter().find(|(_, w)| *w == word).map_or(State::Staged, |(s, _)| *s);
                return Ok(Some(Self { table, renamed, state }));
            }
        }
        Ok(None)
    }

    /// # Errors
    /// `Conflict` when there are none.
    pub fn need(live: &Session, names: &Names) -> Result<Self> {
        Self::find(live, names)?.ok_or_else(|| Error::conflict("nothing is staged beside the live tables"))
    }

    pub fn set(&self, live: &Session, state: State) -> Result<()> {
        let word = STATES.iter().find(|(s, _)| *s == state).map_or("staged", |(_, w)| w);
        live.ask(&format!("update {} set a='{word}' where kind='state';", name(&self.table)), SHORT).map(|_| ())
    }

    pub fn forget(&self, live: &Session, side: Side) -> Result<()> {
        live.ask(&format!("delete from {} where side='{}';", name(&self.table), side.word()), SHORT).map(|_| ())
    }

    pub fn add_table(&self, live: &Session, side: Side, table: &str, sequence: bool) -> Result<()> {
        self.add(live, side, if sequence { "sequence" } else { "table" }, table)
    }

    pub fn add(&self, live: &Session, side: Side, kind: &str, name: &str) -> Result<()> {
        live.ask(&format!("{};", note(&self.table, side, kind, name, "", b"")), SHORT).map(|_| ())
    }

    /// What [`Notes::add`] noted of a kind.
    pub fn named(&self, live: &Session, side: Side, kind: &str) -> Result<Vec<String>> {
        let rows = self.rows(live, "hex(a)", side, &format!("kind={}", text(kind)))?;
        Ok(rows.iter().map(|r| unhex(&r[0])).collect())
    }

    /// The tables of a side by their own names, and whether each is a sequence.
    pub fn tables(&self, live: &Session, side: Side) -> Result<Vec<(String, bool)>> {
        let rows = self.rows(live, "hex(a), kind", side, "kind in ('table', 'sequence')")?;
        let mut tables: Vec<(String, bool)> = rows.iter().map(|r| (unhex(&r[0]), r[1] == "sequence")).collect();
        tables.dedup();
        Ok(tables)
    }

    /// Foreign keys that a side names itself: the table and the key.
    pub fn keys(&self, live: &Session, side: Side) -> Result<Vec<(String, String)>> {
        let rows = self.rows(live, "hex(a), hex(b)", side, "kind='key'")?;
        Ok(rows.iter().map(|r| (unhex(&r[0]), unhex(&r[1]))).collect())
    }

    /// Views, triggers, routines and events: the kind and the name.
    pub fn programs(&self, live: &Session, side: Side) -> Result<Vec<(String, String)>> {
        let rows = self.rows(live, "hex(a), hex(b)", side, "kind='program'")?;
        let mut programs: Vec<(String, String)> = rows.iter().map(|r| (unhex(&r[0]), unhex(&r[1]))).collect();
        programs.dedup();
        Ok(programs)
    }

    /// The statements that make them, in order.
    pub fn statements(&self, live: &Session, side: Side) -> Result<Vec<Vec<u8>>> {
        let rows = self.rows(live, "hex(body)", side, "kind='sql'")?;
        Ok(rows.iter().map(|r| unhex_bytes(&r[0])).collect())
    }

    fn rows(&self, live: &Session, columns: &str, side: Side, only: &str) -> Result<Vec<Vec<String>>> {
        // No HEX column of a note is empty except that of an empty name, which no table has.
        let sql = format!("select {columns} from {} where side='{}' and {only} order by n;", name(&self.table), side.word());
        live.ask(&sql, None)
    }
}

/// The statement that writes a note; it reads the same under every character set and mode.
pub fn note(table: &str, side: Side, kind: &str, a: &str, b: &str, body: &[u8]) -> String {
    let body = if body.is_empty() { "''".to_owned() } else { format!("x'{}'", crate::base::secret::hex(body)) };
    format!("insert into {} (side, kind, a, b, body) values ('{}', '{kind}', {}, {}, {body})", name(table), side.word(), text(a), text(b))
}
