//! Two trees of files side by side: what is in one and not in the other, and what differs.
//!
//! Two trees are walked in step, folder by folder, in the order of their paths ([`Walk`]). A side that knows a folder's
//! content by a hash says so, and where both say the same nothing below is looked at: what did not change costs nothing. No
//! more than the folders on the way to one place are in memory; what is listed is a page, the rest is counted.

use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What names a content: the same where the content is the same.
pub type Hash = [u8; 32];

/// One of the things in a folder, as one side knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: Vec<u8>,
    pub kind: ItemKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// None for what is no file.
    pub modified: Option<Millis>,
    /// Of a file's content, or of where a link leads, where the side knows it. Otherwise a file whose size and time are
    /// the same is taken for the same.
    pub content: Option<Hash>,
    /// Of time, owner and mode, where the side knows them.
    pub meta: Option<Hash>,
    /// Of a folder with all that is in it.
    pub tree: Option<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Folder,
    File,
    Link,
    Other,
}

impl Item {
    fn is_folder(&self) -> bool {
        self.kind == ItemKind::Folder
    }
    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && match (self.content, other.content) {
                (Some(a), Some(b)) => a == b,
                _ => self.size == other.size && self.modified == other.modified,
            }
    }
    fn is_touched(&self, other: &Self) -> bool {
        self.meta.zip(other.meta).is_some_and(|(a, b)| a != b)
    }
}

/// One of two trees.
pub trait Side {
    /// What is in a folder, sorted by the bytes of the names; `path` is relative to the side's own root, and `folder` what
    /// the folder above it said of it. None where it cannot be read: then nothing is said of what is in it.
    ///
    /// # Errors
    /// Where the tree itself cannot be read: the comparison ends.
    fn list(&self, path: &Path, folder: Option<&Item>) -> Result<Option<Vec<Item>>>;
}

/// A tree with nothing in it.
#[derive(Debug)]
pub struct Nothing;

impl Side for Nothing {
    fn list(&self, _: &Path, _: Option<&Item>) -> Result<Option<Vec<Item>>> {
        Ok(Some(Vec::new()))
    }
}

/// Paths of one kind: how many, their bytes, and the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub count: u64,
    pub bytes: u64,
    pub first: Vec<PathBuf>,
}

/// Paths named; the rest are counted.
const NAMED: usize = 5;

/// What differs at one path; `before` or `after` is none where it is on one side alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub path: PathBuf,
    pub before: Option<Item>,
    pub after: Option<Item>,
}

/// What was found: counts of everything, and a page of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    pub added: Named,
    pub changed: Named,
    pub removed: Named,
    /// Those of the changed that are newer on the side of `after`.
    pub newer: u64,
    /// The newest of what was added or changed, as it is on the side of `after`.
    pub newest: Option<Millis>,
    /// The same content; another time, owner or mode.
    pub touched: u64,
    /// Folders that could not be read.
    pub unread: u64,
    /// It stopped early: there may be more of everything.
    pub stopped: bool,
    pub page: Vec<Difference>,
    /// There are more than the page holds.
    pub more: bool,
}

impl Differences {
    pub fn is_none(&self) -> bool {
        self.added.count + self.changed.count + self.removed.count == 0
    }

    fn note(&mut self, path: PathBuf, before: Option<Item>, after: Option<Item>, on_page: bool, most: usize) {
        let (named, of) = match (&before, &after) {
            (Some(_), Some(now)) => (&mut self.changed, now),
            (None, Some(now)) => (&mut self.added, now),
            (Some(then), None) => (&mut self.removed, then),
            (None, None) => return,
        };
        named.count += 1;
        named.bytes += of.size;
        if named.first.len() < NAMED {
            named.first.push(path.clone());
        }
        let (then, now) = (before.as_ref().and_then(|i| i.modified), after.as_ref().and_then(|i| i.modified));
        self.newer += u64::from(then.zip(now).is_some_and(|(then, now)| now > then));
        self.newest = self.newest.max(now);
        match on_page {
            true if self.page.len() < most => self.page.push(Difference { path, before, after }),
            true => self.more = true,
            false => {}
        }
    }
}

/// A comparison of two trees, or of several pairs of them one after the other.
#[derive(Debug)]
pub struct Walk {
    /// Where the page before ended.
    pub after: Option<PathBuf>,
    /// Paths on a page.
    pub most: usize,
    /// Nothing is said of these and of what is below them.
    pub except: BTreeSet<PathBuf>,
    /// Asks for an early end.
    pub watch: Watch,
    pub found: Differences,
}

/// Items of one name: of the side before, and of the side after.
type Pair = (Option<Item>, Option<Item>);

/// A folder that is walked, and what of it is left to be looked at, the next one last.
struct Level {
    path: PathBuf,
    left: Vec<Pair>,
}

/// More folders within folders than any file system of ours holds.
const DEEPEST: usize = 2000;

impl Walk {
    pub fn new(most: usize, watch: Watch) -> Self {
        Self { after: None, most, except: BTreeSet::new(), watch, found: Differences::default() }
    }

    /// Compares two trees; in what is found their root is called `root`.
    ///
    /// # Errors
    /// As the sides' own reading.
    pub fn run(&mut self, root: &Path, before: &dyn Side, after: &dyn Side) -> Result<()> {
        let mut open = vec![self.level(root, root, (before, after), (None, None), (true, true))?];
        while let Some(level) = open.last_mut() {
            if self.watch.is_cancelled() {
                self.found.stopped = true;
                return Ok(());
            }
            let Some((then, now)) = level.left.pop() else {
                open.pop();
                continue;
            };
            let path = level.path.join(OsStr::from_bytes(then.as_ref().or(now.as_ref()).map(|i| i.name.as_slice()).unwrap_or_default()));
            if self.except.contains(&path) {
                continue;
            }
            match (then, now) {
                (Some(a), Some(b)) if a.is_folder() && b.is_folder() => {
                    if a.tree.is_none() || a.tree != b.tree {
                        open.push(self.level(root, &path, (before, after), (Some(&a), Some(&b)), (true, true))?);
                    }
                }
                // A folder where a file was: the one is gone, the other is new.
                (Some(a), Some(b)) if a.is_folder() || b.is_folder() => level.left.extend([(None, Some(b)), (Some(a), None)]),
                (Some(a), None) if a.is_folder() => {
                    open.push(self.level(root, &path, (before, after), (Some(&a), None), (true, false))?);
                }
                (None, Some(b)) if b.is_folder() => {
                    open.push(self.level(root, &path, (before, after), (None, Some(&b)), (false, true))?);
                }
                (then, now) => self.pair(path, then, now),
            }
            if open.len() > DEEPEST {
                return Err(Error::damaged("folders lie in each other without an end"));
            }
        }
        Ok(())
    }

    fn pair(&mut self, path: PathBuf, then: Option<Item>, now: Option<Item>) {
        if let (Some(a), Some(b)) = (&then, &now)
            && a.is_same(b)
        {
            self.found.touched += u64::from(a.is_touched(b));
            return;
        }
        let on_page = self.after.as_ref().is_none_or(|after| path > *after);
        self.found.note(path, then, now, on_page, self.most);
    }

    /// Reads a folder on the sides that have it.
    fn level(
        &mut self,
        root: &Path,
        path: &Path,
        sides: (&dyn Side, &dyn Side),
        folders: (Option<&Item>, Option<&Item>),
        there: (bool, bool),
    ) -> Result<Level> {
        let relative = path.strip_prefix(root).unwrap_or(path);
        let then = if there.0 { sides.0.list(relative, folders.0)? } else { Some(Vec::new()) };
        let now = if there.1 { sides.1.list(relative, folders.1)? } else { Some(Vec::new()) };
        let left = match (then, now) {
            (Some(then), Some(now)) => paired(then, now),
            _ => {
                self.found.unread += 1;
                Vec::new()
            }
        };
        Ok(Level { path: path.to_owned(), left })
    }
}

/// Brings items of one name together, the last name first.
fn paired(then: Vec<Item>, now: Vec<Item>) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(then.len().max(now.len()));
    let (mut then, mut now) = (then.into_iter().rev().peekable(), now.into_iter().rev().peekable());
    loop {
        let order = match (then.peek(), now.peek()) {
            (Some(a), Some(b)) => a.name.cmp(&b.name),
            (Some(_), None) => std::cmp::Ordering::Greater,
            (None, Some(_)) => std::cmp::Ordering::Less,
            (None, None) => break,
        };
        pairs.push(match order {
            std::cmp::Ordering::Greater => (then.next(), None),
            std::cmp::Ordering::Less => (None, now.next()),
            std::cmp::Ordering::Equal => (then.next(), now.next()),
        });
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    /// A tree in memory: files by path with a content and a time. It counts how often it was asked.
    struct Fake {
        files: Vec<(&'static str, u8, i64)>,
        hashed: bool,
        asked: Cell<usize>,
    }

    fn fake(files: &[(&'static str, u8, i64)]) -> Fake {
        Fake { files: files.to_vec(), hashed: true, asked: Cell::new(0) }
    }

    impl Side for Fake {
        fn list(&self, path: &Path, _: Option<&Item>) -> Result<Option<Vec<Item>>> {
            self.asked.set(self.asked.get() + 1);
            if path.ends_with("closed") {
                return Ok(None);
            }
            let mut items: BTreeMap<Vec<u8>, Item> = BTreeMap::new();
            for (file, content, time) in &self.files {
                let Ok(below) = Path::new(file).strip_prefix(path) else { continue };
                let mut parts = below.components();
                let name = parts.next().unwrap().as_os_str().as_bytes().to_vec();
                let folder = parts.next().is_some();
                let hash = |n: u8| self.hashed.then_some([n; 32]);
                let item = items.entry(name.clone()).or_insert(Item {
                    name,
                    kind: if folder { ItemKind::Folder } else { ItemKind::File },
                    size: if folder { 0 } else { u64::from(*content) },
                    modified: (!folder).then_some(Millis(*time)),
                    content: if folder { None } else { hash(*content) },
                    meta: hash(*time as u8),
                    tree: folder.then(|| hash(0)).flatten(),
                });
                if let Some(tree) = &mut item.tree {
                    tree[usize::from(*content) % 32] = tree[usize::from(*content) % 32].wrapping_add(*content);
                    tree[31] = tree[31].wrapping_add(below.as_os_str().len() as u8 + *time as u8);
                }
            }
            Ok(Some(items.into_values().collect()))
        }
    }

    fn compared(before: &Fake, after: &Fake, change: impl FnOnce(&mut Walk)) -> Differences {
        let mut walk = Walk::new(100, Watch::new());
        change(&mut walk);
        walk.run(Path::new("files"), before, after).unwrap();
        walk.found
    }

    fn paths(found: &Differences) -> Vec<String> {
        let mark = |d: &Difference| match (&d.before, &d.after) {
            (Some(_), Some(_)) => '~',
            (None, _) => '+',
            (_, None) => '-',
        };
        found.page.iter().map(|d| format!("{}{}", mark(d), d.path.display())).collect()
    }

    #[test]
    fn what_was_added_changed_and_removed_is_named_in_the_order_of_its_path() {
        let before =
            fake(&[("a", 1, 1), ("b", 2, 1), ("d/x", 3, 1), ("gone/in/deep", 4, 1), ("same/y", 5, 1), ("turn", 6, 1), ("u", 7, 1)]);
        let after = fake(&[("a", 1, 1), ("b", 9, 5), ("d/x", 3, 1), ("d/z", 8, 2), ("same/y", 5, 1), ("turn/into", 6, 1), ("u", 7, 2)]);
        let found = compared(&before, &after, |_| {});
        assert_eq!(paths(&found), ["~files/b", "+files/d/z", "-files/gone/in/deep", "-files/turn", "+files/turn/into"]);
        assert_eq!((found.added.count, found.added.bytes, found.removed.count, found.removed.bytes), (2, 14, 2, 10));
        assert_eq!((found.changed.count, found.changed.bytes, found.newer, found.touched), (1, 9, 1, 1));
        assert_eq!((found.newest, found.stopped, found.more), (Some(Millis(5)), false, false));
        assert!(compared(&before, &before, |_| {}).is_none());
    }

    #[test]
    fn what_is_equal_is_not_entered_and_what_is_left_out_not_told() {
        let before = fake(&[("a/1", 1, 1), ("a/deep/2", 2, 1), ("b/3", 3, 1)]);
        let after = fake(&[("a/1", 1, 1), ("a/deep/2", 2, 1), ("b/3", 4, 1)]);
        let found = compared(&before, &after, |_| {});
        assert_eq!((paths(&found), before.asked.get()), (vec!["~files/b/3".to_owned()], 2), "the root and the folder b");
        let found = compared(&before, &after, |walk| walk.except = [PathBuf::from("files/b")].into());
        assert!(found.is_none() && found.page.is_empty());
        let closed = fake(&[("closed/1", 1, 1), ("x", 1, 1)]);
        let found = compared(&closed, &fake(&[("closed/2", 2, 1), ("x", 1, 1)]), |_| {});
        assert_eq!((found.is_none(), found.unread), (true, 1));
    }

    #[test]
    fn without_a_hash_a_file_of_the_same_size_and_time_is_the_same() {
        let (before, mut live) = (fake(&[("a", 1, 1), ("b", 2, 1), ("c", 3, 9)]), fake(&[("a", 1, 1), ("b", 2, 7), ("c", 3, 2)]));
        live.hashed = false;
        let found = compared(&before, &live, |_| {});
        assert_eq!((paths(&found), found.newer), (vec!["~files/b".to_owned(), "~files/c".to_owned()], 1));
    }

    #[test]
    fn a_page_ends_where_the_next_one_begins_and_everything_is_counted_on_each() {
        let names = ["a", "a-b", "a.txt", "a/x", "a/y/z", "b", "c"];
        let all: Vec<(&'static str, u8, i64)> = names.iter().filter(|n| **n != "a").map(|n| (*n, 1, 1)).collect();
        let after = fake(&all);
        let (mut seen, mut mark) = (Vec::new(), None);
        loop {
            let found = compared(&fake(&[]), &after, |walk| (walk.most, walk.after) = (2, mark.clone()));
            assert_eq!(found.added.count, 6);
            seen.extend(found.page.iter().map(|d| d.path.display().to_string()));
            mark = found.page.last().map(|d| d.path.clone());
            if !found.more {
                break;
            }
        }
        assert_eq!(seen, ["files/a/x", "files/a/y/z", "files/a-b", "files/a.txt", "files/b", "files/c"], "each once");
        let watch = Watch::new();
        watch.cancel();
        assert!(compared(&fake(&[]), &after, |walk| walk.watch = watch).stopped);
        let found = compared(&fake(&[]), &after, |_| {});
        assert_eq!(found.added.first.len(), NAMED);
    }
}
