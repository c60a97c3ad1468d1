//! Directories: written aside, exchanged with the live ones, what the backup never held carried over.

use super::journal::{CarriedOver, Swap};
use super::run::Run;
use super::steps::Step;
use super::targets::{self, Target};
use crate::app::backups::Manifest;
use crate::app::from_json;
use crate::base::error::{Error, Result};
use crate::base::failpoint;
use crate::base::units;
use crate::base::watch::Watch;
use crate::domain::element::Element;
use crate::domain::site::{SQLITE_SUFFIXES, inside};
use crate::domain::state::StepState;
use crate::domain::view::FileProblem;
use crate::engine::{Owners, Repository, Restored};
use crate::hosting::database::files_of;
use crate::hosting::host::{self, Staging};
use std::path::{Path, PathBuf};

/// Writes the element's directories aside, verified by hash on the way. The journal names the staging directories
/// before they are made, so that they are found again whatever happens.
pub(super) async fn stage(run: &mut Run<'_>, i: usize, element: Element) -> Result<Option<String>> {
    discard(run, i).await?; // an earlier attempt's, half written
    let (source, snapshot) = run.source(element)?;
    let manifest: Manifest = from_json("manifest", &source.manifest)?;
    let targets = targets::targets(run, element, &manifest).await?;
    let ticket = run.ticket();
    let swap = |t: &Target| Swap {
        live: t.live.clone(),
        aside: host::staging_path(&t.beside, &ticket).join(&t.name),
        beside: t.beside.clone(),
        ticket: ticket.clone(),
        live_inode: None,
        aside_inode: None,
        carried: t.carried.iter().map(|path| CarriedOver { path: path.clone(), inode: None }).collect(),
        new: t.new,
        vanishes: false,
    };
    run.lines[i].journal.swaps = targets.iter().map(swap).collect();
    run.save(i, StepState::Started).await?;
    let owners = owners(run, &manifest);
    let mut done = Restored::default();
    for t in targets.clone() {
        let (repository, snapshot, ticket, owners) = (run.from.clone(), snapshot.clone(), ticket.clone(), owners);
        let restored = run
            .attempt
            .blocking(move |watch| {
                let staging = Staging::make(&t.beside, &ticket)?;
                let restored = write(&repository, &snapshot, &t, &staging, &owners, watch)?;
                failpoint::hit(format_args!("restore.trees.written"))?;
                Ok(restored)
            })
            .await?;
        done.files += restored.files;
        done.bytes += restored.bytes;
    }
    keep_unread(run, i, element, &targets).await?;
    Ok(Some(format!("{}, {}, each with its hash checked", units::count(done.files, "file"), units::size(done.bytes))))
}

/// Writes a target into its staging directory. A part of a tree is written into a holder first, since it may be a file.
fn write(repository: &Repository, snapshot: &str, t: &Target, staging: &Staging, owners: &Owners, watch: &Watch) -> Result<Restored> {
    let Some(only) = &t.only else {
        let into = staging.fresh_dir(&t.name)?;
        return repository.restore_tree(snapshot, &t.from, &into, owners, watch);
    };
    let (above, name) = (t.from.parent().unwrap_or(Path::new("")), t.from.file_name().unwrap_or_default());
    let into = staging.fresh_dir(&holder(&t.name))?;
    let restored = repository.restore_parts(snapshot, above, only, &into, owners, watch)?;
    staging.take_out(&holder(&t.name), name, &t.name)?;
    Ok(restored)
}

fn holder(name: &str) -> String {
    format!("{name}-holder")
}

/// What could not be read when the backup was made is not in it: nobody wanted it gone, so what is live stays. A file
/// that only changed while it was read is in the backup, and a directory that could not be entered is in it empty.
async fn keep_unread(run: &mut Run<'_>, i: usize, element: Element, targets: &[Target]) -> Result<()> {
    let problems: Vec<FileProblem> = from_json("problems", &run.source(element)?.0.problems)?;
    let mut swaps = run.lines[i].journal.swaps.clone();
    if problems.is_empty() {
        return Ok(());
    }
    let places: Vec<PathBuf> = targets.iter().map(|t| t.from.clone()).collect();
    run.lines[i].journal.swaps = super::super::servers::blocking(move || {
        for (swap, from) in swaps.iter_mut().zip(places) {
            let below = problems.iter().filter_map(|p| Path::new(&p.path).strip_prefix(&from).ok()).filter(|p| !p.as_os_str().is_empty());
            let lacking = below.filter(|p| is_nothing(&swap.aside.join(p))).map(|p| CarriedOver { path: p.to_owned(), inode: None });
            swap.carried.extend(lacking.collect::<Vec<_>>());
        }
        Ok(swaps)
    })
    .await?;
    Ok(())
}

/// Nothing at all, or an empty directory.
fn is_nothing(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(meta) => meta.is_dir() && std::fs::read_dir(path).is_ok_and(|mut dir| dir.next().is_none()),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Files keep the owner they were recorded with; in another environment the one site's owner becomes the other's.
fn owners(run: &Run<'_>, manifest: &Manifest) -> Owners {
    let (to_uid, to_gid) = (run.env.owner.uid, run.env.owner.gid);
    let map = manifest.owner.filter(|from| run.is_elsewhere() || *from != (to_uid, to_gid)).map(|(uid, gid)| (uid, gid, to_uid, to_gid));
    Owners { map, as_recorded: !run.is_elsewhere(), drop_setid: true }
}

/// Removes what this step staged; nothing live is in it before the switch, and nothing of it after an exchange was taken
/// back. What another step staged in the same place stays: it may be whole, and is not staged again.
pub(super) async fn discard(run: &mut Run<'_>, i: usize) -> Result<()> {
    for swap in run.lines[i].journal.swaps.clone() {
        super::super::servers::blocking(move || {
            let Some(name) = swap.aside.file_name().map(|n| n.to_string_lossy().into_owned()) else { return Ok(()) };
            for name in [holder(&name), name] {
                if let Some(staging) = Staging::reopen(&swap.beside, &swap.ticket)? {
                    staging.discard(&name)?;
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// After everything was taken back: nothing of a restore that did not take place stays on the disk. (What an undo switches
/// belongs to the restore before it.)
pub(super) async fn sweep(run: &Run<'_>) {
    if run.is_undo() {
        return;
    }
    for swap in run.lines.iter().flat_map(|l| l.journal.swaps.clone()) {
        let shown = host::staging_path(&swap.beside, &swap.ticket);
        if let Err(e) = super::super::servers::blocking(move || remove(&swap)).await {
            run.attempt.warn(format!("{} could not be removed: {}", shown.display(), e.sentence())).await;
        }
    }
}

/// Removes the staging directory of a swap.
pub(super) fn remove(swap: &Swap) -> Result<()> {
    match Staging::reopen(&swap.beside, &swap.ticket)? {
        Some(staging) => staging.remove(),
        None => Ok(()),
    }
}

/// Exchanges the staged directories with the live ones. Who is who is written down first.
pub(super) async fn switch(run: &mut Run<'_>, i: usize, stage: Step) -> Result<Option<String>> {
    if run.lines[i].journal.swaps.is_empty() {
        let staged = run.line(stage).map(|l| l.journal.swaps.clone());
        run.lines[i].journal.swaps =
            staged.filter(|s| !s.is_empty()).ok_or_else(|| Error::internal("there is nothing staged to switch to"))?;
        carry_staged_database(run, i);
    }
    note_inodes(run, i).await?;
    let mut carried = Vec::new();
    for swap in run.lines[i].journal.swaps.clone() {
        run.attempt.fence().await?;
        carried.extend(
            swap.carried.iter().filter(|c| c.inode.is_some()).map(|c| c.path.display().to_string()).filter(|p| !p.contains(".sitekeep-")),
        );
        super::super::servers::blocking(move || act(&swap)).await?;
    }
    Ok((!carried.is_empty()).then(|| format!("Carried over from the live directory: {}", carried.join(", "))))
}

/// A SQLite database is staged beside the live one: where that is inside the code, it goes along with it.
fn carry_staged_database(run: &mut Run<'_>, i: usize) {
    let staged = run.line(Step::StageDatabase).and_then(|l| l.journal.staged.clone());
    for staged in staged.iter().flat_map(files_of) {
        for swap in &mut run.lines[i].journal.swaps {
            let Some(path) = inside(&swap.live, &staged) else { continue };
            for suffix in SQLITE_SUFFIXES {
                let mut name = path.clone().into_os_string();
                name.push(suffix);
                swap.carried.push(CarriedOver { path: name.into(), inode: None });
            }
        }
    }
}

/// Before anything moves: the inodes of what is live, of what lies aside, and of what will be carried.
async fn note_inodes(run: &mut Run<'_>, i: usize) -> Result<()> {
    let swaps = run.lines[i].journal.swaps.clone();
    if swaps.iter().any(Swap::is_noted) {
        return Ok(()); // noted by an attempt before this one
    }
    let noted = super::super::servers::blocking(move || swaps.into_iter().map(noted).collect::<Result<Vec<_>>>()).await?;
    run.lines[i].journal.swaps = noted;
    run.save(i, StepState::Started).await
}

pub(super) fn noted(mut swap: Swap) -> Result<Swap> {
    swap.live_inode = host::inode(&swap.live)?;
    swap.aside_inode = host::inode(&swap.aside)?;
    if swap.aside_inode.is_none() && !swap.vanishes {
        return Err(Error::permanent(format!("{} is gone: it should have been switched to", swap.aside.display()))
            .hint("restore the backup instead"));
    }
    if swap.new && swap.live_inode.is_some() {
        return Err(Error::conflict(format!("{} was not there when the restore began, and now it is", swap.live.display()))
            .hint("start the restore again when nobody else works on the site"));
    }
    for c in &mut swap.carried {
        c.inode = host::inode(&swap.live.join(&c.path))?;
    }
    Ok(swap)
}

/// Idempotent: an inode says whether an exchange, or a carrying over, was done.
pub(super) fn act(swap: &Swap) -> Result<()> {
    let now = host::inode(&swap.live)?;
    if now != swap.aside_inode {
        if now != swap.live_inode {
            return Err(Error::conflict(format!("{} was replaced by somebody else meanwhile", swap.live.display()))
                .hint("start the restore again when nobody else works on the site"));
        }
        match swap.aside_inode {
            Some(_) => host::exchange(&swap.live, &swap.aside)?,
            // Nothing lies aside, since nothing was live before: what is live goes there.
            None => host::exchange(&swap.aside, &swap.live)?,
        }
    }
    failpoint::hit(format_args!("restore.trees.exchanged"))?;
    for c in &swap.carried {
        if stands_at(c, &swap.aside, &swap.live)? {
            host::carry(&swap.aside, &swap.live, &c.path)?;
        }
    }
    Ok(())
}

/// Does what is carried stand at `from` still? An inode says so; but the log of a SQLite database comes and goes while the
/// site works, so whichever stands there belongs to the database that is carried, and must not be parted from it.
fn stands_at(c: &CarriedOver, from: &Path, to: &Path) -> Result<bool> {
    let there = host::inode(&from.join(&c.path))?;
    let name = c.path.to_string_lossy();
    if SQLITE_SUFFIXES.iter().any(|s| !s.is_empty() && name.ends_with(s)) {
        return Ok(there.is_some() && host::inode(&to.join(&c.path))?.is_none());
    }
    Ok(c.inode.is_some() && there == c.inode)
}

pub(super) async fn switch_back(run: &mut Run<'_>, i: usize) -> Result<()> {
    for swap in run.lines[i].journal.swaps.clone().into_iter().rev() {
        run.attempt.fence().await?;
        super::super::servers::blocking(move || act_back(&swap)).await?;
    }
    Ok(())
}

/// The exact inverse, from whatever point the act had come to.
pub(super) fn act_back(swap: &Swap) -> Result<()> {
    // What was live lies aside, out of everybody's reach. (What is live now may be a file that we wrote anew since: the
    // settings, to take the maintenance block out of them.)
    let acted = match swap.live_inode {
        Some(_) => host::inode(&swap.aside)? == swap.live_inode,
        None => swap.aside_inode.is_some() && host::inode(&swap.live)? == swap.aside_inode,
    };
    if !acted {
        return Ok(());
    }
    for c in swap.carried.iter().rev() {
        if stands_at(c, &swap.live, &swap.aside)? {
            host::carry(&swap.live, &swap.aside, &c.path)?;
        }
    }
    failpoint::hit(format_args!("restore.trees.carried_back"))?;
    match swap.live_inode {
        Some(_) => host::exchange(&swap.live, &swap.aside)?,
        // Nothing was live: what came goes back, and nothing is live again.
        None => host::exchange(&swap.aside, &swap.live)?,
    }
    failpoint::hit(format_args!("restore.trees.exchanged_back"))
}
