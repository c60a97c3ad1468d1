//! A backup is the owner's without us: stock restic opens the repository, and the plain client loads the database.

use crate::support::digest;
use crate::support::gallery::{self, EMPTIED, GENERATED};
use crate::support::keep::{Keep, text};
use crate::support::wordpress;
use crate::support::{Scratch, hard, run};
use std::process::Command;

#[test]
fn stock_restic_gives_the_same_tree_and_the_plain_client_the_same_database() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    hard::mysql(site.server, &site.database);
    let backup = keep.back_up("gallery.live", &[]);
    let restic = keep.restic();
    restic.check();
    assert_eq!(restic.locks(), Vec::<String>::new());
    let snapshot = |element: &str| text(&keep.element("gallery.live", &backup, element)["snapshot"]);
    let ids = ["database", "files", "code"].map(snapshot);
    let known = restic.snapshots();
    assert!(known.len() == 3 && ids.iter().all(|id| known.contains(id)), "{known:?} {ids:?}");
    let into = Scratch::new();
    for (id, name) in ids.iter().zip(["database", "files", "code"]) {
        restic.restore(id, &into.join(name));
    }
    let public = digest::files(&site.public()).without(&["css", "js", "styles"]);
    public.assert_same(&digest::files(&into.join("files/files/public")), "public files");
    digest::files(&site.private).assert_same(&digest::files(&into.join("files/files/private")), "private files");
    let code = digest::files(&site.root).without(&GENERATED).without(&["sites/default/files"]);
    code.assert_same(&digest::files(&into.join("code/code")), "code");

    let dump = run(Command::new("bash")
        .args(["-c", "find database -type f -print0 | LC_ALL=C sort -z | xargs -0 cat"])
        .current_dir(into.join("database")));
    let empty = site.server.create("by_hand");
    wordpress::load(site.server, &empty.name, &dump);
    let (before, after) = (gallery::rows(&site).without(&EMPTIED), site.server.digest(&empty.name).without(&EMPTIED));
    for part in hard::MYSQL_PARTS {
        assert!(before.get(part).is_some(), "{part} is in the site");
    }
    hard::but_checksums(&before).assert_same(&hard::but_checksums(&after), "the database");

    // And as the database's own user, who has no rights elsewhere.
    let theirs = site.server.create("by_owner");
    let mut client = Command::new(crate::support::tool("mariadb"));
    let options = keep.secret("client.cnf", &format!("[client]\nuser={}\npassword={}\n", theirs.user, theirs.password));
    client.arg(format!("--defaults-file={options}")).args(["-h127.0.0.1", "-P", &theirs.port.to_string(), &theirs.name]);
    let out = crate::support::run_with_input(&mut client, &dump);
    crate::support::assert_success(&client, &out);
    site.server.digest(&empty.name).assert_same(&site.server.digest(&theirs.name), "loaded by its own user");
}

#[test]
fn a_second_backup_of_the_same_site_stores_next_to_nothing() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    let first = keep.back_up("gallery.live", &[]);
    gallery::sql(&site, "update node_field_data set title = 'One row more or less' where nid = 2");
    let second = keep.back_up("gallery.live", &[]);
    for element in ["files", "code"] {
        let stored = |backup: &str| {
            let row = keep.data(&["backup:info", "gallery.live", "--backup", backup, "--element", element, "--fields=stored,bytes"]);
            (row["stored"].as_u64().unwrap_or(u64::MAX), row["bytes"].as_u64().unwrap_or(0))
        };
        let ((new, size), (again, _)) = (stored(&first), stored(&second));
        assert!(new > 0 && size > 0 && again < 4096, "{element}: first {new} of {size}, then {again}");
    }
    keep.restic().check();
    for backup in [first, second] {
        keep.must(&["backup:verify", &backup]);
    }
}
