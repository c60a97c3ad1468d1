//! Maintenance mode, reload and caches: what keeps visitors out while the site changes, and lets them in again in every
//! end.

use super::journal::SettingsWere;
use super::run::Run;
use super::settings;
use super::steps::{Acted, Step};
use crate::app::servers::blocking;
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::hosting::host::{self, Content};
use crate::hosting::stack::{self, Maintenance};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn with_block(settings: &[u8]) -> Result<Vec<u8>> {
    stack::with_maintenance(settings)
}

/// Keeps visitors out: by the administrator's hook, or in the way of the stack. The code that is about to go live gets
/// the same sign, so that it is not open for the moment between its switch and the end.
pub(super) async fn on(run: &mut Run<'_>, i: usize) -> Result<Acted> {
    if let Some(hook) = run.env.definition.hooks.maintenance_on.clone() {
        return hooked(run, "maintenance_on", hook).await;
    }
    let root = run.env.definition.root.clone();
    match stack::stack(run.env.definition.stack).maintenance(&run.env.definition) {
        Maintenance::Flag { file, bytes } => {
            let code = staged(run, &root);
            for root in [Some(root), code].into_iter().flatten() {
                let (path, bytes, owner) = (root.join(&file), bytes.clone(), run.env.owner.clone());
                blocking(move || host::place_file(&path, &bytes, &owner)).await?;
            }
            Ok(Acted::done(None))
        }
        Maintenance::SettingsBlock => {
            let live = run.env.definition.settings.clone().ok_or_else(|| Error::internal("a settings block without settings"))?;
            note_settings(run, i, &live).await?;
            let in_staged = staged(run, &live);
            block(&live, settings::read(run, &live).await?).await?;
            if let Some(path) = in_staged.filter(|p| p.exists()) {
                block(&path, settings::read_staged(&path).await?).await?;
            }
            Ok(Acted::done(None))
        }
        Maintenance::None { why } => Ok(Acted::skipped(format!("No maintenance mode: {why}"))),
    }
}

/// Where that lies aside which will be at this path of the live site, with the code or as a chosen part of it.
fn staged(run: &Run<'_>, path: &Path) -> Option<PathBuf> {
    let swaps = &run.line(Step::StageCode)?.journal.swaps;
    let (swap, below) = swaps.iter().find_map(|swap| Some((swap, path.strip_prefix(&swap.live).ok()?)))?;
    Some(if below.as_os_str().is_empty() { swap.aside.clone() } else { swap.aside.join(below) })
}

/// After an unwinding reached the end of maintenance: on again, until everything is back.
pub(super) async fn on_again(run: &mut Run<'_>) -> Result<()> {
    match run.lines.iter().position(|l| l.step == Step::MaintenanceOn) {
        Some(i) => on(run, i).await.map(drop),
        None => Ok(()),
    }
}

async fn note_settings(run: &mut Run<'_>, i: usize, live: &Path) -> Result<()> {
    if run.lines[i].journal.settings_were.is_some() {
        return Ok(());
    }
    let now = settings::read(run, live).await?;
    run.lines[i].journal.settings_were = Some(SettingsWere { sha256: sha256(&now.bytes), mtime: mtime(&now.meta) });
    let state = run.lines[i].state;
    run.save(i, state).await
}

async fn block(path: &Path, now: Content) -> Result<()> {
    let blocked = with_block(&now.bytes)?;
    if blocked == now.bytes {
        return Ok(());
    }
    let path = path.to_owned();
    blocking(move || host::replace_file(&path, &blocked, &now.meta)).await
}

/// Lets visitors in. Repeatable; also the inverse of [`on`].
pub(super) async fn off(run: &mut Run<'_>) -> Result<Acted> {
    if let Some(hook) = run.env.definition.hooks.maintenance_off.clone() {
        return hooked(run, "maintenance_off", hook).await;
    }
    match stack::stack(run.env.definition.stack).maintenance(&run.env.definition) {
        Maintenance::Flag { file, bytes } => {
            let (path, owner) = (run.env.definition.root.join(file), run.env.owner.clone());
            blocking(move || host::remove_file(&path, &bytes, &owner)).await?;
        }
        Maintenance::SettingsBlock => {
            let live = run.env.definition.settings.clone().ok_or_else(|| Error::internal("a settings block without settings"))?;
            unblock(run, &live).await?;
        }
        Maintenance::None { .. } => return Ok(Acted::skipped("There was none to leave".into())),
    }
    Ok(Acted::done(None))
}

/// Takes the block out; where that gives back a file as it was known to be, its time of change comes back too.
async fn unblock(run: &Run<'_>, path: &Path) -> Result<()> {
    let now = settings::read(run, path).await?;
    let open = stack::without_maintenance(&now.bytes);
    if open == now.bytes {
        return Ok(());
    }
    let sum = sha256(&open);
    let known = run.lines.iter().filter_map(|l| l.journal.settings_were.as_ref()).find(|w| w.sha256 == sum).map(|w| w.mtime);
    let (path, owner) = (path.to_owned(), run.env.owner.clone());
    blocking(move || {
        host::replace_file(&path, &open, &now.meta)?;
        match known {
            Some(mtime) => host::set_mtime(&path, mtime, &owner),
            None => Ok(()),
        }
    })
    .await
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn mtime(meta: &std::fs::Metadata) -> i128 {
    use std::os::unix::fs::MetadataExt;
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

/// Long-running application servers read the new settings.
pub(super) async fn reload(run: &mut Run<'_>) -> Result<Acted> {
    match run.env.definition.hooks.reload.clone() {
        Some(hook) => hooked(run, "reload", hook).await,
        None => Ok(Acted::skipped("No hook `reload` is set".into())),
    }
}

/// Caches of the old state must not be shown; what cannot be cleared is said and is no failure.
pub(super) async fn clear_caches(run: &mut Run<'_>) -> Result<Acted> {
    let caches = stack::stack(run.env.definition.stack).caches(&run.env.definition);
    if caches.is_empty() && run.env.definition.hooks.clear_caches.is_none() {
        return Ok(Acted::skipped("No caches are known, and no hook `clear_caches` is set".into()));
    }
    let mut said = Vec::new();
    for path in caches {
        let (owner, shown): (_, PathBuf) = (run.env.owner.clone(), path.clone());
        if let Err(e) = blocking(move || host::empty_dir(&path, &owner).map(drop)).await {
            said.push(format!("{} was not cleared: {}", shown.display(), e.sentence()));
        }
    }
    if let Some(hook) = run.env.definition.hooks.clear_caches.clone()
        && let Err(e) = hooked(run, "clear_caches", hook).await
    {
        said.push(e.sentence());
    }
    Ok(Acted::done((!said.is_empty()).then(|| said.join("; "))))
}

async fn hooked(run: &Run<'_>, name: &str, hook: Vec<String>) -> Result<Acted> {
    let (root, owner) = (run.env.definition.root.clone(), run.env.owner.clone());
    let timeout = Duration::from_millis(run.app().settings.hook_timeout.unsigned_abs());
    let said = blocking(move || host::run_hook(&hook, &root, &owner, timeout))
        .await
        .map_err(|e| e.context(format!("running the hook `{name}`")))?;
    let said = said.trim();
    let told = if said.is_empty() { format!("The hook `{name}` ran") } else { format!("The hook `{name}` said: {said}") };
    Ok(Acted::done(Some(told)))
}
