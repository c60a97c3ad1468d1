//! The whole main job without a person. Each line it prints was checked; the first that does not hold ends it.

use super::compare::{State, differences, state};
use super::stage::Stage;
use crate::base::error::{Context, Error, Result};
use std::path::Path;

pub(super) fn run(stage: &mut Stage) -> Result<()> {
    let root = stage.sites.join("live");
    let healthy = state(&root)?;
    step(1, "Back the live environment up");
    stage.cli(&["backup:create", "garden.live", "--note", "Before the storm"])?;
    step(2, "Damage it: files overwritten, deleted and added, rows changed and lost, code edited");
    damage(&root)?;
    let damaged = state(&root)?;
    if differences(&healthy, &damaged).len() < 5 {
        return Err(Error::internal("the damage did not show"));
    }
    step(3, "Say what a restore would overwrite, without doing it");
    stage.cli(&["backup:restore", "garden.live", "--dry-run"])?;
    same("a dry run changes nothing", &damaged, &root)?;
    step(4, "Restore everything");
    stage.cli(&["backup:restore", "garden.live", "--yes", "--confirm", "garden.live"])?;
    same("every file and row is as it was backed up", &healthy, &root)?;
    answers(stage)?;
    step(5, "Undo the restore");
    stage.cli(&["backup:undo", "garden.live", "--yes", "--confirm", "garden.live"])?;
    same("the damaged state is back, to the byte and the row", &damaged, &root)?;
    step(6, "Undo the undo");
    let undo = stage.cli(&["restore:list", "garden.live", "--format", "list", "--field", "id"])?;
    let undo = undo.lines().next().unwrap_or_default().to_owned();
    stage.cli(&["backup:undo", &undo, "--yes", "--confirm", "garden.live"])?;
    same("every file and row is as it was backed up", &healthy, &root)?;
    answers(stage)?;
    step(7, "Restore the live backup into another environment");
    let test = stage.sites.join("test");
    stage.cli(&["backup:restore", "garden.live", "--to", "demo/garden.test", "--yes"])?;
    same("the test environment holds what live held", &healthy, &test)?;
    step(8, "Read the log");
    let log = stage.cli(&["backup:list", "garden.live", "--fields", "date,element,reason,size"])?;
    for reason in ["Before the storm", "Generated before being restored to a previous version"] {
        if !log.contains(reason) {
            return Err(Error::internal(format!("the log does not show `{reason}`")));
        }
    }
    println!("\nAll of it held.");
    Ok(())
}

fn step(n: u32, what: &str) {
    println!("\n{n}. {what}");
}

fn damage(root: &Path) -> Result<()> {
    let io = || "damaging the site".to_owned();
    std::fs::write(root.join("uploads/sage.bmp"), b"not a picture").context(io)?;
    std::fs::remove_file(root.join("uploads/poppy.bmp")).context(io)?;
    std::fs::write(root.join("uploads/intruder.html"), b"<h1>was here</h1>").context(io)?;
    std::os::unix::fs::symlink("/etc/passwd", root.join("uploads/link")).context(io)?;
    std::fs::write(root.join("header.html"), b"<!doctype html><title>The Garden</title>Closed").context(io)?;
    std::fs::remove_file(root.join("about.html")).context(io)?;
    let db = rusqlite::Connection::open(root.join("garden.sqlite3")).map_err(|e| Error::permanent(e.to_string()))?;
    db.execute_batch("delete from plants where id > 3; update visits set note = 'forged' where id % 2 = 0; create table rubbish (x); insert into rubbish values (1)")
        .map_err(|e| Error::permanent(e.to_string()))
}

fn same(what: &str, expected: &State, root: &Path) -> Result<()> {
    let different = differences(expected, &state(root)?);
    if different.is_empty() {
        println!("  held: {what}: {} things compared", expected.len());
        return Ok(());
    }
    Err(Error::internal(format!("did not hold: {what}\n  {}", different.join("\n  "))))
}

fn answers(stage: &Stage) -> Result<()> {
    let url = format!("{}/live/", stage.garden);
    let answer = crate::hosting::host::probe(&url, Some("200 visits"))?;
    match (answer.status, answer.found) {
        (200, true) => {
            println!("  held: the site answers with its page");
            Ok(())
        }
        (status, _) => Err(Error::internal(format!("the site answers with status {status}, or with another page"))),
    }
}
