use super::*;
use crate::base::error::{Class, Error};
use std::io::{Cursor, Read};

fn mysql(rows: u64, changed: Option<u64>) -> Vec<u8> {
    let mut out = b"-- MariaDB dump\nCREATE TABLE `t` (\n  `id` int\n);\n".to_vec();
    for n in 0..rows {
        let head = if n % 500 == 0 { "INSERT INTO `t` VALUES " } else { "," };
        let text = crate::base::secret::hex(&noise(n, 120));
        let more = if changed == Some(n) { "changed" } else { "" };
        let end = if n % 500 == 499 || n == rows - 1 { ";\n" } else { "" };
        out.extend_from_slice(format!("{head}({n},'{text}{more}'){end}").as_bytes());
    }
    out.extend_from_slice(b"-- Dump completed\n");
    out
}

fn dump(content: Vec<u8>, finish: Result<(), Error>) -> Source {
    Source::Dump(Dump {
        name: "database".into(),
        syntax: Syntax::Mysql,
        reader: Box::new(Cursor::new(content)),
        finish: Box::new(move || finish),
    })
}

fn read(bench: &Bench, snapshot: &str) -> Vec<u8> {
    let mut out = Vec::new();
    bench.repository.dump(snapshot, Path::new("database"), &Watch::new()).unwrap().read_to_end(&mut out).unwrap();
    out
}

/// The rows of a dump, whatever statements they stand in.
fn rows(dump: &[u8]) -> Vec<String> {
    let text = String::from_utf8(dump.to_vec()).unwrap();
    text.split('(').skip(2).map(|row| row.split(')').next().unwrap().to_owned()).collect()
}

#[test]
fn a_dump_comes_back_row_for_row_and_the_next_night_adds_little() {
    let bench = Bench::new();
    let (first, second) = (mysql(40_000, None), mysql(40_000, Some(20_000)));
    let one = bench.backup(vec![dump(first.clone(), Ok(()))]).unwrap();
    let two = bench.backup(vec![dump(second.clone(), Ok(()))]).unwrap();
    assert!(two.stored < one.stored / 10, "{} after {}", two.stored, one.stored);
    assert_eq!(rows(&read(&bench, &one.snapshot)), rows(&first));
    let back = read(&bench, &two.snapshot);
    assert_eq!(rows(&back), rows(&second));
    assert!(back.starts_with(b"-- MariaDB dump\n") && back.ends_with(b"-- Dump completed\n"));
    bench.judge();
    bench.repository.prove(&two.snapshot, &Watch::new()).unwrap();
}

#[test]
fn a_segment_of_equal_length_and_another_content_is_not_taken_for_the_old_one() {
    let bench = Bench::new();
    for word in ["aaa", "bbb", "ccc"] {
        let stored = bench.backup(vec![dump(format!("INSERT INTO `t` VALUES (1,'{word}');\n").into_bytes(), Ok(()))]).unwrap();
        assert!(String::from_utf8(read(&bench, &stored.snapshot)).unwrap().contains(word));
    }
}

#[test]
fn a_dump_whose_program_failed_is_no_snapshot_and_says_what_the_program_said() {
    let bench = Bench::new();
    let failed = || Err(Error::permanent("mysqldump: Lost connection"));
    for content in [mysql(100, None), mysql(5000, None)[..300_000].to_vec(), Vec::new()] {
        let error = bench.backup(vec![dump(content, failed()), file("manifest.json", b"{}")]).unwrap_err();
        assert_eq!(error.to_string(), "mysqldump: Lost connection");
    }
    let error = bench.backup(vec![dump(b"INSERT INTO `a` VALUES (1,'x".to_vec(), Ok(()))]).unwrap_err();
    assert!(error.to_string().contains("inside a row"), "{error}");
    assert!(bench.repository.snapshots().unwrap().is_empty());
    bench.judge();
}

#[test]
fn a_reader_that_fails_is_no_snapshot() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let bench = Bench::new();
    let reader = Box::new(Cursor::new(mysql(9000, None)).chain(Broken));
    let source = Dump { name: "database".into(), syntax: Syntax::Mysql, reader, finish: Box::new(|| Ok(())) };
    assert_eq!(bench.backup(vec![Source::Dump(source)]).unwrap_err().class(), Class::Transient);
    assert!(bench.repository.snapshots().unwrap().is_empty());
}

#[test]
fn a_dump_beside_a_tree_that_changes_is_read_once_and_kept_through_all_passes() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    super::backups::large(&site.join("log"));
    let writer = super::backups::Restless::new(site.join("log"));
    let content = mysql(3000, None);
    let stream =
        Stream { path: "s/image".into(), size: 100_000, reader: Box::new(Cursor::new(noise(3, 100_000))), finish: Box::new(|| Ok(())) };
    let stored = bench.backup(vec![dump(content.clone(), Ok(())), tree("files", &site), Source::Stream(stream)]).unwrap();
    drop(writer);
    assert_eq!(stored.problems.len(), 1, "{:?}", stored.problems);
    assert_eq!(rows(&read(&bench, &stored.snapshot)), rows(&content));
    assert_eq!(bench.repository.file(&stored.snapshot, Path::new("s/image"), 1 << 20).unwrap(), noise(3, 100_000));
    bench.repository.prove_content(&stored.snapshot, &Watch::new()).unwrap();
    bench.judge();
}

#[test]
fn a_reader_of_a_dump_may_go_away_early_and_a_cancelled_one_ends_with_an_error() {
    let bench = Bench::new();
    let stored = bench.backup(vec![dump(mysql(60_000, None), Ok(()))]).unwrap();
    let watch = Watch::new();
    let mut reader = bench.repository.dump(&stored.snapshot, Path::new("database"), &watch).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    assert!(bench.objects("locks").is_empty());
    let mut reader = bench.repository.dump(&stored.snapshot, Path::new("database"), &watch).unwrap();
    watch.cancel();
    let mut all = Vec::new();
    assert!(reader.read_to_end(&mut all).is_err());
    assert!(reader.read_to_end(&mut all).is_err(), "the error stays");
}
