//! Of a dump, what concerns chosen tables alone: the rows of each, and the statements that make those that are gone.
//!
//! Rows of a table that is live are read into a table of the same columns beside it, and change places with the live rows
//! later; so views, keys and rights that other tables have on it stay as they are. A table that is gone is made anew by
//! the statements that the dump has for it, which are noted until then.

use super::session::{ident, literal};
use crate::base::error::{Error, Result};

/// A chosen table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// As people name it.
    pub label: String,
    /// The columns that it has now, in order, without generated ones; `None`: it is gone.
    pub columns: Option<Vec<String>>,
}

/// What becomes of a statement.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Drop,
    Replace(String),
    /// The head of rows, and what takes its place; `None`: the rows are dropped with it.
    Rows(Option<String>),
}

/// The chosen tables of one import.
#[derive(Clone, Debug)]
pub struct Only {
    /// The schema in which they are staged.
    pub map: String,
    pub tables: Vec<Chosen>,
    /// The last sequence that was made: the next statement may give it to a table.
    sequence: Option<String>,
}

impl Only {
    pub fn new(map: &str, tables: Vec<Chosen>) -> Self {
        Self { map: map.to_owned(), tables, sequence: None }
    }

    fn find(&self, schema: &str, name: &str) -> Option<usize> {
        let label = label(schema, name);
        self.tables.iter().position(|t| t.label == label)
    }

    /// # Errors
    /// `Invalid` where a table has other columns now than in the dump.
    pub fn fate(&mut self, text: &str, is_copy: bool) -> Result<Fate> {
        if is_copy {
            return self.rows(text);
        }
        let sequence = self.sequence.take();
        self.refuse_part(text)?;
        if text.starts_with("CREATE SEQUENCE ") {
            self.sequence = Some(text.to_owned());
            return Ok(Fate::Drop);
        }
        let Some((n, late)) = self.about(text).filter(|(n, _)| self.tables[*n].columns.is_none()) else { return Ok(Fate::Drop) };
        let mut out = String::new();
        if text.starts_with("ALTER SEQUENCE ") {
            let Some(made) = sequence else { return Ok(Fate::Drop) };
            out += &self.note(n, false, &made);
        }
        out += &self.note(n, late, text);
        if let Some(rest) = text.strip_prefix("CREATE TABLE ").and_then(qualified).map(|(_, rest)| rest) {
            out += &format!("create table {}.{}{rest}", ident(&self.map), ident(&format!("new_{n}")));
        }
        Ok(Fate::Replace(out))
    }

    /// A table that is gone and was a part of another one would not be that any more.
    fn refuse_part(&self, text: &str) -> Result<()> {
        let part = text.split_once(" ATTACH PARTITION ").map(|(_, part)| part);
        let heir = text.strip_prefix("CREATE TABLE ").filter(|_| text.contains("\nINHERITS ("));
        let Some(((schema, name), _)) = part.or(heir).and_then(qualified) else { return Ok(()) };
        match self.find(&schema, &name) {
            Some(_) => Err(Error::permanent(format!("the table {} is a part of another one in the backup", label(&schema, &name)))
                .hint("restore the whole database")),
            None => Ok(()),
        }
    }

    fn note(&self, n: usize, late: bool, text: &str) -> String {
        format!("insert into {}.statements (n, late, body) values ({n}, {late}, {});\n", ident(&self.map), literal(text))
    }

    /// Which table a statement is about, and whether it comes after the rows.
    fn about(&self, text: &str) -> Option<(usize, bool)> {
        let at = |rest: &str| qualified(rest).and_then(|((schema, name), rest)| self.find(&schema, &name).map(|n| (n, rest.to_owned())));
        let after = |start: &str| text.strip_prefix(start).map(|rest| rest.strip_prefix("ONLY ").unwrap_or(rest));
        if let Some(rest) = after("CREATE TABLE ").or_else(|| after("CREATE UNLOGGED TABLE ")) {
            return at(rest).map(|(n, _)| (n, false));
        }
        if let Some(rest) = after("ALTER TABLE ") {
            return at(rest).map(|(n, rest)| (n, rest.trim_start().starts_with("ADD CONSTRAINT") || rest.contains("REPLICA IDENTITY")));
        }
        if let Some(rest) = text.strip_prefix("ALTER SEQUENCE ") {
            return rest.split_once(" OWNED BY ").and_then(|(_, owner)| at(owner)).map(|(n, _)| (n, false));
        }
        if let Some(rest) = text.strip_prefix("COMMENT ON TABLE ").or_else(|| text.strip_prefix("COMMENT ON COLUMN ")) {
            return at(rest).map(|(n, _)| (n, true));
        }
        let indexed = text.starts_with("CREATE INDEX ") || text.starts_with("CREATE UNIQUE INDEX ");
        let triggered = text.starts_with("CREATE TRIGGER ") || text.starts_with("CREATE CONSTRAINT TRIGGER ");
        if indexed || triggered {
            let places = text.match_indices(" ON ").map(|(i, _)| &text[i + 4..]);
            return places.map(|rest| rest.strip_prefix("ONLY ").unwrap_or(rest)).find_map(at).map(|(n, _)| (n, true));
        }
        None
    }

    /// `COPY schema.table (column, …) FROM stdin;`
    fn rows(&self, text: &str) -> Result<Fate> {
        let named = text.strip_prefix("COPY ").and_then(qualified);
        let Some(((schema, name), rest)) = named else { return Ok(Fate::Rows(None)) };
        let Some(n) = self.find(&schema, &name) else { return Ok(Fate::Rows(None)) };
        let list = columns(rest);
        if let Some(now) = self.tables[n].columns.as_ref().filter(|now| **now != list) {
            let differ = |a: &[String], b: &[String]| a.iter().filter(|c| !b.contains(c)).cloned().collect::<Vec<_>>().join(", ");
            let (new, gone) = (differ(now, &list), differ(&list, now));
            let what = [("new", new), ("gone", gone)].into_iter().filter(|(_, l)| !l.is_empty()).map(|(w, l)| format!("{w}: {l}"));
            let what = what.collect::<Vec<_>>().join("; ");
            let what = if what.is_empty() { "in another order".to_owned() } else { what };
            return Err(Error::permanent(format!("the table {} has other columns now than in the backup ({what})", self.tables[n].label))
                .hint("restore the whole database"));
        }
        Ok(Fate::Rows(Some(format!("COPY {}.{}{rest}", ident(&self.map), ident(&format!("new_{n}"))))))
    }
}

/// The schema is said where it is not `public`.
pub fn label(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}

/// The names between the first parentheses.
fn columns(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let Some(mut rest) = text.trim_start().strip_prefix('(') else { return all };
    while let Some((one, after)) = name(rest) {
        all.push(one);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => break,
        }
    }
    all
}

/// `schema.table`, and what follows.
fn qualified(text: &str) -> Option<((String, String), &str)> {
    let (schema, rest) = name(text)?;
    let (table, rest) = name(rest.strip_prefix('.')?)?;
    Some(((schema, table), rest))
}

/// A name as pg_dump writes it: plain, or in double quotes.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut out = String::new();
    let mut rest = quoted;
    loop {
        let at = rest.find('"')?;
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                out.push('"');
                rest = more;
            }
            None => return Some((out, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only() -> Only {
        let columns = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect());
        let tables = [("notes", columns(&["id", "select"])), ("odd.a\"b", None)];
        Only::new("sk_map_1", tables.map(|(label, columns)| Chosen { label: label.into(), columns }).into())
    }

    #[test]
    fn rows_of_chosen_tables_go_beside_them_and_all_others_nowhere() {
        let mut only = only();
        let mut rows = |text: &str| only.fate(text, true);
        let head = "COPY public.notes (id, \"select\") FROM stdin;";
        assert_eq!(rows(head).unwrap(), Fate::Rows(Some("COPY \"sk_map_1\".\"new_0\" (id, \"select\") FROM stdin;".into())));
        assert_eq!(rows("COPY public.others (id) FROM stdin;").unwrap(), Fate::Rows(None));
        assert_eq!(rows("COPY odd.notes (id) FROM stdin;").unwrap(), Fate::Rows(None), "another schema");
        assert!(matches!(rows("COPY odd.\"a\"\"b\" (x) FROM stdin;").unwrap(), Fate::Rows(Some(_))));
        let refused = rows("COPY public.notes (id, old) FROM stdin;").unwrap_err();
        assert!(refused.sentence().contains("new: select; gone: old"), "{refused}");
    }

    #[test]
    fn statements_for_tables_that_are_gone_are_noted_and_no_others() {
        let mut only = only();
        for (text, kept) in [
            ("CREATE TABLE public.notes (id int);", false),
            ("CREATE TABLE odd.\"a\"\"b\" (\n    x int\n);", true),
            ("CREATE SEQUENCE odd.s\n    AS integer;", false),
            ("ALTER SEQUENCE odd.s OWNED BY odd.\"a\"\"b\".x;", true),
            ("ALTER TABLE ONLY odd.\"a\"\"b\"\n    ADD CONSTRAINT k PRIMARY KEY (x);", true),
            ("ALTER TABLE ONLY odd.other\n    ADD CONSTRAINT k PRIMARY KEY (x);", false),
            ("CREATE INDEX \"i ON x\" ON odd.\"a\"\"b\" USING btree (x);", true),
            ("CREATE TRIGGER t BEFORE INSERT ON odd.\"a\"\"b\" FOR EACH ROW EXECUTE FUNCTION public.f();", true),
            ("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE sql AS $$ select 'ON odd.x' $$;", false),
            ("COMMENT ON COLUMN odd.\"a\"\"b\".x IS 'it''s';", true),
            ("DROP TABLE odd.\"a\"\"b\";", false),
        ] {
            let fate = only.fate(text, false).unwrap();
            assert_eq!(matches!(fate, Fate::Replace(_)), kept, "{text}: {fate:?}");
        }
        only.fate("CREATE SEQUENCE odd.s;", false).unwrap();
        let Fate::Replace(both) = only.fate("ALTER SEQUENCE odd.s OWNED BY odd.\"a\"\"b\".x;", false).unwrap() else { panic!() };
        assert!(both.contains("CREATE SEQUENCE odd.s;") && both.matches("insert into").count() == 2, "{both}");
    }
}
