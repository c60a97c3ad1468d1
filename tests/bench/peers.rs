//! Those that are compared, behind one face.

use super::measure::Cost;
use super::panel::Panel;
use super::rivals::{Borg, Plain, Restic, Tar};
use crate::support::Scratch;
use crate::support::wordpress::Wordpress;
use std::path::{Path, PathBuf};

/// What something cost, and what parts of it took.
#[derive(Default)]
pub struct Done {
    pub whole: Cost,
    /// Those that are worth a line.
    pub parts: Vec<Part>,
}

pub struct Part {
    pub what: &'static str,
    /// Seconds.
    pub wall: f64,
    /// What it added to the store, in bytes.
    pub stored: u64,
}

impl Part {
    pub fn lasting(what: &'static str, wall: f64) -> Self {
        Self { what, wall, stored: 0 }
    }
}

/// What all of them tell apart, so that it can be compared.
pub const FILES: &str = "files";
pub const DATABASE: &str = "database";

pub trait Peer {
    fn name(&self) -> &'static str;
    /// Not worth a second round.
    fn is_slow(&self) -> bool {
        false
    }
    /// Where it writes.
    fn place(&self) -> &Path;
    /// Files and database.
    fn backup(&mut self, tag: &str) -> Done;
    /// The newest backup: files on the disk, rows in a database.
    fn restore(&mut self) -> Done;
    /// What it has stored until now, in bytes.
    fn stored(&self) -> u64;
}

/// Sitekeep, restic, Borg where it is installed, the classic way, and plain copies.
pub fn all<'a>(scratch: &Scratch, site: &'a Wordpress) -> Vec<Box<dyn Peer + 'a>> {
    let wanted = std::env::var("BENCH_PEERS").unwrap_or_else(|_| "sitekeep,restic,borg,tar,plain".to_owned());
    let is_wanted = |name: &str| wanted.split(',').any(|w| w == name);
    let mut all: Vec<Box<dyn Peer + 'a>> = Vec::new();
    if is_wanted("sitekeep") {
        all.push(Box::new(Sitekeep::start(scratch, site)));
    }
    if is_wanted("restic") {
        all.push(Box::new(Restic::start(scratch, site)));
    }
    if is_wanted("borg") && Borg::is_installed() {
        all.push(Box::new(Borg::start(scratch, site)));
    }
    if is_wanted("tar") {
        all.push(Box::new(Tar::start(scratch, site)));
    }
    if is_wanted("plain") {
        all.push(Box::new(Plain::start(scratch, site)));
    }
    all
}

struct Sitekeep<'a> {
    panel: Panel,
    site: &'a Wordpress,
    place: PathBuf,
}

impl<'a> Sitekeep<'a> {
    fn start(scratch: &Scratch, site: &'a Wordpress) -> Self {
        let panel = Panel::start(scratch);
        panel.add_wordpress(site);
        Self { panel, site, place: scratch.path().to_owned() }
    }
}

impl Peer for Sitekeep<'_> {
    fn name(&self) -> &'static str {
        "Sitekeep"
    }
    fn place(&self) -> &Path {
        &self.place
    }
    fn backup(&mut self, _tag: &str) -> Done {
        let whole = self.panel.backup(&self.site.root);
        Done { whole, parts: vec![self.panel.element("database", DATABASE)] }
    }
    /// In its own place, with a safety backup before and every check: the others only write. So the parts that the others
    /// have too are told apart, and the time in which visitors see the maintenance page.
    fn restore(&mut self) -> Done {
        let (whole, steps) = self.panel.restore(&self.site.root);
        let of = |names: &[&str]| steps.iter().filter(|(step, _)| names.contains(&step.as_str())).map(|(_, s)| s).sum::<f64>();
        let parts = vec![
            Part::lasting(FILES, of(&["stage_files", "stage_code"])),
            Part::lasting(DATABASE, of(&["stage_database"])),
            Part::lasting("safety backup beforehand", of(&["safety_backup"])),
            Part::lasting(
                "maintenance mode",
                of(&[
                    "maintenance_on",
                    "complete_safety",
                    "switch_code",
                    "switch_files",
                    "switch_database",
                    "switch_settings",
                    "reload",
                    "check_data",
                ]),
            ),
        ];
        Done { whole, parts }
    }
    fn stored(&self) -> u64 {
        self.panel.stored()
    }
}
