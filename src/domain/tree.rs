//! Two trees side by side: what a restore brings back, changes and takes away.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What can be told of a file without reading it. A file whose size and time are the same is taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub kind: MarkKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// Nanoseconds since 1970; 0 for what is no file.
    pub modified: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    File,
    Link,
    Other,
}

/// Everything but directories, by path. One that would be too large is not made.
pub type Marks = BTreeMap<PathBuf, Mark>;

/// Paths of one kind: how many, and the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub count: u64,
    pub first: Vec<PathBuf>,
}

/// Paths named; the rest are counted.
const NAMED: usize = 5;

impl Named {
    fn add(&mut self, path: PathBuf) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(path);
        }
    }
}

/// What a restore does to a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// In the backup, not there now.
    pub back: Named,
    /// There in both, and not the same.
    pub changed: Named,
    /// There now, not in the backup.
    pub gone: Named,
}

impl Differences {
    pub fn between(live: &Marks, mut backup: Marks) -> Self {
        let mut all = Self::default();
        for (path, now) in live {
            match backup.remove(path) {
                Some(then) if then == *now => {}
                Some(_) => all.changed.add(path.clone()),
                None => all.gone.add(path.clone()),
            }
        }
        backup.into_keys().for_each(|path| all.back.add(path));
        all
    }
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_changes_or_goes_away() {
        let of = |files: &[(&str, u64)]| -> Marks {
            files.iter().map(|(path, size)| (path.into(), Mark { kind: MarkKind::File, size: *size, modified: 1 })).collect()
        };
        let d = Differences::between(&of(&[("a", 1), ("b", 2), ("c", 3)]), of(&[("a", 1), ("b", 5), ("d", 1)]));
        let one = |path: &str| Named { count: 1, first: vec![path.into()] };
        assert_eq!(d, Differences { back: one("d"), changed: one("b"), gone: one("c") });
        assert!(Differences::between(&of(&[("a", 1)]), of(&[("a", 1)])).is_none());
        let many: Vec<(String, u64)> = (0..9).map(|n| (format!("{n}"), 1)).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(p, n)| (p.as_str(), *n)).collect();
        let d = Differences::between(&Marks::new(), of(&many));
        assert_eq!((d.back.count, d.back.first.len()), (9, 5));
    }
}
