//! Staged data in the site's own database: tables under names that begin with `sk<ticket>_`, which change places with
//! the live ones by a single RENAME TABLE.
//!
//! Views, triggers, routines and events cannot wait under another name: they name each other and the tables. So their
//! statements are kept in a notes table, `sk<ticket>_0`, in the order of the dump, and run after the renaming; those of
//! the live data are written down there before it, for the way back. The notes table is renamed by the same statement
//! (to `sko<ticket>_0`): its name alone says on which side of the switch the database is, after any crash.
//!
//! Where only chosen tables change places, they take their triggers with them, and nothing else is noted, renamed or dropped:
//! views find the table by its name. What a foreign key ties to a table that was not chosen is refused: the key would
//! follow the table that is put aside.
//!
//! What this cannot do: between the renaming and the last view, trigger and routine the site lacks some of them (it is
//! in maintenance then); they belong to the site's user afterwards, whoever made them; those that the site's user may
//! not read stay as they are; the dump must hold nothing but what a dump tool writes; a table's default may not call
//! a sequence that the live database does not have; an index that the server made by itself for a named foreign key may
//! stand behind the others after the way back.

mod editor;
mod keys;
mod notes;
mod only;

use super::super::{Means, Staged, short};
use super::catalogue::Catalogue;
use super::import;
use super::rewrite::Outward;
use super::script::Script;
use super::session::{Session, name};
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::DatabaseAddress;
use editor::{Keep, Sideways};
use notes::{Notes, Side, State};
pub use only::check as check_tables;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// The two beginnings of names that a ticket has.
#[derive(Clone, Debug)]
pub struct Names {
    pub staged: String,
    pub aside: String,
    /// Only these tables change places; `None`: all of them, with everything else that a database holds.
    pub only: Option<Vec<String>>,
}

impl Names {
    pub fn of(ticket: &str) -> Self {
        let short = short(ticket);
        Self { staged: format!("sk{short}_"), aside: format!("sko{short}_"), only: None }
    }
    fn from(staged: &Staged) -> Result<Self> {
        match &staged.means {
            Means::Beside { staged, aside } => Ok(Self { staged: staged.clone(), aside: aside.clone(), only: None }),
            Means::Tables { tables } => Ok(Self { only: Some(tables.clone()), ..Self::of(&staged.ticket) }),
            _ => Err(Error::internal("this restore does not lie beside the live tables")),
        }
    }
    /// Does this table change places?
    fn is_meant(&self, table: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|t| t == table))
    }
}

/// The name that `table` has under a beginning; one that would be longer than MySQL's 64 characters is cut, and told
/// apart by its hash.
pub fn under(beginning: &str, table: &str) -> String {
    if beginning.len() + table.chars().count() <= 64 {
        return format!("{beginning}{table}");
    }
    let cut: String = table.chars().take(64 - beginning.len() - 9).collect();
    format!("{beginning}{cut}_{}", short(table))
}

/// Makes the notes table; what the ticket left over is dropped.
pub fn make(live: &Session, ticket: &str, address: &DatabaseAddress) -> Result<(Staged, Secret)> {
    let names = Names::of(ticket);
    if Notes::find(live, &names)?.is_some_and(|n| n.renamed || n.state != State::Staged) {
        return Err(Error::conflict(format!("the restore {ticket} was switched already")).hint("undo it first"));
    }
    drop_all(live, &names.staged)?;
    Notes::make(live, &names)?;
    let means = Means::Beside { staged: names.staged, aside: names.aside };
    Ok((Staged { ticket: ticket.to_owned(), means, address: address.clone() }, live.password().clone()))
}

/// Imports the tables under their staged names, and notes the rest.
pub fn import(live: &Session, staged: &Staged, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
    let names = Names::from(staged)?;
    let notes = Notes::need(live, &names)?;
    if notes.renamed {
        return Err(Error::conflict(format!("the restore {} was switched already", staged.ticket)));
    }
    let editor = Sideways::new(&live.account.database, &names, Side::New, Keep::Tables);
    import::feed(live, &mut Script::new(dump, editor), watch)?;
    only::refuse_triggers(live, &names, &notes)
}

/// Rows of the staged tables, by the names that they are going to have.
pub fn count(live: &Session, staged: &Staged) -> Result<BTreeMap<String, u64>> {
    let names = Names::from(staged)?;
    let notes = Notes::need(live, &names)?;
    let beginning = if notes.renamed { "" } else { names.staged.as_str() };
    let tables: Vec<(String, String)> = notes
        .tables(live, Side::New)?
        .into_iter()
        .filter(|(_, sequence)| !sequence)
        .map(|(table, _)| (if beginning.is_empty() { table.clone() } else { under(beginning, &table) }, table))
        .collect();
    Catalogue::count(live, &tables)
}

pub fn is_switched(live: &Session, staged: &Staged) -> Result<bool> {
    let notes = Notes::find(live, &Names::from(staged)?)?;
    Ok(notes.is_some_and(|n| n.renamed && n.state == State::New))
}

pub fn switch(live: &Session, staged: &Staged) -> Result<()> {
    let names = Names::from(staged)?;
    let mut notes = Notes::need(live, &names)?;
    if !notes.renamed {
        only::check_again(live, &names)?;
        if !any_aside(live, &names)? {
            write_down_live(live, &names, &notes)?;
        }
        only::refuse_triggers(live, &names, &notes)?;
        notes.set(live, State::Going)?;
        rename_forth(live, &names, &notes)?;
        notes = Notes::need(live, &names)?;
    }
    if notes.state != State::New {
        let (from, to) = (notes.programs(live, Side::Old)?, notes.statements(live, Side::New)?);
        apply(live, &from, &notes.programs(live, Side::New)?, || keys::forth(live, &names, &notes), &to)?;
        only::refuse_broken_views(live, &names, &notes)?;
        notes.set(live, State::New)?;
    }
    Ok(())
}

pub fn switch_back(live: &Session, staged: &Staged) -> Result<()> {
    let names = Names::from(staged)?;
    // Without notes nothing was ever switched, or what was put aside is gone: then there is no way back.
    let Some(mut notes) = Notes::find(live, &names)? else {
        return Err(Error::conflict(format!("nothing is left of what the restore {} put aside", staged.ticket)));
    };
    if !notes.renamed && matches!(notes.state, State::Staged | State::Old) {
        return Ok(());
    }
    if notes.renamed {
        if notes.state == State::New {
            only::check_again(live, &names)?;
        }
        notes.set(live, State::Back)?;
        claim_newcomers(live, &names, &notes)?;
        rename_back(live, &names, &notes)?;
        notes = Notes::need(live, &names)?;
    }
    let (from, to) = (notes.programs(live, Side::New)?, notes.statements(live, Side::Old)?);
    apply(live, &from, &notes.programs(live, Side::Old)?, || keys::back(live, &names, &notes), &to)?;
    notes.set(live, State::Old)
}

/// Drops what is not live: before a switch the staged tables, after it those that were put aside.
pub fn discard(live: &Session, staged: &Staged) -> Result<()> {
    let names = Names::from(staged)?;
    match Notes::find(live, &names)? {
        Some(n) if n.renamed && n.state == State::New => drop_all(live, &names.aside),
        Some(n) if n.renamed => {
            Err(Error::conflict("the switch is half done").hint("let it be finished or undone before anything is dropped"))
        }
        _ => {
            // A switch that never came to the renaming, or a way back that did: the live programs are made whole first.
            if Notes::find(live, &names)?.is_some() {
                switch_back(live, staged)?;
            }
            drop_all(live, &names.staged)
        }
    }
}

/// Writes down what is live: its tables, and the statements that make its views, triggers, routines and events.
fn write_down_live(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    notes.forget(live, Side::Old)?;
    let found = Catalogue::read(live)?;
    if names.only.is_some() {
        only::note_broken_views(live, &found, notes)?;
    }
    let Some(args) = structure_of(live, &found, names) else { return Ok(()) };
    let mut running = live.tool(&live.tools.dump)?.args(args).start(false, true)?;
    let database = &live.account.database;
    let structure = Script::new(running.stdout()?, Outward::new(database));
    let mut script = Script::new(structure, Sideways::new(database, names, Side::Old, Keep::Notes));
    import::feed(live, &mut script, &Watch::new()).map_err(|e| e.context("writing down the live structure"))?;
    let ended = running.wait(None)?;
    let excused = |line: &str| line.contains("insufficient privileges to SHOW CREATE");
    if found.unreadable.is_empty() || ended.complaints.is_empty() || !ended.complaints.lines().all(excused) {
        ended.success(super::session::explain)?;
    }
    Ok(())
}

/// The dump tool's arguments for the structure of what is live; `None` where none of the chosen tables is.
fn structure_of(live: &Session, found: &Catalogue, names: &Names) -> Option<Vec<String>> {
    let mut args: Vec<String> =
        ["--no-data", "--triggers", "--single-transaction", "--skip-lock-tables", "--default-character-set=utf8mb4"]
            .map(str::to_owned)
            .into();
    args.extend(["--no-tablespaces", "--skip-dump-date"].map(str::to_owned));
    if !found.unreadable.is_empty() {
        args.push("--force".to_owned());
    }
    if !live.tools.mariadb {
        args.extend(["--set-gtid-purged=OFF", "--column-statistics=0"].map(str::to_owned));
    }
    let database = &live.account.database;
    if names.only.is_some() {
        let there: Vec<String> = found.tables.iter().filter(|t| t.is_table() && names.is_meant(&t.name)).map(|t| t.name.clone()).collect();
        args.extend(["--".to_owned(), database.clone()]);
        return (!there.is_empty()).then(|| [args, there].concat());
    }
    args.push("--routines".to_owned());
    if found.events {
        args.push("--events".to_owned());
    }
    args.extend(found.ignored().map(|t| format!("--ignore-table={database}.{t}")));
    args.extend(["--".to_owned(), database.clone()]);
    Some(args)
}

/// The one act: live tables go aside, staged ones take their names, the notes tell so; all of it or nothing.
fn rename_forth(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    let there = all_tables(live)?;
    let mut pairs = Vec::new();
    for (table, _) in notes.tables(live, Side::Old)? {
        let aside = under(&names.aside, &table);
        if there.contains(&table) && !there.contains(&aside) {
            pairs.push((table, aside));
        }
    }
    for (table, _) in notes.tables(live, Side::New)? {
        let staged = under(&names.staged, &table);
        if there.contains(&staged) {
            pairs.push((staged, table));
        }
    }
    clear_views(live, names, notes.tables(live, Side::New)?)?;
    pairs.push((format!("{}0", names.staged), format!("{}0", names.aside)));
    rename(live, &pairs)
}

fn rename_back(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    let there = all_tables(live)?;
    let mut pairs = Vec::new();
    for (table, _) in notes.tables(live, Side::New)? {
        let staged = under(&names.staged, &table);
        if there.contains(&table) && !there.contains(&staged) {
            pairs.push((table, staged));
        }
    }
    for (table, _) in notes.tables(live, Side::Old)? {
        let aside = under(&names.aside, &table);
        if there.contains(&aside) {
            pairs.push((aside, table));
        }
    }
    clear_views(live, names, notes.tables(live, Side::Old)?)?;
    pairs.push((format!("{}0", names.aside), format!("{}0", names.staged)));
    rename(live, &pairs)
}

/// Where one side has a view by the name of the other side's table, it makes room: it is written down.
fn clear_views(live: &Session, names: &Names, coming: Vec<(String, bool)>) -> Result<()> {
    if names.only.is_some() {
        return Ok(()); // a view was not chosen: that it stands in the way is refused
    }
    let views = Catalogue::tables(live)?.tables.into_iter().filter(|t| t.kind == "VIEW").map(|t| t.name);
    let drops: String = views.filter(|v| coming.iter().any(|(t, _)| t == v)).map(|v| format!("drop view {};\n", name(&v))).collect();
    if drops.is_empty() { Ok(()) } else { live.ask(&drops, None).map(|_| ()) }
}

fn rename(live: &Session, pairs: &[(String, String)]) -> Result<()> {
    let list: Vec<String> = pairs.iter().map(|(from, to)| format!("{} to {}", name(from), name(to))).collect();
    live.ask(&format!("rename table {};", list.join(", ")), None).map(|_| ()).map_err(|e| e.context("renaming the tables"))
}

/// Tables that were made since the switch go away with the restored ones: the old state never had them.
fn claim_newcomers(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    if names.only.is_some() {
        return Ok(());
    }
    let known: BTreeSet<String> = notes.tables(live, Side::New)?.into_iter().map(|(t, _)| t).collect();
    let old: BTreeSet<String> = notes.tables(live, Side::Old)?.into_iter().map(|(t, _)| t).collect();
    let there = all_tables(live)?;
    for table in Catalogue::tables(live)?.tables.iter().filter(|t| t.kind != "VIEW" && !known.contains(&t.name)) {
        // A table that still has its old name was never put aside: it is not a newcomer.
        if !old.contains(&table.name) || there.contains(&under(&names.aside, &table.name)) {
            notes.add_table(live, Side::New, &table.name, table.is_sequence())?;
        }
    }
    Ok(())
}

/// After the tables: programs of the other side go, constraints get their names, programs of this side come. Each part
/// may be done again.
fn apply(
    live: &Session,
    gone: &[(String, String)],
    coming: &[(String, String)],
    keys: impl FnOnce() -> Result<()>,
    statements: &[Vec<u8>],
) -> Result<()> {
    let drops: String = gone.iter().chain(coming).map(|(kind, n)| format!("drop {kind} if exists {};\n", name(n))).collect();
    live.ask(&drops, None)?;
    keys()?;
    import::replay(live, statements).map_err(|e| e.context("making views, triggers, routines and events"))
}

fn all_tables(live: &Session) -> Result<BTreeSet<String>> {
    let found = Catalogue::tables(live)?;
    Ok(found.tables.into_iter().filter(|t| t.kind != "VIEW").map(|t| t.name).chain(found.hidden).collect())
}

fn any_aside(live: &Session, names: &Names) -> Result<bool> {
    Ok(all_tables(live)?.iter().any(|t| t.starts_with(&names.aside)))
}

/// Drops every table under a beginning, the notes last: until then they say that there is something to drop.
fn drop_all(live: &Session, beginning: &str) -> Result<()> {
    let notes = format!("{beginning}0");
    let mut tables: Vec<String> = all_tables(live)?.into_iter().filter(|t| t.starts_with(beginning) && *t != notes).collect();
    tables.push(notes);
    let list: Vec<String> = tables.iter().map(|t| name(t)).collect();
    let drops: String = list.iter().map(|t| format!("drop table if exists {t};\n")).collect();
    live.ask(&format!("set session foreign_key_checks=0;\n{drops}"), None).map(|_| ())
}

/// Does the first parts of a switch and stops: 0 before the renaming, 1 after it, 2 when the old programs are gone.
#[cfg(test)]
pub fn crash_in_switch(live: &Session, staged: &Staged, stop: usize) {
    let names = Names::from(staged).unwrap();
    let notes = Notes::need(live, &names).unwrap();
    write_down_live(live, &names, &notes).unwrap();
    notes.set(live, State::Going).unwrap();
    if stop > 0 {
        rename_forth(live, &names, &notes).unwrap();
    }
    if stop > 1 {
        let notes = Notes::need(live, &names).unwrap();
        apply(live, &notes.programs(live, Side::Old).unwrap(), &[], || Ok(()), &[]).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_told_apart() {
        let names = Names::of("rst_1");
        assert_eq!(under(&names.staged, "wp_posts"), format!("{}wp_posts", names.staged));
        let (a, b) = (format!("{}a", "x".repeat(60)), format!("{}b", "x".repeat(60)));
        let (a, b) = (under(&names.aside, &a), under(&names.aside, &b));
        assert!(a != b && a.len() == 64 && b.len() == 64);
    }
}
