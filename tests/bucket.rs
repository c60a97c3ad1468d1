//! A shell script of the kind that people have for their host: every site into a bucket. It knows Sitekeep only by the
//! binary's name.

use crate::downloads::{unpacked, untar};
use crate::support::bucket::{BUCKET, Bucket};
use crate::support::panel::Panel;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{FIXTURES, Scratch, digest};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn script(panel: &Panel, bucket: &Bucket, sites: &str, folder: &Path) -> Output {
    let mut command = panel.server.cli_command(&[]);
    let program = command.get_program().to_owned();
    let known: Vec<_> = command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
    command = Command::new(format!("{FIXTURES}/bucket/sites-to-bucket.sh"));
    command.env_clear().envs(known).env("HOST_CLI", program).env("SITES", sites).env("ENVIRONMENTS", "live");
    command.env("BUCKET", BUCKET).env("FOLDER", folder).current_dir(folder);
    bucket.know(&mut command);
    command.output().expect("a script starts")
}

#[test]
fn a_script_made_for_another_host_brings_every_site_into_a_bucket() {
    let (panel, bucket, shop, notes) = (Panel::start(), Bucket::start(), SqliteSite::start(), SqliteSite::start());
    for (name, site) in [("shop", &shop), ("notes", &notes)] {
        let database = site.database().display().to_string();
        panel.add_site(name, "live", &site.root, &["--files", "public=media", "--database-engine", "sqlite", "--database-name", &database]);
    }
    let scratch = Scratch::new();
    let folder = scratch.join("archives");
    std::fs::create_dir(&folder).unwrap();
    for night in 0..2 {
        let out = script(&panel, &bucket, "shop notes", &folder);
        assert!(out.status.success(), "night {night}: {}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    }
    let got = scratch.join("from-the-bucket");
    bucket.fetch(&got);
    let names: BTreeSet<String> =
        std::fs::read_dir(got.join("backups")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let wanted = ["shop", "notes"].iter().flat_map(|s| ["code.tar.gz", "files.tar.gz", "database.gz"].map(|e| format!("{s}.live.{e}")));
    assert_eq!(names, wanted.collect());
    assert_eq!(panel.backups("shop.live").len(), 6);
    let of = |element: &str| got.join(format!("backups/shop.live.{element}"));
    untar(&of("files.tar.gz"), &scratch.join("files"));
    untar(&of("code.tar.gz"), &scratch.join("code"));
    digest::files(&shop.media()).assert_same(&digest::files(&scratch.join("files/files/public")), "files");
    let code = |root: &Path| digest::files(root).without(&["media"]).only(|path| !path.starts_with("data"));
    code(&shop.root).assert_same(&code(&scratch.join("code/code")), "code");
    let database = scratch.join("database.sqlite");
    std::fs::write(&database, unpacked(&of("database.gz"))).unwrap();
    digest::sqlite(&shop.database()).assert_same(&digest::sqlite(&database), "database");
}

#[test]
fn the_script_stops_at_a_site_that_is_not_there_and_says_which() {
    let (panel, bucket, scratch) = (Panel::start(), Bucket::start(), Scratch::new());
    let out = script(&panel, &bucket, "nowhere", scratch.path());
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("nowhere.live"), "{said}");
    let got = scratch.join("from-the-bucket");
    std::fs::create_dir(&got).unwrap();
    bucket.fetch(&got);
    assert_eq!(std::fs::read_dir(&got).unwrap().count(), 0);
}
