//! Chosen tables alone: what has to hold so that everything else stays as it is.

use super::super::catalogue::Catalogue;
use super::super::session::{Session, unhex};
use super::Names;
use super::notes::{Notes, Side};
use crate::base::error::{Error, Result};
use crate::hosting::database::refuse_ties;
use std::collections::BTreeSet;

/// May these tables change places by themselves?
///
/// # Errors
/// `Invalid` for what is no table, belongs to another site, or is tied to a table that was not chosen.
pub fn check(live: &Session, only: &[String]) -> Result<()> {
    let found = Catalogue::tables(live)?;
    for table in only {
        if found.hidden.contains(table) {
            return Err(Error::invalid(format!("the table {table} belongs to another site in the same database")));
        }
        if let Some(t) = found.tables.iter().find(|t| t.name == *table && !t.is_table()) {
            return Err(Error::invalid(format!("{table} is a {} in the live database, and no table", t.kind.to_lowercase()))
                .hint("restore the whole database, or drop it first"));
        }
    }
    refuse_ties(only, &ties(live)?)
}

/// Foreign keys: the table that has one, and the one that it refers to.
fn ties(live: &Session) -> Result<Vec<(String, String)>> {
    let rows = live.ask(
        "select hex(table_name), hex(referenced_table_name) from information_schema.referential_constraints \
         where constraint_schema=database() and unique_constraint_schema=database();",
        None,
    )?;
    // What lies aside since a restore before has keys of its own, which are nobody's business here.
    let hidden = Catalogue::tables(live)?.hidden;
    let ties = rows.iter().filter(|r| r.len() == 2).map(|r| (unhex(&r[0]), unhex(&r[1])));
    Ok(ties.filter(|(from, to)| !hidden.contains(from) && !hidden.contains(to)).collect())
}

/// Right before tables change places: a key may have been made since.
pub fn check_again(live: &Session, names: &Names) -> Result<()> {
    names.only.as_ref().map_or(Ok(()), |only| check(live, only))
}

/// The names of triggers are the database's: one that comes with a chosen table may not be that of another table.
pub fn refuse_triggers(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    if names.only.is_none() {
        return Ok(());
    }
    let rows = live
        .ask("select hex(trigger_name), hex(event_object_table) from information_schema.triggers where trigger_schema=database();", None)?;
    let coming: Vec<String> = notes.programs(live, Side::New)?.into_iter().map(|(_, name)| name).collect();
    let there = rows.iter().filter(|r| r.len() == 2).map(|r| (unhex(&r[0]), unhex(&r[1])));
    let ours = |table: &String| names.is_meant(table) || table.starts_with(&names.staged) || table.starts_with(&names.aside);
    match there.into_iter().find(|(trigger, table)| coming.contains(trigger) && !ours(table)) {
        Some((trigger, table)) => Err(Error::invalid(format!(
            "the trigger {trigger} of the backup belongs to a chosen table, and the table {table}, which was not chosen, has one of that name now"
        ))
        .hint(format!("choose {table}, too, or restore the whole database"))),
        None => Ok(()),
    }
}

fn broken_views(found: &Catalogue) -> BTreeSet<String> {
    found.tables.iter().filter(|t| t.broken).map(|t| t.name.clone()).collect()
}

/// Views that are broken already are nothing that the switch does.
pub fn note_broken_views(live: &Session, found: &Catalogue, notes: &Notes) -> Result<()> {
    broken_views(found).iter().try_for_each(|view| notes.add(live, Side::Old, "broken", view))
}

/// A view that was not chosen must not break by what the chosen tables lack.
pub fn refuse_broken_views(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    if names.only.is_none() {
        return Ok(());
    }
    let before: BTreeSet<String> = notes.named(live, Side::Old, "broken")?.into_iter().collect();
    match broken_views(&Catalogue::tables(live)?).difference(&before).next() {
        Some(view) => Err(Error::permanent(format!("the view {view} needs something that the restored tables do not have"))
            .hint("restore the whole database, or drop the view first")),
        None => Ok(()),
    }
}
