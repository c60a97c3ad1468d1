//! What every backup that was ever called one owes: what was at the source when it was made, given back by us and by stock
//! restic alike.

use crate::crashes::bench::Bench;
use crate::crashes::site::Site;
use crate::support::digest::{self, Digest};
use crate::support::restic::Restic;
use crate::support::server::PROGRAM;
use crate::support::{Scratch, run};
use sitekeep::base::secret::Secret;
use sitekeep::base::watch::Watch;
use sitekeep::engine::{Location, Owners, Repository};
use std::path::Path;
use std::process::Command;

/// A backup, and what its source held.
pub struct Taken {
    pub backup: String,
    files: Digest,
    rows: Digest,
}

pub struct Oracle {
    restic: Restic,
    ours: Repository,
    pub taken: Vec<Taken>,
}

impl Oracle {
    /// For a site on SQLite, whose database can be compared without a server.
    pub fn of(bench: &Bench) -> Self {
        let scratch = Scratch::new();
        let mut key = Command::new(PROGRAM);
        key.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SITEKEEP_DATA_DIR", &bench.data);
        key.envs(bench.environment.iter().map(|(k, v)| (k, v)));
        run(key.args(["recovery:key", "acme/site", "--out"]).arg(scratch.join("key")));
        let said = std::fs::read_to_string(scratch.join("key")).unwrap();
        let location = bench.ask("select location from repositories");
        let restic = Restic::open(location.replace("file://", "").as_ref(), said.trim());
        let json: serde_json::Value = serde_json::from_str(&restic.must(&["cat", "masterkey"])).unwrap();
        let ours = Repository::open(&Location::parse(&location).unwrap(), &Secret::new(json.to_string())).unwrap();
        Self { restic, ours, taken: Vec::new() }
    }

    /// What was at the source when the backup was asked for.
    pub fn note(&mut self, backup: &str, (files, rows): (Digest, Digest)) {
        self.taken.push(Taken { backup: backup.to_owned(), files, rows });
    }

    /// # Panics
    /// When we, or stock restic where it is asked, too, give anything else back.
    pub fn compare(&self, bench: &Bench, taken: &Taken, stock: bool) {
        let scratch = Scratch::new();
        let sql = format!("select element || ' ' || snapshot from backup_elements where backup_id = '{}' order by 1", taken.backup);
        let elements = bench.column(&sql);
        assert_eq!(elements.len(), 3, "{}: {elements:?}", taken.backup);
        for line in elements {
            let (element, snapshot) = line.split_once(' ').expect("two words");
            let into = scratch.join("ours").join(element);
            std::fs::create_dir_all(&into).unwrap();
            let fd = std::fs::File::open(&into).unwrap().into();
            let owners = Owners { map: None, as_recorded: true, drop_setid: false };
            let restored = self.ours.restore_tree(snapshot, Path::new(element), &fd, &owners, &Watch::new());
            restored.unwrap_or_else(|e| panic!("{} {element}: {e}", taken.backup));
            if stock {
                self.restic.restore(snapshot, &scratch.join("stock"));
            }
        }
        for who in if stock { &["ours", "stock"][..] } else { &["ours"] } {
            let what = format!("{}, given back by {who}", taken.backup);
            taken.files.assert_same(&given_back(&scratch.join(who)), &what);
            taken.rows.assert_same(&digest::sqlite(&scratch.join(who).join("database/database.sqlite")), &what);
        }
    }

    /// Stock restic reads everything and finds nothing wrong.
    pub fn check(&self) {
        self.restic.check();
    }
}

/// Files by the names they have in a backup, and rows.
pub fn source(bench: &Bench) -> (Digest, Digest) {
    let Site::Notes(site) = &bench.site else { panic!("the oracle knows sites on SQLite") };
    let all = digest::content(&site.root);
    let mut files = Digest::default();
    for name in all.names().filter(|n| *n != "." && *n != "media" && !n.starts_with("data") && !n.contains(".sitekeep-")) {
        let place = if name.starts_with("media/") { "files" } else { "code" };
        files.insert(format!("{place}/{name}"), all.get(name).unwrap_or_default());
    }
    (files, site.rows())
}

fn given_back(root: &Path) -> Digest {
    let unlike = ["code", "files", "files/media", "code/media", "changes.patch", ".", "database", "database/database.sqlite"];
    digest::content(root).only(|name| !unlike.contains(&name) && !name.starts_with("code/data"))
}
