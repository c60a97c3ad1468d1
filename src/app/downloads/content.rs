//! What a download consists of: an element of a backup, or a part of it, in one of its forms.

use super::views::address;
use crate::app::{backups, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use crate::db::backups::{Backup, BackupElement};
use crate::domain::downloads::Form;
use crate::domain::element::Element;
use crate::domain::links::Part;
use crate::engine::{About, Packing, Repository};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// Everything that is needed to write it, on any thread.
#[derive(Debug)]
pub(super) struct Content {
    repository: Repository,
    snapshot: String,
    /// `None`: a part of it, packed as parts are.
    form: Option<Form>,
    part: Option<Part>,
    /// A database of SQLite, which is a file.
    is_file: bool,
    is_tree: bool,
    about: About,
}

impl Content {
    /// What is written while it is sent: a whole element, or a part.
    pub fn streamed(repository: Repository, backup: &Backup, element: &BackupElement, part: Option<Part>) -> Result<Self> {
        Self::new(repository, backup, element, part, None)
    }

    /// A whole element in a form of archives.
    pub fn prepared(repository: Repository, backup: &Backup, element: &BackupElement, form: Form) -> Result<Self> {
        Self::new(repository, backup, element, None, Some(form))
    }

    fn new(repository: Repository, backup: &Backup, element: &BackupElement, part: Option<Part>, form: Option<Form>) -> Result<Self> {
        let snapshot = element.snapshot.clone().ok_or_else(|| Error::internal("a link to nothing"))?;
        let manifest: Value = from_json("manifest", &element.manifest)?;
        let about = About { facts: told(backup, element, &manifest, part.as_ref())?, time: Millis(backup.created_at) };
        let is_tree = Element::parse(&element.element)? != Element::Database;
        let is_file = !is_tree && manifest["engine"].as_str() == Some("sqlite");
        Ok(Self { repository, snapshot, form, part, is_file, is_tree, about })
    }

    /// Writes all of it. Blocks.
    ///
    /// # Errors
    /// What went wrong; what was written until then does not look like a whole file.
    pub fn write(&self, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        let (repository, snapshot, about) = (&self.repository, &self.snapshot, &self.about);
        if let Some(part) = &self.part {
            return match part.is_folder() {
                true => repository.archive_folder(snapshot, part.path.path(), about, sink, watch),
                false => repository.plain_file(snapshot, part.path.path(), sink, watch),
            };
        }
        let database = Path::new("database/database.sqlite");
        match self.form {
            Some(Form::Sqlite) => repository.plain_file(snapshot, database, sink, watch),
            Some(Form::Zip) => repository.archive(snapshot, about, Packing::Zip, sink, watch),
            Some(Form::TarZst) => repository.archive(snapshot, about, Packing::Zstd, sink, watch),
            _ if self.is_tree => repository.archive(snapshot, about, Packing::Gzip, sink, watch),
            _ if self.is_file => repository.archive_file(snapshot, database, about, sink, watch),
            _ => repository.archive_sql(snapshot, Path::new("database"), about, sink, watch),
        }
    }
}

/// The name of an element's file, in the form that it is prepared in, or in that which is written while it is sent.
pub(super) fn filename(backup: &Backup, element: &BackupElement, form: Option<&str>) -> Result<String> {
    let kind = Element::parse(&element.element)?;
    match form {
        Some(form) => Ok(backups::named(backup, kind, form)),
        None => Ok(backups::file_name(backup, kind, &engine(element)?)),
    }
}

/// `mysql`, `postgres`, `sqlite`; nothing for files and code.
pub(super) fn engine(element: &BackupElement) -> Result<String> {
    let manifest: Value = from_json("manifest", &element.manifest)?;
    Ok(manifest["engine"].as_str().unwrap_or_default().to_owned())
}

/// The character set of a database, as its manifest says.
pub(super) fn charset(element: &BackupElement) -> Result<String> {
    let manifest: Value = from_json("manifest", &element.manifest)?;
    Ok(manifest["charset"].as_str().unwrap_or_default().to_owned())
}

/// What the file says of itself.
fn told(backup: &Backup, element: &BackupElement, manifest: &Value, part: Option<&Part>) -> Result<Map<String, Value>> {
    let problems: Value = from_json("list of problems", &element.problems)?;
    let mut facts = json!({
        "sitekeep": env!("CARGO_PKG_VERSION"),
        "backup": backup.id,
        "environment": address(backup),
        "element": element.element,
        "path": part.map(|part| part.path.shown()),
        "time": Millis(backup.created_at).iso(),
        "state": element.state,
        "problems": problems,
    });
    for key in ["engine", "server_version", "tool", "charset", "structure_only", "left_out", "git", "warnings", "complete"] {
        facts[key] = manifest.get(key).cloned().unwrap_or_default();
    }
    match facts {
        Value::Object(facts) => Ok(facts.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => Err(Error::internal("facts are an object")),
    }
}
