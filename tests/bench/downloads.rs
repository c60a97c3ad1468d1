//! Downloads and a look inside: how fast an archive is prepared beside `restic dump | pigz`, when the first byte of a streamed
//! one is there, what fifty clients at once cost, and how fast pages of a backup with a million files are.

use super::dashboard::wrk::wrk;
use super::measure::high_water;
use super::panel::Panel;
use super::{site, size};
use crate::support::browser::Browser;
use crate::support::{Scratch, give_tree, web_user, write};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How fast preparing has to be at least, beside `restic dump | pigz`.
const SPEED: f64 = 0.9;
/// Milliseconds until the first byte.
const FIRST_BYTE: f64 = 300.0;
/// Of the server while fifty download, in bytes.
const MEMORY: u64 = 300 << 20;
const CLIENTS: usize = 50;
/// Milliseconds within which 95 of 100 pages of a folder must be there.
const PAGE: f64 = 50.0;

/// A directory of photographs and of pages, half and half by size.
fn directory(root: &Path, bytes: u64) {
    let words: Vec<String> = (0..4000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40)).collect();
    for n in 0..bytes / (8 << 20) {
        let mut dice = site::Dice::new(3, n);
        let folder = root.join(format!("files/{:02}", n % 12));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::write(folder.join(format!("photo-{n:05}.jpg")), dice.bytes(4 << 20)).expect("a file can be written");
        let mut page =
            std::io::BufWriter::new(std::fs::File::create(folder.join(format!("page-{n:05}.html"))).expect("a file can be made"));
        for _ in 0..(4 << 20) / 6 {
            let word = &words[usize::try_from(dice.below(4000)).expect("it is small")];
            write!(page, "{word} ").expect("a file can be written");
        }
    }
    std::fs::write(root.join("index.html"), "a site of files").expect("a file can be written");
    give_tree(root, &web_user());
}

/// A panel with a backup of a directory of `BENCH_GB` in it.
fn world(scratch: &Scratch, gb: f64) -> (Panel, Value) {
    let root = scratch.join("site");
    directory(&root, (gb * 1e9) as u64);
    let panel = Panel::start(scratch);
    panel.add_directory(&root);
    println!("a backup of {gb} GB: {}", panel.backup(&root));
    let backup = panel.newest();
    (panel, backup)
}

fn id(of: &Value) -> &str {
    of["id"].as_str().expect("it has an id")
}

/// Has the element `files` prepared; its seconds, and the download.
fn prepare(panel: &Panel, backup: &Value) -> (f64, Value) {
    let began = Instant::now();
    let wish = json!({ "elements": ["files"], "form": "tar.gz" });
    let asked = panel.ask("POST", &format!("/backups/{}/downloads", id(backup)), Some(&wish));
    loop {
        let download = panel.ask("GET", &format!("/downloads/{}", id(&asked)), None);
        match download["state"].as_str() {
            Some("ready") => return (began.elapsed().as_secs_f64(), download),
            Some("failed" | "expired" | "removed") => panic!("{download}"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// `restic dump --archive tar SNAPSHOT / | pigz`, into a file; seconds.
fn dump(panel: &Panel, backup: &Value, password: &Path, to: &Path) -> f64 {
    let elements = backup["elements"].as_array().expect("a list");
    let files = elements.iter().find(|e| e["element"] == "files").expect("files were backed up");
    let snapshot = files["snapshot"].as_str().expect("a snapshot");
    let began = Instant::now();
    let mut restic = Command::new("restic");
    restic.arg("--repo").arg(panel.repository()).arg("--password-file").arg(password);
    let mut restic =
        restic.args(["--no-lock", "dump", "--archive", "tar", snapshot, "/"]).stdout(Stdio::piped()).spawn().expect("restic starts");
    let file = std::fs::File::create(to).expect("a file can be made");
    let pigz = Command::new("pigz").stdin(restic.stdout.take().expect("a pipe")).stdout(file).status();
    let pigz = pigz.expect("`pigz` is missing; install it with:\napt-get install --no-install-recommends pigz");
    assert!(pigz.success() && restic.wait().expect("restic ends").success());
    began.elapsed().as_secs_f64()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, with gigabytes that take minutes to make"]
fn bench_prepared_downloads_beside_restic_and_pigz() {
    let (scratch, rounds) = (Scratch::new(), size("BENCH_ROUNDS", 3));
    let (panel, backup) = world(&scratch, size("BENCH_GB", 2.0));
    let password = scratch.join("restic-password");
    panel.tool(&["recovery:key", "bench/site", "--out", &password.display().to_string()]);
    let archive = scratch.join("dump.tar.gz");
    let (mut ours, mut theirs, mut sizes) = (Vec::new(), Vec::new(), (0, 0));
    for _ in 0..rounds {
        theirs.push(dump(&panel, &backup, &password, &archive));
        sizes.1 = std::fs::metadata(&archive).expect("it was written").len();
        std::fs::remove_file(&archive).expect("it can be removed");
        let (seconds, download) = prepare(&panel, &backup);
        ours.push(seconds);
        sizes.0 = download["archives"][0]["size"].as_u64().expect("a size");
        panel.ask("DELETE", &format!("/downloads/{}", id(&download)), None);
    }
    println!("\n| | seconds, each round | median | MB |\n|---|---|--:|--:|");
    println!("| prepared by Sitekeep | {ours:.2?} | {:.2} | {} |", median(ours.clone()), sizes.0 / 1_000_000);
    println!("| restic dump, pigz | {theirs:.2?} | {:.2} | {} |", median(theirs.clone()), sizes.1 / 1_000_000);
    let speed = median(theirs) / median(ours);
    println!("preparing is {speed:.2} times as fast");
    assert!(speed >= SPEED, "it should be {SPEED} times as fast at least");
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, with gigabytes that take minutes to make"]
fn bench_the_first_byte_and_fifty_clients_at_once() {
    let scratch = Scratch::new();
    let (panel, backup) = world(&scratch, size("BENCH_GB", 2.0));
    let link = panel.ask("POST", &format!("/backups/{}/links", id(&backup)), Some(&json!({ "element": "files" })));
    let url = link["url"].as_str().expect("it is open").to_owned();
    let mut times: Vec<f64> = (0..20).map(|_| first_byte(&url)).collect();
    times.sort_by(f64::total_cmp);
    println!("\nfirst byte of a streamed download: {:.0} ms (median), {:.0} ms (slowest of 20)", times[10], times[19]);
    let (_, download) = prepare(&panel, &backup);
    let archive = &download["archives"][0];
    let link = panel.ask("POST", &format!("/archives/{}/links", id(archive)), Some(&json!({})));
    let (url, whole) = (link["url"].as_str().expect("it is open"), archive["size"].as_u64().expect("a size"));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| swallowed(url))).collect();
        clients.into_iter().for_each(|client| assert_eq!(client.join().expect("a client ends"), whole, "a download was cut"));
    });
    let (seconds, memory) = (began.elapsed().as_secs_f64(), high_water(panel.server.pid()));
    let rate = whole as f64 * CLIENTS as f64 / seconds / 1e6;
    println!(
        "{CLIENTS} clients at once, {:.2} GB each: {seconds:.1} s, {rate:.0} MB/s, the server took {} MB at most",
        whole as f64 / 1e9,
        memory >> 20
    );
    assert!(times[19] <= FIRST_BYTE && memory < MEMORY);
}

/// Milliseconds until the first byte of what is behind a link; the rest is not waited for.
fn first_byte(url: &str) -> f64 {
    let began = Instant::now();
    let mut answer = ureq::get(url).call().expect("it is answered");
    answer.body_mut().as_reader().read_exact(&mut [0]).expect("there is a byte");
    let took = began.elapsed().as_secs_f64() * 1e3;
    drop(answer);
    std::thread::sleep(Duration::from_millis(500)); // its stream has to end: there are not many at once
    took
}

fn swallowed(url: &str) -> u64 {
    let mut answer = ureq::get(url).call().expect("it is answered");
    std::io::copy(&mut answer.body_mut().as_reader(), &mut std::io::sink()).expect("it is read to its end")
}

/// Signs in by the form; the cookie of the session.
fn signed_in(scratch: &Scratch, panel: &Panel) -> String {
    let (password, file) = ("a bench is for sitting on", scratch.join("password"));
    write(&file, password);
    panel.tool(&["setup", "--email", "bench@example.test", "--password-file", &file.display().to_string()]);
    let browser = Browser::new(&panel.server.url);
    browser.sign_in("bench@example.test", password);
    browser.cookie().expect("there is a session")
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, with a million files that take minutes to make"]
fn bench_pages_of_a_backup_with_a_million_files() {
    let (scratch, count) = (Scratch::new(), size("BENCH_BROWSE_FILES", 1_000_000_u64));
    let root = scratch.join("site");
    site::small_files(&root.join("files"), count);
    std::fs::write(root.join("index.html"), "a site of files").expect("a file can be written");
    give_tree(&root, &web_user());
    let panel = Panel::start(&scratch);
    panel.add_directory(&root);
    println!("\na backup of {count} files: {}", panel.backup(&root));
    let backup = panel.newest();
    let cookie = signed_in(&scratch, &panel);
    let folder = |n: u64| format!("/backups/{}/browse?element=files&path=files/public/{:02}/{:03}", id(&backup), n / 20_000, n / 100 % 200);
    let paths: Vec<String> = (0..count).step_by(100).map(folder).collect();
    for connections in [1, 2, 4] {
        let found = wrk(&panel.server.url, Some(&cookie), &paths, connections, size("BENCH_SECONDS", 10));
        println!(
            "pages of {} folders, {connections} readers: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
            paths.len(),
            found.p50,
            found.p95,
            found.p99
        );
        assert!(found.p95 <= PAGE || connections > 2, "95 of 100 pages should be there within {PAGE} ms");
    }
}
