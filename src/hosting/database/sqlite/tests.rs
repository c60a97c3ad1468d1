//! On real files, with other connections at work.

use super::super::{Database, Dumping};
use super::*;
use crate::base::chance;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

struct Room {
    dir: PathBuf,
    db: Sqlite,
}

impl Room {
    /// A directory and a database in it that belong to somebody else than us, where we are root.
    fn new(journal: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sitekeep-sqlite-{}", chance::word(8)));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("my db%?.sqlite");
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
        }
        Identity::of_path(&dir).unwrap().act(|| {
            let c = Connection::open(&path).unwrap();
            c.execute_batch(&format!(
                "pragma journal_mode={journal}; create table a (x); create table \"odd \"\"name\" (x); create virtual table v using fts5(t); \
                 insert into a select value from json_each('[1,2,3]'); insert into v values ('text');"
            ))
            .unwrap();
        });
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        Self { dir, db: Sqlite::new(path) }
    }
    fn act<T>(&self, f: impl FnOnce() -> T) -> T {
        Identity::of_path(&self.dir).unwrap().act(f)
    }
    fn open(&self) -> Connection {
        self.act(|| {
            let c = Connection::open(&self.db.path).unwrap();
            c.query_row("select count(*) from a", [], |_| Ok(())).unwrap();
            c
        })
    }
    fn add(&self, c: &Connection) {
        self.act(|| c.execute("insert into a values ('added')", []).unwrap());
    }
    fn image(&self) -> (Vec<u8>, DumpFacts) {
        let Dumping { mut reader, finish, form } = self.db.dump(&Scope::default()).unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(form, Form::Image { size: bytes.len() as u64 });
        (bytes, finish().unwrap())
    }
    fn rows(&self) -> u64 {
        self.db.counts().unwrap()["a"]
    }
    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn an_image_is_one_view_while_the_site_writes() {
    for journal in ["wal", "delete"] {
        let room = Room::new(journal);
        let site = room.open();
        let Dumping { mut reader, finish, .. } = room.db.dump(&Scope::default()).unwrap();
        let mut bytes = vec![0; 1];
        reader.read_exact(&mut bytes).unwrap();
        if journal == "wal" {
            for _ in 0..3000 {
                room.add(&site);
            }
        }
        reader.read_to_end(&mut bytes).unwrap();
        drop(reader);
        assert_eq!(finish().unwrap().bytes, bytes.len() as u64);
        room.add(&site);
        let (staged, secret) = room.db.stage("rst_1", None).unwrap();
        room.db.import(&staged, &secret, &mut bytes.as_slice(), &Watch::new()).unwrap();
        assert_eq!(room.db.staged_counts(&staged, &secret).unwrap()["a"], 3);
    }
}

#[test]
fn a_switch_is_exact_and_so_is_the_way_back() {
    for (journal, connected) in [("wal", false), ("wal", true), ("delete", false), ("delete", true)] {
        let room = Room::new(journal);
        let (image, facts) = room.image();
        assert!(facts.tables >= 3);
        let mut site = Some(room.open());
        for _ in 0..10 {
            room.add(site.as_ref().unwrap());
        }
        if !connected {
            site = None;
        }
        let (staged, secret) = room.db.stage("rst_1", None).unwrap();
        room.db.import(&staged, &secret, &mut image.as_slice(), &Watch::new()).unwrap();
        let Means::File { staged: path, .. } = &staged.means else { panic!() };
        let (meta, live) = (std::fs::metadata(path).unwrap(), std::fs::metadata(&room.db.path).unwrap());
        assert_eq!((meta.uid(), meta.gid(), meta.mode()), (live.uid(), live.gid(), live.mode()));
        for _ in 0..2 {
            assert!(!room.db.is_switched(&staged).unwrap());
            room.db.switch(&staged).unwrap();
            room.db.switch(&staged).unwrap();
            assert!(room.db.is_switched(&staged).unwrap());
            assert_eq!((room.rows(), room.db.staged_counts(&staged, &secret).unwrap()["a"]), (3, 3), "{journal} {connected}");
            if let Some(site) = site.take() {
                // An old connection that closes must not take the new file's log along.
                let new = room.open();
                room.add(&new);
                room.act(|| drop(site));
                room.act(|| new.execute("delete from a where x='added'", []).unwrap());
                room.act(|| drop(new));
                assert_eq!(room.rows(), 3);
            }
            room.db.switch_back(&staged).unwrap();
            room.db.switch_back(&staged).unwrap();
            assert_eq!(room.rows(), 13, "{journal} {connected}");
        }
        room.db.switch(&staged).unwrap();
        room.db.discard(&staged, None).unwrap();
        room.db.discard(&staged, None).unwrap();
        assert_eq!(room.rows(), 3);
        assert_eq!(room.files().iter().filter(|f| f.starts_with(".sitekeep")).count(), 0);
        let check: String = room.act(|| room.open().query_row("pragma integrity_check", [], |r| r.get(0)).unwrap());
        assert_eq!(check, "ok");
    }
}

#[test]
fn what_an_old_connection_wrote_to_the_old_file_is_there_after_the_way_back() {
    let room = Room::new("wal");
    let (image, _) = room.image();
    let site = room.open();
    let (staged, secret) = room.db.stage("rst_1", None).unwrap();
    room.db.import(&staged, &secret, &mut image.as_slice(), &Watch::new()).unwrap();
    room.db.switch(&staged).unwrap();
    let new = room.open();
    room.add(&site);
    room.add(&site);
    assert_eq!(room.rows(), 3, "the new file never sees it");
    room.add(&new);
    room.db.switch_back(&staged).unwrap();
    assert_eq!(room.rows(), 5);
    room.add(&site);
    room.add(&room.open());
    assert_eq!(room.rows(), 7, "old and new connections know each other again");
}

#[test]
fn a_database_that_is_gone_can_be_brought_back_and_taken_away_again() {
    let room = Room::new("delete");
    let (image, _) = room.image();
    std::fs::remove_file(&room.db.path).unwrap();
    let (staged, secret) = room.db.stage("rst_1", None).unwrap();
    room.db.import(&staged, &secret, &mut image.as_slice(), &Watch::new()).unwrap();
    room.db.switch(&staged).unwrap();
    assert_eq!(room.rows(), 3);
    room.db.switch_back(&staged).unwrap();
    assert!(!room.db.path.exists());
    room.db.switch(&staged).unwrap();
    assert_eq!(room.rows(), 3);
}

#[test]
fn a_damaged_image_is_refused_and_the_live_file_untouched() {
    let room = Room::new("wal");
    let (image, _) = room.image();
    let (staged, secret) = room.db.stage("rst_1", None).unwrap();
    let mut flipped = image.clone();
    for byte in &mut flipped[image.len() - 4000..] {
        *byte ^= 0x55;
    }
    for bad in [&image[..image.len() - 4096], &image[..1000], b"<html>not found</html>", &flipped] {
        let error = room.db.import(&staged, &secret, &mut &*bad, &Watch::new()).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "{error}");
    }
    room.db.import(&staged, &secret, &mut image.as_slice(), &Watch::new()).unwrap();
    assert_eq!(room.rows(), 3);
    let stop = Watch::new();
    stop.cancel();
    assert_eq!(room.db.import(&staged, &secret, &mut image.as_slice(), &stop).unwrap_err().class(), Class::Cancelled);
}

#[test]
fn a_link_in_the_place_of_the_database_leads_nowhere() {
    let room = Room::new("delete");
    let target = room.dir.join("elsewhere.sqlite");
    std::fs::rename(&room.db.path, &target).unwrap();
    std::os::unix::fs::symlink(&target, &room.db.path).unwrap();
    assert!(room.db.check().is_err());
    assert!(room.db.dump(&Scope::default()).is_err());
    std::fs::remove_file(&room.db.path).unwrap();
    std::fs::write(&room.db.path, "not a database, but longer than a hundred bytes: ".repeat(40)).unwrap();
    assert!(room.db.check().unwrap_err().to_string().contains("not a"), "{:?}", room.db.check());
}

#[test]
fn a_database_that_is_left_alone_is_told_from_one_in_use() {
    let room = Room::new("wal");
    assert!(room.db.fence(None).unwrap().complete);
    let site = room.open();
    let fenced = room.db.fence(None).unwrap();
    assert!(!fenced.complete && fenced.note.contains("reload"), "{fenced:?}");
    room.add(&site);
    assert_eq!(room.rows(), 4);
}
