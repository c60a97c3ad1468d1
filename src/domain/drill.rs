//! Drills: what is compared when a backup is restored to be looked at, what can be found wrong, and what the badge says.

use super::element::Element;
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::words::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

words! {
    /// `partly`: nothing was wrong with what could be drilled, but not everything could. It is never green.
    DrillState {
        Queued = "queued",
        Running = "running",
        Passed = "passed",
        Partly = "partly",
        Failed = "failed",
        Cancelled = "cancelled",
    }
    /// What a drill found wrong.
    Fault {
        /// The repository does not open with the key that is kept for it.
        Key = "key",
        /// Pieces of the backup are not in the repository any more.
        Lost = "lost",
        /// Pieces are there, and not what was written.
        Altered = "altered",
        /// A dump, or an image of a database, without a byte in it.
        Empty = "empty",
        Truncated = "truncated",
        Charset = "charset",
        /// The database server did not take the dump.
        Refused = "refused",
        Tables = "tables",
        Rows = "rows",
        /// As many rows, with other values than were dumped.
        Values = "values",
        /// Files that were counted when the backup was made are not in it.
        Files = "files",
        /// They are there, with another content than was read.
        Content = "content",
        /// The boot command did not end well.
        Boot = "boot",
        /// It was not the backup: the drill could not be carried out.
        Undone = "undone",
    }
    /// What the badge says.
    Proof {
        Proven = "proven",
        /// By a drill that could not look at everything.
        Partly = "partly proven",
        /// A drill passed, too long ago.
        Stale = "stale",
        Never = "never",
        Failed = "failed",
    }
}

impl Fault {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Key => "The repository does not open with its key",
            Self::Lost => "A part of the backup is missing in the repository",
            Self::Altered => "What is stored is not what was written",
            Self::Empty => "The dump is empty",
            Self::Truncated => "The dump was cut off",
            Self::Charset => "The dump is in another character set",
            Self::Refused => "The database server does not take the dump",
            Self::Tables => "Tables are missing",
            Self::Rows => "Rows are missing",
            Self::Values => "Tables hold other values",
            Self::Files => "Files are missing",
            Self::Content => "Files do not hold what was read",
            Self::Boot => "The restored site did not start",
            Self::Undone => "The drill could not be carried out",
        }
    }
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Key => "put back the master key of this installation, or the repository that belongs to the key",
            Self::Lost | Self::Altered => "look at the disk that holds the repository, and make a new backup now; verify the older ones",
            Self::Empty | Self::Truncated | Self::Charset | Self::Refused | Self::Tables | Self::Rows | Self::Values => {
                "make a new backup now and drill that one; keep the older ones until it has passed"
            }
            Self::Files | Self::Content => "make a new backup now and drill that one; look at the site's disk",
            Self::Boot => "the end of what the command printed is in the evidence; try it by hand on a restored copy",
            Self::Undone => "mend what stood in the way, and run the drill again",
        }
    }
}

impl DrillState {
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What the newest drill that came to an end says, for as long as `fresh` milliseconds.
pub fn proof(last: Option<(DrillState, Millis)>, now: Millis, fresh: i64) -> Proof {
    match last {
        Some((DrillState::Failed, _)) => Proof::Failed,
        Some((DrillState::Passed | DrillState::Partly, at)) if now.0 - at.0 > fresh => Proof::Stale,
        Some((DrillState::Passed, _)) => Proof::Proven,
        Some((DrillState::Partly, _)) => Proof::Partly,
        _ => Proof::Never,
    }
}

/// What a page says of the newest drill of an environment or of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    pub proof: Proof,
    /// When that drill ended, and its id.
    pub at: Option<Millis>,
    pub drill: Option<String>,
}

/// A thing that was found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    pub fault: Fault,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    pub message: String,
}

/// What was compared, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Evidence {
    pub findings: Vec<Finding>,
    /// What was not drilled and why, and what to set up for it.
    pub not_drilled: Vec<String>,
    pub elements: Vec<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
}

/// An element: what was written down when it was read, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Compared {
    pub element: Element,
    pub snapshot: String,
    pub files: Pair,
    pub bytes: Pair,
    /// Files, or pieces of a dump, whose every byte was hashed on its way out of the repository.
    pub hashed: u64,
    /// Milliseconds.
    pub took: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pair {
    pub expected: u64,
    pub found: u64,
}

/// A database that was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Database {
    pub engine: String,
    /// The server set aside that it was imported on; none for a file.
    pub server: Option<String>,
    pub server_version: String,
    /// As the manifest says, and as the dump does.
    pub charset: String,
    pub tables: Vec<Table>,
}

/// The rows of a table; `None` where there is no such table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Table {
    pub name: String,
    pub expected: Option<u64>,
    pub found: Option<u64>,
    /// Whether every value came back, by checksum; `None` where that was not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
}

impl Database {
    /// What the checksums say, in words; nothing where none were compared.
    pub fn equality(&self) -> Option<String> {
        let count = |is: bool| self.tables.iter().filter(|t| t.equal == Some(is)).count() as u64;
        let (equal, other) = (count(true), count(false));
        (equal + other > 0).then(|| {
            let differ = if other > 0 { format!(", {} with other values", units::count(other, "table")) } else { String::new() };
            format!("{} equal to the byte{differ}", units::count(equal, "table"))
        })
    }
}

/// What became of the boot command. The command itself is for administrators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Boot {
    pub succeeded: bool,
    /// `exit status: 0`
    pub how: String,
    /// The end of what it printed.
    pub output: String,
    pub took: i64,
}

/// Rows may come and go between the dump and the count behind it: up to so many, or one in fifty, are no fault. A table that
/// comes back empty is one.
const MOVING: u64 = 10;

/// The tables of a manifest beside those that were imported, by name, and what is wrong with them.
pub fn tables(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> (Vec<Table>, Vec<Finding>) {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let table = |name: &&String| Table {
        name: (**name).clone(),
        expected: expected.get(*name).copied(),
        found: found.get(*name).copied(),
        equal: None,
    };
    let all: Vec<Table> = names.iter().map(table).collect();
    let missing: Vec<String> = all.iter().filter(|t| t.found.is_none()).map(|t| t.name.clone()).collect();
    let short: Vec<String> = all.iter().filter_map(|t| t.short()).collect();
    let finding = |fault, what: &str, which: Vec<String>| {
        (!which.is_empty()).then(|| Finding { fault, element: Some(Element::Database), message: format!("{what}: {}", listed(&which)) })
    };
    let findings = [
        finding(Fault::Tables, "these tables are in the manifest and were not imported", missing),
        finding(Fault::Rows, "these tables came back with other rows than were counted", short),
    ];
    (all, findings.into_iter().flatten().collect())
}

/// The first ten, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown} and {} more", names.len() - 10) } else { shown }
}

/// The tables whose checksums are not the same: a table without rows has none.
pub fn differing(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    names.into_iter().filter(|name| expected.get(*name) != found.get(*name)).cloned().collect()
}

/// Do two versions of a tool, or of a server, write the same values in the same way? Those of one release do: of PostgreSQL
/// that is the first number, of the others the first two.
pub fn same_release(engine: &str, a: &str, b: &str) -> bool {
    let numbers = if engine == "postgres" { 1 } else { 2 };
    let release = |text: &str| {
        // Old MariaDB servers put this before their version.
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let version: String = text[from..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
        Some((is_mariadb, version.split('.').take(numbers).map(str::to_owned).collect::<Vec<_>>()))
    };
    release(a).is_some() && release(a) == release(b)
}

impl Table {
    /// In words, when its rows cannot be right.
    fn short(&self) -> Option<String> {
        let (expected, found) = (self.expected?, self.found?);
        let allowed = MOVING.max(expected / 50);
        let wrong = (found == 0 && expected > 0) || expected.abs_diff(found) > allowed;
        wrong.then(|| format!("{} ({found} of {expected})", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = Millis::DAY;

    #[test]
    fn the_badge_says_what_the_newest_drill_found_for_as_long_as_that_is_news() {
        let now = Millis(100 * DAY);
        let at = |state, days: i64| Some((state, now.plus(-days * DAY)));
        for (last, says) in [
            (None, Proof::Never),
            (at(DrillState::Queued, 0), Proof::Never),
            (at(DrillState::Cancelled, 0), Proof::Never),
            (at(DrillState::Passed, 0), Proof::Proven),
            (at(DrillState::Passed, 14), Proof::Proven),
            (at(DrillState::Passed, 15), Proof::Stale),
            (at(DrillState::Partly, 1), Proof::Partly),
            (at(DrillState::Partly, 15), Proof::Stale),
            (at(DrillState::Failed, 1), Proof::Failed),
            (at(DrillState::Failed, 90), Proof::Failed),
        ] {
            assert_eq!(proof(last, now, 14 * DAY), says, "{last:?}");
        }
    }

    fn counts(all: &[(&str, u64)]) -> BTreeMap<String, u64> {
        all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn a_missing_table_and_missing_rows_are_found_and_what_a_live_site_does_meanwhile_is_not() {
        let expected = counts(&[("posts", 5000), ("users", 3), ("log", 40)]);
        for (found, faults) in [
            (counts(&[("posts", 5000), ("users", 3), ("log", 40)]), &[][..]),
            (counts(&[("posts", 4950), ("users", 2), ("log", 50), ("new", 1)]), &[]),
            (counts(&[("posts", 5000), ("users", 3)]), &[Fault::Tables]),
            (counts(&[("posts", 5000), ("users", 0), ("log", 40)]), &[Fault::Rows]),
            (counts(&[("posts", 4000), ("log", 40)]), &[Fault::Tables, Fault::Rows]),
        ] {
            let (all, findings) = tables(&expected, &found);
            assert_eq!(findings.iter().map(|f| f.fault).collect::<Vec<_>>(), faults, "{findings:?}");
            assert!(all.len() >= 3);
        }
        let (all, findings) = tables(&expected, &counts(&[("posts", 1)]));
        assert_eq!(all[0], Table { name: "log".into(), expected: Some(40), found: None, equal: None });
        assert!(findings[0].message.ends_with("log, users") && findings[1].message.ends_with("posts (1 of 5000)"), "{findings:?}");
    }

    #[test]
    fn checksums_differ_by_table_and_are_compared_within_a_release() {
        let sums = |all: &[(&str, &str)]| all.iter().map(|(t, s)| ((*t).to_owned(), (*s).to_owned())).collect::<BTreeMap<_, _>>();
        let expected = sums(&[("posts", "1"), ("users", "2")]);
        assert!(differing(&expected, &expected.clone()).is_empty());
        assert_eq!(differing(&expected, &sums(&[("posts", "1"), ("users", "3"), ("log", "4")])), ["log", "users"]);
        for (engine, a, b, same) in [
            ("mysql", "10.11.6-MariaDB-0+deb12u1", "5.5.5-10.11.14-MariaDB", true),
            ("mysql", "mariadb-dump 10.11.6", "mariadb-dump 10.11.14", true),
            ("mysql", "10.11.6-MariaDB", "11.4.2-MariaDB", false),
            ("mysql", "8.0.36", "8.4.1", false),
            ("mysql", "10.11.6-MariaDB", "10.11.6", false),
            ("postgres", "PostgreSQL 15.18", "PostgreSQL 15.2", true),
            ("postgres", "pg_dump 15.18", "pg_dump 16.1", false),
            ("postgres", "", "", false),
        ] {
            assert_eq!(same_release(engine, a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn what_the_checksums_say_is_said_only_where_they_were_compared() {
        let table = |equal| Table { name: "t".into(), expected: Some(1), found: Some(1), equal };
        let said = |all: &[Option<bool>]| Database { tables: all.iter().map(|e| table(*e)).collect(), ..Database::default() }.equality();
        assert_eq!(said(&[None]), None);
        assert_eq!(said(&[Some(true), None, Some(true)]).as_deref(), Some("2 tables equal to the byte"));
        assert_eq!(said(&[Some(true), Some(false)]).as_deref(), Some("1 table equal to the byte, 1 table with other values"));
    }
}
