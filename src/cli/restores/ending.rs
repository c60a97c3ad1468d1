//! What restores and undos share: somebody agrees, the job is followed, and its end is told.

use super::sheets::{COLUMNS, row};
use crate::base::error::{Error, Result};
use crate::cli::backups::Wait;
use crate::cli::client::escaped;
use crate::cli::exit::Exit;
use crate::cli::follow::{ask, follow};
use crate::cli::output::Sheet;
use crate::cli::output::sheet::people_date;
use crate::cli::session::{Session, full_name, short_name};
use crate::domain::element::Element;
use crate::domain::state::RestoreState;
use crate::domain::view::{self, Environment, Restore};

/// Has somebody agreed? A live environment's name is typed; `--yes` and `--confirm` answer for those who cannot be asked.
///
/// # Errors
/// `Invalid` when nobody can be asked, or `--confirm` names something else.
pub fn agreed(s: &mut Session<'_>, target: &Environment, question: &str, confirm: Option<&str>) -> Result<bool> {
    let (short, full) = (short_name(target), full_name(target));
    let names_it = |text: &str| [target.name.as_str(), &short, &full].contains(&text.trim());
    if let Some(name) = confirm {
        let wrong = || Error::invalid(format!("--confirm names {name:?}, and the target is {full}")).hint(format!("--confirm={short}"));
        return if names_it(name) { Ok(true) } else { Err(wrong()) };
    }
    if s.global.yes {
        return Ok(true);
    }
    let yes = if target.live {
        s.console.notice(&format!("{full} is live."));
        names_it(&s.console.ask(&format!("{question} Type {short} to go on: "))?)
    } else {
        s.console.confirm(question)?
    };
    if !yes {
        s.console.notice("Nothing was changed.");
    }
    Ok(yes)
}

/// Follows a restore that was queued to its end, unless that was not wanted.
pub fn carry_out(s: &mut Session<'_>, mut restore: Restore, wait: &Wait) -> Result<Exit> {
    let job = restore.job.clone().ok_or_else(|| Error::internal("the server did not say which job restores"))?;
    if !wait.waits() {
        s.console.notice(&format!("Queued the {} {}: `sitekeep job:log --follow {job}` follows it.", restore.kind, restore.id));
        print_when_wanted(s, &restore)?;
        return Ok(Exit::Good);
    }
    let goes_on_back = restore.state == RestoreState::Unwinding;
    let ended = follow(s, &job)?;
    restore = ask(s, &format!("/restores/{}", escaped(&restore.id)), &job)?;
    if goes_on_back && restore.state != RestoreState::Stuck {
        s.console.notice(&format!("Everything was switched back: {} is as it was before.", restore.environment));
        print_when_wanted(s, &restore)?;
        return Ok(Exit::Good);
    }
    let exit = conclude(s, &restore, &ended);
    print_when_wanted(s, &restore)?;
    Ok(exit)
}

fn print_when_wanted(s: &mut Session<'_>, restore: &Restore) -> Result<()> {
    if s.wants_data() { s.print(Sheet::one(COLUMNS, "id,state,elements,backup,safety_backup,undo_until", row(restore))) } else { Ok(()) }
}

fn conclude(s: &mut Session<'_>, restore: &Restore, job: &view::Job) -> Exit {
    let environment = &restore.environment;
    if restore.state == RestoreState::Succeeded {
        tell_success(s, restore);
        return Exit::Good;
    }
    let said = restore.message.clone().or_else(|| job.message.clone());
    s.console.error(&said.unwrap_or_else(|| match restore.state {
        RestoreState::Cancelled => format!("The {} of {environment} was cancelled.", restore.kind),
        _ => "There was an error while restoring your backup.".into(),
    }));
    match restore.state {
        RestoreState::Unwound => s.console.notice(&format!("Everything was switched back: {environment} is as it was before.")),
        RestoreState::Stuck => s.console.warn(&format!("Switching back failed too. {environment} stays locked until somebody has looked.")),
        _ => (),
    }
    let hint = restore.hint.clone().or_else(|| job.hint.clone());
    s.console.hint(&hint.unwrap_or_else(|| format!("`sitekeep restore:info {}` shows the steps", restore.id)));
    Exit::Failed
}

fn tell_success(s: &mut Session<'_>, restore: &Restore) {
    // The order that Terminus users read.
    for element in [Element::Code, Element::Files, Element::Database].into_iter().filter(|e| restore.elements.contains(e)) {
        s.console.notice(&match restore.kind.as_str() {
            "undo" => format!("Brought back the {element} of {}.", restore.environment),
            _ => format!("Restored the {element} backup to {}.", restore.environment),
        });
    }
    for step in restore.steps.iter().filter(|step| step.message.is_some()) {
        s.console.notice(&format!("{}: {}", step.title, step.message.as_deref().unwrap_or_default()));
    }
    if let Some(safety) = &restore.safety_backup {
        s.console.notice(&format!("What was there before is the backup {safety}."));
    }
    if let Some(until) = &restore.undo_until {
        s.console.notice(&format!("`sitekeep backup:undo {}` brings it back exactly, until {}.", restore.id, people_date(until)));
    }
}
