//! Files of KEY=VALUE lines (`.env`): a database as one URL, or as a group of keys.

use super::address::{self, DatabaseUrl};
use super::edit::{Edits, line_of};
use crate::base::error::{Error, Result};
use crate::domain::site::{Access, DatabaseAddress, Endpoint};
use std::ops::Range;
use std::path::Path;

/// One `KEY=VALUE`. The span is that of the value with its quotes.
struct Entry {
    key: String,
    /// `None`: put together from other variables.
    value: Option<String>,
    span: Range<usize>,
}

/// Which keys name what, in one group: they are only taken together, and the first group that names a database holds.
struct Group {
    name: &'static [&'static str],
    user: &'static [&'static str],
    password: &'static [&'static str],
    host: &'static [&'static str],
    port: &'static [&'static str],
    engine: &'static [&'static str],
    /// What the group is about when no key says so.
    implied: Option<&'static str>,
}

const URLS: [&str; 2] = ["DATABASE_URL", "DB_URL"];

const GROUPS: [Group; 6] = [
    Group {
        name: &["DB_NAME", "DB_DATABASE"],
        user: &["DB_USER", "DB_USERNAME"],
        password: &["DB_PASSWORD", "DB_PASS"],
        host: &["DB_HOST"],
        port: &["DB_PORT"],
        engine: &["DB_ENGINE", "DB_CONNECTION", "DB_DRIVER"],
        implied: None,
    },
    Group {
        name: &["DATABASE_NAME", "DATABASE_DB"],
        user: &["DATABASE_USER", "DATABASE_USERNAME"],
        password: &["DATABASE_PASSWORD", "DATABASE_PASS"],
        host: &["DATABASE_HOST"],
        port: &["DATABASE_PORT"],
        engine: &["DATABASE_ENGINE", "DATABASE_TYPE"],
        implied: None,
    },
    Group {
        name: &["SQL_DATABASE", "SQL_NAME"],
        user: &["SQL_USER"],
        password: &["SQL_PASSWORD"],
        host: &["SQL_HOST"],
        port: &["SQL_PORT"],
        engine: &["SQL_ENGINE"],
        implied: None,
    },
    Group {
        name: &["POSTGRES_DB", "POSTGRES_NAME", "POSTGRES_DATABASE"],
        user: &["POSTGRES_USER"],
        password: &["POSTGRES_PASSWORD"],
        host: &["POSTGRES_HOST"],
        port: &["POSTGRES_PORT"],
        engine: &[],
        implied: Some("postgresql"),
    },
    Group {
        name: &["PGDATABASE"],
        user: &["PGUSER"],
        password: &["PGPASSWORD"],
        host: &["PGHOST"],
        port: &["PGPORT"],
        engine: &[],
        implied: Some("postgresql"),
    },
    Group {
        name: &["MYSQL_DATABASE", "MYSQL_DB", "MYSQL_NAME", "MARIADB_DATABASE"],
        user: &["MYSQL_USER", "MARIADB_USER"],
        password: &["MYSQL_PASSWORD", "MARIADB_PASSWORD"],
        host: &["MYSQL_HOST", "MARIADB_HOST"],
        port: &["MYSQL_PORT", "MARIADB_PORT"],
        engine: &[],
        implied: Some("mysql"),
    },
];

/// Does every line of the text read as KEY=VALUE? (A Python module of one line does too, but it gives DATABASES a value.)
pub(super) fn is_env(text: &[u8]) -> bool {
    entries(text).is_ok_and(|all| all.iter().all(|e| e.key != "DATABASES"))
}

fn entries(text: &[u8]) -> Result<Vec<Entry>> {
    let source = std::str::from_utf8(text).map_err(|_| Error::invalid("the file is not UTF-8"))?;
    let mut found = Vec::new();
    let mut at = source.len() - source.trim_start_matches('\u{feff}').len();
    while at < source.len() {
        let line_end = source[at..].find('\n').map_or(source.len(), |n| at + n);
        let line = source[at..line_end].trim();
        if line.is_empty() || line.starts_with('#') {
            at = line_end + 1;
            continue;
        }
        let wrong = || Error::invalid(format!("line {} is not KEY=VALUE", line_of(text, at)));
        let equals = source[at..line_end].find('=').map(|n| at + n).ok_or_else(wrong)?;
        let key = source[at..equals].trim();
        let key = key.strip_prefix("export ").map_or(key, str::trim_start);
        let first = key.bytes().next().ok_or_else(wrong)?;
        if !(first.is_ascii_alphabetic() || first == b'_')
            || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        {
            return Err(wrong());
        }
        let start = equals + 1 + source[equals + 1..line_end].len() - source[equals + 1..line_end].trim_start().len();
        let (value, span) = value(source, start, line_end).ok_or_else(wrong)?;
        // Behind a closing quote only a comment may follow.
        let end = source[span.end..].find('\n').map_or(source.len(), |n| span.end + n);
        let after = source[span.end..end].trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(wrong());
        }
        found.push(Entry { key: key.to_owned(), value, span });
        at = end + 1;
    }
    Ok(found)
}

/// The value from `start` on: in single quotes as it is, in double quotes with escapes (both may span lines), or bare up
/// to a comment.
fn value(source: &str, start: usize, line_end: usize) -> Option<(Option<String>, Range<usize>)> {
    let rest = &source[start..];
    match rest.bytes().next() {
        Some(b'\'') => {
            let end = rest[1..].find('\'')? + 1;
            let inner = &rest[1..end];
            // Readers differ in whether a backslash escapes here.
            Some(((!inner.contains('\\')).then(|| inner.to_owned()), start..start + end + 1))
        }
        Some(b'"') => {
            let mut out = String::new();
            let mut certain = true;
            let mut chars = rest[1..].char_indices();
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => return Some((certain.then_some(out), start..start + i + 2)),
                    '\\' => match chars.next()?.1 {
                        c @ ('"' | '\\' | '$') => out.push(c),
                        'n' => out.push('\n'),
                        _ => certain = false,
                    },
                    '$' => certain = false,
                    c => out.push(c),
                }
            }
            None
        }
        _ => {
            let line = &source[start..line_end];
            let comment =
                line.match_indices('#').find(|(i, _)| *i == 0 || line[..*i].ends_with([' ', '\t'])).map_or(line.len(), |(i, _)| i);
            let bare = line[..comment].trim_end();
            let certain = !bare.contains(['$', '\\', '\'', '"', '`']);
            Some((certain.then(|| bare.to_owned()), start..start + bare.len()))
        }
    }
}

struct File<'a> {
    text: &'a [u8],
    entries: Vec<Entry>,
}

impl File<'_> {
    fn all<'b>(&'b self, keys: &'b [&str]) -> impl Iterator<Item = &'b Entry> {
        self.entries.iter().filter(move |e| keys.contains(&e.key.as_str()))
    }

    fn get(&self, keys: &[&str]) -> Result<Option<String>> {
        let mut found: Option<String> = None;
        for entry in self.all(keys) {
            let line = line_of(self.text, entry.span.start);
            let key = &entry.key;
            let value = entry.value.clone().ok_or_else(|| {
                Error::invalid(format!(
                    "{key} in line {line} is put together from other variables, or reads differently in different programs"
                ))
                .hint("give the database by options: --database-name, --database-user and so on")
            })?;
            if found.as_ref().is_some_and(|f| *f != value) {
                return Err(Error::invalid(format!("{key} is given more than once, with different values (again in line {line})"))
                    .hint("which one holds differs between programs: leave one, or give the database by options"));
            }
            found = Some(value);
        }
        Ok(found)
    }

    fn group(&self) -> Result<Option<&'static Group>> {
        for group in &GROUPS {
            if self.get(group.name)?.is_some_and(|v| !v.is_empty()) {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    fn access(&self) -> Result<Option<Access>> {
        if let Some(url) = self.get(&URLS)?.filter(|u| !u.is_empty()) {
            return Ok(DatabaseUrl::parse(&url)?.access(Path::new("")));
        }
        let Some(group) = self.group()? else { return Ok(None) };
        let get = |keys: &[&str]| self.get(keys).map(Option::unwrap_or_default);
        let (name, user, password, host) = (get(group.name)?, get(group.user)?, get(group.password)?, get(group.host)?);
        let port = address::port(&get(group.port)?)?;
        let engine = get(group.engine)?.to_ascii_lowercase();
        let engine = if engine.is_empty() { group.implied.unwrap_or_default().to_owned() } else { engine };
        let kind = kind(&engine).or(match port {
            Some(address::POSTGRES_PORT) => Some(Kind::Postgres),
            Some(address::MYSQL_PORT) => Some(Kind::Mysql),
            _ => None,
        });
        match kind {
            Some(Kind::Mysql) => Ok(Some(address::mysql(address::mysql_endpoint(&host, port, None), name, user, String::new(), password))),
            Some(Kind::Postgres) => {
                Ok(Some(address::postgres(address::postgres_endpoint(&host, port), name, user, String::new(), password)))
            }
            Some(Kind::Sqlite) => Ok(Some(address::sqlite(name))),
            None => {
                Err(Error::invalid("the file names a database, but not of which kind")
                    .hint("give it with --database-engine mysql or postgres"))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Mysql,
    Postgres,
    Sqlite,
}

/// The kind of database that an engine's name means, in any framework's spelling.
pub(super) fn kind(engine: &str) -> Option<Kind> {
    let table = [
        ("mysql", Kind::Mysql),
        ("mariadb", Kind::Mysql),
        ("postg", Kind::Postgres),
        ("pgsql", Kind::Postgres),
        ("psycopg", Kind::Postgres),
    ];
    let sqlite = [("sqlite", Kind::Sqlite), ("spatialite", Kind::Sqlite)];
    table.iter().chain(&sqlite).find(|(word, _)| engine.to_ascii_lowercase().contains(word)).map(|(_, kind)| *kind)
}

/// # Errors
/// `Invalid` for a file that is not KEY=VALUE lines, and for values that are not certain.
pub(super) fn read(text: &[u8]) -> Result<Option<Access>> {
    File { text, entries: entries(text)? }.access()
}

/// # Errors
/// As [`read`], and for values that no quoting writes the same for every reader.
pub(super) fn rewrite(text: &[u8], new: &Access) -> Result<Vec<u8>> {
    let file = File { text, entries: entries(text)? };
    let old = file.access()?.ok_or_else(|| Error::invalid("the file names no database"))?;
    let account = match (&new.address, &old.address) {
        (DatabaseAddress::Sqlite { .. }, DatabaseAddress::Sqlite { .. }) => return Ok(text.to_vec()),
        (DatabaseAddress::Mysql(a), DatabaseAddress::Mysql(_)) | (DatabaseAddress::Postgres(a), DatabaseAddress::Postgres(_)) => a,
        _ => return Err(Error::invalid("the file names a database of another kind: a site stays on the kind that it has")),
    };
    let moved = old.address.account().is_none_or(|a| a.at != account.at);
    let mut edits = Edits::default();
    if let Some(url) = file.get(&URLS)?.filter(|u| !u.is_empty()) {
        let mut url = DatabaseUrl::parse(&url)?;
        if moved {
            url = url.moved_to(&account.at)?;
        }
        set(&mut edits, &file, &URLS, &url.with(account, &new.password))?;
        return edits.apply(text);
    }
    let group = file.group()?.ok_or_else(|| Error::invalid("the file names no database"))?;
    set(&mut edits, &file, group.name, &account.database)?;
    set(&mut edits, &file, group.user, &account.user)?;
    set(&mut edits, &file, group.password, new.password.expose())?;
    if moved {
        let (host, port) = match &account.at {
            Endpoint::Tcp { host, port } => (host.clone(), Some(*port)),
            Endpoint::Socket { path, port } => (path.display().to_string(), *port),
        };
        set(&mut edits, &file, group.host, &host)?;
        if let Some(port) = port {
            set(&mut edits, &file, group.port, &port.to_string())?;
        }
    }
    edits.apply(text)
}

fn set(edits: &mut Edits, file: &File<'_>, keys: &[&str], new: &str) -> Result<()> {
    let mut written = new.is_empty();
    for entry in file.all(keys) {
        written = true;
        if entry.value.as_deref() != Some(new) {
            let quote = file.text.get(entry.span.start).copied().filter(|b| matches!(b, b'\'' | b'"'));
            edits.replace(entry.span.clone(), spell(new, quote, &entry.key)?);
        }
    }
    if written { Ok(()) } else { Err(Error::invalid(format!("the file has no {}: add the line by hand, then try again", keys[0]))) }
}

/// Only spellings that every reader of such files takes for the same.
fn spell(value: &str, quote: Option<u8>, key: &str) -> Result<String> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-.:/@%+,=?&~".contains(c);
    let quotable = |c: char| !c.is_control() && !"'\"\\$`".contains(c);
    match quote {
        Some(q) if value.chars().all(quotable) => Ok(format!("{q}{value}{q}", q = char::from(q))),
        None if value.chars().all(bare) => Ok(value.to_owned()),
        None if value.chars().all(quotable) => Ok(format!("\"{value}\"")),
        _ => Err(Error::invalid(format!("the new value of {key} has characters that such a file cannot hold for every reader"))
            .hint("choose a password of letters and digits")),
    }
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
