//! `backup:browse` and `backup:versions`: what lies in a backup, and one file through all of them.

use crate::base::error::Result;
use crate::base::units;
use crate::base::words::percent_bytes;
use crate::cli::choose;
use crate::cli::client::escaped;
use crate::cli::exit::Exit;
use crate::cli::output::{Cell, Column, Sheet, column};
use crate::cli::session::Session;
use crate::domain::browse::{Entry, FileVersion, Found, Kind, Listing};
use crate::domain::element::Element;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// List what lies in a backup
///
/// Without an element its elements; folders first, then by name.
#[derive(Clone, Debug, clap::Args)]
pub struct Browse {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// The backup's id, or the name of one of its files
    #[arg(value_name = "ID")]
    pub backup: String,
    /// A folder or file of the element, for example files/public
    #[arg(value_name = "PATH", requires = "element")]
    pub path: Option<PathBuf>,
    /// code, files, database (or db)
    #[arg(long)]
    pub element: Option<String>,
    /// All whose names have this in them
    #[arg(long, value_name = "TEXT", requires = "element")]
    pub search: Option<String>,
}

/// List the versions of one file in all backups of an environment
#[derive(Clone, Debug, clap::Args)]
pub struct Versions {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// Where it lies, for example files/public/logo.png
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// code or files
    #[arg(long, default_value = "files")]
    pub element: String,
}

const ENTRIES: &[Column] = &[
    column("name", "Name"),
    column("kind", "Kind"),
    column("size", "Size").right(),
    column("modified", "Changed"),
    column("mode", "Mode"),
    column("rows", "Rows").right(),
    column("path", "Path"),
    column("path_hex", "Path in bytes"),
];

/// Lists are fetched in pages of this many.
const PAGE: usize = 1000;

fn query(element: Element, path: &Path) -> String {
    format!("element={element}&path={}", percent_bytes(path.as_os_str().as_bytes()))
}

pub fn browse(s: &mut Session<'_>, args: &Browse) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let backup = choose::backup_of(s, &environment, &args.backup)?;
    let at = format!("/backups/{}", escaped(&backup.id));
    let element = args.element.as_deref().map(super::get::one).transpose()?;
    let path = args.path.clone().unwrap_or_default();
    let what = element.map(|element| query(element, &path)).unwrap_or_default();
    if let Some(text) = &args.search {
        return search(s, &format!("{at}/search?{what}&name={}", escaped(text)));
    }
    let shown = match element {
        Some(Element::Database) => "name,rows",
        None => "name,kind,size",
        _ => "name,kind,size,modified,mode",
    };
    let (mut sheet, mut after) = (Sheet::new(ENTRIES, shown), String::new());
    loop {
        let page: Listing = s.client()?.get(&format!("{at}/browse?{what}&limit={PAGE}&after={after}"))?;
        page.entries.into_iter().for_each(|e| sheet.add(row(e)));
        match page.next {
            Some(next) => after = escaped(&next),
            None => break,
        }
    }
    if sheet.rows.is_empty() {
        s.console.warn("Nothing is in there.");
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn search(s: &mut Session<'_>, path: &str) -> Result<Exit> {
    let found: Found = s.client()?.get(path)?;
    if found.stopped {
        s.console.warn("There may be more: the search stopped early. Search for a longer part of the name, or below a folder.");
    }
    s.console.notice(&format!("{} of {} names.", found.entries.len(), found.looked));
    let mut sheet = Sheet::new(ENTRIES, "path,kind,size,modified");
    found.entries.into_iter().for_each(|e| sheet.add(row(e)));
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn row(e: Entry) -> Vec<Cell> {
    let slash = if e.kind == Kind::Folder { "/" } else { "" };
    let number = |n: Option<u64>, text: Option<String>| Cell::shown(text.unwrap_or_default(), serde_json::json!(n));
    let text = |t: Option<String>| Cell::shown(t.clone().unwrap_or_default(), serde_json::json!(t));
    vec![
        Cell::shown(format!("{}{slash}", e.name), e.name.clone().into()),
        e.kind.word().to_owned().into(),
        number(e.size, e.size.map(units::size)),
        Cell::date(e.modified.as_deref()),
        text(e.mode),
        number(e.rows, e.rows.map(|n| n.to_string())),
        e.path.into(),
        text(e.path_hex),
    ]
}

const VERSIONS: &[Column] = &[
    column("date", "Date"),
    column("content", "Content"),
    column("size", "Size").right(),
    column("modified", "Changed"),
    column("backup", "Backup"),
    column("reason", "Reason"),
    column("changed", "New content"),
    column("hash", "Hash"),
];

pub fn versions(s: &mut Session<'_>, args: &Versions) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let element = super::get::one(&args.element)?;
    let path = format!("/environments/{}/versions?{}", escaped(&environment.id), query(element, &args.path));
    let versions: Vec<FileVersion> = s.client()?.get(&path)?;
    if versions.is_empty() {
        s.console.warn("No backup has this file.");
    }
    let mut sheet = Sheet::new(VERSIONS, "date,content,size,modified,backup,reason");
    versions.into_iter().for_each(|v| sheet.add(version(v)));
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn version(v: FileVersion) -> Vec<Cell> {
    vec![
        Cell::date(Some(&v.created)),
        if v.changed { "new".to_owned() } else { "as before".to_owned() }.into(),
        Cell::shown(units::size(v.size), v.size.into()),
        Cell::date(v.modified.as_deref()),
        v.backup.into(),
        v.reason.into(),
        v.changed.into(),
        v.content.into(),
    ]
}
