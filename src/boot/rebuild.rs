//! `sitekeep catalogue:rebuild`: a lost catalogue, made again from the store.

use super::block_on;
use super::wiring;
use crate::app::catalogue;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::{Sealer, Secret};
use crate::base::units;
use std::path::{Path, PathBuf};

/// Make a lost catalogue again, from the store
///
/// It needs the folder of repositories and `master.key`, and a catalogue that is empty: nobody may have used it. What was
/// backed up after the newest copy of the catalogue is found in the repositories. Where no copy can be read, --keys names the
/// recovery keys of the sites, and everything comes from their repositories alone, without accounts, schedules and passwords.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// A folder with recovery keys, each the first line of a file
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

pub(super) fn main(options: &Options) -> Result<()> {
    let config = wiring::configured()?;
    let keys = options.keys.as_deref().map(keys).transpose()?.unwrap_or_default();
    let sealer = match keys.is_empty() {
        true => Sealer::load(&config.master_key_file)?,
        // What the keys open is sealed with a new one where the old one is lost, too.
        false => Sealer::load_or_create(&config.master_key_file)?,
    };
    let rebuilt = block_on(async {
        let pool = wiring::connect(&config, 4).await?;
        let app = wiring::with(&config, pool, sealer)?;
        let rebuilt = catalogue::rebuild(&app, &keys, &mut |line| println!("{line}")).await?;
        app.pool.close().await;
        Ok(rebuilt)
    })?;
    let (sites, backups) = (units::count(rebuilt.sites as u64, "site"), units::count(rebuilt.backups as u64, "backup"));
    match rebuilt.copy {
        Some(_) => println!("The catalogue is whole again: {sites}, and {backups} that the copy did not know."),
        None => println!("The catalogue is made again: {sites}, {backups}. `sitekeep setup` makes an administrator."),
    }
    match rebuilt.unreadable.len() {
        0 => Ok(()),
        _ => Err(Error::damaged(format!("not everything could be read: {}", rebuilt.unreadable.join(", ")))
            .hint("what the copy knows of it is there; put its repository back, or `sitekeep doctor` says what is wrong with it")),
    }
}

/// Make a copy of the catalogue now
///
/// A server that runs makes one each day, and soon after a site was added, into a repository of its own in the store.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Backup {}

pub(super) fn backup() -> Result<()> {
    let config = wiring::configured()?;
    let tuning = wiring::Tuning::load()?;
    block_on(async {
        let app = wiring::app(&config, &tuning, 4).await?;
        catalogue::now(&app).await?;
        let place = catalogue::place(&app).url();
        println!("The catalogue is copied into {}", place.strip_prefix("file://").unwrap_or(&place));
        Ok(())
    })
}

/// The first line of each file of a folder.
fn keys(folder: &Path) -> Result<Vec<Secret>> {
    let what = || format!("reading the keys in {}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).context(what)?.flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    let mut keys = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).context(|| format!("reading {}", file.display()))?;
        keys.extend(text.lines().next().map(str::trim).filter(|l| !l.is_empty()).map(Secret::new));
    }
    if keys.is_empty() {
        return Err(Error::invalid(format!("there is no recovery key in {}", folder.display())));
    }
    Ok(keys)
}
