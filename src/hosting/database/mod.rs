//! The site's database: how it is dumped, how a dump is put in beside the live data, how the two change places.
//!
//! It must never stop the live site, never put a password into an argument, an environment or a message, and never
//! call a dump good that did not reach its honest end. To add an engine: a file with a type that implements
//! [`Database`], an arm in [`database()`], and the round trip of hard objects in its tests.

mod client;
mod mysql;
mod postgres;
pub mod scratch;
mod sqlite;

use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::{Access, DatabaseAddress};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// The database behind an address.
pub fn database(access: Access) -> Box<dyn Database> {
    match access.address {
        DatabaseAddress::Mysql(_) => Box::new(mysql::Mysql::new(access)),
        DatabaseAddress::Postgres(_) => Box::new(postgres::Postgres::new(access)),
        DatabaseAddress::Sqlite { path } => Box::new(sqlite::Sqlite::new(path)),
    }
}

/// What every engine can do. All calls block.
pub trait Database: Send + Sync {
    /// Connects with the site's credentials and looks at tools and versions.
    ///
    /// # Errors
    /// `Permanent` with a hint when the password is wrong, or a tool is missing or older than the server.
    fn check(&self) -> Result<Facts>;

    /// Starts the dump. Nothing may be called a backup before [`Dumping::finish`] said so.
    fn dump(&self, scope: &Scope) -> Result<Dumping>;

    /// Exact row counts of all base tables by name, seen as the site's user.
    fn counts(&self) -> Result<BTreeMap<String, u64>>;

    /// Prepares a place for an import beside the live data, and gives the password that goes with it (for
    /// [`Means::Beside`] and [`Means::File`] the live one). What the same ticket left over is dropped first.
    /// `server` is an account that may create databases and users.
    fn stage(&self, ticket: &str, server: Option<&Access>) -> Result<(Staged, Secret)>;

    /// May these tables change places by themselves, as the live database is now?
    ///
    /// # Errors
    /// `Invalid` where one is no table, belongs to another site, or is tied by a foreign key to one that was not chosen;
    /// the hint names what to choose, too.
    fn check_tables(&self, tables: &[String]) -> Result<()>;

    /// Prepares a place for these tables alone, beside the live ones. What the same ticket left over is dropped first. From
    /// then on [`Database::import`], `switch` and `switch_back` touch them and nothing else: what is written to the others
    /// meanwhile stays.
    ///
    /// # Errors
    /// As [`Database::check_tables`].
    fn stage_tables(&self, ticket: &str, tables: &[String]) -> Result<Staged>;

    /// Feeds a dump, or an image, into the staged place; a hostile dump stays inside it and runs no client command.
    ///
    /// # Errors
    /// `Damaged` when the dump ends too early or holds what no dump holds.
    fn import(&self, staged: &Staged, password: &Secret, dump: &mut dyn Read, watch: &Watch) -> Result<()>;

    /// Exact row counts of the staged tables, by the names that they will have once they are live.
    fn staged_counts(&self, staged: &Staged, password: &Secret) -> Result<BTreeMap<String, u64>>;

    /// The one act that makes staged data live, for [`Means::Beside`] and [`Means::File`]. It looks at what is there, so that
    /// it may be called again after any crash. For [`Means::NewDatabase`] the settings are rewritten instead: nothing to do here.
    fn switch(&self, staged: &Staged) -> Result<()>;

    /// The exact inverse of [`Database::switch`], just as repeatable.
    fn switch_back(&self, staged: &Staged) -> Result<()>;

    /// Whether the switch is done, wholly. Always false for [`Means::NewDatabase`].
    fn is_switched(&self, staged: &Staged) -> Result<bool>;

    /// Cuts the connections to this database and keeps new ones out, as far as the rights go.
    fn fence(&self, server: Option<&Access>) -> Result<Fenced>;

    /// Lets connections in again.
    fn unfence(&self, server: Option<&Access>) -> Result<()>;

    /// Drops what is not live: the staged place before a switch, what the switch put aside after it. Repeatable.
    ///
    /// # Errors
    /// `Conflict` when it would drop what is live.
    fn discard(&self, staged: &Staged, server: Option<&Access>) -> Result<()>;
}

/// What is known about a database before it is dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub server_version: String,
    /// The dump tool with its version: `mariadb-dump 10.11.6`.
    pub tool: String,
    pub charset: String,
    /// `table.column` of the FLOAT columns whose values a dump may round.
    pub inexact_columns: Vec<String>,
    /// Settings of the server that decide how the same value is written in a dump, and that the tool leaves as they are.
    pub settings: BTreeMap<String, String>,
    /// Bytes on the server's disk, roughly.
    pub size_hint: u64,
    pub warnings: Vec<String>,
}

/// What goes into a dump.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Patterns (`*`, `?`) on whole table names with the prefix: such tables keep their structure without rows.
    pub structure_only: Vec<String>,
    /// Nothing is left out, whatever the patterns say: a safety backup.
    pub complete: bool,
}

/// The dialect of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    Mysql,
    Postgres,
}

/// What a dump is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for the plain client.
    Sql(Syntax),
    /// An archive for `pg_restore`: nobody but PostgreSQL's own tools looks into it.
    Archive,
    /// The bytes of a SQLite file.
    Image { size: u64 },
}

/// A dump in progress.
pub struct Dumping {
    pub form: Form,
    pub reader: Box<dyn Read + Send>,
    /// To be called when the reader is at its end: looks at every process' exit status, at what it complained about,
    /// and for the mark that ends a dump.
    #[allow(clippy::type_complexity)]
    pub finish: Box<dyn FnOnce() -> Result<DumpFacts> + Send>,
}

/// What is known about a dump that reached its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpFacts {
    pub bytes: u64,
    /// The tables that kept only their structure.
    pub structure_only: Vec<String>,
    pub tables: u64,
    /// What the site's account may not read (a routine that belongs to another user), in words: with anything here the
    /// backup is incomplete.
    pub missing: Vec<String>,
    pub warnings: Vec<String>,
}

/// A place for an import, as it is kept in the restore's journal; its password is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Staged {
    pub ticket: String,
    pub means: Means,
    /// Where the new data is reached after the switch.
    pub address: DatabaseAddress,
}

/// How staged data becomes live.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A database and a user of its own; the site's settings are rewritten.
    NewDatabase,
    /// In the same database under names that begin with `staged`; renamed at the switch, the live ones to `aside`.
    Beside { staged: String, aside: String },
    /// A file beside the live one, exchanged with it; `inode` tells which of the two is the staged one.
    File { staged: PathBuf, inode: u64 },
    /// Chosen tables alone, by names that follow from the ticket; everything else stays as it is.
    Tables { tables: Vec<String> },
}

/// Files that lie beside the database of a ticket, where it is a file itself.
pub fn files_of(staged: &Staged) -> Vec<PathBuf> {
    match (&staged.means, &staged.address) {
        (Means::File { staged, .. }, _) => vec![staged.clone()],
        (Means::Tables { .. }, DatabaseAddress::Sqlite { path }) => sqlite::chosen::files(path, &staged.ticket),
        _ => Vec::new(),
    }
}

/// What a fence holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// No connection is left and none can come.
    pub complete: bool,
    /// In words, for the task log.
    pub note: String,
}

/// Does a table's name match a pattern with `*` and `?`? Case counts.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < n.len() {
        match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
            }
            Some(c) if *c == '?' || *c == n[j] => {
                i += 1;
                j += 1;
            }
            _ => match star {
                Some((si, sj)) => {
                    star = Some((si, sj + 1));
                    (i, j) = (si + 1, sj + 1);
                }
                None => return false,
            },
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

/// Of tables that are tied to each other, those that go with `chosen` and are not among them: all that can be reached.
pub(crate) fn companions(chosen: &[String], ties: &[(String, String)]) -> Vec<String> {
    let mut all: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let mut at = 0;
    while at < all.len() {
        let here = all[at];
        let next = ties.iter().filter_map(|(a, b)| match (a == here, b == here) {
            (true, _) => Some(b.as_str()),
            (_, true) => Some(a.as_str()),
            _ => None,
        });
        for table in next.collect::<Vec<_>>() {
            if !all.contains(&table) {
                all.push(table);
            }
        }
        at += 1;
    }
    let mut others: Vec<String> = all[chosen.len()..].iter().map(|t| (*t).to_owned()).collect();
    others.sort_unstable();
    others
}

/// What is tied by foreign keys to a table that was not chosen cannot change places without it.
///
/// # Errors
/// `Invalid`, naming all that must be chosen, too.
pub(crate) fn refuse_ties(chosen: &[String], ties: &[(String, String)]) -> Result<()> {
    let is = |t: &String| chosen.contains(t);
    let Some((from, to)) = ties.iter().find(|(from, to)| is(from) != is(to)) else { return Ok(()) };
    let others = companions(chosen, ties);
    let shown = others.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if others.len() > 20 { format!(" and {} more", others.len() - 20) } else { String::new() };
    Err(Error::invalid(format!("the table {from} refers to the table {to} by a foreign key, and only one of the two was chosen"))
        .hint(format!("choose these, too: {shown}{more}; or restore the whole database")))
}

/// The eight characters that a ticket has in the names of databases, users and tables: `0-9a-z` without i, l, o and u.
pub(crate) fn short(ticket: &str) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    Sha256::digest(ticket.as_bytes()).iter().take(8).map(|b| ALPHABET[(b & 31) as usize] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("cache*", "cache_render", true),
            ("cache*", "wp_cache", false),
            ("*_sessions", "d_sessions", true),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("*", "", true),
            ("x", "", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_table_takes_with_it_all_that_foreign_keys_tie_to_it_and_nothing_else() {
        let of = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let ties: Vec<_> = [("items", "orders"), ("orders", "people"), ("posts", "posts"), ("notes", "posts")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into();
        for (chosen, others) in [(&["people"][..], &["items", "orders"][..]), (&["posts", "notes"], &[]), (&["alone"], &[])] {
            assert_eq!(companions(&of(chosen), &ties), of(others), "{chosen:?}");
            assert_eq!(refuse_ties(&of(chosen), &ties).is_ok(), others.is_empty(), "{chosen:?}");
        }
        let refused = refuse_ties(&of(&["orders"]), &ties).unwrap_err();
        assert!(refused.hint_text().is_some_and(|h| h.contains("items, people")), "{refused}");
    }

    #[test]
    fn a_ticket_has_one_short_form_that_no_quoting_rule_trips_over() {
        assert_eq!(short("rst_1"), short("rst_1"));
        assert_ne!(short("rst_1"), short("rst_2"));
        assert!(short("x").len() == 8 && short("x").chars().all(|c| c.is_ascii_alphanumeric() && !"ilou".contains(c)));
    }
}
