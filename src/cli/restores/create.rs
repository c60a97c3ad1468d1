//! `backup:restore`: chooses one set, says what will happen, asks, and follows.

use super::Create;
use super::ending::{agreed, carry_out};
use super::sheets::{PLAN, names, plan_row};
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::cli::choose::{self, elements};
use crate::cli::client::escaped;
use crate::cli::exit::Exit;
use crate::cli::output::sheet::people_date;
use crate::cli::output::{Sheet, plain};
use crate::cli::session::{Session, full_name, short_name};
use crate::domain::element::Element;
use crate::domain::names::Address;
use crate::domain::state::BackupState;
use crate::domain::view::{self, Backup, Environment, Plan, RestoreAnswer};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub fn create(s: &mut Session<'_>, args: &Create) -> Result<Exit> {
    if args.file.is_some() && args.element.is_some() {
        return Err(Error::invalid("You cannot specify a file and an element at the same time."));
    }
    let wanted = args.element.as_deref().map(elements).transpose()?;
    let source = s.environment(&args.environment)?;
    let target = target(s, args, &source)?;
    let (backup, element) = chosen(s, args, wanted.as_deref(), &source)?;
    let mut wish = view::CreateRestore {
        backup: Some(backup.id.clone()),
        element: Some(element).filter(|_| args.paths.is_empty() && args.tables.is_empty()),
        paths: args.paths.iter().filter_map(|p| p.to_str().map(str::to_owned)).collect(),
        paths_hex: args.paths.iter().filter(|p| p.to_str().is_none()).map(|p| hex(p.as_os_str().as_bytes())).collect(),
        tables: args.tables.clone(),
        note: args.note.clone(),
        dry_run: true,
        ..Default::default()
    };
    let path = format!("/environments/{}/restores", escaped(&target.id));
    let plan = s.client()?.post::<RestoreAnswer>(&path, &wish)?.body.plan;
    tell_plan(s, args.dry_run, &plan, &backup, &target)?;
    if args.dry_run {
        s.console.notice("Nothing was changed.");
        return Ok(Exit::Good);
    }
    let question = format!("Are you sure you want to restore to {} on {}?", target.name, target.site);
    if !agreed(s, &target, &question, args.confirm.as_deref())? {
        return Ok(Exit::Failed);
    }
    (wish.dry_run, wish.confirm) = (false, Some(target.name.clone()));
    let answer = s.client()?.queue::<RestoreAnswer>(&path, &wish)?;
    if !answer.fresh {
        s.console.notice(&format!("This restore is running already on {}.", short_name(&target)));
    }
    let restore = answer.body.restore.ok_or_else(|| Error::internal("the server did not say which restore it queued"))?;
    carry_out(s, restore, &args.wait)
}

fn target(s: &mut Session<'_>, args: &Create, source: &Environment) -> Result<Environment> {
    match (&args.to, &args.to_env) {
        (Some(address), _) => s.environment(address),
        (None, Some(name)) => {
            let address = Address { tenant: Some(source.tenant.clone()), site: source.site.clone(), environment: name.clone() };
            s.environment(&address.to_string())
        }
        (None, None) => Ok(source.clone()),
    }
}

/// The one backup, and the elements of it as the API is asked for them.
fn chosen(s: &mut Session<'_>, args: &Create, wanted: Option<&[Element]>, source: &Environment) -> Result<(Backup, String)> {
    if let Some(file) = &args.file {
        let (backup, element) = choose::by_file(s, source, file)?;
        return Ok((backup, element.name().into()));
    }
    let of_parts = elements_of(args, &source.elements);
    let asked = wanted.unwrap_or(&of_parts);
    let backup = match &args.backup {
        Some(id) => choose::backup_of(s, source, id)?,
        None => {
            // A list that was typed is wanted whole; `all` is what there is.
            let partly = args.element.as_deref().is_none_or(|e| e == "all");
            let wanted: Vec<Element> = asked.iter().copied().filter(|e| !partly || source.elements.contains(e)).collect();
            let choice = choose::newest(s, source, &wanted, partly)?;
            if let Some(newer) = &choice.newer {
                s.console.notice(&format!(
                    "The newer backup {} of {} has only {}; --backup={} would take it.",
                    newer.id,
                    people_date(&newer.created),
                    names(&choose::usable(newer)).join(", "),
                    newer.id
                ));
            }
            choice.backup
        }
    };
    let have = choose::usable(&backup);
    if !asked.iter().any(|e| have.contains(e)) {
        let what = if have.is_empty() { "nothing that can be restored".into() } else { format!("only {}", names(&have).join(", ")) };
        return Err(Error::not_found(format!("the backup {} has no {}: it has {what}", backup.id, names(asked).join(", "))));
    }
    Ok((backup, wanted.map_or_else(|| "all".into(), |w| names(w).join(","))))
}

/// The elements that a backup must have for these paths and tables: a path that is not named as in a backup may be of any.
fn elements_of(args: &Create, all: &[Element]) -> Vec<Element> {
    let in_one = |p: &PathBuf| [Element::Code, Element::Files].into_iter().find(|e| p.starts_with(e.name()));
    let mut of: Vec<Element> = args.paths.iter().filter_map(in_one).collect();
    of.extend((!args.tables.is_empty()).then_some(Element::Database));
    if of.is_empty() { all.to_vec() } else { of }
}

/// What will happen: on standard output when that was the question, otherwise before the question.
fn tell_plan(s: &mut Session<'_>, dry_run: bool, plan: &Plan, backup: &Backup, target: &Environment) -> Result<()> {
    if dry_run && s.wants_data() {
        return s.print(Sheet::one(PLAN, "backup,from,to,elements,missing,paths,tables,lines,warnings", plan_row(plan)));
    }
    let mut lines = vec![
        format!("Restore to {} from the backup {}: {} - {}", full_name(target), backup.id, people_date(&backup.created), backup.reason),
        format!("Elements: {}", names(&plan.elements).join(", ")),
    ];
    let only: Vec<String> = plan.paths.iter().cloned().chain(plan.tables.iter().map(|t| format!("table {t}"))).collect();
    if !only.is_empty() {
        lines.push(format!("Only: {}", only.join(", ")));
    }
    lines.extend(plan.lines.iter().map(|line| format!("- {line}")));
    lines.extend(plan.newest.iter().map(|n| format!("- {}: the newest of these, as it is now, is of {}", n.element, people_date(&n.at))));
    if dry_run {
        s.console.data(&lines.iter().map(|line| plain::line(line) + "\n").collect::<String>())?;
    } else {
        lines.iter().for_each(|line| s.console.notice(line));
    }
    let missing = names(&plan.missing).join(", ");
    if !missing.is_empty() {
        s.console.warn(&format!("This backup lacks: {missing}. That stays as it is."));
    }
    if backup.state == BackupState::Incomplete {
        s.console.warn("This backup is incomplete.");
    }
    plan.warnings.iter().for_each(|w| s.console.warn(w));
    Ok(())
}
