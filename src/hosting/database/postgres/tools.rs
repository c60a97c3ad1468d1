//! Where pg_dump and psql are, and which of them fits a server.
//!
//! Debian's /usr/bin/pg_dump and psql are Perl scripts that choose a version and start ten times slower: the programs
//! themselves lie in one folder per version.

use crate::base::error::{Context, Error, Result};
use crate::hosting::database::client;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `15.18`; a server's number (150018) and a tool's announcement are both read into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// From `server_version_num`.
    pub fn of_number(number: u32) -> Self {
        Self { major: number / 10_000, minor: number % 10_000 }
    }

    /// From `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `18beta1`.
    fn of_announcement(text: &str) -> Option<Self> {
        let number = text.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: parts.next()?.ok()?, minor: parts.next().and_then(Result::ok).unwrap_or(0) })
    }

    /// Whether this psql knows `\restrict`, which forbids client commands in what it reads (CVE-2025-8714).
    pub fn knows_restrict(self) -> bool {
        match self.major {
            ..=12 => false,
            13 => self.minor >= 22,
            14 => self.minor >= 19,
            15 => self.minor >= 14,
            16 => self.minor >= 10,
            17 => self.minor >= 6,
            18.. => true,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A program with its version.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    pub version: Version,
}

/// Which folders are looked through.
#[derive(Clone, Debug)]
pub struct Search {
    /// Parents of `<version>/bin`.
    parents: Vec<PathBuf>,
    /// Whether PATH is looked through when the parents hold nothing that fits.
    path: bool,
}

impl Search {
    pub fn usual() -> Self {
        Self { parents: vec!["/usr/lib/postgresql".into(), "/usr/lib64/postgresql".into(), "/usr".into()], path: true }
    }

    #[cfg(test)]
    pub fn only(parent: &Path) -> Self {
        Self { parents: vec![parent.to_owned()], path: false }
    }

    /// The newest psql: it serves every older server too, and knows most about hostile dumps.
    pub fn psql(&self) -> Result<Program> {
        self.programs("psql")?.pop().ok_or_else(|| missing("psql"))
    }

    /// The pg_dump that fits a server: of the same version where there is one, because what a newer one writes may be
    /// more than the server understands at a restore; else the next newer one.
    pub fn pg_dump(&self, server: Version) -> Result<Program> {
        let all = self.programs("pg_dump")?;
        let newest = all.last().map(|p| p.version);
        let fits = all.iter().filter(|p| p.version.major >= server.major);
        let major = fits.clone().map(|p| p.version.major).min();
        if let Some(found) = fits.filter(|p| Some(p.version.major) == major).max_by_key(|p| p.version) {
            return Ok(found.clone());
        }
        Err(newest.map_or_else(
            || missing("pg_dump"),
            |newest| {
                Error::permanent(format!("pg_dump {newest} is older than the server ({server}) and cannot dump it"))
                    .hint(format!("install the package postgresql-client-{}", server.major))
            },
        ))
    }

    /// All programs of that name, oldest first.
    fn programs(&self, name: &str) -> Result<Vec<Program>> {
        let mut found: Vec<Program> = Vec::new();
        for bin in self.parents.iter().flat_map(|p| folders(p)) {
            let path = bin.join(name);
            if path.is_file() {
                found.extend(version(&path)?.map(|version| Program { path, version }));
            }
        }
        if self.path
            && found.is_empty()
            && let Some(path) = client::find(&[name], &[])
        {
            found.extend(version(&path)?.map(|version| Program { path, version }));
        }
        found.sort_by_key(|p| p.version);
        Ok(found)
    }
}

/// `<parent>/15/bin` (Debian), `<parent>/pgsql-15/bin` (Red Hat).
fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let numbered = |name: &str| {
        let name = name.strip_prefix("pgsql-").unwrap_or(name);
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    entries.flatten().filter(|e| e.file_name().to_str().is_some_and(numbered)).map(|e| e.path().join("bin")).collect()
}

fn version(program: &Path) -> Result<Option<Version>> {
    let out = Command::new(program)
        .arg("--version")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .output()
        .context(|| format!("asking {} for its version", program.display()))?;
    Ok(Version::of_announcement(&String::from_utf8_lossy(&out.stdout)))
}

fn missing(name: &str) -> Error {
    Error::permanent(format!("{name} is not installed on this host"))
        .hint("install PostgreSQL's client programs, for example `apt install postgresql-client`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(versions: &[&str]) -> (PathBuf, Search) {
        let parent = std::env::temp_dir().join(format!("sitekeep-tools-{}", crate::base::chance::word(10)));
        for v in versions {
            let bin = parent.join(v.split('.').next().unwrap()).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            for name in ["pg_dump", "psql"] {
                // Written by another process: a file that this one has open for writing cannot be started.
                let script = format!("#!/bin/sh\necho \"{name} (PostgreSQL) {v} (Debian {v}-1)\"\n");
                let mut made = Command::new("sh");
                made.args(["-c", "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &script]).arg(bin.join(name));
                assert!(made.status().unwrap().success());
            }
        }
        let search = Search::only(&parent);
        (parent, search)
    }

    #[test]
    fn the_pg_dump_of_the_servers_own_version_is_preferred_and_an_older_one_refused() {
        let (parent, search) = installed(&["13.22", "9.6", "17.6"]);
        let chosen = |major| search.pg_dump(Version { major, minor: 0 }).map(|p| p.version.to_string());
        assert_eq!(chosen(13).unwrap(), "13.22");
        assert_eq!(chosen(14).unwrap(), "17.6", "the next newer one");
        assert_eq!(search.psql().unwrap().version.to_string(), "17.6", "the newest, not the first by name");
        let error = chosen(18).unwrap_err();
        assert!(error.sentence().contains("pg_dump 17.6 is older than the server (18.0)"), "{error}");
        assert!(error.hint_text().unwrap().contains("postgresql-client-18"));
        std::fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn a_missing_tool_is_named_with_what_to_install() {
        let error = Search::only(Path::new("/nonexistent")).psql().unwrap_err();
        assert!(error.to_string().contains("psql is not installed") && error.to_string().contains("apt install"), "{error}");
    }

    #[test]
    fn versions_are_read_from_what_servers_and_tools_say() {
        assert_eq!(Version::of_number(150_018), Version { major: 15, minor: 18 });
        assert_eq!(Version::of_announcement("psql (PostgreSQL) 18beta1"), Some(Version { major: 18, minor: 0 }));
        assert_eq!(Version::of_announcement("nothing"), None);
        for (major, minor, knows) in [(12, 22, false), (13, 21, false), (13, 22, true), (15, 13, false), (15, 14, true), (18, 0, true)] {
            assert_eq!(Version { major, minor }.knows_restrict(), knows, "{major}.{minor}");
        }
    }
}
