use super::restores::zoo;
use super::*;
use crate::base::error::Class;
use std::io::Write;
use std::process::Stdio;

fn about() -> About {
    let facts = serde_json::json!({ "backup": "bak_x", "environment": "acme/shop.live", "problems": [] });
    About { facts: facts.as_object().unwrap().clone(), time: Clock::system().now() }
}

fn archived(bench: &Bench, snapshot: &str) -> crate::base::error::Result<Vec<u8>> {
    let mut out = Vec::new();
    bench.repository.archive(snapshot, &about(), Packing::Gzip, &mut out, &Watch::new()).map(|()| out)
}

/// GNU tar on these bytes: it must be content, and say nothing.
fn tar(args: &[&str], input: &[u8], into: &Path) -> String {
    let mut child = Command::new("tar")
        .args(args)
        .arg("-C")
        .arg(into)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "tar said: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn gnu_tar_unpacks_an_archive_to_what_was_backed_up() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    zoo(&site);
    // GNU tar warns of times before 1970, rightly kept or not.
    let time = rustix::fs::Timespec { tv_sec: 12, tv_nsec: 5 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, site.join("twice"), &times, rustix::fs::AtFlags::empty()).unwrap();
    let long = site.join("deep").join("y".repeat(200)).join("z".repeat(255));
    std::fs::create_dir_all(&long).unwrap();
    std::os::unix::fs::symlink("w".repeat(300), long.join("far")).unwrap();
    std::fs::hard_link(site.join("large"), long.join("third-name")).unwrap();
    std::fs::write(long.join("page"), b"<h1>").unwrap();
    let attributes = rustix::fs::XattrFlags::empty();
    let kept = rustix::fs::setxattr(site.join("a b"), "user.checksum", b"\x00\xff\n", attributes).is_ok();
    let stored = bench.backup(vec![tree("code", &site), file("changes.patch", b"+++")]).unwrap();
    let archive = archived(&bench, &stored.snapshot).unwrap();
    let out = bench.scratch.dir("out");
    tar(&["-xzpf", "-"], &archive, &out);
    let mut expected = picture(&site);
    for line in expected.values_mut() {
        // setuid is not carried: the one file that has it loses it.
        *line = line.replace("104755 ", "100755 ");
    }
    assert_eq!(picture(&out.join("code")), expected);
    if kept {
        let with = bench.scratch.dir("with-attributes");
        tar(&["--xattrs", "-xzpf", "-"], &archive, &with);
        let mut value = vec![0; 9];
        let n = rustix::fs::getxattr(with.join("code/a b"), "user.checksum", &mut value).unwrap();
        assert_eq!(&value[..n], b"\x00\xff\n");
    }
    assert_eq!(std::fs::read(out.join("changes.patch")).unwrap(), b"+++");
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("sitekeep-manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["environment"], "acme/shop.live");
    check_list(&out, &manifest);
}

/// Every line names a file that is there, with the hash that it has; and every file has its line.
fn check_list(out: &Path, manifest: &serde_json::Value) {
    use sha2::Digest;
    let lines = manifest["files"].as_array().unwrap();
    for line in lines {
        let path = match line["path_hex"].as_str() {
            Some(hex) => (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect(),
            None => line["path"].as_str().unwrap().as_bytes().to_vec(),
        };
        let bytes = std::fs::read(out.join(std::ffi::OsStr::from_bytes(&path))).unwrap();
        if let Some(hash) = line["sha256"].as_str() {
            assert_eq!(hash, crate::base::secret::hex(&sha2::Sha256::digest(&bytes)), "{line}");
            assert_eq!(line["size"].as_u64(), Some(bytes.len() as u64));
        } else {
            assert!(out.join(line["same_as"].as_str().unwrap()).is_file(), "{line}");
        }
    }
    let files = files_below(out).into_iter().filter(|p| !p.is_symlink()).count();
    assert_eq!(lines.len(), files - 1, "all but the manifest itself");
}

#[test]
fn thousands_of_small_and_empty_files_come_in_order() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for i in 0..5000 {
        std::fs::write(site.join(format!("{i:05}")), if i % 3 == 0 { String::new() } else { format!("{i}") }).unwrap();
    }
    let stored = bench.backup(vec![tree("files/public", &site)]).unwrap();
    let archive = archived(&bench, &stored.snapshot).unwrap();
    let out = bench.scratch.dir("out");
    tar(&["-xzpf", "-"], &archive, &out);
    assert_eq!(picture(&out.join("files/public")), picture(&site));
}

/// Would a reader take this for a whole file?
fn is_whole(archive: &[u8]) -> bool {
    let mut sink = std::io::sink();
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(archive), &mut sink).is_ok() && !archive.is_empty()
}

#[test]
fn an_archive_of_a_damaged_repository_breaks_off_without_its_end() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for i in 0..40 {
        std::fs::write(site.join(format!("{i:02}")), noise(i, 200_000)).unwrap();
    }
    let dump = (0..200).map(|i| format!("insert into t values ({i});\n")).collect::<String>();
    let stored = bench.backup(vec![tree("files/public", &site), file("database/a", dump.as_bytes())]).unwrap();
    assert!(is_whole(&archived(&bench, &stored.snapshot).unwrap()));
    let larger = bench.objects("data").into_iter().max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap();
    let whole = std::fs::read(&larger).unwrap();
    for part in 1..6 {
        let mut altered = whole.clone();
        altered[whole.len() * part / 6] ^= 1;
        std::fs::write(&larger, &altered).unwrap();
        let mut out = Vec::new();
        let error = bench.repository.archive(&stored.snapshot, &about(), Packing::Gzip, &mut out, &Watch::new()).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "{error}");
        assert!(!is_whole(&out), "{} bytes look whole", out.len());
    }
    std::fs::remove_file(&larger).unwrap();
    let mut out = Vec::new();
    let dump = bench.repository.archive_sql(&stored.snapshot, Path::new("database"), &about(), &mut out, &Watch::new());
    assert!(dump.is_err() && !is_whole(&out));
}

#[test]
fn a_cancelled_archive_stops_at_the_next_piece_and_a_refusing_sink_ends_it() {
    struct Cancels(Watch, usize);
    impl Write for Cancels {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.cancel();
            self.1 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Refuses;
    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::write(site.join("large"), noise(1, 20_000_000)).unwrap();
    let stored = bench.backup(vec![tree("files/public", &site)]).unwrap();
    let watch = Watch::new();
    let mut sink = Cancels(watch.clone(), 0);
    let error = bench.repository.archive(&stored.snapshot, &about(), Packing::Gzip, &mut sink, &watch).unwrap_err();
    assert_eq!(error.class(), Class::Cancelled);
    assert!(sink.1 < 4_000_000, "{} bytes were written after the end was asked for", sink.1);
    assert!(bench.repository.archive(&stored.snapshot, &about(), Packing::Gzip, &mut Refuses, &Watch::new()).is_err());
}

#[test]
fn a_dump_comes_with_what_it_is_and_a_file_as_it_was() {
    let bench = Bench::new();
    let stored = bench.backup(vec![file("database/a", b"create table t;\n"), file("database/b", b"insert;\n")]).unwrap();
    let unpacked = |bytes: &[u8]| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes), &mut text).unwrap();
        text
    };
    let (mut sql, mut single) = (Vec::new(), Vec::new());
    bench.repository.archive_sql(&stored.snapshot, Path::new("database"), &about(), &mut sql, &Watch::new()).unwrap();
    let sql = unpacked(&sql);
    assert!(sql.starts_with("-- ") && sql.ends_with("create table t;\ninsert;\n") && sql.contains("-- backup: bak_x\n"), "{sql}");
    bench.repository.archive_file(&stored.snapshot, Path::new("database/a"), &about(), &mut single, &Watch::new()).unwrap();
    assert_eq!(unpacked(&single), "create table t;\n");
    let decoder = flate2::read::GzDecoder::new(&single[..]);
    let header = decoder.header().unwrap();
    assert!(header.filename() == Some(b"a") && String::from_utf8_lossy(header.comment().unwrap()).contains("acme/shop.live"));
}
