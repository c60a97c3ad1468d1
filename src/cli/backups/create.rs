//! `backup:create`: asks for a backup, stays until it is there, and says honestly what came of it.

use super::sheets::{SET, expiry, problems, set_row};
use super::{Create, Wait};
use crate::base::error::{Error, Result};
use crate::base::units;
use crate::cli::choose::elements;
use crate::cli::client::{Answer, escaped};
use crate::cli::exit::Exit;
use crate::cli::follow::{ask, follow};
use crate::cli::output::Sheet;
use crate::cli::session::Session;
use crate::domain::state::BackupState;
use crate::domain::view::{self, Backup};

pub fn create(s: &mut Session<'_>, args: Create) -> Result<Exit> {
    elements(&args.element)?;
    let environment = s.environment(&args.environment)?;
    let body = view::CreateBackup { element: Some(args.element), note: args.note, keep_for: args.keep_for };
    let answer = s.client()?.queue::<Backup>(&format!("/environments/{}/backups", escaped(&environment.id)), &body)?;
    made(s, &environment.name, answer, &args.wait)
}

/// A backup was asked for: stays until it has ended, unless told not to.
pub fn made(s: &mut Session<'_>, name: &str, answer: Answer<Backup>, wait: &Wait) -> Result<Exit> {
    let mut backup = answer.body;
    if !answer.fresh {
        s.console.notice(&format!("A backup of the {name} environment is running already ({}).", backup.id));
    }
    let job = backup.job.clone();
    if !wait.waits() {
        if answer.fresh {
            s.console.notice(&format!("Queued a backup of the {name} environment ({}).", backup.id));
        }
        job.iter().for_each(|job| s.console.notice(&format!("`sitekeep job:log --follow {job}` follows it.")));
        return print_when_wanted(s, &backup).map(|()| Exit::Good);
    }
    let mut ended = None;
    if !backup.state.is_final() {
        let job = job.ok_or_else(|| Error::internal("the server did not say which job makes the backup"))?;
        ended = Some(follow(s, &job)?);
        backup = ask(s, &format!("/backups/{}", escaped(&backup.id)), &job)?;
    }
    let exit = conclude(s, &backup, ended.as_ref());
    print_when_wanted(s, &backup)?;
    Ok(exit)
}

pub fn print_when_wanted(s: &mut Session<'_>, backup: &Backup) -> Result<()> {
    if s.wants_data() { s.print(Sheet::one(SET, "id,state,size,date,expiry,elements", set_row(backup))) } else { Ok(()) }
}

/// Says how the backup ended, and what is wrong with it.
fn conclude(s: &mut Session<'_>, backup: &Backup, job: Option<&view::Job>) -> Exit {
    let name = &backup.environment;
    if backup.state.is_usable() {
        s.console.notice(&format!("Created a backup of the {name} environment."));
        let parts: Vec<String> = backup.elements.iter().map(|e| format!("{} {}", e.element, units::size(e.size))).collect();
        s.console.notice(&format!("{}: {}. Expiry: {}.", backup.id, parts.join(", "), expiry(backup).text));
        backup.warnings.iter().for_each(|w| s.console.warn(w));
    }
    match backup.state {
        BackupState::Succeeded => Exit::Good,
        BackupState::Incomplete => {
            tell_incomplete(s, backup);
            Exit::Incomplete
        }
        state => {
            let what = if state == BackupState::Cancelled { "was cancelled" } else { "failed" };
            let said = backup.message.clone().or_else(|| job.and_then(|j| j.message.clone()));
            s.console.error(&said.unwrap_or_else(|| format!("The backup of the {name} environment {what}.")));
            job.and_then(|j| j.hint.as_ref()).into_iter().for_each(|hint| s.console.hint(hint));
            Exit::Failed
        }
    }
}

fn tell_incomplete(s: &mut Session<'_>, backup: &Backup) {
    const SOME: usize = 10;
    s.console.warn(&format!("The backup of the {} environment is incomplete.", backup.environment));
    for e in backup.elements.iter().filter(|e| e.state != BackupState::Succeeded && e.problems.is_empty()) {
        s.console.warn(&format!("{}: {}", e.element, e.state));
    }
    let all = problems(backup.elements.iter().flat_map(|e| &e.problems));
    all.iter().take(SOME).for_each(|p| s.console.warn(p));
    if all.len() > SOME {
        let address = format!("{}/{}.{}", backup.tenant, backup.site, backup.environment);
        s.console.warn(&format!("… and {} more: `sitekeep backup:info {address} --backup={} --element=all`", all.len() - SOME, backup.id));
    }
}
