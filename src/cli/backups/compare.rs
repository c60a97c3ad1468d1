//! `backup:compare`: what changed between two backups, or between a backup and the live site.

use crate::base::error::Result;
use crate::base::units;
use crate::base::words::shown;
use crate::cli::choose;
use crate::cli::client::escaped;
use crate::cli::exit::Exit;
use crate::cli::output::sheet::people_date;
use crate::cli::output::{Cell, Column, Sheet, column};
use crate::cli::session::Session;
use crate::domain::compare::{Change, Changes, Comparison, Count, LIVE, LONGEST_PAGE, Moment, TableChange};
use crate::domain::element::Element;
use crate::domain::view::Backup;

/// Show what changed between two backups, or since one
///
/// From the older to the newer one. Files are counted on standard error and listed as data; of a database the tables with
/// another number of rows.
#[derive(Clone, Debug, clap::Args)]
pub struct Compare {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// The backup's id, or the name of one of its files [default: the newest]
    #[arg(long, visible_alias = "backup", value_name = "ID|FILE")]
    pub file: Option<String>,
    /// Another backup, or `live` for the site as it is now [default: the backup before it]
    #[arg(long, value_name = "ID|FILE|live")]
    pub with: Option<String>,
    /// code, files, database (or db) [default: all]
    #[arg(long)]
    pub element: Option<String>,
}

const CHANGES: &[Column] = &[
    column("what", "What"),
    column("element", "Element"),
    column("path", "Path"),
    column("kind", "Kind"),
    column("before", "Before").right(),
    column("after", "After").right(),
    column("modified", "Time"),
    column("path_hex", "Path in bytes"),
];

pub fn compare(s: &mut Session<'_>, args: &Compare) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let backup: Backup = match &args.file {
        Some(file) => choose::backup_of(s, &environment, file)?,
        None => choose::newest(s, &environment, &environment.elements, true)?.backup,
    };
    let with = match args.with.as_deref() {
        None => String::new(),
        Some(LIVE) => LIVE.to_owned(),
        Some(file) => choose::backup_of(s, &environment, file)?.id,
    };
    let element = args.element.as_deref().map(super::get::one).transpose()?;
    let at = format!("/backups/{}/compare?with={}&limit={LONGEST_PAGE}", escaped(&backup.id), escaped(&with));
    let of = |element: Option<Element>, after: &str| match element {
        Some(element) => format!("{at}&element={element}&after={}", escaped(after)),
        None => at.clone(),
    };
    let first: Comparison = s.client()?.get(&of(element, ""))?;
    let Some(from) = &first.from else {
        s.console.warn("There is no earlier backup to compare it with.");
        return Ok(Exit::Good);
    };
    s.console.notice(&format!("From {} to {}.", named(from), named(&first.to)));
    let mut sheet = Sheet::new(CHANGES, "what,element,path,before,after,modified");
    for changes in first.elements {
        tell(s, &changes);
        let (element, mut next) = (changes.element, changes.next.clone());
        changes.tables.iter().for_each(|t| sheet.add(row_of_table(t)));
        changes.changes.iter().for_each(|c| sheet.add(row(element, c)));
        while let Some(after) = next.take() {
            let page: Comparison = s.client()?.get(&of(Some(element), &after))?;
            for changes in page.elements {
                changes.changes.iter().for_each(|c| sheet.add(row(element, c)));
                next = changes.next;
            }
        }
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn named(m: &Moment) -> String {
    match &m.backup {
        Some(id) => format!("{} - {} ({id})", people_date(&m.at), shown(m.reason.as_bytes())),
        None => "the live site as it is now".to_owned(),
    }
}

fn tell(s: &mut Session<'_>, c: &Changes) {
    let of = |n: Count, what: &str| format!("{} {what} ({})", units::count(n.files, "file"), units::size(n.bytes));
    if let Some(why) = &c.not_compared {
        return s.console.warn(&format!("The {} is not compared: {why}.", c.element));
    }
    let least = if c.stopped { "at least " } else { "" };
    s.console.notice(&match c.element {
        Element::Database => {
            format!("database: {} of {} with another number of rows", c.tables_differ, units::count(c.tables_compared, "table"))
        }
        e => format!("{e}: {least}{}, {}, {}", of(c.added, "added"), of(c.changed, "changed"), of(c.removed, "removed")),
    });
    if c.touched > 0 {
        s.console.notice(&format!(
            "{}: {} with the same content and another time, owner or mode",
            c.element,
            units::count(c.touched, "file")
        ));
    }
    if !c.left_out.is_empty() {
        s.console.notice(&format!("{}: left out of backups, and so not compared: {}", c.element, c.left_out.join(", ")));
    }
    if c.stopped {
        s.console.warn(&format!("The {} has too many files to compare all of them while you wait.", c.element));
    }
    if c.unread > 0 {
        s.console.warn(&format!("{} of the live {} cannot be read.", units::count(c.unread, "folder"), c.element));
    }
}

fn row(element: Element, c: &Change) -> Vec<Cell> {
    let size = |n: Option<u64>| Cell::shown(n.map(units::size).unwrap_or_default(), serde_json::json!(n));
    let version = c.after.as_ref().or(c.before.as_ref());
    vec![
        c.what.word().to_owned().into(),
        element.name().to_owned().into(),
        Cell::shown(c.inner().shown(), c.path.clone().into()),
        c.kind.word().to_owned().into(),
        size(c.before.as_ref().map(|v| v.size)),
        size(c.after.as_ref().map(|v| v.size)),
        Cell::date(version.and_then(|v| v.modified.as_deref())),
        Cell::shown(c.path_hex.clone().unwrap_or_default(), serde_json::json!(c.path_hex)),
    ]
}

fn row_of_table(t: &TableChange) -> Vec<Cell> {
    let rows = |n: Option<u64>| Cell::shown(n.map(|n| units::count(n, "row")).unwrap_or_default(), serde_json::json!(n));
    let what = match (t.before, t.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    let none = || Cell::shown(String::new(), serde_json::Value::Null);
    vec![
        what.to_owned().into(),
        Element::Database.name().to_owned().into(),
        Cell::shown(shown(t.name.as_bytes()), t.name.clone().into()),
        "table".to_owned().into(),
        rows(t.before),
        rows(t.after),
        none(),
        none(),
    ]
}
