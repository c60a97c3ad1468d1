//! The settings file: exchanged with a copy that names the right database. The file that was live stays aside, the very
//! same inode, so that an undo brings it back to the byte and the time.

use super::journal::Swap;
use super::run::Run;
use super::steps::Step;
use super::{maintenance, trees};
use crate::app::servers::blocking;
use crate::base::error::{Error, Result};
use crate::base::failpoint;
use crate::base::identity::Identity;
use crate::domain::site::Access;
use crate::domain::state::StepState;
use crate::hosting::host::{self, Content, Staging};
use crate::hosting::stack::{self, Maintenance};
use std::path::{Path, PathBuf};

/// Settings files are small; what is larger is something else.
pub(super) const LARGEST: u64 = 1 << 20;

/// Reads a settings file as the site's owner.
pub(super) async fn read(run: &Run<'_>, path: &Path) -> Result<Content> {
    read_as(path, run.env.owner.clone()).await
}

/// Reads one that lies staged, where its owner may not enter yet and has no way to put another file in its place.
pub(super) async fn read_staged(path: &Path) -> Result<Content> {
    read_as(path, Identity::of_process()).await
}

async fn read_as(path: &Path, who: Identity) -> Result<Content> {
    let (path, shown) = (path.to_owned(), path.display().to_string());
    let found = blocking(move || host::read_file(&path, &who, LARGEST)).await?;
    found.ok_or_else(|| Error::permanent(format!("the settings file {shown} is not there")))
}

pub(super) async fn switch(run: &mut Run<'_>, i: usize) -> Result<Option<String>> {
    if run.lines[i].journal.swaps.is_empty() {
        let Some(new) = prepare(run, i).await? else {
            return Ok(Some("The settings name the right database already".into()));
        };
        // Named before it is made: it holds a password, and nothing of it may stay behind unnoticed.
        run.lines[i].journal.swaps = vec![new.swap.clone()];
        run.save(i, StepState::Started).await?;
        let swap = blocking(move || new.write()).await?;
        run.lines[i].journal.swaps = vec![swap];
        run.save(i, StepState::Started).await?;
    } else if run.is_undo() && run.lines[i].journal.swaps.iter().all(|s| s.aside_inode.is_none()) {
        let swaps = run.lines[i].journal.swaps.clone();
        run.lines[i].journal.swaps = blocking(move || swaps.into_iter().map(trees::noted).collect()).await?;
        run.save(i, StepState::Started).await?;
    }
    for swap in run.lines[i].journal.swaps.clone() {
        run.attempt.fence().await?;
        blocking(move || trees::act(&swap)).await?;
    }
    failpoint::hit(format_args!("restore.settings.exchanged"))?;
    // An undo brings the very same file back, and it comes before the database that it names.
    if !run.is_undo() {
        verify(run).await?;
    }
    Ok(run.env.definition.settings.as_ref().map(|p| format!("Rewrote {}", p.display())))
}

/// A settings file that is going to be written aside.
struct New {
    swap: Swap,
    bytes: Vec<u8>,
    like: std::fs::Metadata,
}

impl New {
    fn write(self) -> Result<Swap> {
        Staging::make(&self.swap.beside, &self.swap.ticket)?;
        host::replace_file(&self.swap.aside, &self.bytes, &self.like)?;
        failpoint::hit(format_args!("restore.settings.written"))?;
        trees::noted(self.swap)
    }
}

/// The new settings file and its place; `None` when the one in place is right already, or there is none to rewrite.
async fn prepare(run: &mut Run<'_>, i: usize) -> Result<Option<New>> {
    let (Some(path), Some(access)) = (run.env.definition.settings.clone(), run.env.access.clone()) else { return Ok(None) };
    if matches!(access.address, crate::domain::site::DatabaseAddress::Sqlite { .. }) {
        return Ok(None); // the file keeps its place, so the settings keep their words
    }
    let old = read(run, &path).await?;
    let stack = stack::stack(run.env.definition.stack);
    if stack.read(&old.bytes)?.is_some_and(|now| same(&now, &access)) {
        return Ok(None);
    }
    let mut new = stack.rewrite(&old.bytes, &access)?;
    if let Maintenance::SettingsBlock = stack.maintenance(&run.env.definition)
        && run.lines[..i].iter().any(|l| l.step == Step::MaintenanceOn)
    {
        new = maintenance::with_block(&new)?;
    }
    let (beside, ticket) = (run.env.definition.root.clone(), run.ticket());
    let beside = if path.starts_with(&beside) { beside } else { path.clone() };
    let aside: PathBuf = host::staging_path(&beside, &ticket).join("settings");
    let swap =
        Swap { live: path, aside, beside, ticket, live_inode: None, aside_inode: None, carried: Vec::new(), new: false, vanishes: false };
    Ok(Some(New { swap, bytes: new, like: old.meta }))
}

fn same(a: &Access, b: &Access) -> bool {
    let of = |x: &Access| x.address.account().map(|a| (a.at.clone(), a.database.clone(), a.user.clone()));
    a.password == b.password && of(a) == of(b)
}

/// What stands in the file now must read back as the database that is to be used.
async fn verify(run: &Run<'_>) -> Result<()> {
    let (Some(path), Some(access)) = (run.env.definition.settings.clone(), run.env.access.clone()) else { return Ok(()) };
    let now = read(run, &path).await?;
    match stack::stack(run.env.definition.stack).read(&now.bytes)? {
        Some(read) if !same(&read, &access) => {
            Err(Error::internal(format!("{} does not name the database that was switched to", path.display())))
        }
        _ => Ok(()),
    }
}

pub(super) async fn switch_back(run: &mut Run<'_>, i: usize) -> Result<()> {
    trees::switch_back(run, i).await
}
