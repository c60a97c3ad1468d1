//! Backups: making, listing, showing, keeping, proving.

mod browse;
mod compare;
mod create;
mod get;
mod resume;
mod sheets;

pub use browse::{Browse, Versions, browse, versions};
pub use compare::{Compare, compare};
pub use create::{create, made};
pub use get::{Get, get};

use super::choose::{self, elements};
use super::client::escaped;
use super::exit::Exit;
use super::jobs;
use super::output::{Cell, Sheet};
use super::session::Session;
use crate::base::error::{Error, Result};
use crate::domain::element::Element;
use crate::domain::state::BackupState;
use crate::domain::view::{self, Backup};
use create::print_when_wanted;
use serde_json::{Value, json};
use sheets::{ROWS, SET, element_row, expiry, set_row};
use std::ops::ControlFlow;

/// Make a backup of an environment
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// code, files, database (or db), a list with commas, or all
    #[arg(long, default_value = "all")]
    pub element: String,
    /// Keep it for so many days, 0 for ever; by the policy where it is not given
    #[arg(long, value_name = "DAYS")]
    pub keep_for: Option<u32>,
    /// Why; shown in lists
    #[arg(long)]
    pub note: Option<String>,
    #[command(flatten)]
    pub wait: Wait,
}

/// Whether a command stays until its job has ended.
#[derive(Clone, Debug, clap::Args)]
pub struct Wait {
    /// Stay until it has ended (this is the default)
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Only queue it
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
}

impl Wait {
    pub fn waits(&self) -> bool {
        !self.no_wait
    }
}

/// List the backups of an environment
///
/// There is a row for each element.
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// Only this element; --filter=type=database does the same
    #[arg(long)]
    pub element: Option<String>,
    /// Unfinished and failed ones too
    #[arg(long)]
    pub all: bool,
}

/// Show a backup or one of its files
///
/// By default the newest file of the element `files`.
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// The name of one of its files
    #[arg(long, conflicts_with = "backup")]
    pub file: Option<String>,
    /// code, files, database (or db); all shows the whole set [default: files]
    #[arg(long)]
    pub element: Option<String>,
    /// Its id
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
}

/// Keep a backup until it is unpinned
#[derive(Clone, Debug, clap::Args)]
pub struct Pin {
    /// Its id, or the name of one of its files
    pub backup: String,
}

/// Let a backup expire again
#[derive(Clone, Debug, clap::Args)]
pub struct Unpin {
    /// Its id, or the name of one of its files
    pub backup: String,
}

/// Change the note of a backup
#[derive(Clone, Debug, clap::Args)]
pub struct Note {
    /// Its id, or the name of one of its files
    pub backup: String,
    /// The new note; an empty one takes it away
    pub note: String,
}

/// Read all of a backup back, and say whether it is whole
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// Its id, or the name of one of its files
    pub backup: String,
    #[command(flatten)]
    pub wait: Wait,
}

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let wanted = args.element.as_deref().map_or(Ok(Element::ALL.to_vec()), elements)?;
    let environment = s.environment(&args.environment)?;
    let mut sheet =
        Sheet::new(ROWS, if args.all { "file,size,date,expiry,initiator,state,reason" } else { "file,size,date,expiry,initiator" });
    let (mut newest, mut incomplete) = (None, Vec::new());
    choose::each(s, &environment.id, |backup| {
        for e in backup.elements.iter().filter(|e| wanted.contains(&e.element)) {
            let usable = backup.state.is_usable() && e.state.is_usable();
            if usable && e.state == BackupState::Incomplete {
                incomplete.push(e.filename.clone());
            }
            if usable || args.all {
                sheet.add(element_row(&backup, e));
            }
        }
        newest.get_or_insert(backup);
        ControlFlow::Continue(())
    })?;
    if sheet.rows.is_empty() {
        s.console.warn("You have no backups.");
    }
    if !args.all {
        incomplete.iter().for_each(|file| s.console.warn(&format!("{file} is incomplete")));
        newest.iter().filter(|b| b.state == BackupState::Failed).for_each(|b| tell_failed(s, b));
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn tell_failed(s: &mut Session<'_>, b: &Backup) {
    let why = b.message.as_ref().map_or_else(String::new, |m| format!(": {m}"));
    s.console.warn(&format!("the newest backup, of {}, failed{why}", Cell::date(Some(&b.created)).text));
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    if args.file.is_some() && args.element.is_some() {
        return Err(Error::invalid("You cannot specify a file and an element at the same time."));
    }
    let wanted = args.element.as_deref().map(elements).transpose()?;
    let environment = s.environment(&args.environment)?;
    let usual = usual(&environment);
    let (backup, one) = match (&args.file, &args.backup, wanted.as_deref()) {
        (Some(file), _, _) => choose::by_file(s, &environment, file).map(|(b, e)| (b, Some(e)))?,
        (None, Some(id), None) => (choose::backup_of(s, &environment, id)?, None),
        (None, Some(id), Some(some)) => (choose::backup_of(s, &environment, id)?, single(some)),
        (None, None, None) => (newest_with(s, &environment, &[usual])?, Some(usual)),
        (None, None, Some(some)) => (newest_with(s, &environment, some)?, single(some)),
    };
    let Some(element) = one else {
        s.print(Sheet::one(
            SET,
            "id,state,reason,size,date,expiry,initiator,elements,files,pinned,warnings,problems,message",
            set_row(&backup),
        ))?;
        return Ok(Exit::Good);
    };
    let row = backup.elements.iter().find(|e| e.element == element).map(|e| element_row(&backup, e));
    let row = row.ok_or_else(|| Error::not_found(format!("the backup {} has no {element}", backup.id)))?;
    s.print(Sheet::one(ROWS, "file,size,date,expiry,initiator,state,reason,id,problems", row))?;
    Ok(Exit::Good)
}

/// Terminus shows the newest `files`. An environment without uploads has no such element, and shows what it has.
fn usual(environment: &view::Environment) -> Element {
    if environment.elements.contains(&Element::Files) {
        return Element::Files;
    }
    environment.elements.first().copied().unwrap_or(Element::Code)
}

fn single(elements: &[Element]) -> Option<Element> {
    if let [one] = elements { Some(*one) } else { None }
}

/// The newest usable backup with any of the elements, whatever it was made for.
fn newest_with(s: &mut Session<'_>, environment: &view::Environment, wanted: &[Element]) -> Result<Backup> {
    let mut found = None;
    choose::each(s, &environment.id, |backup| {
        if choose::usable(&backup).iter().any(|e| wanted.contains(e)) {
            found = Some(backup);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    found.ok_or_else(|| choose::none(&super::session::short_name(environment)))
}

fn change(s: &mut Session<'_>, reference: &str, change: &Value, said: impl Fn(&Backup) -> String) -> Result<Exit> {
    let backup = choose::backup(s, reference)?;
    let backup: Backup = s.client()?.patch(&format!("/backups/{}", escaped(&backup.id)), change)?;
    let said = said(&backup);
    s.console.notice(&said);
    print_when_wanted(s, &backup)?;
    Ok(Exit::Good)
}

pub fn pin(s: &mut Session<'_>, reference: &str, pinned: bool) -> Result<Exit> {
    change(s, reference, &json!({ "pinned": pinned }), |b| match pinned {
        true => format!("Pinned the backup {}: it does not expire.", b.id),
        false => format!("Unpinned the backup {}. Expiry: {}.", b.id, expiry(b).text),
    })
}

pub fn note(s: &mut Session<'_>, args: &Note) -> Result<Exit> {
    change(s, &args.backup, &json!({ "note": args.note }), |b| format!("The backup {} now reads: {}", b.id, b.reason))
}

pub fn verify(s: &mut Session<'_>, args: &Verify) -> Result<Exit> {
    let backup = choose::backup(s, &args.backup)?;
    let job: view::Job = s.client()?.queue(&format!("/backups/{}/verify", escaped(&backup.id)), &json!({}))?.body;
    if !args.wait.waits() {
        s.console
            .notice(&format!("Queued the verification of the backup {}: `sitekeep job:log --follow {}` follows it.", backup.id, job.id));
        return Ok(Exit::Good);
    }
    let (job, exit) = jobs::wait(s, &job.id)?;
    if exit == Exit::Good {
        let read = job.message.unwrap_or_else(|| "everything was read".into());
        s.console.notice(&format!("The backup {} can be read back whole: {read}.", backup.id));
    }
    Ok(exit)
}
