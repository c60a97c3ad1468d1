//! `sitekeep demo`: a small real site made on the spot, backed up by the real server; with `--self-test` the whole main
//! job without a person.

mod compare;
mod garden;
mod stage;
mod story;

use crate::base::error::{Context, Error, Result};
use stage::Stage;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Where everything is made; what an earlier demo left there is replaced
    #[arg(long, default_value = "sitekeep-demo")]
    dir: PathBuf,
    /// Back up, damage, restore, compare, undo, compare again; succeed only when all of it held
    #[arg(long)]
    self_test: bool,
    /// Leave after the first backup instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

/// Marks a directory as a demo's, which the next demo may replace.
const MARK: &str = ".sitekeep-demo";

pub(super) fn main(options: &Options) -> Result<()> {
    let dir = clean(&options.dir)?;
    println!("Making three environments of a small site in {}", dir.join("sites").display());
    let sites = garden::plant(&dir.join("sites"))?;
    println!("Starting the site, and Sitekeep with everything embedded");
    let mut stage = Stage::open(&dir, sites)?;
    stage.add_sites()?;
    println!("Taking the first backup of demo/garden.live");
    stage.cli(&["backup:create", "demo/garden.live", "--note", "The first backup"])?;
    if options.self_test {
        return story::run(&mut stage);
    }
    stage.show_commands();
    if options.once { Ok(()) } else { stage.serve_until_interrupted() }
}

/// The directory, empty but for our mark.
fn clean(dir: &Path) -> Result<PathBuf> {
    let what = || format!("the directory {}", dir.display());
    if dir.exists() {
        let empty = std::fs::read_dir(dir).context(what)?.next().is_none();
        if !empty && !dir.join(MARK).exists() {
            return Err(Error::conflict(format!("{} is not empty, and no demo's", dir.display())).hint("name another one with --dir"));
        }
        std::fs::remove_dir_all(dir).context(what)?;
    }
    std::fs::create_dir_all(dir).context(what)?;
    std::fs::write(dir.join(MARK), "made by `sitekeep demo`, and replaced by the next one\n").context(what)?;
    std::fs::canonicalize(dir).context(what)
}
