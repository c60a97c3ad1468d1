//! The store in a folder.

use super::*;
use crate::base::chance;
use crate::base::error::Class;
use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

struct Bench {
    store: Store,
    folder: PathBuf,
}

fn store(folder: &Path, reserve: u64) -> Store {
    Store::in_folder(folder.join("downloads"), chance::bytes(), reserve)
}

impl Bench {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sitekeep-store-{}", chance::word(10)));
        Self { store: store(&folder, 0), folder }
    }
    fn put(&self, name: &str, bytes: &[u8]) -> Whole {
        let mut part = self.store.begin(name).unwrap();
        for piece in bytes.chunks(7001) {
            part.write_all(piece).unwrap();
        }
        part.finish().unwrap()
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("downloads").join(name)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn all(mut reader: Reader) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).map(|_| out).map_err(Error::from)
}

#[test]
fn an_archive_of_any_size_comes_back_from_any_byte_on_and_lies_there_sealed() {
    let bench = Bench::new();
    let chunk = sealed::CHUNK;
    for size in [0, 1, 100, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 77] {
        let (bytes, name) = (noise(size), format!("arc_{size}.x"));
        let whole = bench.put(&name, &bytes);
        assert_eq!((whole.size, whole.sha256), (size as u64, hex(&Sha256::digest(&bytes))));
        assert!(bench.store.has(&name, size as u64) && !bench.store.has(&name, size as u64 + 1));
        for from in [0, 1, size / 2, size.saturating_sub(1), size, chunk - 1, chunk, chunk + 1].into_iter().filter(|f| *f <= size) {
            assert_eq!(all(bench.store.open(&name, size as u64, from as u64).unwrap()).unwrap(), bytes[from..], "{size} from {from}");
        }
        let on_disk = std::fs::read(bench.path(&name)).unwrap();
        assert!(size < 100 || !on_disk.windows(32).any(|w| w == &bytes[..32]), "it can be read without the key");
    }
    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777;
    assert_eq!((mode(&bench.path("arc_1.x")), mode(&bench.path(""))), (0o600, 0o700));
}

#[test]
fn what_was_altered_cut_or_exchanged_is_not_given_out() {
    let bench = Bench::new();
    let bytes = noise(3 * sealed::CHUNK + 5);
    let size = bytes.len() as u64;
    bench.put("arc_a", &bytes);
    bench.put("arc_b", &bytes);
    let read = |name: &str| bench.store.open(name, size, 0).and_then(all);
    std::fs::copy(bench.path("arc_b"), bench.path("arc_a")).unwrap();
    assert_eq!(read("arc_a").unwrap_err().class(), Class::Damaged, "one in the place of another");
    let mut file = File::options().write(true).open(bench.path("arc_b")).unwrap();
    file.seek(io::SeekFrom::Start(2 * sealed::CHUNK as u64)).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(read("arc_b").unwrap_err().class(), Class::Damaged, "a byte");
    file.set_len(size).unwrap();
    assert_eq!(read("arc_b").unwrap_err().class(), Class::Damaged, "cut short");
    std::fs::remove_file(bench.path("arc_b")).unwrap();
    assert_eq!(read("arc_b").unwrap_err().class(), Class::NotFound);
}

#[test]
fn a_part_is_never_found_under_its_name_and_goes_when_it_is_given_up() {
    let bench = Bench::new();
    assert_eq!(bench.store.list().unwrap(), []);
    let mut part = bench.store.begin("arc_1.a").unwrap();
    part.write_all(&noise(200_000)).unwrap();
    assert_eq!(bench.store.open("arc_1.a", 200_000, 0).unwrap_err().class(), Class::NotFound);
    assert!(bench.store.begin("arc_1.a").is_err(), "two do not write one archive");
    let found = bench.store.list().unwrap();
    assert!(found.len() == 1 && found[0].part && found[0].name == "arc_1.a" && found[0].idle < 60, "{found:?}");
    drop(part);
    assert_eq!(bench.store.list().unwrap(), []);
    bench.put("arc_2.a", b"x");
    assert!(bench.store.begin("arc_2.a").unwrap().finish().is_err(), "what lies there is not written over");
    assert_eq!(bench.store.list().unwrap().iter().map(|f| (f.name.as_str(), f.part)).collect::<Vec<_>>(), [("arc_2.a", false)]);
    let found = bench.store.list().unwrap().remove(0);
    bench.store.remove(&Found { part: true, ..found.clone() }).unwrap();
    assert!(bench.store.has("arc_2.a", 1), "only what was found goes");
    bench.store.remove(&found).unwrap();
    bench.store.remove(&found).unwrap();
    assert_eq!(bench.store.list().unwrap(), []);
}

#[test]
fn a_disk_without_room_is_said_so_before_anything_is_written() {
    let bench = Bench::new();
    let e = store(&bench.folder, u64::MAX).begin("arc_1").unwrap_err();
    assert!(e.class() == Class::Resource && e.to_string().contains("too little space"), "{e}");
    assert_eq!(bench.store.list().unwrap(), []);
}

#[test]
fn a_name_leads_nowhere_else() {
    let bench = Bench::new();
    for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0", ".x", "x.part", &"x".repeat(101), "ü"] {
        let found = Found { name: name.to_owned(), part: false, idle: 0 };
        assert!(
            bench.store.begin(name).is_err() && bench.store.open(name, 0, 0).is_err() && bench.store.remove(&found).is_err(),
            "{name:?}"
        );
    }
}
