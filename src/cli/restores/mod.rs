//! Restores: from one set, after a question that names the target, and back again.

mod create;
mod ending;
mod sheets;

pub use create::create;

use super::backups::Wait;
use super::client::escaped;
use super::exit::Exit;
use super::output::Sheet;
use super::output::sheet::people_date;
use super::session::{Session, short_name};
use crate::base::error::{Error, Result};
use crate::domain::names::Address;
use crate::domain::state::RestoreState;
use crate::domain::view::{Environment, Restore};
use ending::{agreed, carry_out};
use serde_json::json;
use sheets::{COLUMNS, names, row};
use std::path::PathBuf;

/// Restore an environment from one backup
///
/// By default from the newest usable backup that has all its elements; where none has, from the newest, and it is said
/// which elements that one lacks. Elements are never gathered from several backups. What is overwritten is backed up
/// first, and `sitekeep backup:undo` brings it back.
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// Whose backup it is; also the target, unless --to or --to-env names another
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// Only what this file of a backup holds
    #[arg(long, conflicts_with = "backup")]
    pub file: Option<String>,
    /// The backup's id
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
    /// code, files, database (or db), a list with commas, or all [default: all]
    #[arg(long)]
    pub element: Option<String>,
    /// Only this file or folder, for example files/public/logo.png, or as it lies on the site; may be given several times
    #[arg(long = "path", value_name = "PATH", conflicts_with_all = ["element", "file"])]
    pub paths: Vec<PathBuf>,
    /// Only this table of the database, as the backup names it; may be given several times
    #[arg(long = "table", value_name = "TABLE", conflicts_with_all = ["element", "file"])]
    pub tables: Vec<String>,
    /// Restore into this environment
    #[arg(long, value_name = "TENANT/SITE.ENV", conflicts_with = "to_env")]
    pub to: Option<String>,
    /// Restore into this environment of the same site
    #[arg(long, value_name = "NAME")]
    pub to_env: Option<String>,
    /// Only say what would be overwritten
    #[arg(long)]
    pub dry_run: bool,
    /// Why; shown in the list of restores
    #[arg(long)]
    pub note: Option<String>,
    /// The target's name, instead of typing it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    #[command(flatten)]
    pub wait: Wait,
}

/// Undo a restore
#[derive(Clone, Debug, clap::Args)]
pub struct Undo {
    /// The restore's id, or an environment whose last restore is meant
    #[arg(value_name = "RESTORE|SITE.ENV")]
    pub what: String,
    /// The environment's name, instead of typing it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    #[command(flatten)]
    pub wait: Wait,
}

/// List the restores of an environment, the newest first
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
}

/// Show a restore and its steps
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    /// Its id
    pub restore: String,
}

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let mut sheet = Sheet::new(COLUMNS, "id,date,kind,state,elements,backup,initiator");
    of_environment(s, &environment)?.iter().for_each(|r| sheet.add(row(r)));
    if sheet.rows.is_empty() {
        s.console.warn(&format!("Nothing was ever restored on {}.", short_name(&environment)));
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

fn of_environment(s: &mut Session<'_>, environment: &Environment) -> Result<Vec<Restore>> {
    s.client()?.get(&format!("/environments/{}/restores", escaped(&environment.id)))
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let restore: Restore = s.client()?.get(&format!("/restores/{}", escaped(&args.restore)))?;
    let shown =
        "id,kind,environment,state,elements,paths,tables,backup,safety_backup,note,initiator,date,finished,undo_until,message,hint,steps";
    s.print(Sheet::one(COLUMNS, shown, row(&restore)))?;
    Ok(Exit::Good)
}

pub fn undo(s: &mut Session<'_>, args: &Undo) -> Result<Exit> {
    let restore: Restore = if args.what.contains('.') {
        let environment = s.environment(&args.what)?;
        last_undoable(of_environment(s, &environment)?, &short_name(&environment))?
    } else {
        s.client()?.get(&format!("/restores/{}", escaped(&args.what)))?
    };
    let address = Address { tenant: Some(restore.tenant.clone()), site: restore.site.clone(), environment: restore.environment.clone() };
    let target = s.environment(&address.to_string())?;
    let what = format!("the {} of {}", restore.kind, people_date(&restore.created));
    s.console.notice(&format!("Undo {what} on {address} ({}): {}", restore.id, names(&restore.elements).join(", ")));
    let question = format!("Are you sure you want to undo {what} to {} on {}?", target.name, target.site);
    if !agreed(s, &target, &question, args.confirm.as_deref())? {
        return Ok(Exit::Failed);
    }
    let path = format!("/restores/{}/undo", escaped(&restore.id));
    let undo = s.client()?.queue::<Restore>(&path, &json!({ "confirm": target.name }))?.body;
    carry_out(s, undo, &args.wait)
}

/// The last restore that took effect, when it has not been undone yet.
fn last_undoable(restores: Vec<Restore>, name: &str) -> Result<Restore> {
    // One that is stuck goes on with its way back.
    let last = restores.into_iter().find(|r| matches!(r.state, RestoreState::Succeeded | RestoreState::Stuck));
    let last = last.ok_or_else(|| {
        Error::not_found(format!("there is no restore on {name} that could be undone"))
            .hint(format!("`sitekeep restore:list {name}` shows what was restored"))
    })?;
    if last.kind == "undo" && last.state == RestoreState::Succeeded {
        let (of, at) = (last.undo_of.as_deref().unwrap_or("the last one"), people_date(&last.created));
        return Err(Error::conflict(format!("the last restore on {name}, {of}, was undone already, on {at}"))
            .hint(format!("`sitekeep backup:undo {}` undoes that undo", last.id)));
    }
    Ok(last)
}
