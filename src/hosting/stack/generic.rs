//! Any directory, with a database or without: nothing is known of it but what its owner says.

use super::{Found, Maintenance, Stack, look, ours};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::element::Element;
use crate::domain::site::{Access, Definition, StackKind};
use std::path::{Path, PathBuf};

pub(super) struct Generic;

impl Stack for Generic {
    fn detect(&self, root: &Path, who: &Identity) -> Result<Option<Found>> {
        Ok(Some(look(root, who)))
    }

    fn left_out(&self, _definition: &Definition, element: Element) -> Vec<(String, &'static str)> {
        if element == Element::Database { Vec::new() } else { ours() }
    }

    fn structure_only(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn rewrite(&self, settings: &[u8], new: &Access) -> Result<Vec<u8>> {
        if super::env::is_env(settings) && super::env::read(settings)?.is_some() {
            return super::env::rewrite(settings, new);
        }
        Err(Error::invalid("how this settings file names its database is not known")
            .hint("name a file of KEY=VALUE lines with DATABASE_URL or DB_NAME, DB_USER and DB_PASSWORD, or let the restore import beside the live tables"))
    }

    fn read(&self, settings: &[u8]) -> Result<Option<Access>> {
        if super::env::is_env(settings) { super::env::read(settings) } else { Ok(None) }
    }

    fn maintenance(&self, _definition: &Definition) -> Maintenance {
        Maintenance::None {
            why: "nothing is known of how this site is closed: set the hooks maintenance_on and maintenance_off".to_owned(),
        }
    }

    fn caches(&self, _definition: &Definition) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// What a directory holds that may want to be named.
pub(super) fn look(root: &Path, who: &Identity) -> Found {
    let mut found = look::found(StackKind::Generic, root);
    found.lines.push(format!("no WordPress, Drupal or Django in {}: taken as a directory like any other", root.display()));
    let names = look::names(root, who);
    for name in names.iter().filter(|n| [".sqlite3", ".sqlite", ".db"].iter().any(|s| n.ends_with(s))) {
        if is_sqlite(&root.join(name), who) {
            let path = root.join(name).display().to_string();
            found.warnings.push(format!(
                "{path} looks like an SQLite database: give it with --database-engine sqlite --database-name {path}, or it is read as a file while it changes"
            ));
        }
    }
    found.warnings.push("no directory of files and no database were looked for: give them with --files and --database-engine".to_owned());
    found
}

fn is_sqlite(path: &Path, who: &Identity) -> bool {
    use std::io::Read;
    let mut head = [0; 16];
    let mut read = || -> std::io::Result<()> {
        if !path.symlink_metadata()?.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        std::fs::File::open(path)?.read_exact(&mut head)
    };
    who.act(&mut read).is_ok() && head == *b"SQLite format 3\0"
}
