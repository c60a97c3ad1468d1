//! Starting the restored copy: everything that belongs into its code is put there, its settings name the scratch database,
//! and the administrator's command runs in it as the site's owner.
//!
//! A copy that would use the live database is never started: where its settings cannot be made to name the scratch one, that
//! is said instead. What the command itself names by a whole path is the administrator's business.

use super::run::{Run, millis};
use super::{data, trees};
use crate::app::environments;
use crate::base::error::{Class, Result};
use crate::base::identity::Identity;
use crate::domain::drill::{Boot, Fault};
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress, Definition, FilesDir, SQLITE_SUFFIXES, inside};
use crate::hosting::host::{self, Scratch};
use crate::hosting::stack;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Settings files are small; what is larger is something else.
const LARGEST: u64 = 1 << 20;

pub(super) async fn boot(run: &mut Run<'_>) -> Result<()> {
    let Some(command) = run.definition.hooks.boot.clone() else { return Ok(()) };
    if run.element(Element::Code)?.is_none() {
        run.evidence.not_drilled.push("the site was not started: the backup has no code".into());
        return Ok(());
    }
    run.attempt.phase("Starting the restored site", None).await?;
    let owner = environments::owner(&run.definition)?;
    let directories = match run.element(Element::Files)? {
        Some((_, _, manifest)) => manifest.directories,
        None => Vec::new(),
    };
    let copy = Whole { definition: run.definition.clone(), directories, sqlite: data::aside(run), database: run.database.clone(), owner };
    let (scratch, time) = (run.scratch.clone(), run.attempt.app.settings.drills.boot_time);
    let began = Instant::now();
    let booted = run.attempt.blocking(move |_| {
        if let Some(why) = copy.complete(&scratch)? {
            return Ok(Err(why));
        }
        match scratch.run(&command, Path::new("code"), &copy.owner, Duration::from_millis(time.unsigned_abs())) {
            Err(e) if e.class() == Class::Permanent => Ok(Ok(Boot { succeeded: false, how: e.sentence(), ..Boot::default() })),
            other => other.map(|ran| Ok(Boot { succeeded: ran.succeeded, how: ran.how, output: ran.output, took: 0 })),
        }
    });
    match booted.await? {
        Err(why) => run.evidence.not_drilled.push(format!("the site was not started: {why}")),
        Ok(mut boot) => {
            boot.took = millis(began);
            if !boot.succeeded {
                let last = boot.output.lines().next_back().unwrap_or("it printed nothing").to_owned();
                run.found(Fault::Boot, None, format!("the boot command ended with {}: {last}", boot.how));
            }
            run.evidence.boot = Some(boot);
        }
    }
    Ok(())
}

/// What is put together to be started.
struct Whole {
    definition: Definition,
    directories: Vec<FilesDir>,
    sqlite: PathBuf,
    database: Option<Access>,
    owner: Identity,
}

impl Whole {
    /// Puts everything in its place; why it must not be started, where that is so.
    fn complete(&self, scratch: &Scratch) -> Result<Option<String>> {
        let code = scratch.path().join("code");
        for dir in &self.directories {
            if let Some(relative) = inside(&self.definition.root, &dir.path) {
                let aside = trees::aside(&self.definition, &dir.name, &dir.path);
                host::carry(&above(&scratch.path().join(aside), &relative), &code, &relative)?;
            }
        }
        match &self.definition.database {
            None => Ok(None),
            Some(DatabaseAddress::Sqlite { path }) => self.with_file(scratch, &code, path),
            Some(_) => self.with_server(&code),
        }
    }

    fn with_file(&self, scratch: &Scratch, code: &Path, live: &Path) -> Result<Option<String>> {
        scratch.give(&self.sqlite, &self.owner)?;
        let Some(relative) = inside(&self.definition.root, live) else {
            return Ok(Some("its database lies outside of its code, where the restored one would not be found".into()));
        };
        let from = above(&scratch.path().join(&self.sqlite), &relative);
        for suffix in SQLITE_SUFFIXES {
            let mut name = relative.clone().into_os_string();
            name.push(suffix);
            host::carry(&from, code, Path::new(&name))?;
        }
        // A path that is written down whole leads to the live file; one that is made from where the code is does not.
        let path = scratch.path_outside().join("code").join(relative);
        let new = Access { address: DatabaseAddress::Sqlite { path }, password: crate::base::secret::Secret::new("") };
        match self.settings(code)? {
            Some((path, old)) => match stack::stack(self.definition.stack).read(&old.bytes) {
                Ok(Some(named)) if names(&named, live) => rewrite(self, &path, &old, &new),
                _ if memchr::memmem::find(&old.bytes, live.as_os_str().as_bytes()).is_some() => {
                    Ok(Some("its settings name the live database in a way that cannot be rewritten".into()))
                }
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    fn with_server(&self, code: &Path) -> Result<Option<String>> {
        let Some(new) = &self.database else { return Ok(Some("its database was not imported".into())) };
        let new = &self.prefixed(new);
        match self.settings(code)? {
            Some((path, old)) => rewrite(self, &path, &old, new),
            None => Ok(Some("its settings are not in its code, so that it would use the live database".into())),
        }
    }

    /// The settings also name what the site's tables begin with.
    fn prefixed(&self, new: &Access) -> Access {
        let mut new = new.clone();
        if let DatabaseAddress::Mysql(to) | DatabaseAddress::Postgres(to) = &mut new.address
            && let Some(live) = self.definition.database.as_ref().and_then(DatabaseAddress::account)
        {
            to.prefix.clone_from(&live.prefix);
        }
        new
    }

    /// The settings file of the copy.
    fn settings(&self, code: &Path) -> Result<Option<(PathBuf, host::Content)>> {
        let Some(relative) = self.definition.settings.as_ref().and_then(|s| inside(&self.definition.root, s)) else { return Ok(None) };
        let path = code.join(relative);
        Ok(host::read_file(&path, &Identity::of_process(), LARGEST)?.map(|old| (path, old)))
    }
}

/// The directory that `relative` stands below in `path`.
fn above(path: &Path, relative: &Path) -> PathBuf {
    path.ancestors().nth(relative.components().count()).unwrap_or(path).to_owned()
}

fn names(access: &Access, live: &Path) -> bool {
    matches!(&access.address, DatabaseAddress::Sqlite { path } if path == live)
}

fn rewrite(copy: &Whole, path: &Path, old: &host::Content, new: &Access) -> Result<Option<String>> {
    match stack::stack(copy.definition.stack).rewrite(&old.bytes, new) {
        Ok(bytes) => host::replace_file(path, &bytes, &old.meta).map(|()| None),
        Err(e) => Ok(Some(format!("its settings cannot be made to name the scratch database: {}", e.sentence()))),
    }
}
